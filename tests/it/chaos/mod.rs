//! Nothing lost: whatever happens, a client that reports success has the archive, byte by byte.
//!
//! In each run a real client downloads from the real binary over a real store, and a pass-through on either side of sheaf
//! does harm to it, while processes are killed and objects change. `written` is the same for what sheaf writes into a
//! bucket. The run follows from a seed; a failure names it, with the command that runs it again.
//!
//! | variable | meaning |
//! |---|---|
//! | `SHEAF_CHAOS_SEED` | this run alone |
//! | `SHEAF_CHAOS_RUNS` | so many runs of each test |
//! | `SHEAF_CHAOS_FROM` | the first of them |
//! | `SHEAF_CHAOS_AT_ONCE` | how many run at once |
//! | `SHEAF_TEST_STORES` | whose stores are among those beneath: `garage`, `minio` |

mod bench;
mod place;
mod plan;
mod written;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::StreamExt;

use bench::Bench;
use place::Shared;
use plan::{Event, Plan};

/// Runs of a normal test.
const RUNS: u64 = 50;

/// How many run at once: they mostly wait.
const AT_ONCE: u64 = 4;

/// After so many runs a word is said about them.
const WORD: usize = 100;

/// No run takes longer, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(600);

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// Does so many runs of a test, unless the environment says otherwise, and tells of those that fail. A run says whether
/// its client was told of success.
async fn all<F>(test: &str, runs: u64, run: impl Fn(u64, Arc<Shared>) -> F)
where
    F: Future<Output = Result<bool, String>> + Send + 'static,
{
    let from = number("SHEAF_CHAOS_FROM").unwrap_or(0);
    let seeds = match number("SHEAF_CHAOS_SEED") {
        Some(seed) => seed..seed + 1,
        None => from..from + number("SHEAF_CHAOS_RUNS").unwrap_or(runs),
    };
    let at_once = number("SHEAF_CHAOS_AT_ONCE").unwrap_or(AT_ONCE);
    let shared = Arc::new(Shared::start().await);
    let (done, successes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed: Vec<String> = futures::stream::iter(seeds)
        .map(|seed| {
            let (running, shared) = (run(seed, shared.clone()), &shared);
            let (done, successes) = (&done, &successes);
            async move {
                let run = tokio::spawn(tokio::time::timeout(PATIENCE, running));
                let ended = run.await;
                let success = usize::from(matches!(ended, Ok(Ok(Ok(true)))));
                let successes = successes.fetch_add(success, Ordering::Relaxed) + success;
                let count = done.fetch_add(1, Ordering::Relaxed) + 1;
                if count.is_multiple_of(WORD) {
                    println!("{count} runs, of which {successes} told of success");
                }
                let why = match ended {
                    Ok(Ok(Ok(_))) => return None,
                    Ok(Ok(Err(why))) => why,
                    Ok(Err(_)) => "it does not end".to_owned(),
                    Err(panic) => panic.to_string(),
                };
                let stores = shared.names();
                let failure = format!(
                    "{why}\n  again: SHEAF_TEST_STORES={stores} SHEAF_CHAOS_SEED={seed} \
                     cargo test --test it chaos::{test} -- --nocapture"
                );
                // Thousands of runs take hours, and nobody should wait for the last to hear of the first.
                println!("{failure}");
                Some(failure)
            }
        })
        .buffer_unordered(usize::try_from(at_once).expect("a small number"))
        .filter_map(|failed| async { failed })
        .collect()
        .await;
    let count = failed.len();
    assert!(failed.is_empty(), "\n{}\n{count} failed", failed.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_succeeds_only_with_the_whole_archive() {
    all("a_client", RUNS, run).await;
}

/// One run. The reason, where the promise does not hold.
async fn run(seed: u64, shared: Arc<Shared>) -> Result<bool, String> {
    let plan = Plan::new(seed);
    if number("SHEAF_CHAOS_SEED").is_some() {
        println!("{}", describe(&plan));
    }
    let mut bench = Bench::set_up(&plan, &shared).await;
    let Some(ended) = bench.download(&plan).await else {
        return Ok(false);
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
    if let Some(why) = plan.must.broken_by(ended.success) {
        return Err(blame(why));
    }
    bench
        .log_agrees(&plan, &ended)
        .await
        .map_err(|why| blame(&why))?;
    let left = bench.nothing_is_left(&plan).await;
    left.map_err(|why| blame(&why))?;
    bench.clear().await;
    Ok(ended.success)
}

fn describe(plan: &Plan) -> String {
    let Plan {
        kind,
        client,
        software,
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
        "{kind:?} {client:?} over {software:?}, nginx {nginx}, must {must:?}\nobjects {}\nstore {store_side:?}\nclient {client_side:?}\n\
         event {event:?}, victim {victim}",
        objects.join(", ")
    )
}

/// What becomes of the bucket.
fn changes(event: Event) -> bool {
    matches!(event, Event::Replace | Event::Delete | Event::Truncate)
}
