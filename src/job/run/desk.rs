//! What a job of the queue is given while it runs: its beats tell how far it is, and its checkpoints go into the queue.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::job::queue::{Call, Job, Lease, QueueError};
use crate::job::{Checkpoint, Desk, Keep, Progress, Shown, Unsaved};

/// How much the newest rate counts towards the one that is shown.
const NEWEST: f64 = 0.3;

/// Between two tries to keep a checkpoint.
const SAVE_PAUSE: Duration = Duration::from_millis(500);

/// What the queue keeps of a job of the kind [`PACKAGE`](super::PACKAGE).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// From where it goes on.
    pub(super) checkpoint: Checkpoint,
    /// Whether what other workers did is in it.
    #[serde(default)]
    pub(super) gathered: bool,
}

/// How far a job is, as the queue has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// How far it is.
    #[serde(flatten)]
    pub shown: Shown,
    /// Bytes per second, lately.
    #[serde(default)]
    pub rate: f64,
}

/// The desk of a job: its beats tell how far it is, and its checkpoints go into the queue.
pub(super) fn desk(
    job: &Job,
    lease: &Arc<Lease>,
    call: Call,
    kept: impl Fn(Checkpoint) -> Kept + Send + Sync + 'static,
) -> Desk {
    let progress: Arc<Progress> = Arc::default();
    let before: Told = serde_json::from_str(&job.progress).unwrap_or_default();
    let (telling, pace) = (progress.clone(), Mutex::new(Pace::new(before)));
    lease.tell(Box::new(move || {
        let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
        let told = pace.told(telling.shown(), Instant::now());
        let reached = told.shown.parts;
        (serde_json::to_string(&told).unwrap_or_default(), reached)
    }));
    Desk {
        cancel: call.cancel,
        pause: call.pause,
        progress,
        keep: Arc::new(InQueue {
            lease: lease.clone(),
            kept: Box::new(kept),
        }),
    }
}

/// How fast bytes come.
#[derive(Debug)]
struct Pace {
    before: Told,
    last: Option<(Instant, u64)>,
    rate: f64,
}

impl Pace {
    fn new(before: Told) -> Pace {
        Pace {
            before,
            last: None,
            rate: 0.0,
        }
    }

    fn told(&mut self, shown: Shown, now: Instant) -> Told {
        if shown.bytes_total == 0 && shown.parts_total == 0 {
            // It looks up where it was; what was told before holds until it knows.
            return self.before.clone();
        }
        let (then, bytes) = *self.last.get_or_insert((now, shown.bytes));
        let seconds = now.duration_since(then).as_secs_f64();
        if seconds >= 0.5 {
            let newest = shown.bytes.saturating_sub(bytes) as f64 / seconds;
            self.rate = match self.rate > 0.0 {
                true => self.rate * (1.0 - NEWEST) + newest * NEWEST,
                false => newest,
            };
            self.last = Some((now, shown.bytes));
        }
        Told {
            shown,
            rate: self.rate.round(),
        }
    }
}

/// Checkpoints that are kept in the queue.
struct InQueue {
    lease: Arc<Lease>,
    kept: Box<dyn Fn(Checkpoint) -> Kept + Send + Sync>,
}

#[async_trait]
impl Keep for InQueue {
    async fn save(&self, checkpoint: &Checkpoint) -> Result<(), Unsaved> {
        let kept = (self.kept)(checkpoint.clone());
        let unsaved = |reason: String| Unsaved { reason };
        let text = serde_json::to_string(&kept).map_err(|error| unsaved(error.to_string()))?;
        loop {
            match self.lease.save(text.clone()).await {
                Ok(()) => return Ok(()),
                Err(QueueError::Lost) => return Err(unsaved(QueueError::Lost.to_string())),
                // The heartbeat ends the whole try when that has lasted too long.
                Err(_) => tokio::time::sleep(SAVE_PAUSE).await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_of_late_and_what_was_known_holds_until_more_is() {
        let shown = |bytes| Shown {
            bytes,
            bytes_total: 1000,
            ..Shown::default()
        };
        let before = Told {
            shown: shown(400),
            rate: 7.0,
        };
        let mut pace = Pace::new(before.clone());
        let start = Instant::now();
        assert_eq!(pace.told(Shown::default(), start), before);
        assert_eq!(pace.told(shown(400), start).rate, 0.0, "nothing came yet");
        let later = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pace.told(shown(500), later(1)).rate, 100.0);
        assert_eq!(pace.told(shown(500), later(2)).rate, 70.0);
        // Bytes that are sent again are no step back.
        assert!(pace.told(shown(300), later(3)).rate >= 0.0);
    }
}
