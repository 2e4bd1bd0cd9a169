//! Read-ahead against a store in memory, on paused time: every test is a schedule that can be had again.

mod script;

use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use proptest::prelude::*;
use tokio::time::Instant;

use self::script::{Behaviour, Random, Script};
use super::ledger::FIRST;
use super::sequence::MOST_READS;
use super::window::{SMALLEST_PIECE, START};
use super::*;
use crate::store::{StoreError, StoreErrorKind};

const MIB: usize = 1 << 20;

const SMALL: Before = Before {
    computed: true,
    stored: false,
};
const LARGE: Before = Before {
    computed: false,
    stored: false,
};

type Source = stream::Iter<std::vec::IntoIter<Result<Item<String>, StoreError>>>;
type Ahead = ReadAhead<Script, Source, String>;

fn ahead(script: &Script, items: Vec<Item<String>>, share: Share) -> Ahead {
    let items: Vec<_> = items.into_iter().map(Ok).collect();
    ReadAhead::new(script.clone(), stream::iter(items), share)
}

/// The next event.
async fn event(ahead: &mut Ahead) -> Event<String> {
    ahead.next().await.unwrap().unwrap()
}

/// Takes a whole item and checks it.
async fn item(ahead: &mut Ahead, script: &Script, key: &str) {
    let Event::Begin {
        tag,
        computed,
        stored,
    } = event(ahead).await
    else {
        panic!("no item begins");
    };
    assert_eq!(tag, key);
    let content = script.content(key);
    let crc32 = crc32fast::hash(&content);
    assert!(computed.is_none_or(|computed| computed == crc32));
    assert!(stored.is_none_or(|stored| stored == crc32));
    rest(ahead, &content).await;
}

/// Takes what is left of an item.
async fn rest(ahead: &mut Ahead, content: &Bytes) {
    let mut at = 0;
    loop {
        match event(ahead).await {
            Event::Data(chunk) => {
                assert_eq!(chunk, content[at..at + chunk.len()], "at {at}");
                at += chunk.len();
            }
            Event::End { .. } => break,
            Event::Begin { .. } => panic!("an item has no end"),
        }
    }
    assert_eq!(at, content.len());
}

/// What a schedule is made of.
#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    sizes: Vec<usize>,
    budget: usize,
    /// What others hold of the budget, as a share of 256.
    others: usize,
    chunk: u64,
    jitter: u64,
    breaks: u32,
    /// How slow the client is, at most, between two events.
    client: u64,
}

fn plans() -> impl Strategy<Value = Plan> {
    let size = prop_oneof![
        2 => 0..3_usize,
        4 => 1..100_000_usize,
        2 => MIB - 2..=MIB,
        2 => MIB + 1..3 * MIB,
    ];
    (
        any::<u64>(),
        prop::collection::vec(size, 1..12),
        prop_oneof![
            Just(2 * FIRST),
            Just(3 * FIRST),
            Just(4 * MIB),
            Just(64 * MIB)
        ],
        0..=256_usize,
        prop_oneof![Just(700_u64), Just(65_536), Just(400_000)],
        prop_oneof![Just(0_u64), Just(5), Just(300)],
        0..5_u32,
        prop_oneof![Just(0_u64), Just(2), Just(3000)],
    )
        .prop_map(
            |(seed, sizes, budget, others, chunk, jitter, breaks, client)| Plan {
                seed,
                sizes,
                budget,
                others,
                chunk,
                jitter,
                breaks,
                client,
            },
        )
}

/// Downloads everything and checks each byte, the books, and that nothing is left.
async fn download(plan: &Plan) {
    let behaviour = Behaviour {
        latency: Duration::from_millis(plan.jitter),
        jitter: Duration::from_millis(plan.jitter),
        chunk: plan.chunk,
        breaks: plan.breaks,
    };
    let script = Script::new(behaviour, plan.seed);
    let budget = MemoryBudget::new(plan.budget);
    let mut random = Random::new(!plan.seed);
    let items = plan.sizes.iter().enumerate().map(|(n, &size)| {
        let before = Before {
            computed: size <= MIB,
            stored: n % 3 == 0,
        };
        script.item(&format!("{n:03}"), size, before)
    });
    let items: Vec<_> = items.collect();
    let mut ahead = ahead(&script, items, budget.admit().unwrap());
    let other = budget.admit().ok();
    let mut theirs = Vec::new();
    for n in 0..plan.sizes.len() {
        let key = format!("{n:03}");
        let content = script.content(&key);
        let begun = event(&mut ahead).await;
        assert!(matches!(begun, Event::Begin { tag, .. } if tag == key));
        let mut at = 0;
        // Frames on their way into the socket.
        let mut socket = Vec::new();
        loop {
            if plan.client > 0 {
                let pause = random.below(plan.client);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            if let Some(other) = &other {
                let most = other.most() * plan.others / 256;
                theirs.extend(other.try_take(random.below(most as u64 + 1) as usize));
                if random.below(4) == 0 {
                    theirs.clear();
                }
            }
            assert!(budget.held() <= budget.total());
            let second = Duration::from_secs(1);
            let next = match tokio::time::timeout(second, event(&mut ahead)).await {
                Ok(next) => next,
                Err(_) => {
                    // A socket empties itself, whether there is more to come or not.
                    socket.clear();
                    event(&mut ahead).await
                }
            };
            match next {
                Event::Data(chunk) => {
                    assert_eq!(chunk, content[at..at + chunk.len()], "at {at} of {key}");
                    at += chunk.len();
                    socket.clear();
                    socket.push(chunk);
                }
                Event::End { crc32 } => {
                    assert_eq!(crc32, crc32fast::hash(&content));
                    break;
                }
                Event::Begin { .. } => panic!("{key} has no end"),
            }
        }
        assert_eq!(at, content.len());
    }
    assert_eq!(ahead.next().await.unwrap(), None);
    assert!(script.most_open() <= MOST_READS);
    drop((ahead, other, theirs));
    settled(&script, &budget).await;
}

/// Waits for tasks that were told to end, and finds nothing left of them.
async fn settled(script: &Script, budget: &MemoryBudget) {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(script.open(), 0);
    assert_eq!((budget.held(), budget.downloads()), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_schedule_gives_the_same_bytes(plan in plans()) {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(async {
                // Chunk by chunk, with seconds between them, takes its days.
                let month = Duration::from_secs(3600 * 24 * 30);
                tokio::time::timeout(month, download(&plan)).await.expect("no deadlock");
            });
    }
}

#[tokio::test(start_paused = true)]
async fn small_objects_are_read_many_at_a_time() {
    const LATENCY: Duration = Duration::from_millis(20);
    let script = Script::new(Behaviour::calm(LATENCY), 1);
    let keys: Vec<String> = (0..2000).map(|n| format!("{n:04}")).collect();
    let items = keys
        .iter()
        .map(|key| script.item(key, 10_000, SMALL))
        .collect();
    let mut ahead = ahead(&script, items, MemoryBudget::default().admit().unwrap());
    let start = Instant::now();
    for key in &keys {
        item(&mut ahead, &script, key).await;
    }
    let rounds = 2000_u32.div_ceil(MOST_READS as u32);
    assert!(
        start.elapsed() <= LATENCY * (rounds + 2),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(script.most_open(), MOST_READS);
}

#[tokio::test(start_paused = true)]
async fn a_large_object_is_read_in_parallel_ranges() {
    const LATENCY: Duration = Duration::from_millis(50);
    let script = Script::new(Behaviour::calm(LATENCY), 1);
    let items = vec![script.item("a", 64 * MIB, LARGE)];
    let mut ahead = ahead(&script, items, MemoryBudget::default().admit().unwrap());
    let start = Instant::now();
    item(&mut ahead, &script, "a").await;
    // Doubling from one MiB on: all that there is takes some eight round trips, where one MiB after the other takes 64.
    assert!(start.elapsed() <= LATENCY * 16, "{:?}", start.elapsed());
    assert!(script.most_open() >= 4);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_stops_the_reads() {
    let script = Script::new(Behaviour::calm(Duration::from_millis(20)), 1);
    let items = vec![script.item("a", 64 * MIB, LARGE)];
    let budget = MemoryBudget::default();
    let mut ahead = ahead(&script, items, budget.admit().unwrap());
    assert!(matches!(event(&mut ahead).await, Event::Begin { .. }));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(script.open(), 0, "no read idles behind a client");
    assert!(
        script.bytes() <= START,
        "{} bytes were read",
        script.bytes()
    );
    assert_eq!(budget.held(), script.bytes());
    let content = script.content("a");
    rest(&mut ahead, &content).await;
}

#[tokio::test(start_paused = true)]
async fn a_missing_object_fails_in_its_own_place() {
    let script = Script::new(Behaviour::calm(Duration::from_millis(20)), 1);
    let keys = ["a", "b", "c"];
    let items = keys.map(|key| script.item(key, 10_000, SMALL)).to_vec();
    script.remove("b");
    let budget = MemoryBudget::default();
    let mut ahead = ahead(&script, items, budget.admit().unwrap());
    item(&mut ahead, &script, "a").await;
    let error = ahead.next().await.unwrap_err();
    assert!(
        matches!(
            &error,
            ReadAheadError::Store(StoreError { key: Some(key), kind: StoreErrorKind::NoSuchKey, .. })
                if key == "b"
        ),
        "{error}"
    );
    drop(ahead);
    settled(&script, &budget).await;
}

#[tokio::test(start_paused = true)]
async fn a_read_that_breaks_again_and_again_is_given_up() {
    let behaviour = Behaviour {
        breaks: u32::MAX,
        ..Behaviour::calm(Duration::ZERO)
    };
    let script = Script::new(behaviour, 1);
    let items = vec![script.item("a", 10_000, SMALL)];
    let mut ahead = ahead(&script, items, MemoryBudget::default().admit().unwrap());
    let start = Instant::now();
    assert!(matches!(ahead.next().await, Err(ReadAheadError::Store(_))));
    assert!(
        start.elapsed() >= Duration::from_millis(50 * 127),
        "with pauses that double"
    );
    assert!(start.elapsed() <= Duration::from_millis(100 * 127 + 10));
}

#[tokio::test(start_paused = true)]
async fn without_memory_a_small_object_is_read_twice() {
    let script = Script::new(Behaviour::calm(Duration::from_millis(20)), 1);
    let budget = MemoryBudget::new(8 * MIB);
    let (share, other) = (budget.admit().unwrap(), budget.admit().unwrap());
    // All that downloads may grow by.
    let _taken = other.try_take(4 * MIB).unwrap();
    let items = vec![
        script.item("a", MIB, SMALL),
        script.item("b", 20_000, SMALL),
    ];
    let mut ahead = ahead(&script, items, share);
    item(&mut ahead, &script, "a").await;
    assert_eq!(script.bytes(), 2 * MIB);
    assert_eq!(script.gets("a"), 1 + MIB / SMALLEST_PIECE as usize);
    item(&mut ahead, &script, "b").await;
    assert_eq!(script.gets("b"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_object_that_changes_between_two_reads_is_found_out() {
    let script = Script::new(Behaviour::calm(Duration::from_millis(20)), 1);
    let budget = MemoryBudget::new(2 * FIRST);
    let items = vec![script.item("a", MIB, SMALL)];
    let mut ahead = ahead(&script, items, budget.admit().unwrap());
    assert!(matches!(event(&mut ahead).await, Event::Begin { .. }));
    script.replace("a", vec![0; MIB]);
    let error = loop {
        match ahead.next().await {
            Ok(Some(Event::Data(_))) => {}
            other => break other.unwrap_err(),
        }
    };
    assert!(matches!(error, ReadAheadError::Unstable { key, .. } if key == "a"));
}

#[tokio::test(start_paused = true)]
async fn what_gave_way_is_read_again() {
    let script = Script::new(Behaviour::calm(Duration::from_millis(1)), 1);
    let budget = MemoryBudget::new(4 * MIB);
    let mut items = vec![script.item("a", 3 * MIB, LARGE)];
    items.extend((0..9).map(|n| script.item(&format!("b{n}"), 50_000, SMALL)));
    let mut ahead = ahead(&script, items, budget.admit().unwrap());
    assert!(matches!(event(&mut ahead).await, Event::Begin { .. }));
    let Event::Data(first) = event(&mut ahead).await else {
        panic!("no bytes");
    };
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(budget.held() > FIRST);
    let other = budget.admit().unwrap();
    let _taken = other.try_take(2 * MIB).unwrap();
    assert_eq!(
        budget.held(),
        2 * MIB + FIRST,
        "of its own, the first reservation is left"
    );
    let content = script.content("a");
    rest(&mut ahead, &content.slice(first.len()..)).await;
    for n in 0..9 {
        item(&mut ahead, &script, &format!("b{n}")).await;
    }
    assert_eq!(ahead.next().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_behind_what_gave_way() {
    let script = Script::new(Behaviour::calm(Duration::from_millis(1)), 1);
    let budget = MemoryBudget::new(8 * MIB);
    let share = budget.admit().unwrap();
    let mut ahead = ahead(&script, vec![script.item("a", 40 * MIB, LARGE)], share);
    assert!(matches!(event(&mut ahead).await, Event::Begin { .. }));
    let quick = budget.admit().unwrap();
    let mut passed = 0;
    for _ in 0..100 {
        // A client that takes a chunk now and then, while another one wants as much as there is.
        let Event::Data(chunk) = event(&mut ahead).await else {
            panic!("no bytes");
        };
        passed += chunk.len();
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(quick.try_take(quick.most()));
    }
    let ahead_of_it = script.bytes() - passed;
    assert!(
        ahead_of_it < 3 * START,
        "{passed} passed, {ahead_of_it} more were read"
    );
}

#[tokio::test(start_paused = true)]
async fn stored_checksums_are_asked_for_inside_the_window() {
    const LATENCY: Duration = Duration::from_millis(20);
    let script = Script::new(Behaviour::calm(LATENCY), 1);
    let stored = |before| Before {
        stored: true,
        ..before
    };
    let items = vec![
        script.item("small", 1000, stored(SMALL)),
        script.item("large", 2 * MIB, stored(LARGE)),
        script.item("empty", 0, stored(SMALL)),
    ];
    let mut ahead = ahead(&script, items, MemoryBudget::default().admit().unwrap());
    let start = Instant::now();
    item(&mut ahead, &script, "small").await;
    let begun = event(&mut ahead).await;
    assert!(matches!(
        begun,
        Event::Begin {
            stored: Some(_),
            computed: None,
            ..
        }
    ));
    assert_eq!(
        start.elapsed(),
        LATENCY,
        "beside the reads, not before them"
    );
    assert_eq!(
        script.heads(),
        1,
        "the whole small one has it in its answer"
    );
    let content = script.content("large");
    rest(&mut ahead, &content).await;
    item(&mut ahead, &script, "empty").await;
}

#[tokio::test(start_paused = true)]
async fn the_head_waits_for_nothing_but_its_own_bytes() {
    let script = Script::new(Behaviour::calm(Duration::from_millis(1)), 1);
    let budget = MemoryBudget::new(2 * FIRST);
    let _other = budget.admit().unwrap().try_take(FIRST).unwrap();
    let items = vec![script.item("a", MIB, LARGE)];
    let mut ahead = ahead(&script, items, budget.admit().unwrap());
    assert!(matches!(event(&mut ahead).await, Event::Begin { .. }));
    let mut socket = Vec::new();
    let second = Duration::from_secs(1);
    while let Ok(next) = tokio::time::timeout(second, event(&mut ahead)).await {
        socket.push(next);
    }
    let held: usize = socket
        .iter()
        .map(|event| match event {
            Event::Data(chunk) => chunk.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(held, FIRST, "all that it may hold lies in the socket");
    let mut freed = 0;
    while freed < SMALLEST_PIECE as usize {
        if let Some(Event::Data(chunk)) = socket.pop() {
            freed += chunk.len();
        }
    }
    assert!(
        tokio::time::timeout(second, event(&mut ahead))
            .await
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_nothing() {
    let script = Script::new(Behaviour::calm(Duration::from_millis(20)), 1);
    let budget = MemoryBudget::default();
    for events in [0, 1, 2, 40] {
        let items = (0..100).map(|n| script.item(&format!("{n:03}"), 50_000, SMALL));
        let mut ahead = ahead(&script, items.collect(), budget.admit().unwrap());
        for _ in 0..events {
            event(&mut ahead).await;
        }
        let next = tokio::time::timeout(Duration::from_millis(1), ahead.next());
        drop(next.await);
        drop(ahead);
        settled(&script, &budget).await;
    }
}
