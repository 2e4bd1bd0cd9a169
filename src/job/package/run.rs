//! Doing parts: several at once, those first that need nothing which is not known yet.
//!
//! What is done is kept as it comes, at most once a second: the manifest's sidecar first, then the checkpoint.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::{Duration, Instant};
use tokio_util::task::AbortOnDropHandle;

use super::Job;
use crate::download::watch::Watch;
use crate::job::{Checkpoint, Desk, Failure};
use crate::store::parts::joined;

/// Parts under way at once whose bytes pass through here.
const STREAMS: usize = 4;

/// Parts under way at once that the store copies.
const COPIES: usize = 16;

/// The least time between two checkpoints; and how many times longer than keeping one takes.
const EVERY: Duration = Duration::from_secs(1);
const REST: u32 = 10;

/// What is under way.
#[derive(Default)]
struct UnderWay {
    tasks: FuturesUnordered<AbortOnDropHandle<(bool, Result<(), Failure>)>>,
    streams: usize,
    copies: usize,
}

impl UnderWay {
    /// Gives up what is under way, and waits until nothing of it is sent any more: a part that arrived behind the end of
    /// its upload could stay in the store.
    async fn end(mut self) {
        for task in &self.tasks {
            task.abort();
        }
        while self.tasks.next().await.is_some() {}
    }
}

impl Job {
    /// Does those parts that can be done. Those that are still to be done then need something that is not known, and
    /// that no part under way tells; with `all` they are done nevertheless.
    ///
    /// # Errors
    /// The first [`Failure`]; the other parts under way are given up.
    pub(super) async fn run(
        self: &Arc<Job>,
        mut todo: BTreeSet<usize>,
        all: bool,
        checkpoint: &mut Checkpoint,
        desk: &Desk,
    ) -> Result<(), Failure> {
        let mut under_way = UnderWay::default();
        let mut watch = Watch::over(self.scanner.library(), self.order.manifest);
        let (mut kept, mut pause) = (Instant::now(), EVERY);
        loop {
            self.begin(&mut todo, &mut under_way, all);
            if under_way.tasks.is_empty() {
                return self.keep(checkpoint, desk).await;
            }
            let outcome = tokio::select! {
                biased;
                () = desk.cancel.cancelled() => Err(Failure::Cancelled),
                () = desk.pause.cancelled() => Err(Failure::Paused),
                error = watch.ended() => Err(error.into()),
                Some(ended) = under_way.tasks.next() => {
                    let (copied, outcome) = joined(ended);
                    match copied {
                        true => under_way.copies -= 1,
                        false => under_way.streams -= 1,
                    }
                    outcome
                }
            };
            if let Err(failure) = outcome {
                under_way.end().await;
                if failure.can_pass()
                    && let Err(error) = self.keep(checkpoint, desk).await
                {
                    tracing::warn!(%error, "what was done since the last checkpoint is done again");
                }
                return Err(failure);
            }
            if kept.elapsed() >= pause {
                let begun = Instant::now();
                if let Err(error) = self.keep(checkpoint, desk).await {
                    tracing::warn!(%error, "the job goes on without");
                }
                pause = EVERY.max(begun.elapsed() * REST);
                kept = Instant::now();
            }
        }
    }

    /// Begins parts while there is room for them.
    fn begin(self: &Arc<Job>, todo: &mut BTreeSet<usize>, under_way: &mut UnderWay, all: bool) {
        let mut begun = Vec::new();
        for &number in &*todo {
            if under_way.streams >= STREAMS && under_way.copies >= COPIES {
                break;
            }
            let Some(part) = self.plan.part(number) else {
                begun.push(number);
                continue;
            };
            let copied = part.is_copied();
            let (running, most) = match copied {
                true => (&mut under_way.copies, COPIES),
                false => (&mut under_way.streams, STREAMS),
            };
            if *running >= most || !(all || copied || self.known.is_ready(&part.range)) {
                continue;
            }
            *running += 1;
            begun.push(number);
            let job = self.clone();
            let task = tokio::spawn(async move { (copied, job.part(number).await) });
            under_way.tasks.push(AbortOnDropHandle::new(task));
        }
        for number in begun {
            todo.remove(&number);
        }
    }

    /// Keeps what is done, so that it is not done again.
    pub(super) async fn keep(
        &self,
        checkpoint: &mut Checkpoint,
        desk: &Desk,
    ) -> Result<(), Failure> {
        let (done, fragments) = self.known.snapshot();
        // What is learned of these parts is in the sidecar before they count as done.
        self.scanner.library().keep_learned(&self.open).await;
        checkpoint.done = done;
        checkpoint.fragments = fragments;
        Ok(desk.keep.save(checkpoint).await?)
    }
}
