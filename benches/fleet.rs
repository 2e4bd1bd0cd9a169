//! What a fleet of sheaf would do that no machine here can run: a billion keys listed, a hundred servers that admit
//! downloads, hundreds of workers at one queue. Simulated by discrete events, with sheaf's own code where it decides
//! something: the plan of a listing, the books of the memory budget, the statements of the queue.
//!
//! What is modelled and not measured: the store answers each page after the same time and never slows down; a download takes
//! its window of memory at once and keeps it; each statement holds the queue's lock for a fixed time, beside which stands
//! what the same statements were seen to take here, on SQLite. Network and processor are arithmetic, and not part of it.
//!
//! `--quick` takes less, and checks the same: no key is lost, no budget is exceeded, whoever was admitted is served.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use sheaf::job::queue::{NewJob, Pulse, Queue, QueueUrl, State, Terms};
use sheaf::read_ahead::{MemoryBudget, Reservation, Share};

/// The plan of a listing is nobody's business outside of the library, and pure: it is compiled once more here.
#[path = "../src/store/list"]
#[allow(dead_code, unused_imports, reason = "the library uses the rest of it")]
mod list {
    pub mod guess;
    pub mod plan;
    pub mod scale;
    pub mod segment;
    pub mod trail;

    use std::cmp::Reverse;
    use std::collections::{BinaryHeap, HashMap};

    use plan::{Page, Planner};
    use segment::{From, Keyed};

    /// Keys on a page, as S3 has them.
    pub const PAGE: u64 = 1000;

    /// Requests at once and pages ahead, as `store::list::drive` has them.
    const AT_ONCE: usize = 32;
    const WINDOW: usize = 160;

    /// A key that knows its number.
    struct Row {
        key: String,
        number: u64,
    }

    impl Keyed for Row {
        fn key(&self) -> &str {
            &self.key
        }
    }

    /// What a listing took.
    pub struct Listed {
        pub keys: u64,
        pub requests: u64,
        /// In answers of the store, one after the other.
        pub rounds: u64,
    }

    /// Lists `count` keys, of which `key` gives each by its number in their order.
    pub fn listed(count: u64, key: impl Fn(u64) -> String) -> Listed {
        let page = |from: &From| {
            let start = match from {
                From::Beginning => 0,
                From::Token(token) => token.parse().unwrap_or(count),
                From::After(after) => {
                    let (mut low, mut high) = (0, count);
                    while low < high {
                        let middle = low + (high - low) / 2;
                        match key(middle) <= *after {
                            true => low = middle + 1,
                            false => high = middle,
                        }
                    }
                    low
                }
            };
            let end = count.min(start + PAGE);
            let row = |number| Row {
                key: key(number),
                number,
            };
            Page {
                rows: (start..end).map(row).collect(),
                next: (end < count).then(|| end.to_string()),
            }
        };
        let mut planner = Planner::new(0, true);
        let mut answers = BinaryHeap::new();
        let mut asked = HashMap::new();
        let mut listed = Listed {
            keys: 0,
            requests: 0,
            rounds: 0,
        };
        let mut limit = 1;
        while !planner.is_done() {
            while let Some(ask) = planner.next(limit, WINDOW) {
                listed.requests += 1;
                answers.push(Reverse((listed.rounds + 1, ask.id)));
                asked.insert(ask.id, ask.from);
            }
            let Some(Reverse((at, id))) = answers.pop() else {
                break;
            };
            listed.rounds = at;
            let from = asked.remove(&id).unwrap_or(From::Beginning);
            if planner.arrived(id, page(&from)).is_err() {
                break;
            }
            // Whoever consumes the listing waits for nothing else.
            while let Some(rows) = planner.take() {
                for row in rows {
                    if row.number == listed.keys {
                        listed.keys += 1;
                    }
                }
                limit = (limit * 2).min(AT_ONCE);
            }
        }
        listed
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let quick = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--quick"] => true,
        _ => bail!("the only option is --quick"),
    };
    listings(quick)?;
    admissions(quick)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(queue(quick))
}

/// The store answers a page after this long.
const ANSWER: Duration = Duration::from_millis(50);

/// Keys in the order of their numbers.
type Key = fn(u64) -> String;

const KEYS: [(&str, Key); 3] = [
    ("one folder", |n| format!("run/invoice-{n:010}.pdf")),
    ("a folder each", |n| format!("run/case-{n:010}/report.pdf")),
    ("a folder a thousand", |n| {
        format!("run/{:07}/{n:010}.pdf", n / 1000)
    }),
];

fn listings(quick: bool) -> Result<()> {
    let count = if quick { 300_000 } else { 10_000_000 };
    println!("listing {count} keys, {} ms a page", ANSWER.as_millis());
    for (name, key) in KEYS {
        let listed = list::listed(count, key);
        ensure!(listed.keys == count, "{name}: {} keys", listed.keys);
        let pages = count.div_ceil(list::PAGE);
        let more = listed.requests as f64 / pages as f64;
        let seconds = ANSWER.as_secs_f64() * listed.rounds as f64;
        let times = pages as f64 / listed.rounds as f64;
        let billion = 1e9 / count as f64;
        println!(
            "  {name:20} {seconds:7.1} s, {times:4.1} times as fast as in sequence, {more:4.2} times the requests; \
             a billion: {:5.1} h and {:.2} million requests",
            seconds * billion / 3600.0,
            listed.requests as f64 * billion / 1e6,
        );
        ensure!(more <= 1.5, "{name}: too many requests");
    }
    Ok(())
}

/// A fleet of servers behind a balancer that chooses by chance.
struct Fleet {
    servers: usize,
    /// Connections that one server takes.
    connections: usize,
    /// What a download would like to read ahead, in bytes.
    window: usize,
    /// How long a download lasts, in milliseconds.
    lasts: u64,
}

/// A download under way: what it has of a server's budget.
struct Download {
    server: usize,
    _ahead: Option<Reservation>,
    _share: Share,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ends(usize),
    Comes { tries: u32, first: u64 },
}

/// What became of those who came.
#[derive(Default)]
struct Served {
    at_once: usize,
    later: usize,
    gone: usize,
    /// How long those waited who were let in later, in milliseconds.
    waits: Vec<u64>,
    most: usize,
    peak: usize,
}

/// Who is refused comes back after so long, and so often.
const RETRY_AFTER: u64 = 5_000;
const TRIES: u32 = 12;

fn admissions(quick: bool) -> Result<()> {
    let fleet = Fleet {
        servers: if quick { 10 } else { 100 },
        connections: 1024,
        window: 8 << 20,
        lasts: 60_000,
    };
    println!(
        "admission: {} servers of 256 MiB and {} connections, downloads of {} s, balanced by chance",
        fleet.servers,
        fleet.connections,
        fleet.lasts / 1000
    );
    for load in [0.5, 0.9, 1.0, 1.1, 2.0, 10.0] {
        let served = admitted(&fleet, load, quick)?;
        let came = served.at_once + served.later + served.gone;
        let share = |some: usize| 100.0 * some as f64 / came.max(1) as f64;
        let mut waits = served.waits;
        waits.sort_unstable();
        let late = waits.get(waits.len() * 95 / 100).copied().unwrap_or(0);
        println!(
            "  {load:4.1} of the places: {:5.1} % at once, {:5.1} % later (95 % of them within {:3.0} s), {:5.1} % not within a minute; \
             {:4} at once on the fullest, {:3.0} % of its memory",
            share(served.at_once),
            share(served.later),
            late as f64 / 1000.0,
            share(served.gone),
            served.most,
            100.0 * served.peak as f64 / (256 << 20) as f64,
        );
    }
    Ok(())
}

/// Lets downloads come, `load` times as many as there are places for.
fn admitted(fleet: &Fleet, load: f64, quick: bool) -> Result<Served> {
    let budgets: Vec<MemoryBudget> = (0..fleet.servers)
        .map(|_| MemoryBudget::default())
        .collect();
    let mut open = vec![0; fleet.servers];
    let mut downloads: Vec<Option<Download>> = Vec::new();
    let mut free = Vec::new();
    let mut served = Served::default();
    let mut random = fastrand::Rng::with_seed(7);
    let places = (fleet.servers * fleet.connections) as f64;
    let every = fleet.lasts as f64 / (places * load);
    let end = fleet.lasts * if quick { 2 } else { 4 };
    let (mut events, mut next) = (BinaryHeap::new(), 0.0);
    let exponential = |random: &mut fastrand::Rng, mean: f64| -mean * (1.0 - random.f64()).ln();
    loop {
        // Those who come for the first time are thought up as they come, so that the heap stays small.
        let coming = (next < end as f64).then_some(next as u64);
        let due = events
            .peek()
            .map(|Reverse((at, _)): &Reverse<(u64, Event)>| *at);
        let (now, event) = match (coming, due) {
            (Some(now), due) if due.is_none_or(|due| now <= due) => {
                next += exponential(&mut random, every);
                (
                    now,
                    Event::Comes {
                        tries: 1,
                        first: now,
                    },
                )
            }
            _ => match events.pop() {
                Some(Reverse(event)) => event,
                None => break,
            },
        };
        match event {
            Event::Ends(place) => {
                if let Some(download) = downloads[place].take() {
                    open[download.server] -= 1;
                    free.push(place);
                }
            }
            Event::Comes { tries, first } => {
                let server = random.usize(..fleet.servers);
                let has_place = open[server] < fleet.connections;
                let share = has_place.then(|| budgets[server].admit().ok()).flatten();
                let Some(share) = share else {
                    match tries < TRIES {
                        true => events.push(Reverse((
                            now + RETRY_AFTER + random.u64(..1000),
                            Event::Comes {
                                tries: tries + 1,
                                first,
                            },
                        ))),
                        false => served.gone += 1,
                    }
                    continue;
                };
                match tries {
                    1 => served.at_once += 1,
                    _ => {
                        served.later += 1;
                        served.waits.push(now - first);
                    }
                }
                // As much of the window as there is.
                let window = std::iter::successors(Some(fleet.window), |window| Some(window / 2));
                let ahead = window
                    .take_while(|&window| window >= 64 << 10)
                    .find_map(|window| share.try_take(window));
                ensure!(ahead.is_some(), "who was let in cannot read");
                let download = Some(Download {
                    server,
                    _ahead: ahead,
                    _share: share,
                });
                let place = free.pop().unwrap_or_else(|| {
                    downloads.push(None);
                    downloads.len() - 1
                });
                downloads[place] = download;
                open[server] += 1;
                served.most = served.most.max(open[server]);
                let lasts = exponential(&mut random, fleet.lasts as f64) as u64;
                events.push(Reverse((now + lasts, Event::Ends(place))));
            }
        }
    }
    for budget in &budgets {
        served.peak = served.peak.max(budget.peak());
        ensure!(budget.peak() <= budget.total(), "a budget was exceeded");
        ensure!(budget.held() == 0, "memory was left behind");
    }
    Ok(served)
}

/// How long the queue's statements take, in milliseconds each.
#[derive(Clone, Copy)]
struct Costs {
    claim: f64,
    look: f64,
    beat: f64,
    finish: f64,
}

/// What a statement is taken to cost, in milliseconds: a database next door, and one that waits for a copy far away.
const STATEMENTS: [f64; 2] = [1.0, 5.0];

async fn queue(quick: bool) -> Result<()> {
    let waiting = if quick { 200 } else { 2000 };
    let costs = measured(waiting).await?;
    println!(
        "queue: on SQLite, with {waiting} jobs in it, a claim takes {:.2} ms, a look in vain {:.2} ms, a heartbeat {:.2} ms, an end {:.2} ms",
        costs.claim, costs.look, costs.beat, costs.finish
    );
    let hour = if quick { 600.0 } else { 3600.0 };
    for cost in STATEMENTS {
        let costs = Costs {
            claim: cost,
            look: cost,
            beat: cost,
            finish: cost,
        };
        for (workers, length) in [(10, 10.0), (100, 10.0), (100, 60.0), (400, 60.0)] {
            // Nine of ten workers are busy.
            let rate = 0.9 * workers as f64 / length;
            let worked = worked(costs, workers, length, rate, hour);
            println!(
                "  {cost:2} ms each, {workers:3} workers, jobs of {length:2} s: {:6.0} jobs an hour, the queue busy for {:5.1} %, a job waits {:4.1} s (95 %)",
                worked.done as f64 * 3600.0 / hour,
                100.0 * worked.busy / hour,
                worked.late
            );
            ensure!(worked.done > 0, "nothing was done");
        }
    }
    Ok(())
}

/// Does what workers do, and takes the time.
async fn measured(jobs: usize) -> Result<Costs> {
    let home = tempfile::tempdir()?;
    let mut terms = Terms::default();
    terms.limits.open = u64::MAX;
    let queue = Queue::open(&QueueUrl::in_folder(home.path()), terms).await?;
    for number in 0..jobs {
        let job = NewJob {
            id: format!("{number:08}"),
            kind: "package",
            owner: format!("owner {}", number % 10),
            request: "{}".to_owned(),
            subject: String::new(),
            size: 1 << 30,
            keep: Duration::ZERO,
        };
        queue.enter(&job).await?;
    }
    let each = |began: Instant, times: usize| began.elapsed().as_secs_f64() * 1000.0 / times as f64;
    let times = jobs / 4;
    let (began, mut claimed) = (Instant::now(), Vec::new());
    for _ in 0..times {
        claimed.extend(queue.claim("worker", &["package"]).await?);
    }
    let claim = each(began, times);
    ensure!(claimed.len() == times, "a job was not to be had");
    let began = Instant::now();
    for _ in 0..times {
        ensure!(queue.claim("worker", &["other"]).await?.is_none());
    }
    let look = each(began, times);
    let began = Instant::now();
    for claimed in &claimed {
        let job = &claimed.job;
        queue.beat(&job.id, job.fence, &Pulse::default()).await?;
    }
    let beat = each(began, times);
    let began = Instant::now();
    for claimed in &claimed {
        queue.finish(&claimed.job, State::Done, "{}", "").await?;
    }
    let finish = each(began, times);
    queue.close().await;
    Ok(Costs {
        claim,
        look,
        beat,
        finish,
    })
}

/// What workers got done.
struct Worked {
    done: usize,
    /// Seconds for which the queue's lock was held.
    busy: f64,
    /// How long 95 % of the jobs waited at the most, in seconds.
    late: f64,
}

/// What all statements of a queue wait for.
#[derive(Default)]
struct Lock {
    /// When it is free again, in seconds.
    free: f64,
    /// For how long it was held.
    busy: f64,
}

impl Lock {
    /// Waits for it, and holds it for `cost` milliseconds. Says when it is free again.
    fn held(&mut self, now: f64, cost: f64) -> f64 {
        self.free = self.free.max(now) + cost / 1000.0;
        self.busy += cost / 1000.0;
        self.free
    }
}

/// Workers of one slot each at one queue, whose statements come one after the other.
fn worked(costs: Costs, workers: usize, length: f64, rate: f64, until: f64) -> Worked {
    const POLL: f64 = 0.5;
    const BEAT: f64 = 10.0;
    let mut random = fastrand::Rng::with_seed(11);
    let mut exponential = |mean: f64| -mean * (1.0 - random.f64()).ln();
    // Times are compared as whole microseconds.
    let micros = |seconds: f64| (seconds * 1e6) as u64;
    let mut lock = Lock::default();
    let mut looks: BinaryHeap<Reverse<(u64, usize)>> = (0..workers)
        .map(|worker| Reverse((micros(POLL * worker as f64 / workers as f64), worker)))
        .collect();
    let (mut entered, mut coming) = (std::collections::VecDeque::new(), exponential(1.0 / rate));
    let (mut done, mut waits) = (0, Vec::new());
    while let Some(Reverse((at, worker))) = looks.pop() {
        let now = at as f64 / 1e6;
        if now > until {
            break;
        }
        while coming <= now {
            entered.push_back(coming);
            coming += exponential(1.0 / rate);
        }
        let Some(since) = entered.pop_front() else {
            let looked = lock.held(now, costs.look);
            looks.push(Reverse((micros(looked + POLL), worker)));
            continue;
        };
        let began = lock.held(now, costs.claim);
        waits.push(began - since);
        let lasts = exponential(length);
        // Heartbeats and the end are charged beforehand: they hold the lock for as long, if not at that moment.
        let beats = (lasts / BEAT).floor();
        lock.busy += (beats * costs.beat + costs.finish) / 1000.0;
        done += 1;
        looks.push(Reverse((micros(began + lasts), worker)));
    }
    waits.sort_by(f64::total_cmp);
    let late = waits.get(waits.len() * 95 / 100).copied().unwrap_or(0.0);
    Worked {
        done,
        busy: lock.busy,
        late,
    }
}
