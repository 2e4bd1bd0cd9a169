//! Nothing lost: whatever happens, a client that reports success has the archive, byte by byte.
//!
//! In each run a real client downloads from the real binary over a real store, and a pass-through on either side of sheaf
//! does harm to it, while processes are killed and objects change. The run follows from a seed; a failure names it, with
//! the command that runs it again. `SHEAF_CHAOS_SEED=n` runs one alone, `SHEAF_CHAOS_RUNS=n` runs the first n.

mod bench;
mod plan;

use std::time::Duration;

use futures::StreamExt;

use bench::Bench;
use plan::{Event, Kind, Must, Plan};

/// Runs of a normal test.
const RUNS: u64 = 50;

/// How many run at once: they mostly wait.
const AT_ONCE: usize = 4;

/// No run takes longer, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(180);

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_succeeds_only_with_the_whole_archive() {
    let seeds = match number("SHEAF_CHAOS_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SHEAF_CHAOS_RUNS").unwrap_or(RUNS),
    };
    let failed: Vec<String> = futures::stream::iter(seeds)
        .map(|seed| async move {
            let run = tokio::spawn(tokio::time::timeout(PATIENCE, run(seed)));
            let why = match run.await {
                Ok(Ok(Ok(()))) => return None,
                Ok(Ok(Err(why))) => why,
                Ok(Err(_)) => "it does not end".to_owned(),
                Err(panic) => panic.to_string(),
            };
            let again = "cargo test --test it chaos::a_client -- --nocapture";
            Some(format!("{why}\n  again: SHEAF_CHAOS_SEED={seed} {again}"))
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(|failed| async { failed })
        .collect()
        .await;
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

/// One run. The reason, where the promise does not hold.
async fn run(seed: u64) -> Result<(), String> {
    let plan = Plan::new(seed);
    if number("SHEAF_CHAOS_SEED").is_some() {
        println!("{}", describe(&plan));
    }
    let mut bench = Bench::set_up(&plan).await;
    let Some(ended) = bench.download(&plan).await else {
        return Ok(());
    };
    let blame = |what: &str| {
        let end = format!("it ended with success {}: {}", ended.success, ended.said);
        format!("{what}\n{}\n{end}\n{}", describe(&plan), bench.said())
    };
    if ended.success && !bench.is_reference(&ended.file).await {
        let size = ended.file.len();
        return Err(blame(&format!(
            "success with {size} bytes that are no archive of the bucket"
        )));
    }
    match plan.must {
        Must::Succeed if !ended.success => {
            return Err(blame("it failed, and all that happened can be mended"));
        }
        Must::Fail if ended.success => {
            return Err(blame("it succeeded, and that cannot be"));
        }
        _ => {}
    }
    bench
        .log_agrees(&plan, &ended)
        .await
        .map_err(|why| blame(&why))?;
    bench
        .nothing_is_left(&plan)
        .await
        .map_err(|why| blame(&why))
}

fn describe(plan: &Plan) -> String {
    let Plan {
        kind,
        client,
        nginx,
        store_side,
        client_side,
        event,
        victim,
        must,
        ..
    } = plan;
    let objects: Vec<String> = plan
        .objects
        .iter()
        .map(|object| format!("{} ({})", object.key, object.content.len()))
        .collect();
    format!(
        "{kind:?} {client:?}, nginx {nginx}, must {must:?}\nobjects {}\nstore {store_side:?}\nclient {client_side:?}\n\
         event {event:?}, victim {victim}",
        objects.join(", ")
    )
}

/// What becomes of the bucket.
fn changes(event: Event) -> bool {
    matches!(event, Event::Replace | Event::Delete | Event::Truncate)
}

/// A name for the archive of a run.
fn target(kind: Kind) -> &'static str {
    match kind {
        Kind::Live => "/v1/zip?filename=out.zip",
        Kind::Frozen => "/v1/links",
    }
}
