//! Slots that take jobs one after the other, until they are told to stop; then they give back what they have.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::claim::exhausted;
use super::job::{Job, State};
use super::{Claimed, Duty, Lease, NewJob, Queue, QueueError, Stop};
use crate::measure;

/// How long whoever was called may take to put the work down.
const GRACE: Duration = Duration::from_secs(10);

/// Pause after the database did not answer.
const OUTAGE_PAUSE: Duration = Duration::from_secs(1);

/// Between two looks for jobs that can be forgotten.
const FORGETTING: Duration = Duration::from_secs(60 * 60);

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well, with a result (JSON).
    Done(String),
    /// It goes on when these parts have ended.
    Split(Vec<NewJob>),
    /// Another try makes sense.
    Retry(String),
    /// No other try makes sense.
    Failed(String),
}

/// What work is told while it runs.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The job is not wanted any more: put it down, and clear away what it began.
    pub cancel: CancellationToken,
    /// The job goes on elsewhere: put it down as it is.
    pub pause: CancellationToken,
}

/// Who knows how to do the work.
pub trait Runner: Send + Sync + 'static {
    /// The kinds of jobs that it knows.
    fn kinds(&self) -> &'static [&'static str];

    /// Does the work, or goes on with it. Dropped at any moment, it must leave what a next try can go on from. When it is
    /// called, it should return soon, in whatever way.
    fn run(
        &self,
        job: &Job,
        lease: &Arc<Lease>,
        call: Call,
    ) -> impl Future<Output = Outcome> + Send;

    /// Clears away what tries left behind, from the last checkpoint.
    fn abandon(&self, job: &Job) -> impl Future<Output = Result<(), String>> + Send;
}

/// Works in so many slots until `stop`, and gives back what is under way then.
pub async fn work<R: Runner>(
    queue: Queue,
    runner: Arc<R>,
    slots: usize,
    worker: String,
    stop: CancellationToken,
) {
    let mut all = JoinSet::new();
    for slot in 0..slots {
        let slot = Slot {
            queue: queue.clone(),
            runner: runner.clone(),
            name: format!("{worker}/{slot}"),
            stop: stop.clone(),
        };
        all.spawn(slot.run());
    }
    all.spawn(forget(queue, stop));
    while let Some(ended) = all.join_next().await {
        if let Err(error) = ended {
            warn!(%error, "a slot for jobs ended");
        }
    }
}

async fn forget(queue: Queue, stop: CancellationToken) {
    loop {
        match queue.forget().await {
            Ok(0) => {}
            Ok(jobs) => info!(jobs, "forgot jobs that ended long ago"),
            Err(error) => warn!(%error, "jobs that ended long ago could not be forgotten"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FORGETTING) => {}
        }
    }
}

struct Slot<R> {
    queue: Queue,
    runner: Arc<R>,
    name: String,
    stop: CancellationToken,
}

impl<R: Runner> Slot<R> {
    async fn run(self) {
        let mut outage = false;
        while !self.stop.is_cancelled() {
            let since = Instant::now();
            match self.queue.claim(&self.name, self.runner.kinds()).await {
                Ok(Some(claimed)) => {
                    outage = false;
                    self.serve(claimed, since).await;
                }
                Ok(None) => {
                    outage = false;
                    tokio::select! {
                        () = self.stop.cancelled() => {}
                        () = self.queue.news() => {}
                    }
                }
                Err(error) => {
                    if !outage {
                        warn!(%error, "the queue does not answer; it will be asked again");
                    }
                    outage = true;
                    tokio::select! {
                        () = self.stop.cancelled() => {}
                        () = tokio::time::sleep(OUTAGE_PAUSE) => {}
                    }
                }
            }
        }
    }

    /// Does with a job what is to be done, until it is somebody else's again.
    async fn serve(&self, claimed: Claimed, since: Instant) {
        let job = &claimed.job;
        info!(job = %job.id, kind = job.kind, attempt = job.attempts, fence = job.fence, worker = self.name, "a job begins");
        if job.fence == 1 {
            measure::job_waited(job.waited);
        }
        let _running = measure::RunningJob::new();
        let lease = Arc::new(Lease::hold(&self.queue, &claimed, since));
        let state = match self.handle(&claimed, &lease).await {
            Ok(state) => state,
            Err(QueueError::Lost) => "lost",
            Err(error) => {
                warn!(job = %job.id, %error, "the end of a job could not be written down; it will be tried again");
                "unwritten"
            }
        };
        let seconds = since.elapsed().as_secs_f64();
        info!(job = %job.id, state, seconds, "a job has left this worker");
        measure::job_left(state);
    }

    async fn handle(
        &self,
        claimed: &Claimed,
        lease: &Arc<Lease>,
    ) -> Result<&'static str, QueueError> {
        let job = &claimed.job;
        if let Duty::Abandon(state) = claimed.duty {
            let error = match state {
                State::Failed => exhausted(job),
                _ => String::new(),
            };
            return self.abandon(job, lease, state, &error).await;
        }
        let call = Call::default();
        // Whatever it left to tasks of its own stops with it.
        let _dropped = call.pause.clone().drop_guard();
        let mut running = Box::pin(self.runner.run(job, lease, call.clone()));
        let outcome = tokio::select! {
            biased;
            stop = lease.stopped() => Err(stop),
            () = self.stop.cancelled() => {
                // Whoever takes it next must find nobody at it.
                call.pause.cancel();
                let last = tokio::time::timeout(GRACE, &mut running).await;
                drop(running);
                if let Ok(Outcome::Done(result)) = last {
                    return self.finish(job, lease, State::Done, &result, "").await;
                }
                self.queue.give_back(job, &lease.pulse()).await?;
                return Ok("given_back");
            }
            outcome = &mut running => Ok(outcome),
        };
        match outcome {
            Err(Stop::Lost) => Err(QueueError::Lost),
            Err(Stop::Cancelled) => {
                call.cancel.cancel();
                let _ = tokio::time::timeout(GRACE, running).await;
                self.abandon(job, lease, State::Cancelled, "").await
            }
            Ok(Outcome::Done(result)) => self.finish(job, lease, State::Done, &result, "").await,
            Ok(Outcome::Split(parts)) => {
                let pulse = lease.pulse();
                self.queue.split(job, &parts, &pulse).await?;
                Ok("split")
            }
            Ok(Outcome::Failed(error)) => self.abandon(job, lease, State::Failed, &error).await,
            Ok(Outcome::Retry(error)) => {
                let _ = self.queue.beat(&job.id, job.fence, &lease.pulse()).await?;
                match self.queue.retry(job, &error).await? {
                    true => {
                        warn!(job = %job.id, error, "a job will be tried again");
                        Ok("retried")
                    }
                    false => self.abandon(job, lease, State::Failed, &error).await,
                }
            }
        }
    }

    /// Clears away and ends a job. What cannot be cleared away now is tried again when the lease has run out.
    async fn abandon(
        &self,
        job: &Job,
        lease: &Arc<Lease>,
        state: State,
        error: &str,
    ) -> Result<&'static str, QueueError> {
        let left = Job {
            checkpoint: lease.pulse().checkpoint,
            ..job.clone()
        };
        if let Err(reason) = self.runner.abandon(&left).await {
            warn!(job = %job.id, reason, "what a job left behind could not be cleared away");
        }
        if state == State::Failed {
            warn!(job = %job.id, error, "a job has failed");
        }
        self.finish(job, lease, state, "", error).await
    }

    /// Ends a job. A database that does not answer is asked again as long as the job is held.
    async fn finish(
        &self,
        job: &Job,
        lease: &Lease,
        state: State,
        result: &str,
        error: &str,
    ) -> Result<&'static str, QueueError> {
        // What the owner sees last is where it ended.
        let _ = self.queue.beat(&job.id, job.fence, &lease.pulse()).await;
        loop {
            match self.queue.finish(job, state, result, error).await {
                Ok(()) => return Ok(state.name()),
                Err(QueueError::Lost) => return Err(QueueError::Lost),
                Err(outage) => {
                    warn!(job = %job.id, error = %outage, "the end of a job could not be written down yet");
                    tokio::select! {
                        Stop::Lost = lease.stopped() => return Err(outage),
                        () = tokio::time::sleep(OUTAGE_PAUSE) => {}
                    }
                }
            }
        }
    }
}
