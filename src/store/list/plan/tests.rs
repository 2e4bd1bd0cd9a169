//! Listings in memory: whatever the keys are and whatever the store does, what comes out is the sequence.

use proptest::prelude::*;

use super::*;

impl Keyed for String {
    fn key(&self) -> &str {
        self
    }
}

/// A store in memory.
struct Keys<'a> {
    keys: &'a [String],
    page: usize,
}

impl Keys<'_> {
    fn answer(&self, from: &From) -> Page<String> {
        let start = match from {
            From::Beginning => 0,
            From::Token(token) => token.parse().unwrap(),
            From::After(after) => self.keys.partition_point(|key| key <= after),
        };
        let end = self.keys.len().min(start + self.page);
        Page {
            rows: self.keys[start..end].to_vec(),
            next: (end < self.keys.len()).then(|| end.to_string()),
        }
    }

    fn pages(&self) -> usize {
        self.keys.len().div_ceil(self.page).max(1)
    }
}

/// What a listing has cost.
#[derive(Debug, Default)]
struct Cost {
    requests: usize,
    rounds: usize,
    /// The most rows that were held before their turn.
    held: usize,
}

/// Round by round: all requests of a round are answered together.
fn run(store: &Keys<'_>, limit: usize, window: usize) -> (Vec<String>, Cost) {
    let mut planner = Planner::new(0, true);
    let (mut out, mut cost, mut now) = (Vec::new(), Cost::default(), 1);
    while !planner.is_done() {
        let mut asked = Vec::new();
        while let Some(ask) = planner.next(now, window) {
            asked.push(ask);
        }
        assert!(!asked.is_empty(), "it stands still");
        cost.requests += asked.len();
        cost.rounds += 1;
        for ask in asked {
            planner.arrived(ask.id, store.answer(&ask.from)).unwrap();
        }
        while let Some(page) = planner.take() {
            out.extend(page);
        }
        let held = planner.segments.iter().map(Segment::count).sum();
        cost.held = cost.held.max(held);
        now = (now * 2).min(limit);
    }
    (out, cost)
}

fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn sorted(count: u64, key: impl Fn(u64) -> String) -> Vec<String> {
    let mut keys: Vec<String> = (0..count).map(key).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Keys as buckets have them.
fn distributions(count: u64) -> Vec<(&'static str, Vec<String>)> {
    let share = move |n: u64| (mixed(n) as f64 / u64::MAX as f64).powi(3);
    let letter = |at: u64| char::from_u32(0x4e00 + (mixed(at) % 3000) as u32).unwrap();
    vec![
        ("numbers", sorted(count, |n| format!("invoice-{n:08}.pdf"))),
        (
            "a folder each",
            sorted(count, |n| format!("case-{n:07}/report.pdf")),
        ),
        (
            "folders",
            sorted(count, |n| {
                format!("run/{:03}/report {n:07} of 2024.pdf", n / 1000)
            }),
        ),
        (
            "large folders",
            sorted(count, |n| format!("run/{:03}/{n:07}.pdf", n / 10_000)),
        ),
        (
            "dates",
            sorted(count, |n| {
                let day = n * 3652 / count;
                let (year, rest) = (2015 + day / 365, day % 365);
                format!(
                    "{year}/{:02}/{:02}/{n:06}.pdf",
                    rest / 31 + 1,
                    rest % 31 + 1
                )
            }),
        ),
        (
            "uuids",
            sorted(count, |n| {
                let (a, b) = (mixed(n), mixed(!n));
                format!(
                    "{:08x}-{:04x}-4{:03x}-{b:016x}.pdf",
                    a >> 32,
                    a & 0xffff,
                    (a >> 16) & 0xfff
                )
            }),
        ),
        (
            "hashes in folders",
            sorted(count, |n| {
                let hash = format!("{:016x}{:016x}", mixed(n), mixed(!n));
                format!("{}/{}/{hash}", &hash[..2], &hash[2..4])
            }),
        ),
        (
            "numbers without zeros",
            sorted(count, |n| format!("scan {n}.pdf")),
        ),
        (
            "customers of very different sizes",
            sorted(count, |n| {
                let name = mixed((share(n) * 2000.0) as u64);
                let word = |at: u64| {
                    [
                        "amber", "birch", "cedar", "delta", "ember", "flint", "grove", "haven",
                    ][at as usize % 8]
                };
                format!(
                    "{}-{}/{}/{n:05}.pdf",
                    word(name),
                    word(name >> 8),
                    name >> 54
                )
            }),
        ),
        (
            "names beyond ASCII",
            sorted(count, |n| {
                format!("{}{}/報告書{n:05}.pdf", letter(n % 700), letter(n % 31))
            }),
        ),
        (
            "two folders far apart",
            sorted(count, |n| {
                if n % 10 == 0 {
                    format!("a/{n:08}")
                } else {
                    format!("zz/{:016x}", mixed(n))
                }
            }),
        ),
    ]
}

#[test]
fn listings_are_many_times_faster_at_half_as_many_requests_more() {
    for (name, keys) in distributions(100_000) {
        let store = Keys {
            keys: &keys,
            page: 100,
        };
        let (out, cost) = run(&store, 32, 160);
        assert!(out == keys, "{name}");
        let pages = store.pages();
        assert!(
            cost.requests * 2 <= pages * 3,
            "{name}: {cost:?} for {pages} pages"
        );
        // Evenly spread keys take 45 rounds for 1,000 pages; these are the worst.
        assert!(
            cost.rounds * 5 <= pages,
            "{name}: {cost:?} for {pages} pages"
        );
        assert!(cost.held <= (160 + 80 + 32) * 100, "{name}: {cost:?}");
    }
}

#[test]
fn few_pages_cost_few_requests() {
    let keys = sorted(1500, |n| format!("{n:05}"));
    for (count, requests) in [
        (0, 1),
        (1, 1),
        (99, 1),
        (100, 1),
        (101, 2),
        (200, 2),
        (300, 4),
    ] {
        let store = Keys {
            keys: &keys[..count],
            page: 100,
        };
        let (out, cost) = run(&store, 32, 160);
        assert_eq!(out, store.keys);
        assert!(cost.requests <= requests, "{count} keys: {cost:?}");
        assert!(
            cost.requests <= store.pages() * 3 / 2,
            "{count} keys: {cost:?}"
        );
    }
}

#[test]
fn one_at_a_time_is_the_sequence() {
    let keys = sorted(1000, |n| format!("{n:05}"));
    let store = Keys {
        keys: &keys,
        page: 10,
    };
    let (out, cost) = run(&store, 1, 160);
    assert_eq!(out, keys);
    assert_eq!((cost.requests, cost.rounds), (100, 100));
}

#[test]
fn a_store_that_ignores_the_key_is_asked_in_sequence() {
    let keys = sorted(10_000, |n| format!("{n:05}"));
    let store = Keys {
        keys: &keys,
        page: 100,
    };
    let mut planner = Planner::new(0, true);
    let (mut out, mut requests, mut now) = (Vec::new(), 0, 1);
    while !planner.is_done() {
        let asked: Vec<Ask> = std::iter::from_fn(|| planner.next(now, 160)).collect();
        for ask in asked {
            let from = match ask.from {
                From::After(_) => From::Beginning,
                from => from,
            };
            requests += 1;
            planner.arrived(ask.id, store.answer(&from)).unwrap();
        }
        out.extend(std::iter::from_fn(|| planner.take()).flatten());
        now = 32;
    }
    assert!(planner.is_distrusted());
    assert_eq!(out, keys);
    assert!(requests <= 102, "{requests}");
}

/// It begins behind the key, but leaves out every other one from there on.
#[test]
fn a_store_that_leaves_keys_out_is_found_out() {
    let keys = sorted(10_000, |n| format!("{n:05}"));
    let store = Keys {
        keys: &keys,
        page: 100,
    };
    let mut planner = Planner::new(0, true);
    let (mut out, mut now) = (Vec::new(), 1);
    while !planner.is_done() {
        let asked: Vec<Ask> = std::iter::from_fn(|| planner.next(now, 160)).collect();
        for ask in asked {
            let mut page = store.answer(&ask.from);
            if let From::After(_) = ask.from {
                let mut number = 0;
                page.rows.retain(|_| {
                    number += 1;
                    number % 2 == 0
                });
            }
            planner.arrived(ask.id, page).unwrap();
        }
        out.extend(std::iter::from_fn(|| planner.take()).flatten());
        now = 4;
    }
    assert!(planner.is_distrusted());
    assert_eq!(out, keys);
}

#[test]
fn a_sequence_without_order_is_an_error() {
    let mut planner = Planner::new(0, true);
    let ask = planner.next(1, 160).unwrap();
    let rows = ["b", "a"].map(str::to_owned).to_vec();
    let page = Page { rows, next: None };
    assert_eq!(planner.arrived(ask.id, page), Err(Disorder));
}

/// What a store and a consumer may do to a listing.
#[derive(Clone, Debug)]
struct Play {
    page: usize,
    limit: usize,
    window: usize,
    /// Decides which answer comes next, whether it is a failure, and whether the consumer takes what is ready.
    seed: u64,
    /// One in so many answers fails.
    failing: u64,
}

fn play() -> impl Strategy<Value = Play> {
    (
        1_usize..12,
        1_usize..9,
        2_usize..40,
        any::<u64>(),
        2_u64..60,
    )
        .prop_map(|(page, limit, window, seed, failing)| Play {
            page,
            limit,
            window,
            seed,
            failing,
        })
}

/// Answers come in any order, and some fail; the consumer takes its time.
fn perform(keys: &[String], play: &Play) -> Result<Vec<String>, TestCaseError> {
    let store = Keys {
        keys,
        page: play.page,
    };
    let mut planner = Planner::new(0, true);
    let (mut out, mut under_way, mut draws) = (Vec::new(), Vec::new(), play.seed);
    let mut draw = |below: u64| {
        draws = mixed(draws);
        draws % below
    };
    for _ in 0..100_000 {
        if planner.is_done() {
            return Ok(out);
        }
        under_way.extend(std::iter::from_fn(|| planner.next(play.limit, play.window)));
        if under_way.is_empty() {
            prop_assert!(planner.is_ready(), "it stands still");
        } else {
            let ask: Ask = under_way.swap_remove(draw(under_way.len() as u64) as usize);
            match draw(play.failing) {
                0 => planner.failed(ask.id, draw(4) == 0),
                _ => planner
                    .arrived(ask.id, store.answer(&ask.from))
                    .expect("order"),
            }
        }
        if draw(3) > 0 || under_way.is_empty() {
            out.extend(std::iter::from_fn(|| planner.take()).flatten());
        }
    }
    Err(TestCaseError::fail("it never ends"))
}

/// Keys with the borders of UTF-8 and of order in them, sharing their beginnings or not.
fn keys() -> impl Strategy<Value = Vec<String>> {
    let character = prop_oneof![
        Just('\u{1}'),
        Just('\u{10FFFF}'),
        Just('/'),
        Just('\u{7f}'),
        Just('\u{80}'),
        Just('\u{d7ff}'),
        Just('\u{e000}'),
        Just('ü'),
        Just('書'),
        prop::char::range('0', '9'),
        prop::char::range('a', 'f'),
        any::<char>(),
    ];
    let text = prop::collection::vec(character, 1..6).prop_map(String::from_iter);
    let number = (any::<u16>(), 1_usize..7).prop_map(|(number, width)| format!("{number:0width$}"));
    let part = prop_oneof![text, number];
    let key = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    prop::collection::btree_set(key, 0..300).prop_map(|keys| keys.into_iter().collect())
}

proptest! {
    #[test]
    fn any_keys_come_in_sequence(keys in keys(), play in play()) {
        prop_assert_eq!(perform(&keys, &play)?, keys);
    }

    #[test]
    fn dense_keys_come_in_sequence(count in 0_u64..2000, kind in 0_usize..11, play in play()) {
        let (_, keys) = distributions(count.max(1)).swap_remove(kind);
        prop_assert_eq!(perform(&keys, &play)?, keys);
    }

    #[test]
    fn no_listing_takes_half_as_many_requests_more(keys in keys(), page in 1_usize..8, limit in 1_usize..40) {
        let store = Keys { keys: &keys, page };
        let (out, cost) = run(&store, limit, 160);
        let most = store.pages() * 3 / 2 + 1;
        prop_assert!(cost.requests <= most, "{:?} for {} pages", cost, store.pages());
        prop_assert_eq!(out, keys);
    }
}
