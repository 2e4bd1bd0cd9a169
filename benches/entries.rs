//! What an entry costs beside its bytes: 1,000,000 empty objects in one live archive, and as many of one byte as the time
//! allows, over loopback.
//!
//! The same archive is made in the same run by the library alone (names, records and directory, without a store and
//! without sockets) and by async_zip, whose writer has no listing to read either. The first must be, byte for byte, what
//! was downloaded; what the server takes longer is the listing, HTTP, and for objects of one byte a request each. Empty
//! objects must not be asked for at all. `--quick` takes fewer and leaves aside what only shows with many.

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use async_zip::base::write::ZipFileWriter;
use async_zip::{Compression, ZipEntryBuilder};
use bytes::BytesMut;
use crc32fast::Hasher;
use sheaf::archive::{Directory, Entry, Layout, Namer};

#[allow(dead_code, reason = "benches share it, and each uses a part")]
mod rig;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

use rig::Plan;
use support::server::Server;

/// What an entry may cost in memory beside its name, in bytes.
const COST: f64 = 100.0;

/// From so many entries on their memory is more than what lies around it.
const MANY: u64 = 500_000;

fn main() -> Result<()> {
    let Some(quick) = rig::other_part()? else {
        return Ok(());
    };
    let counts = if quick {
        [20_000, 1_000]
    } else {
        [1_000_000, 100_000]
    };
    let runtime = rig::runtime()?;
    for (size, objects) in [0, 1].into_iter().zip(counts) {
        runtime.block_on(run(objects, size))?;
    }
    Ok(())
}

async fn run(objects: u64, size: u64) -> Result<()> {
    let plan = Plan::Same { objects, size };
    let store = rig::start_store(plan, Duration::ZERO)?;
    let mut server = Server::over(store.line.trim());
    let url = format!("{}/v1/zip?include=*&prefix=run/", server.url);
    // Ten of them, so that what is made once is there.
    rig::download(&format!("{url}00000"), io::sink()).await?;
    let id = server.process().child().id();
    let (asked, idle) = (gets(&server).await?, server.process().peak_resident()?);

    let cpu = rig::cpu_seconds(id)?;
    let mut came = Summed::default();
    let archive = rig::download(&url, &mut came).await?;
    let cpu = rig::cpu_seconds(id)? - cpu;
    archive.check_end()?;
    let grown = server.process().peak_resident()?.saturating_sub(idle);
    let asked = gets(&server).await? - asked;
    let wanted = if size == 0 { 0 } else { objects };
    ensure!(asked == wanted, "{asked} reads instead of {wanted}");

    let start = Instant::now();
    let (made, names) = made(plan);
    let alone = start.elapsed();
    ensure!(
        (made.bytes, made.hasher.clone().finalize()) == (came.bytes, came.hasher.finalize()),
        "the archive is not what its rows make"
    );
    let start = Instant::now();
    by_async_zip(plan).await?;
    let other = start.elapsed();

    let each = |time: Duration| objects as f64 / time.as_secs_f64();
    println!(
        "{objects} entries of {size} bytes: {:.0} a second",
        each(archive.time)
    );
    println!(
        "  {:.1} µs of processor time each, {} reads; {:.1} times as long as records alone, {:.1} times as async_zip",
        cpu * 1e6 / objects as f64,
        asked,
        archive.time.as_secs_f64() / alone.as_secs_f64(),
        archive.time.as_secs_f64() / other.as_secs_f64(),
    );
    let name = names as f64 / objects as f64;
    let cost = grown as f64 / objects as f64 - name;
    println!("  {cost:.0} bytes of memory each, and {name:.0} for the name");
    ensure!(objects < MANY || cost <= COST, "an entry costs too much");
    Ok(())
}

/// The archive as its rows make it, and the bytes of its names.
fn made(plan: Plan) -> (Summed, u64) {
    let (mut namer, mut layout) = (Namer::new("run/"), Layout::new());
    let (mut crc32s, mut out) = (Vec::new(), BytesMut::new());
    let (mut sum, mut names) = (Summed::default(), 0);
    for object in plan.objects() {
        let name = namer.name(&object.key);
        names += name.as_str().len() as u64;
        let index = layout.push(Entry {
            name,
            size: object.size(),
            modified: object.last_modified,
            crc32: None,
        });
        let crc32 = object.content.crc32(0..object.size());
        layout.put_local_header(index, crc32, &mut out);
        out.extend_from_slice(&object.content.slice(0..object.size()));
        layout.put_descriptor(index, crc32, &mut out);
        crc32s.push(crc32);
        if out.len() > 64 * 1024 {
            sum.add(&out);
            out.clear();
        }
    }
    sum.add(&out);
    let mut directory = Directory::new();
    while let Some(frame) = directory.next(&layout, |index| crc32s[index]) {
        sum.add(&frame);
    }
    (sum, names)
}

/// The same entries, written by async_zip.
async fn by_async_zip(plan: Plan) -> Result<()> {
    let mut writer = ZipFileWriter::with_tokio(tokio::io::sink());
    for object in plan.objects() {
        let name = object.key["run/".len()..].to_owned();
        let entry = ZipEntryBuilder::new(name.into(), Compression::Stored);
        let data = object.content.slice(0..object.size());
        writer.write_entry_whole(entry, &data).await?;
    }
    writer.close().await?;
    Ok(())
}

/// How many reads of objects the server has asked for.
async fn gets(server: &Server) -> Result<u64> {
    let answer = server.get("/metrics").await;
    let counted = String::from_utf8(answer.body.to_vec())?;
    let series = "sheaf_store_requests_total{operation=\"GetObject\"} ";
    let mut lines = counted.lines();
    let value = lines.find_map(|line| line.strip_prefix(series));
    value.map_or(Ok(0), |value| value.parse().context(series))
}

/// The length and the CRC-32 of what is written.
#[derive(Default)]
struct Summed {
    bytes: u64,
    hasher: Hasher,
}

impl Summed {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hasher.update(bytes);
    }
}

impl io::Write for &mut Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
