//! What a far store costs: small objects behind latency, beside the same code with one read at a time, and beside the
//! least that is possible.
//!
//! `--quick` takes fewer objects. Every run checks that the archive came to its end; times decide nothing.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sheaf::archive::Method;
use sheaf::download::LiveArchive;
use sheaf::manifest::Selection;
use sheaf::read_ahead::MemoryBudget;
use sheaf::read_ahead::sequence::MOST_READS;
use sheaf::store::{Bucket, Store};

#[allow(dead_code, reason = "benches share it, and each uses a part")]
mod rig;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

use rig::Plan;

const LATENCY: Duration = Duration::from_millis(20);
const SIZE: u64 = 10_000;

fn main() -> Result<()> {
    let Some(quick) = rig::other_part()? else {
        return Ok(());
    };
    let objects = if quick { 200 } else { 2000 };
    rig::runtime()?.block_on(run(objects))
}

async fn run(objects: u64) -> Result<()> {
    let plan = Plan::Same {
        objects,
        size: SIZE,
    };
    let process = rig::start_store(plan, LATENCY)?;
    let (store, _state) = rig::connect(process.line.trim())?;
    // Connections are open, and code is warm.
    download(&store, objects, MOST_READS).await?;
    let ahead = download(&store, objects, MOST_READS).await?;
    let alone = download(&store, objects, 1).await?;
    let reads = objects as f64 / MOST_READS as f64;
    let pages = objects.div_ceil(1000) as f64;
    let bound = LATENCY.mul_f64(reads.ceil() + pages);
    println!("{objects} objects of {SIZE} bytes behind {LATENCY:?} a request");
    println!("  one read at a time   {:8.3} s", alone.as_secs_f64());
    println!(
        "  read ahead           {:8.3} s   {:.1} times faster",
        ahead.as_secs_f64(),
        alone.as_secs_f64() / ahead.as_secs_f64()
    );
    println!(
        "  least possible       {:8.3} s   {:.2} of it taken ({MOST_READS} reads at once, and the listing)",
        bound.as_secs_f64(),
        ahead.as_secs_f64() / bound.as_secs_f64()
    );
    Ok(())
}

/// Makes the archive and drops its frames.
async fn download(store: &Store, objects: u64, reads: usize) -> Result<Duration> {
    let start = Instant::now();
    let budget = MemoryBudget::default();
    let selection = Selection::new(Bucket::new("bench")?, "run/", &[])?;
    let archive = LiveArchive::open(store, &budget, &selection, Method::Store).await?;
    let mut archive = archive.at_most(reads);
    while archive.next().await?.is_some() {}
    ensure!(archive.entries() as u64 == objects);
    ensure!(archive.bytes() > objects * SIZE);
    Ok(start.elapsed())
}
