//! Whatever goes wrong at the store: every range of a link's archive comes byte by byte as it is, or visibly not whole.
//!
//! Schedules as for live archives, with the same variables. A client asks as browsers and download managers do: for the
//! whole, for the rest from somewhere on, or for segments at the same time, and again where it is told to wait.

use std::ops::Range;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::faults::{Served, add_breaks, objects, run_schedules};
use crate::support::client;
use crate::support::random::Random;
use crate::support::synthetic::Synthetic;
use crate::support::synthetic::faults::{Failure, Gate, Mishap, Rule};
use crate::support::synthetic::object::{Checksum, SyntheticObject};

const MIB: u64 = 1 << 20;

/// What a client asks for one range.
#[derive(Debug)]
enum Came {
    Bytes(Bytes),
    /// A problem of this type.
    Refused(String),
    /// The answer broke off.
    Broken,
}

struct Linked {
    id: String,
    url: String,
    bytes: u64,
}

async fn link(served: &Served) -> Linked {
    let base = served.url.strip_suffix("/v1/zip").unwrap();
    let made = client::post(&format!("{base}/v1/links"), &json!({}))
        .await
        .unwrap();
    let answer: Value = serde_json::from_slice(&made.body).unwrap();
    assert_eq!(made.status, 201, "{answer}");
    Linked {
        id: answer["id"].as_str().unwrap().to_owned(),
        url: answer["zip_url"].as_str().unwrap().to_owned(),
        bytes: answer["bytes"].as_u64().unwrap(),
    }
}

/// Asks for a range, again and again while the server asks for patience.
async fn fetch(url: &str, range: Range<u64>) -> Came {
    loop {
        let asked = format!("bytes={}-{}", range.start, range.end - 1);
        let Ok(answer) = client::open("GET", url, &[("range", &asked)]).await else {
            return Came::Broken;
        };
        let (head, mut body) = answer.into_parts();
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => bytes.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
                Err(_) => return Came::Broken,
            }
        }
        if head.status == 206 {
            return Came::Bytes(bytes.freeze());
        }
        let problem: Value = serde_json::from_slice(&bytes).unwrap();
        if !head.headers.contains_key("retry-after") || problem["type"] == "store-unavailable" {
            return Came::Refused(problem["type"].as_str().unwrap().to_owned());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The ranges that a client asks for at the same time.
fn ranges(random: &mut Random, length: u64) -> Vec<Range<u64>> {
    let bounds = match random.below(4) {
        0 => vec![0, length],
        1 => vec![random.below(length), length],
        2 => vec![length - 1 - random.below(length.min(400) - 1), length],
        _ => {
            let count = 2 + random.below(4);
            (0..=count).map(|n| length * n / count).collect()
        }
    };
    bounds.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

/// Adds what cannot be mended. Returns whether it breaks the link for good.
fn add_failure(random: &mut Random, store: &Synthetic, objects: &[SyntheticObject]) -> bool {
    let object = random.of(objects);
    let key = object.key.as_str();
    let at = random.below(object.size());
    // A wrong bit shows where there is something to compare it with.
    let claimed =
        |object: &&SyntheticObject| object.size() > MIB && object.checksum == Checksum::FullObject;
    let rule = match random.below(5) {
        0 => Rule::get(key, Failure::NO_SUCH_KEY),
        1 => Rule::get(key, Failure::PRECONDITION_FAILED).skip(random.below(3) as u32),
        2 => Rule::get(key, Failure::ACCESS_DENIED),
        3 if let Some(object) = objects.iter().find(claimed) => {
            let at = random.below(object.size());
            store
                .faults()
                .add(Rule::body(&object.key, at, Mishap::Flip).times(1));
            return true;
        }
        _ => Rule::body(key, at, Mishap::Reset),
    };
    store.faults().add(rule);
    false
}

async fn schedule(seed: u64) {
    let mut random = Random::new(seed ^ 0x5EED);
    let objects = objects(&mut random);
    let budget = random.of(&[4 * MIB, 4 * MIB, 8 * MIB, 64 * MIB]) as usize;
    let served = Served::over(objects.clone(), budget).await;
    let expected = served.download(0, seed).await.expect("without faults");
    let link = link(&served).await;
    assert_eq!(link.bytes, expected.len() as u64);
    let fails = random.one_in(3);
    let breaks = if fails {
        add_failure(&mut random, &served.store, &objects)
    } else {
        add_breaks(&mut random, &served.store, &objects);
        false
    };
    let ranges = ranges(&mut random, link.bytes);
    let slice = |range: &Range<u64>| expected.slice(range.start as usize..range.end as usize);
    let fetches = ranges.iter().map(|range| fetch(&link.url, range.clone()));
    for (range, came) in ranges.iter().zip(futures::future::join_all(fetches).await) {
        match came {
            // A range of an object cannot be compared with its checksum.
            Came::Bytes(_) if breaks && *range != (0..link.bytes) => {}
            Came::Bytes(bytes) => assert!(bytes == slice(range), "{range:?}: other bytes came"),
            came if !fails => panic!("{range:?}: {came:?}, though it can be mended"),
            _ => {}
        }
    }
    served.store.faults().clear();
    match fetch(&link.url, 0..link.bytes).await {
        Came::Bytes(bytes) => assert!(bytes == expected, "other bytes came afterwards"),
        Came::Refused(kind) => assert!(breaks && kind == "link-broken", "{kind}"),
        Came::Broken => panic!("nothing is wrong any more"),
    }
    served.settle().await;
    assert!(served.budget.peak() <= budget, "{}", served.budget.peak());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_schedule_gives_the_bytes_of_the_range_or_none() {
    run_schedules(schedule).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_ends_a_download_that_is_under_way() {
    let objects = vec![SyntheticObject::new("a.pdf", 20 * MIB)];
    let trusted_for = Duration::from_millis(100);
    let served = Served::trusting(objects, 64 * MIB as usize, trusted_for).await;
    let link = link(&served).await;
    let gate = Gate::new();
    let held = Rule::body("a.pdf", 19 * MIB, Mishap::Hold(gate.clone()));
    served.store.faults().add(held);
    let answer = client::open("GET", &link.url, &[]).await.unwrap();
    assert_eq!(answer.status(), 200);
    let reading = tokio::spawn(answer.into_body().collect());
    gate.reached(1).await;
    // As another replica does it.
    served.store.remove(&format!(".sheaf/links/{}", link.id));
    let ended = reading.await.unwrap();
    assert!(ended.is_err(), "the gate is still closed");
    let answer = client::fetch("GET", &link.url, &[]).await.unwrap();
    assert_eq!(answer.status, 410);
    served.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_answer_for_a_while_ends_no_download() {
    let objects = vec![SyntheticObject::new("a.pdf", 20 * MIB)];
    let trusted_for = Duration::from_secs(5);
    let served = Served::trusting(objects, 64 * MIB as usize, trusted_for).await;
    let link = link(&served).await;
    let whole = client::fetch("GET", &link.url, &[]).await.unwrap().body;
    let gate = Gate::new();
    let held = Rule::body("a.pdf", 19 * MIB, Mishap::Hold(gate.clone()));
    served.store.faults().add(held);
    let manifest = format!(".sheaf/links/{}", link.id);
    // As often as one question is repeated.
    let failing = Rule::get(&manifest, Failure::SLOW_DOWN).times(3);
    served.store.faults().add(failing);
    let answer = client::open("GET", &link.url, &[]).await.unwrap();
    let reading = tokio::spawn(answer.into_body().collect());
    gate.reached(1).await;
    let asked = |store: &Synthetic| {
        let log = store.requests().log();
        let asked = log.iter().filter(|request| request.key == manifest);
        asked.count() >= 5
    };
    served.store.until(asked).await;
    gate.open();
    let came = reading.await.unwrap().unwrap().to_bytes();
    assert!(came == whole);
    served.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_bit_of_a_small_object_is_mended_or_told() {
    let small = |n: u64| {
        let key = format!("{n}.pdf");
        SyntheticObject::new(key, 100_000 + n).checksum(Checksum::FullObject)
    };
    let served = Served::over((0..3).map(small).collect(), 64 * MIB as usize).await;
    let expected = served.download(0, 0).await.expect("without faults");
    let first = link(&served).await;
    let flip = || Rule::body("1.pdf", 50_000, Mishap::Flip);
    // All of it, and a range that begins and ends within the object.
    for range in [0..first.bytes, 120_000..160_000] {
        served.store.faults().add(flip().times(1));
        let Came::Bytes(came) = fetch(&first.url, range.clone()).await else {
            panic!("{range:?}: it came in order the second time");
        };
        assert!(came == expected.slice(range.start as usize..range.end as usize));
        assert!(served.store.faults().are_spent(), "nothing was flipped");
    }
    // Nobody has learned what the object should be: the store alone says so.
    let second = link(&served).await;
    served.store.faults().add(flip());
    for _ in 0..2 {
        let came = fetch(&second.url, 120_000..160_000).await;
        assert!(!matches!(came, Came::Bytes(_)), "wrong bytes came");
    }
    let came = fetch(&second.url, 0..1).await;
    assert!(matches!(came, Came::Refused(kind) if kind == "link-broken"));
    served.settle().await;
}
