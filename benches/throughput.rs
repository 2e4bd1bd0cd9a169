//! How fast bytes pass through: an archive over loopback, beside a plain HTTP proxy of the same bytes in the same run.
//!
//! The proxy does the least that is possible: it reads objects one after the other over one connection and passes their
//! frames on, without hashing them. `--quick` takes less and checks every file of an archive.
//!
//! What sheaf's own requests for objects brought, on a machine of two cores that was busy with other things, where only
//! processor time says something (the least of three or four downloads): 64 KiB objects 110 µs each with a window that
//! grew without need, 54 to 76 µs with one that does not; an object of 2 GiB 0.65 CPU s/GB with blocks from the
//! allocator, 0.45 with blocks that are used again; the proxy 0.2. Most of the rest is the system's copying from and to
//! sockets, from one core's cache to the other's: the proxy has one thread.

use std::fs::File;
use std::io;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

#[allow(dead_code, reason = "benches share it, and each uses a part")]
mod rig;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

use rig::{Download, MIB, Plan};
use support::readers::Reader;
use support::server::Server;
use support::walk::{Contents, Held, difference};

/// Each side has as many runs, by turns; the fastest counts, as everything else on the machine only makes them slower.
const RUNS: usize = 3;

fn main() -> Result<()> {
    let Some(quick) = rig::other_part()? else {
        return Ok(());
    };
    let same = |objects, size| Plan::Same { objects, size };
    let plans = if quick {
        vec![
            ("one large object", same(1, 64 * MIB)),
            ("a mix of PDFs", Plan::Pdfs { objects: 100 }),
        ]
    } else {
        vec![
            ("1 object of 2 GiB", same(1, 2048 * MIB)),
            ("8 objects of 256 MiB", same(8, 256 * MIB)),
            ("20,000 objects of 64 KiB", same(20_000, 64 * 1024)),
            ("5,000 PDFs, median 200 kB", Plan::Pdfs { objects: 5000 }),
        ]
    };
    let runtime = rig::runtime()?;
    for (name, plan) in plans {
        runtime.block_on(run(name, plan, quick))?;
    }
    runtime.block_on(deflated(if quick { 16 } else { 256 }, quick))
}

/// How fast text is deflated on its way, beside the same text stored in the same run.
async fn deflated(mib: usize, quick: bool) -> Result<()> {
    let mut text = Vec::with_capacity(mib * MIB as usize + 64);
    for row in 0_u64.. {
        if text.len() >= mib * MIB as usize {
            break;
        }
        text.extend(format!("{row},{},a row of a table\n", row * row % 9973).into_bytes());
    }
    let server = Server::local();
    server.drop_in("run/table.csv", &text);
    let url = format!("{}/v1/zip?prefix=run/&include=*&method=", server.url);
    let mut best: [Option<Download>; 2] = [None, None];
    for _ in 0..if quick { 1 } else { RUNS } {
        for (best, method) in best.iter_mut().zip(["store", "deflate"]) {
            let archive = rig::download(&format!("{url}{method}"), io::sink()).await?;
            archive.check_end()?;
            if best.as_ref().is_none_or(|best| archive.time < best.time) {
                *best = Some(archive);
            }
        }
    }
    let [Some(stored), Some(deflated)] = best else {
        bail!("there were no runs");
    };
    ensure!(deflated.bytes * 2 < stored.bytes, "text becomes shorter");
    let rate = |archive: &Download| text.len() as f64 / 1e6 / archive.time.as_secs_f64();
    println!(
        "{mib} MiB of text: stored {:.0} MB/s, deflated {:.0} MB/s   {:.2} of the rate, {:.2} of the length",
        rate(&stored),
        rate(&deflated),
        rate(&deflated) / rate(&stored),
        deflated.bytes as f64 / stored.bytes as f64
    );
    Ok(())
}

/// The best of some downloads, and the processor time of one on average.
struct Measured {
    best: Download,
    cpu: f64,
}

impl Measured {
    fn print(&self, name: &str, than: Option<&Measured>) {
        let rate = self.best.rate();
        let cpu = self.cpu / (self.best.bytes as f64 / 1e9);
        let seconds = self.best.time.as_secs_f64();
        print!("  {name:<8} {seconds:7.2} s {rate:7.0} MB/s {cpu:6.2} CPU s/GB");
        match than {
            Some(than) => println!("   {:.2} of the proxy's rate", rate / than.best.rate()),
            None => println!(),
        }
    }
}

async fn run(name: &str, plan: Plan, checked: bool) -> Result<()> {
    let store = rig::start_store(plan, Duration::ZERO)?;
    let endpoint = store.line.trim();
    let mut proxy = rig::start_proxy(endpoint, plan)?;
    let mut server = Server::over(endpoint);
    let proxy_url = proxy.line.trim().to_owned();
    let url = format!("{}/v1/zip?prefix=run/&include=*", server.url);
    let (proxy_id, server_id) = (proxy.child().id(), server.process().child().id());
    if checked {
        check(plan, &url).await?;
    }
    let runs = if checked { 1 } else { RUNS };
    let mut results = Vec::new();
    let before = [rig::cpu_seconds(proxy_id)?, rig::cpu_seconds(server_id)?];
    for _ in 0..runs {
        let plain = rig::download(&proxy_url, io::sink()).await?;
        ensure!(plain.bytes == plan.bytes(), "the proxy lost bytes");
        let archive = rig::download(&url, io::sink()).await?;
        archive.check_end()?;
        ensure!(archive.bytes > plan.bytes());
        results.push([plain, archive]);
    }
    let after = [rig::cpu_seconds(proxy_id)?, rig::cpu_seconds(server_id)?];
    let measured = |side: usize| {
        let best = results.iter().map(|run| &run[side]).min_by_key(|d| d.time);
        best.map(|best| Measured {
            best: best.clone(),
            cpu: (after[side] - before[side]) / runs as f64,
        })
    };
    let (Some(plain), Some(archive)) = (measured(0), measured(1)) else {
        bail!("there were no runs");
    };
    println!("{name}: {:.0} MB", plan.bytes() as f64 / 1e6);
    plain.print("proxy", None);
    archive.print("sheaf", Some(&plain));
    Ok(())
}

/// Reads every file of the archive back.
async fn check(plan: Plan, url: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("run.zip");
    rig::download(url, File::create(&path)?).await?;
    let expected: Contents = plan
        .objects()
        .map(|object| (object.key["run/".len()..].to_owned(), Held::object(&object)))
        .collect();
    match difference(&expected, &Reader::AsyncZip.read(&path)?) {
        Some(difference) => bail!("the archive is not what was asked for:\n{difference}"),
        None => Ok(()),
    }
}
