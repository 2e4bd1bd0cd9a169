//! An hour like any other: six clients of every kind download from the real binary over a real store, which fails now and
//! then, and nothing of it stays: neither memory, nor descriptors, nor threads.
//!
//! The store is another sheaf over a folder; a pass-through in front of it resets, closes, stalls, delays or refuses about
//! one request of a hundred. Every download is compared with what it must be: a success with anything else ends the
//! run. In the end nothing may be held, and as many descriptors must be open as in the beginning.
//!
//! It runs slowly on purpose (`--minutes`, 60 unless told otherwise): it is about time, and not about load. `--quick` lets
//! each client do each of its deeds once, without pauses. `SHEAF_TEST_PROGRAM` has another program run than cargo's.

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::task::JoinSet;

#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

mod deeds;
mod tally;
mod watch;
mod world;

use deeds::Deed;
use support::random::Random;
use tally::Tally;
use watch::Watch;
use world::World;

const CLIENTS: u64 = 6;

/// How long a client does nothing between two deeds, on the average.
const PAUSE: Duration = Duration::from_secs(4);

/// No deed takes longer, on a machine that is busy with other things either.
const PATIENCE: Duration = Duration::from_secs(900);

/// Between two lines that tell how far it is.
const TOLD: Duration = Duration::from_secs(300);

/// One deed in so many finds a store that is about to fail; each asks it some dozens of times.
const FAULT_IN: u64 = 2;

/// How long it goes on.
#[derive(Clone, Copy, Debug)]
enum Length {
    /// Each deed once for each client.
    Quick,
    Lasting(Duration),
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let length = match arguments[..] {
        [] => Length::Lasting(Duration::from_secs(3600)),
        ["--quick"] => Length::Quick,
        ["--minutes", minutes] => {
            let minutes: u64 = minutes.parse().context("--minutes takes a number")?;
            Length::Lasting(Duration::from_secs(60 * minutes))
        }
        _ => bail!("the options are --quick and --minutes N"),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run(length))
}

async fn run(length: Length) -> Result<()> {
    let (world, processes) = World::set_up().await?;
    let world = Arc::new(world);
    let every = match length {
        Length::Quick => Duration::from_millis(500),
        Length::Lasting(_) => Duration::from_secs(15),
    };
    let mut watches = Vec::new();
    for (name, process) in processes {
        watches.push(Watch::start(name, process, every)?);
    }
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for seed in 0..CLIENTS {
        clients.spawn(client(world.clone(), seed, length));
    }
    let told = async {
        loop {
            tokio::time::sleep(TOLD).await;
            let minutes = start.elapsed().as_secs_f64() / 60.0;
            for watch in &watches {
                println!("{minutes:.0} minutes, {watch}");
            }
        }
    };
    let counted = async {
        let mut tally = Tally::default();
        while let Some(client) = clients.join_next().await {
            tally.add(client??);
        }
        Ok::<_, anyhow::Error>(tally)
    };
    let tally = tokio::select! {
        tally = counted => tally?,
        never = told => never,
    };
    println!("{:.0} minutes", start.elapsed().as_secs_f64() / 60.0);
    println!("{tally}");
    println!("{}", world.store_requests().await?);
    let settled = world.nothing_is_held().await;
    for watch in &mut watches {
        // Connections that wait for a next request are closed within two minutes.
        let idle_too = matches!(length, Length::Lasting(_));
        println!("{}", watch.end(idle_too).await?);
    }
    settled?;
    ensure!(
        tally.failed() * 100 <= tally.done(),
        "more than one of a hundred failed"
    );
    Ok(())
}

/// One client, from its first deed to its last.
async fn client(world: Arc<World>, seed: u64, length: Length) -> Result<Tally> {
    let mut random = Random::new(seed);
    let start = Instant::now();
    let mut tally = Tally::default();
    let mut turn = 0;
    loop {
        let deed = match length {
            Length::Quick if turn == Deed::ALL.len() => return Ok(tally),
            // Each begins with another one.
            Length::Quick => Deed::ALL[(turn + 3 * seed as usize) % Deed::ALL.len()],
            Length::Lasting(time) if start.elapsed() > time => return Ok(tally),
            Length::Lasting(_) => random.of(&Deed::ALL),
        };
        turn += 1;
        if let Length::Lasting(_) = length {
            let pause = random.below(2 * PAUSE.as_millis() as u64);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        let selection = random.of(&world.selections);
        if random.one_in(FAULT_IN) {
            world.fail(&selection, &mut random);
        }
        let ended = tokio::time::timeout(PATIENCE, deed.run(&world, &selection, &mut random)).await;
        let ended = ended.with_context(|| format!("{deed:?} of {} hangs", selection.prefix))?;
        tally.note(deed, ended?);
    }
}
