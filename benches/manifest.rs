//! What one manifest of many keys costs: its time beside that of the listing alone, from the same store in the same
//! run, and the server's peak resident memory, which must stay below [`MOST`].
//!
//! The store, the server and this client are three processes, so that neither the store's memory nor the client's time
//! counts as the server's. `--quick` takes fewer keys; the lines are checked in either case.

use std::env;
use std::io::{self, Read};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::TryStreamExt;
use http_body_util::BodyExt;
use serde_json::Value;
use sheaf::store::{Bucket, Identity, Store, StoreOptions};

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

use support::process::Started;
use support::server::Server;
use support::synthetic::object::SyntheticObject;
use support::synthetic::{Options, Synthetic};
use support::{client, sdk};

const MIB: u64 = 1 << 20;

/// What the server may have resident at any time.
const MOST: u64 = 128 * MIB;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

const FULL: u64 = 1_000_000;
const QUICK: u64 = 20_000;

/// Bytes of each object.
const SIZE: u64 = 100_000;

fn key(number: u64) -> String {
    format!("run/{:03}/report {number:07} of 2024.pdf", number / 1000)
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
        [] => runtime.block_on(run(FULL)),
        ["--quick"] => runtime.block_on(run(QUICK)),
        ["store", keys] => runtime.block_on(store(keys.parse()?)),
        _ => bail!("usage: manifest [--quick]"),
    }
}

/// The store's process: it prints its endpoint, and ends with its standard input.
async fn store(keys: u64) -> Result<()> {
    let objects = (0..keys).map(|number| SyntheticObject::new(key(number), SIZE));
    let store = Synthetic::start(objects, Options::default()).await;
    println!("{}", store.endpoint());
    tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

async fn run(keys: u64) -> Result<()> {
    let this = env::current_exe()?;
    let store = Started::new(Command::new(this).args(["store", &keys.to_string()]))?;
    let endpoint = store.line.trim();
    let mut server = Server::over(endpoint);
    let idle = server.process().peak_resident()?;

    let listing = list(endpoint, keys).await?;

    let start = Instant::now();
    let url = format!("{}/v1/manifests", server.url);
    let answer = client::fetch_with("POST", &url, &JSON, r#"{"prefix":"run/"}"#).await?;
    let manifest = start.elapsed();
    let peak = server.process().peak_resident()?;
    ensure!(
        answer.status == 201,
        "{}: {}",
        answer.status,
        String::from_utf8_lossy(&answer.body)
    );
    let published: Value = serde_json::from_slice(&answer.body)?;
    ensure!(published["count"] == keys, "{published}");
    let manifest_key = published["manifest_key"]
        .as_str()
        .context("no manifest_key")?;
    let bytes = check(&format!("{endpoint}/bench/{manifest_key}"), keys).await?;

    let rate = |time: Duration| keys as f64 / time.as_secs_f64();
    println!("one manifest of {keys} keys, {} MB", bytes / 1_000_000);
    println!(
        "  listing alone  {:7.2} s {:8.0} keys/s",
        listing.as_secs_f64(),
        rate(listing)
    );
    println!(
        "  manifest       {:7.2} s {:8.0} keys/s   {:.2} of the listing alone",
        manifest.as_secs_f64(),
        rate(manifest),
        rate(manifest) / rate(listing)
    );
    let mebibytes = |bytes: u64| bytes as f64 / MIB as f64;
    println!(
        "  peak resident  {:7.1} MiB, {:.1} MiB before the first request",
        mebibytes(peak),
        mebibytes(idle)
    );
    ensure!(
        peak < MOST,
        "more than {} MiB were resident",
        mebibytes(MOST)
    );
    Ok(())
}

/// How long the same listing takes where nothing is made of it.
async fn list(endpoint: &str, keys: u64) -> Result<Duration> {
    let options = StoreOptions {
        endpoint: Some(endpoint.to_owned()),
        identity: Identity::Keys(sdk::credentials("test", "test")),
        ..StoreOptions::default()
    };
    let store = Store::connect(&options).await?;
    let bucket = Bucket::new("bench")?;
    let start = Instant::now();
    let listed = store
        .list(&bucket, "run/")
        .try_fold(0, |sum, page| async move { Ok(sum + page.len() as u64) })
        .await?;
    ensure!(listed == keys, "{listed} keys were listed");
    Ok(start.elapsed())
}

/// Reads the manifest line by line: every key once, in order, with a URL of its own. Returns its length.
async fn check(url: &str, keys: u64) -> Result<u64> {
    let answer = client::open("GET", url, &[]).await?;
    ensure!(answer.status() == 200, "{url} answered {}", answer.status());
    let mut body = answer.into_body();
    let (mut line, mut number, mut bytes) = (Vec::new(), 0, 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        bytes += data.len() as u64;
        for piece in data.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(piece);
            if line.ends_with(b"\n") {
                check_line(&line, number)?;
                line.clear();
                number += 1;
            }
        }
    }
    ensure!(line.is_empty(), "the last line is cut off");
    ensure!(number == keys, "{number} lines");
    Ok(bytes)
}

fn check_line(line: &[u8], number: u64) -> Result<()> {
    let row: Value = serde_json::from_slice(line)?;
    let url = row["url"].as_str().context("no url")?;
    let name = format!("report%20{number:07}%20of%202024.pdf?");
    ensure!(
        row["key"] == key(number)
            && row["size"] == SIZE
            && url.contains(&name)
            && url.contains("X-Amz-Signature="),
        "line {number} is {row}"
    );
    Ok(())
}
