//! Holding a job: a task of its own beats for it, whatever the work does meanwhile.
//!
//! The job is held as long as beats come through. Where the database does not answer, that is borne until the lease has
//! run out; from then on another worker may have the job, so this one stops.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::{info, warn};

use super::claim::Pulse;
use super::{Claimed, Queue, QueueError};

/// Beats in a lease, at the least.
const BEATS: u32 = 6;

/// The longest pause between two beats: people watch them, and wait for them when they cancel.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Why work on a job is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Its owner does not want it any more: clear away, and end it.
    Cancelled,
    /// Another worker may have it: touch nothing.
    Lost,
}

/// How far the work is, asked for at each beat: JSON, and the steps that are done for good.
pub type Report = Box<dyn Fn() -> (String, u64) + Send + Sync>;

/// A claimed job, held. Dropped, it is not held any more, and its lease runs out.
pub struct Lease {
    shared: Arc<Shared>,
    stopped: watch::Receiver<Option<Stop>>,
    heart: JoinHandle<()>,
}

struct Shared {
    queue: Queue,
    id: String,
    fence: i64,
    said: Mutex<Said>,
    stop: watch::Sender<Option<Stop>>,
    /// Beats come one after the other, so that an older checkpoint never replaces a newer one.
    beating: tokio::sync::Mutex<()>,
}

struct Said {
    progress: String,
    checkpoint: String,
    reached: u64,
    report: Option<Report>,
    /// Until when the job is certainly ours.
    held_until: Instant,
}

impl Lease {
    /// Holds a job that was claimed just now, by a claim that was sent at `since`.
    pub fn hold(queue: &Queue, claimed: &Claimed, since: Instant) -> Lease {
        let lease = queue.terms.lease;
        let (stop, stopped) = watch::channel(None);
        let shared = Arc::new(Shared {
            queue: queue.clone(),
            id: claimed.job.id.clone(),
            fence: claimed.job.fence,
            said: Mutex::new(Said {
                progress: claimed.job.progress.clone(),
                checkpoint: claimed.job.checkpoint.clone(),
                reached: 0,
                report: None,
                held_until: since + lease,
            }),
            stop,
            beating: tokio::sync::Mutex::default(),
        });
        let heart = tokio::spawn(beats(shared.clone(), LONGEST_PAUSE.min(lease / BEATS)));
        Lease {
            shared,
            stopped,
            heart,
        }
    }

    /// From now on, each beat tells what `report` says.
    pub fn tell(&self, report: Report) {
        self.shared.said().report = Some(report);
    }

    /// Writes down from where the job can be gone on with. It is written when this returns.
    ///
    /// # Errors
    /// [`QueueError::Lost`]: stop at once. [`QueueError::Database`]: the next beat tries again.
    pub async fn save(&self, checkpoint: String) -> Result<(), QueueError> {
        self.shared.said().checkpoint = checkpoint;
        self.shared.beat().await
    }

    /// Waits until the work is to stop, and tells why.
    pub async fn stopped(&self) -> Stop {
        let mut stopped = self.stopped.clone();
        let stop = stopped.wait_for(Option::is_some).await;
        // The sender lives as long as this does.
        stop.ok().and_then(|stop| *stop).unwrap_or(Stop::Lost)
    }

    /// What the next beat would say.
    pub fn pulse(&self) -> Pulse {
        self.shared.pulse()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.heart.abort();
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lease({}, {})", self.shared.id, self.shared.fence)
    }
}

impl Shared {
    fn said(&self) -> std::sync::MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pulse(&self) -> Pulse {
        let mut said = self.said();
        if let Some((progress, reached)) = said.report.as_ref().map(|report| report()) {
            said.progress = progress;
            said.reached = reached;
        }
        Pulse {
            progress: said.progress.clone(),
            checkpoint: said.checkpoint.clone(),
            reached: said.reached,
        }
    }

    fn stop(&self, why: Stop) {
        self.stop.send_if_modified(|stop| {
            let first = stop.is_none() || (why == Stop::Lost && *stop != Some(Stop::Lost));
            if first {
                *stop = Some(why);
            }
            first
        });
    }

    async fn beat(&self) -> Result<(), QueueError> {
        let _one = self.beating.lock().await;
        let (sent, pulse) = (Instant::now(), self.pulse());
        match self.queue.beat(&self.id, self.fence, &pulse).await {
            Ok(beat) => {
                self.said().held_until = sent + self.queue.terms.lease;
                if beat.cancelled {
                    self.stop(Stop::Cancelled);
                }
                Ok(())
            }
            Err(error) => {
                if matches!(error, QueueError::Lost) {
                    self.stop(Stop::Lost);
                }
                Err(error)
            }
        }
    }
}

async fn beats(shared: Arc<Shared>, every: Duration) {
    let mut ticks = interval_at(Instant::now() + every, every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut borne = false;
    loop {
        ticks.tick().await;
        let held_until = shared.said().held_until;
        // After the process stood still, nobody is asked first: whoever has the job now must not be disturbed.
        let beaten = match Instant::now() >= held_until {
            true => None,
            false => tokio::time::timeout_at(held_until, shared.beat())
                .await
                .ok(),
        };
        match beaten {
            Some(Ok(())) => borne = false,
            Some(Err(QueueError::Lost)) => {
                info!(job = %shared.id, fence = shared.fence, "the job was lost");
                return;
            }
            Some(Err(error)) => {
                if !borne {
                    warn!(job = %shared.id, %error, "the queue cannot be told about a job; that is borne for a while");
                }
                borne = true;
            }
            None => {
                info!(job = %shared.id, fence = shared.fence, "the lease of the job has run out");
                shared.stop(Stop::Lost);
                return;
            }
        }
    }
}
