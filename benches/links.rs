//! What a link costs: freezing many objects beside listing them alone, and a range far into a large archive beside one
//! at its start.
//!
//! The server is a process of its own; the scripted store and the client are this one, so that the store's bytes can be
//! counted. The archive has 100 GiB in 100,000 entries, of which none is ever read whole. Each range is asked for
//! [`ROUNDS`] times, start and far end in turn, and medians are compared. `--quick` takes a twentieth of the entries.
//! Every run checks that a range costs the store its own bytes and at most one piece: the far one begins within an entry
//! whose descriptor tells a CRC-32, so that one object is hashed, once. Times decide nothing.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use sheaf::read_ahead::window::LARGEST_PIECE;
use sheaf::store::Bucket;

#[allow(dead_code, reason = "benches share it, and each uses a part")]
mod rig;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

use rig::MIB;
use support::client;
use support::server::Server;
use support::synthetic::object::SyntheticObject;
use support::synthetic::{Options, Synthetic};

const FULL: u64 = 100_000;
const QUICK: u64 = 5_000;

/// Bytes of each object: 100,000 of them are 100 GiB.
const SIZE: u64 = (100 << 30) / FULL;

/// Bytes of each range.
const RANGE: u64 = 16 * MIB;

const ROUNDS: usize = 9;

fn main() -> Result<()> {
    let Some(quick) = rig::other_part()? else {
        return Ok(());
    };
    let objects = if quick { QUICK } else { FULL };
    rig::runtime()?.block_on(run(objects))
}

async fn run(count: u64) -> Result<()> {
    let objects = (0..count).map(|n| {
        let key = format!("run/{:03}/{n:06}.pdf", n / 1000);
        SyntheticObject::zeros(key, SIZE)
    });
    let store = Synthetic::start(objects, Options::default()).await;
    let server = Server::over(&store.endpoint());

    let listing = list(&store.endpoint(), count).await?;
    let start = Instant::now();
    let made = client::post(&format!("{}/v1/links", server.url), &json!({})).await?;
    let freezing = start.elapsed();
    let link: Value = serde_json::from_slice(&made.body)?;
    ensure!(made.status == 201 && link["count"] == count, "{link}");
    let (url, bytes) = (link["zip_url"].as_str(), link["bytes"].as_u64());
    let (url, bytes) = url.zip(bytes).context("no archive in the link")?;

    let start = Instant::now();
    let head = client::fetch("HEAD", url, &[]).await?;
    let opening = start.elapsed();
    ensure!(head.status == 200);
    println!(
        "{count} objects, {:.1} GiB in the archive",
        rig::mebibytes(bytes) / 1024.0
    );
    println!("  listing alone     {:8.3} s", listing.as_secs_f64());
    println!(
        "  freezing          {:8.3} s   {:.2} times the listing alone",
        freezing.as_secs_f64(),
        freezing.as_secs_f64() / listing.as_secs_f64()
    );
    println!("  first opening     {:8.3} s", opening.as_secs_f64());

    let firsts = [0, bytes / 100 * 90];
    let mut times = [const { Vec::new() }; 2];
    let mut most = [0; 2];
    for _ in 0..ROUNDS {
        for (place, first) in firsts.into_iter().enumerate() {
            let before = store.requests().bytes_sent();
            times[place].push(first_byte(url, first).await?);
            let read = store.requests().bytes_sent() - before;
            ensure!(
                read <= RANGE + LARGEST_PIECE,
                "{read} bytes were read for {RANGE} at {first}"
            );
            most[place] = most[place].max(read);
        }
    }
    let medians = times.map(median);
    for (place, name) in ["at 0%", "at 90%"].into_iter().enumerate() {
        println!(
            "  range {name:<6}      {:8.3} ms to its first byte, {:.4} of its bytes read from the store",
            medians[place].as_secs_f64() * 1e3,
            most[place] as f64 / RANGE as f64
        );
    }
    println!(
        "  90% beside 0%     {:8.2} of the time, {:.4} of the bytes",
        medians[1].as_secs_f64() / medians[0].as_secs_f64(),
        most[1] as f64 / most[0] as f64
    );
    Ok(())
}

/// How long the same listing takes where nothing is made of it.
async fn list(endpoint: &str, count: u64) -> Result<Duration> {
    let (store, _state) = rig::connect(endpoint)?;
    let bucket = Bucket::new("bench")?;
    let start = Instant::now();
    let pages = store.list(&bucket, "");
    let listed = pages
        .try_fold(0, |sum, page| async move { Ok(sum + page.len() as u64) })
        .await?;
    ensure!(listed == count, "{listed} keys were listed");
    Ok(start.elapsed())
}

/// Reads a range, and tells when its first byte came.
async fn first_byte(url: &str, first: u64) -> Result<Duration> {
    let range = format!("bytes={first}-{}", first + RANGE - 1);
    let start = Instant::now();
    let answer = client::open("GET", url, &[("range", &range)]).await?;
    ensure!(answer.status() == 206, "{url} answered {}", answer.status());
    let mut body = answer.into_body();
    let (mut received, mut time) = (0, None);
    while let Some(frame) = body.frame().await {
        time.get_or_insert_with(|| start.elapsed());
        received += frame?.data_ref().map_or(0, |data| data.len() as u64);
    }
    ensure!(received == RANGE, "{received} bytes came");
    time.context("no byte came")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
