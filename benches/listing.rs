//! Listing many keys in parallel and one page after the other, from the same store in the same run: six distributions of
//! keys, 50 ms a page. Parallel must be [`FASTER`] times as fast at [`MORE`] times the requests at the most; `--quick`
//! takes fewer keys, of which a part passes before many pages are under way, and wants less.

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use futures::{TryStreamExt, pin_mut};
use sheaf::store::list::Pace;
use sheaf::store::{Bucket, Identity, Store, StoreOptions};

#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

use support::sdk;
use support::synthetic::object::SyntheticObject;
use support::synthetic::requests::Operation;
use support::synthetic::{Options, Synthetic};

/// How far away the store is.
const LATENCY: Duration = Duration::from_millis(50);

const FASTER: f64 = 10.0;
const MORE: f64 = 1.5;

/// Keys of each distribution, and how many times as fast their listing must be.
const FULL: (u64, f64) = (1_000_000, FASTER);
const QUICK: (u64, f64) = (100_000, 2.0);

/// Numbers without order that are always the same.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

type Key = fn(u64, u64) -> String;

const DISTRIBUTIONS: [(&str, Key); 6] = [
    ("one folder", |n, _| format!("run/invoice-{n:08}.pdf")),
    ("a folder each", |n, _| {
        format!("run/case-{n:07}/report.pdf")
    }),
    ("dates", |n, count| {
        let day = n * 3650 / count;
        let (year, rest) = (2015 + day / 365, day % 365);
        format!(
            "run/{year}/{:02}/{:02}/{n:07}.pdf",
            rest / 31 + 1,
            rest % 31 + 1
        )
    }),
    ("UUIDs", |n, _| {
        let (a, b) = (mixed(n), mixed(!n));
        format!(
            "run/{:08x}-{:04x}-4{:03x}-{b:016x}.pdf",
            a >> 32,
            a & 0xffff,
            (a >> 16) & 0xfff
        )
    }),
    ("hashes in folders", |n, _| {
        let hash = format!("{:016x}{:016x}", mixed(n), mixed(!n));
        format!("run/{}/{}/{hash}", &hash[..2], &hash[2..4])
    }),
    ("beyond ASCII", |n, _| {
        let letter = |at: u64| char::from_u32(0x4e00 + (mixed(at) % 3000) as u32).unwrap_or('書');
        format!("run/{}{}/報告書{n:07}.pdf", letter(n % 700), letter(n % 31))
    }),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
    let (keys, faster) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => FULL,
        ["--quick"] => QUICK,
        _ => bail!("the only option is --quick"),
    };
    println!("{keys} keys, {} ms a page", LATENCY.as_millis());
    let mut missed = Vec::new();
    for (name, key) in DISTRIBUTIONS {
        missed.extend(run(name, key, keys, faster)?);
    }
    ensure!(missed.is_empty(), "{}", missed.join("; "));
    Ok(())
}

/// What one distribution misses of its aims, if anything.
fn run(name: &str, key: Key, keys: u64, faster: f64) -> Result<Option<String>> {
    // The store has a thread of its own, as it has a machine of its own elsewhere.
    let theirs = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let ours = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let objects = (0..keys).map(|n| SyntheticObject::new(key(n, keys), 100_000));
    let options = Options {
        latency: LATENCY,
        ..Options::default()
    };
    let store = theirs.block_on(Synthetic::start(objects, options));
    let slow = Pace {
        ahead: 0,
        ..Pace::default()
    };
    let one = ours.block_on(list(&store, slow))?;
    let many = ours.block_on(list(&store, Pace::default()))?;
    let times = one.time.as_secs_f64() / many.time.as_secs_f64();
    let more = many.requests as f64 / one.requests as f64;
    println!(
        "  {name:18} in sequence {:6.2} s {:5} requests   in parallel {:6.2} s {:5} requests   {times:5.1} times as fast, {more:.2} times the requests",
        one.time.as_secs_f64(),
        one.requests,
        many.time.as_secs_f64(),
        many.requests
    );
    ensure!(
        one.keys == keys && one.sum == many.sum,
        "{name}: the listings differ"
    );
    let missed = more > MORE || times < faster;
    Ok(missed.then(|| {
        format!("{name}: {times:.1} times as fast (aim {faster}), {more:.2} times the requests (aim {MORE})")
    }))
}

struct Listed {
    time: Duration,
    requests: usize,
    keys: u64,
    /// Over all keys in their order.
    sum: u32,
}

async fn list(synthetic: &Synthetic, pace: Pace) -> Result<Listed> {
    let options = StoreOptions {
        endpoint: Some(synthetic.endpoint()),
        identity: Identity::Keys(sdk::credentials("test", "test")),
        ..StoreOptions::default()
    };
    let store = Store::connect(&options).await?;
    let before = synthetic.requests().count(Operation::List);
    let start = Instant::now();
    let (mut keys, mut sum) = (0, crc32fast::Hasher::new());
    let pages = store.list_at(&Bucket::new("bench")?, "run/", move || pace);
    pin_mut!(pages);
    while let Some(page) = pages.try_next().await? {
        keys += page.len() as u64;
        page.iter()
            .for_each(|object| sum.update(object.key.as_bytes()));
    }
    Ok(Listed {
        time: start.elapsed(),
        requests: synthetic.requests().count(Operation::List) - before,
        keys,
        sum: sum.finalize(),
    })
}
