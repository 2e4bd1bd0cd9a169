//! What one live archive costs: the server's peak resident memory and its throughput, beside a plain GET of the same
//! bytes from the same store in the same run.
//!
//! The store, the server and this client are three processes, so that neither the store's memory nor the client's time
//! counts as the server's. `--quick` takes less and checks that every file of the archive is right.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use http_body_util::BodyExt;

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

use support::client;
use support::process::Started;
use support::readers::Reader;
use support::server::Server;
use support::synthetic::object::SyntheticObject;
use support::synthetic::{Options, Synthetic};
use support::walk::{Contents, Held, difference};

const MIB: u64 = 1 << 20;

/// The end of central directory record, APPNOTE 4.3.16: its length without a comment, and its signature.
const END_LENGTH: usize = 22;
const END_SIGNATURE: &[u8] = b"PK\x05\x06";

/// The objects of one run.
#[derive(Clone, Copy)]
struct Plan {
    objects: u64,
    size: u64,
}

impl Plan {
    const FULL: Plan = Plan {
        objects: 8,
        size: 128 * MIB,
    };
    const QUICK: Plan = Plan {
        objects: 16,
        size: 4 * MIB,
    };

    fn objects(self) -> impl Iterator<Item = SyntheticObject> {
        (0..self.objects).map(move |n| SyntheticObject::new(format!("run/{n:04}.pdf"), self.size))
    }

    fn bytes(self) -> u64 {
        self.objects * self.size
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => runtime.block_on(run(Plan::FULL, false)),
        ["--quick"] => runtime.block_on(run(Plan::QUICK, true)),
        ["store", objects, size] => runtime.block_on(store(Plan {
            objects: objects.parse()?,
            size: size.parse()?,
        })),
        _ => bail!("usage: memory [--quick]"),
    }
}

/// The store's process: it prints its endpoint, and ends with its standard input.
async fn store(plan: Plan) -> Result<()> {
    let store = Synthetic::start(plan.objects(), Options::default()).await;
    println!("{}", store.endpoint());
    tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

/// What came, and how long it took from the request to the last byte.
struct Passed {
    bytes: u64,
    time: Duration,
    end: Vec<u8>,
}

impl Passed {
    fn megabytes_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.time.as_secs_f64()
    }
}

/// GETs `url` and writes what comes to `to`.
async fn pass(url: &str, mut to: impl Write) -> Result<Passed> {
    let start = Instant::now();
    let answer = client::open("GET", url, &[]).await?;
    ensure!(answer.status() == 200, "{url} answered {}", answer.status());
    let mut body = answer.into_body();
    let mut passed = Passed {
        bytes: 0,
        time: Duration::ZERO,
        end: Vec::new(),
    };
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        passed.bytes += data.len() as u64;
        passed
            .end
            .extend_from_slice(&data[data.len().saturating_sub(END_LENGTH)..]);
        passed
            .end
            .drain(..passed.end.len().saturating_sub(END_LENGTH));
        to.write_all(&data)?;
    }
    passed.time = start.elapsed();
    Ok(passed)
}

async fn run(plan: Plan, checked: bool) -> Result<()> {
    let this = env::current_exe()?;
    let numbers = [plan.objects, plan.size].map(|number| number.to_string());
    let store = Started::new(Command::new(this).arg("store").args(numbers))?;
    let endpoint = store.line.trim();

    let home = tempfile::tempdir()?;
    let mut server = Server::over(endpoint);
    let listening = server.url.clone();
    let idle = server.process().peak_resident()?;

    let mut plain = Passed {
        bytes: 0,
        time: Duration::ZERO,
        end: Vec::new(),
    };
    for object in plan.objects() {
        let one = pass(&format!("{endpoint}/bench/{}", object.key), io::sink()).await?;
        plain.bytes += one.bytes;
        plain.time += one.time;
    }
    ensure!(
        plain.bytes == plan.bytes(),
        "the store sent {} bytes",
        plain.bytes
    );

    let archive = home.path().join("run.zip");
    let url = format!("{listening}/v1/zip?prefix=run/&include=*");
    let live = if checked {
        pass(&url, File::create(&archive)?).await?
    } else {
        pass(&url, io::sink()).await?
    };
    let peak = server.process().peak_resident()?;
    ensure!(
        live.bytes > plan.bytes(),
        "the archive has {} bytes, less than its files",
        live.bytes
    );
    ensure!(
        live.end.starts_with(END_SIGNATURE),
        "the archive has no end of central directory"
    );
    if checked {
        let expected: Contents = plan
            .objects()
            .map(|object| (object.key["run/".len()..].to_owned(), Held::object(&object)))
            .collect();
        let found = Reader::AsyncZip.read(&archive)?;
        if let Some(difference) = difference(&expected, &found) {
            bail!("the archive is not what was asked for:\n{difference}");
        }
    }

    let (plain_rate, live_rate) = (plain.megabytes_per_second(), live.megabytes_per_second());
    println!(
        "one live archive of {} objects, {} MiB each",
        plan.objects,
        plan.size / MIB
    );
    println!(
        "  plain GETs     {:7.2} s {plain_rate:8.0} MB/s",
        plain.time.as_secs_f64()
    );
    println!(
        "  live archive   {:7.2} s {live_rate:8.0} MB/s   {:.2} of the plain GETs",
        live.time.as_secs_f64(),
        live_rate / plain_rate
    );
    let mebibytes = |bytes: u64| bytes as f64 / MIB as f64;
    println!(
        "  peak resident  {:7.1} MiB, {:.1} MiB before the first request",
        mebibytes(peak),
        mebibytes(idle)
    );
    Ok(())
}
