//! Whatever goes wrong at the store: an archive comes byte by byte as it would have come, or it visibly does not come.
//!
//! Each schedule follows from a seed: the objects, the memory budget, the clients, and which read breaks where. A
//! failure names its seed; `SHEAF_FAULT_SEED=n` runs that one alone, `SHEAF_FAULT_SCHEDULES=n` runs the first n.

use std::collections::HashSet;
use std::future::pending;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http_body_util::BodyExt;
use sheaf::http::{self, ApiKeys, DoorConfig, Limits, ServerConfig};
use sheaf::link::KeyRing;
use sheaf::manifest::StateSpace;
use sheaf::manifest::library::TRUSTED_FOR;
use sheaf::read_ahead::MemoryBudget;
use sheaf::store::embedded::EmbeddedStore;
use sheaf::store::{Bucket, Store, StoreOptions};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use crate::support::client;
use crate::support::problem::Problem;
use crate::support::random::Random;
use crate::support::synthetic::faults::{Failure, Fault, Gate, Mishap, Rule, Target};
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};

const MIB: u64 = 1 << 20;

/// Schedules of a normal run.
const SCHEDULES: u64 = 100;

/// How many of them run at once: they mostly wait.
const AT_ONCE: usize = 8;

/// A server in this process, so that its budget can be looked at, over a scripted store.
pub struct Served {
    pub store: Synthetic,
    pub budget: MemoryBudget,
    /// The URL of the live archive of everything.
    pub url: String,
    _server: AbortOnDropHandle<std::io::Result<()>>,
    _state: tempfile::TempDir,
}

impl Served {
    pub async fn over(objects: Vec<SyntheticObject>, budget: usize) -> Served {
        Served::trusting(objects, budget, TRUSTED_FOR).await
    }

    /// The same, which asks again for a link's manifest after so long.
    pub async fn trusting(
        objects: Vec<SyntheticObject>,
        budget: usize,
        trusted_for: Duration,
    ) -> Served {
        let options = Options {
            page_size: 5,
            ..Options::default()
        };
        let store = Synthetic::start(objects, options).await;
        let state = tempfile::tempdir().unwrap();
        // Only its credentials are used.
        let embedded = EmbeddedStore::open(state.path(), &state.path().join("state")).unwrap();
        let options = StoreOptions {
            read_timeout: Duration::from_secs(3),
            ..StoreOptions::default()
        };
        let budget = MemoryBudget::new(budget);
        let config = ServerConfig {
            store: Store::embedded_elsewhere(&embedded, &store.endpoint(), &options).unwrap(),
            embedded: None,
            default_bucket: Some(Bucket::new("bench").unwrap()),
            default_prefix: String::new(),
            api_keys: ApiKeys::default(),
            door: DoorConfig::default(),
            public_url: None,
            expires_in: Duration::from_secs(60),
            queue_max: 100,
            watch: sheaf::manifest::Watch::default(),
            memory: budget.clone(),
            links: http::LinkConfig {
                keys: KeyRing::parse("test:00112233445566778899aabbccddeeff").unwrap(),
                space: Some(StateSpace {
                    bucket: Bucket::new("bench").unwrap(),
                    prefix: ".sheaf/".to_owned(),
                }),
                state_prefix: ".sheaf/".to_owned(),
                trusted_for,
            },
            queue: None,
            limits: Limits::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/zip", listener.local_addr().unwrap());
        let listeners = http::Listeners {
            clients: listener,
            operators: None,
        };
        let server = tokio::spawn(http::run(config, listeners, pending()));
        Served {
            store,
            budget,
            url,
            _server: AbortOnDropHandle::new(server),
            _state: state,
        }
    }

    /// Downloads with a pause of up to `pause` before each of the first frames. `None` where no whole archive came.
    pub async fn download(&self, pause: u64, seed: u64) -> Option<Bytes> {
        let mut random = Random::new(seed);
        let answer = client::open("GET", &self.url, &[])
            .await
            .inspect_err(|error| eprintln!("unanswered: {error:?}"))
            .ok()?;
        if answer.status() != 200 {
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            let body = answer.into_body().collect().await.ok()?.to_bytes();
            eprintln!("refused: {}", String::from_utf8_lossy(&body));
            return None;
        }
        let (mut body, mut whole, mut frames) = (answer.into_body(), BytesMut::new(), 0);
        while let Some(frame) = body.frame().await {
            let frame = frame.inspect_err(|error| eprintln!("broken off: {error:?}"));
            whole.extend_from_slice(frame.ok()?.data_ref()?);
            frames += 1;
            if pause > 0 && frames < 40 {
                tokio::time::sleep(Duration::from_millis(random.below(pause))).await;
            }
        }
        Some(whole.freeze())
    }

    /// Waits until nothing is left of any download: connections end a little after their clients.
    pub async fn settle(&self) {
        for _ in 0..12_000 {
            let left = (
                self.budget.held(),
                self.budget.downloads(),
                self.store.requests().open(),
            );
            if left == (0, 0, 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!(
            "{} bytes, {} downloads and {} reads are left",
            self.budget.held(),
            self.budget.downloads(),
            self.store.requests().open()
        );
    }
}

/// What must come of a schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// The same bytes as without faults.
    Whole,
    /// No archive.
    Broken,
    /// Either, depending on how often an object was read.
    Either,
}

pub fn objects(random: &mut Random) -> Vec<SyntheticObject> {
    let count = 1 + random.below(12);
    let object = |n| {
        let size = match random.below(6) {
            0 => random.below(3),
            1 | 2 => 1 + random.below(200_000),
            3 => MIB - 1 + random.below(3),
            _ => MIB + random.below(5 * MIB),
        };
        let checksum = random.of(&[Checksum::Unknown, Checksum::FullObject]);
        SyntheticObject::new(format!("{n:03}.pdf"), size).checksum(checksum)
    };
    (0..count).map(object).collect()
}

/// Adds what can be mended: at most three breaks an object, so that no read runs out of tries.
pub fn add_breaks(random: &mut Random, store: &Synthetic, objects: &[SyntheticObject]) {
    let mut may_expire = true;
    for object in objects {
        let is_small = object.size() <= MIB;
        // A wrong bit shows where there is something to compare it with, and is mended where all of the object is read
        // before any of it goes out, as it is the first time. A second one would stand.
        let mut may_flip = is_small && object.checksum == Checksum::FullObject;
        let mut rules = Vec::new();
        for _ in 0..random.below(4) {
            let at = random.below(object.size());
            let key = object.key.as_str();
            let rule = match random.below(10) {
                9 if std::mem::take(&mut may_flip) => {
                    // Each request takes one rule: this one is for the first.
                    rules.insert(0, Rule::body(key, at, Mishap::Flip).times(1));
                    continue;
                }
                // New credentials are asked for once in a while only.
                8 if std::mem::take(&mut may_expire) => Rule::get(key, Failure::EXPIRED_TOKEN),
                0 | 1 => Rule::body(key, at, Mishap::Reset),
                2 | 3 => Rule::body(key, at, Mishap::Close),
                4 => Rule::body(key, at, Mishap::Stall),
                5 => Rule::body(key, at, Mishap::Shorten),
                6 => Rule::get(key, Failure::SLOW_DOWN),
                7 => Rule::get(key, Failure::INTERNAL_ERROR),
                _ => {
                    let delay = Duration::from_millis(random.below(200));
                    Rule::new(Target::Get(key.to_owned()), Fault::Delay(delay))
                }
            };
            let skip = random.below(2) as u32;
            rules.push(rule.skip(skip).times(1));
        }
        for rule in rules {
            store.faults().add(rule);
        }
    }
    if random.one_in(8) {
        let fault = Fault::Answer(Failure::INTERNAL_ERROR);
        let page = 1 + random.below(2) as usize;
        store
            .faults()
            .add(Rule::new(Target::ListPage(page), fault).times(1));
    }
}

/// Adds what cannot be mended, to one object.
fn add_failure(random: &mut Random, store: &Synthetic, objects: &[SyntheticObject]) -> Outcome {
    let object = random.of(objects);
    if object.size() == 0 {
        return Outcome::Whole;
    }
    let key = object.key.as_str();
    let at = random.below(object.size());
    match random.below(5) {
        0 => {
            store.faults().add(Rule::get(key, Failure::NO_SUCH_KEY));
            Outcome::Broken
        }
        1 => {
            let changed = Rule::get(key, Failure::PRECONDITION_FAILED);
            store.faults().add(changed.skip(random.below(3) as u32));
            Outcome::Either
        }
        2 => {
            store.faults().add(Rule::get(key, Failure::ACCESS_DENIED));
            Outcome::Broken
        }
        3 => {
            store.put(object.clone().checksum(Checksum::FullObject));
            store.faults().add(Rule::body(key, at, Mishap::Flip));
            Outcome::Broken
        }
        // A break that comes back each time.
        _ => {
            store.faults().add(Rule::body(key, at, Mishap::Reset));
            Outcome::Broken
        }
    }
}

async fn schedule(seed: u64) {
    let mut random = Random::new(seed);
    let objects = objects(&mut random);
    let budget = random.of(&[4 * MIB, 4 * MIB, 8 * MIB, 64 * MIB]) as usize;
    let served = Served::over(objects.clone(), budget).await;
    let expected = served.download(0, seed).await.expect("without faults");
    add_breaks(&mut random, &served.store, &objects);
    let outcome = if random.one_in(3) {
        // First in the table, it strikes before anything that can be mended.
        served.store.faults().clear();
        add_failure(&mut random, &served.store, &objects)
    } else {
        Outcome::Whole
    };
    let clients = 1 + random.below(3);
    let pause = random.of(&[0, 0, 0, 30]);
    let downloads = (0..clients).map(|client| served.download(pause, seed + client));
    for found in futures::future::join_all(downloads).await {
        match (found, outcome) {
            (Some(found), Outcome::Whole | Outcome::Either) => {
                assert!(found == expected, "other bytes came, without an error");
            }
            (None, Outcome::Broken | Outcome::Either) => {}
            (None, Outcome::Whole) => panic!("what can be mended was not"),
            (Some(_), Outcome::Broken) => panic!("an archive came that cannot be right"),
        }
    }
    served.settle().await;
}

/// Runs schedules, some of them at once, and names those that fail.
pub async fn run_schedules<F>(schedule: fn(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let number = |name: &str| {
        let value = std::env::var(name).ok()?;
        Some(value.parse::<u64>().expect("a number"))
    };
    let seeds = match number("SHEAF_FAULT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SHEAF_FAULT_SCHEDULES").unwrap_or(SCHEDULES),
    };
    let run = |seed| async move {
        let ended = tokio::spawn(tokio::time::timeout(
            Duration::from_secs(600),
            schedule(seed),
        ));
        match ended.await {
            Ok(Ok(())) => None,
            Ok(Err(_)) => Some(format!("SHEAF_FAULT_SEED={seed}: it hangs")),
            Err(panic) => Some(format!("SHEAF_FAULT_SEED={seed}: {panic}")),
        }
    };
    let failed: Vec<String> = futures::stream::iter(seeds.map(run))
        .buffer_unordered(AT_ONCE)
        .filter_map(|failed| async { failed })
        .collect()
        .await;
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_schedule_gives_the_same_bytes_or_no_archive() {
    run_schedules(schedule).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_replaced_while_it_is_read_breaks_the_download() {
    let objects = vec![
        SyntheticObject::new("a.pdf", 100),
        SyntheticObject::new("b.pdf", 3 * MIB),
    ];
    let served = Served::over(objects, 64 * MIB as usize).await;
    let gate = Gate::new();
    let held = Rule::body("b.pdf", 2 * MIB + 5, Mishap::Hold(gate.clone()));
    served.store.faults().add(held.times(1));
    let replace = async {
        gate.reached(1).await;
        let changed = SyntheticObject::version("b.pdf", 3 * MIB, 1);
        served.store.put(changed);
        // The gate stays closed: the answer under way stands still, and the next one is asked of the new version.
    };
    let (found, ()) = tokio::join!(served.download(0, 0), replace);
    assert!(found.is_none());
    served.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_with_other_bytes_than_were_asked_for_is_not_taken() {
    let objects = vec![SyntheticObject::new("a.pdf", MIB + MIB / 16)];
    let served = Served::over(objects, 64 * MIB as usize).await;
    let expected = served.download(0, 0).await.unwrap();
    // Its bytes come in chunks that end where the first pieces end, so that no length gives it away.
    let target = Target::Get("a.pdf".to_owned());
    let unranged = Rule::new(target, Fault::Unranged).skip(1).times(1);
    served.store.faults().add(unranged);
    assert!(served.download(0, 0).await.unwrap() == expected);
    assert!(served.store.faults().are_spent());
    served.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_memory_a_download_is_refused_before_it_begins() {
    let objects = vec![SyntheticObject::new("a.pdf", 100)];
    let served = Served::over(objects, 4 * MIB as usize).await;
    let mut shares = Vec::new();
    while let Ok(share) = served.budget.admit() {
        shares.push(share);
    }
    let refused = client::fetch("GET", &served.url, &[]).await.unwrap();
    let problem = Problem::of(&refused).is(503, "overloaded", &["memory budget"]);
    assert_eq!(problem.headers["retry-after"], "5");
    assert!(
        served.store.requests().log().is_empty(),
        "nothing was asked of the store"
    );
    shares.pop();
    assert!(served.download(0, 0).await.is_some());
    drop(shares);
    served.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_slowly_holds_no_connection_to_the_store() {
    let objects = (0..64).map(|n| SyntheticObject::new(format!("{n:02}.pdf"), 4 * MIB));
    let served = Served::over(objects.collect(), 16 * MIB as usize).await;
    let answer = client::open("GET", &served.url, &[]).await.unwrap();
    // Nothing is taken for ten times as long as the store may be silent.
    let mut before = u64::MAX;
    while served.store.requests().open() > 0 || served.store.requests().bytes_sent() != before {
        before = served.store.requests().bytes_sent();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (read, gets) = (
        served.store.requests().bytes_sent(),
        served.store.requests().log().len(),
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(served.store.requests().bytes_sent(), read);
    assert!(served.budget.held() <= 8 * MIB as usize);
    let taken = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(taken.len() as u64 > 64 * 4 * MIB);
    let log = served.store.requests().log();
    assert!(log.len() > gets, "the rest was read afterwards");
    let reads: Vec<_> = log
        .iter()
        .filter(|request| request.operation == Operation::GetObject)
        .map(|read| (&read.key, &read.range))
        .collect();
    let different: HashSet<_> = reads.iter().collect();
    assert_eq!(different.len(), reads.len(), "nothing was read twice");
    served.settle().await;
}
