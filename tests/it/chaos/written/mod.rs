//! What sheaf writes into a bucket: a package or a manifest is there and whole, or it is not there at all.
//!
//! Whoever asked for it is told of success exactly if it stands: a package byte for byte the archive of one state of the
//! bucket, a manifest with each key of one state and URLs that give the objects' bytes. Otherwise nothing is left of it.
//! What was killed, whoever asked asks for again; then a package goes on from the parts that stand.

mod bench;
mod found;
mod left;
mod maker;
mod plan;

use std::sync::Arc;

use super::place::Shared;
use bench::Bench;
use plan::Plan;

/// Runs of a normal test.
const RUNS: u64 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_or_a_manifest_is_whole_or_not_there() {
    super::all("written", RUNS, run).await;
}

/// One run. The reason, where the promise does not hold.
async fn run(seed: u64, shared: Arc<Shared>) -> Result<bool, String> {
    let plan = Plan::new(seed);
    if super::number("SHEAF_CHAOS_SEED").is_some() {
        println!("{}", describe(&plan));
    }
    play(&plan, &shared).await
}

async fn play(plan: &Plan, shared: &Shared) -> Result<bool, String> {
    let mut bench = Bench::set_up(plan, shared).await;
    let made = bench.make(plan).await;
    bench.to_store.heal();
    let blame = |bench: &Bench, what: &str| {
        let end = format!(
            "it ended with success {}: {}\n{}",
            made.success, made.told, made.said
        );
        format!("{what}\n{}\n{end}\n{}", describe(plan), bench.said())
    };
    let right = bench.is_right(plan, &made).await;
    right.map_err(|why| blame(&bench, &why))?;
    if let Some(why) = plan.must.broken_by(made.success) {
        return Err(blame(&bench, why));
    }
    let left = bench.nothing_is_left(plan, &made).await;
    left.map_err(|why| blame(&bench, &why))?;
    bench.clear().await;
    Ok(made.success)
}

fn describe(plan: &Plan) -> String {
    let Plan {
        kind,
        by,
        software,
        harms,
        event,
        victim,
        must,
        ..
    } = plan;
    let objects: Vec<String> = plan
        .objects
        .iter()
        .take(20)
        .map(|object| format!("{} ({})", object.key, object.content.len()))
        .collect();
    format!(
        "{kind:?} by {by:?} over {software:?}, must {must:?}\nobjects {}\nharms {harms:?}\nevent {event:?}, victim {victim}",
        objects.join(", ")
    )
}
