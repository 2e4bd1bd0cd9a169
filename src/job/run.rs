//! Jobs of the queue, packaged: what they say as JSON, and who runs them.
//!
//! A large archive in a queue that machines share is split: the job plans it and begins its upload, groups of its parts
//! become jobs of their own, and when these have ended it writes what is left and puts the parts together.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::queue::{Call, Job, Lease, NewJob, Outcome, Queue, QueueError, Runner, State};
use super::{
    Checkpoint, Failure, Means, Order, PartsDone, abandon, package, package_parts, prepare,
};

mod desk;

pub use desk::Told;
use desk::{Kept, desk};

/// A whole archive.
pub const PACKAGE: &str = "package";

/// A group of the parts of one.
const PARTS: &str = "parts";

/// Groups of parts at the most.
const MOST_GROUPS: u64 = 64;

/// Groups of the smallest archive that is split.
const FEWEST_GROUPS: u64 = 4;

/// What a job of the kind [`PACKAGE`] is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// What is to be packaged.
    pub order: Order,
    /// When its link ends, in seconds since 1970.
    pub expires: u64,
    /// The name of the archive.
    pub filename: String,
    /// Files in it.
    pub entries: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// What a job of the kind [`PARTS`] is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    order: Order,
    checkpoint: Checkpoint,
    first: usize,
    last: usize,
}

/// Runs jobs.
#[derive(Debug)]
pub struct Packager {
    /// What they work with.
    pub means: Means,
    /// Their queue.
    pub queue: Queue,
    /// Archives of so many bytes are split among workers where the queue is shared.
    pub share_from: u64,
}

impl Runner for Packager {
    fn kinds(&self) -> &'static [&'static str] {
        &[PACKAGE, PARTS]
    }

    async fn run(&self, job: &Job, lease: &Arc<Lease>, call: Call) -> Outcome {
        let ended = match job.kind.as_str() {
            PARTS => self.parts(job, lease, call).await,
            _ => self.whole(job, lease, call).await,
        };
        match ended {
            Ok(outcome) => outcome,
            Err(Ended::Failure(failure)) => match failure.can_pass() {
                true => Outcome::Retry(failure.to_string()),
                false => Outcome::Failed(failure.to_string()),
            },
            Err(Ended::Queue(error)) => Outcome::Retry(error.to_string()),
            Err(Ended::Malformed { what, reason }) => {
                Outcome::Failed(format!("the job's {what} cannot be read: {reason}"))
            }
            Err(Ended::Part(error)) => Outcome::Failed(error),
        }
    }

    async fn abandon(&self, job: &Job) -> Result<(), String> {
        if job.kind != PACKAGE {
            return Ok(());
        }
        let cleared = async {
            let ask: Ask = read("request", &job.request)?;
            let kept: Kept = match job.checkpoint.as_str() {
                // It may have left a trace before it could say so.
                "" => Kept::default(),
                text => read("checkpoint", text)?,
            };
            abandon(&self.means, &ask.order, &kept.checkpoint).await?;
            Ok::<_, Ended>(())
        };
        cleared.await.map_err(|ended| match ended {
            Ended::Failure(failure) => failure.to_string(),
            Ended::Queue(error) => error.to_string(),
            Ended::Malformed { what, reason } => format!("its {what} cannot be read: {reason}"),
            Ended::Part(error) => error,
        })
    }
}

/// Why a try came to nothing.
#[derive(Debug)]
enum Ended {
    Failure(Box<Failure>),
    Queue(QueueError),
    Malformed {
        what: &'static str,
        reason: String,
    },
    /// A part failed, and so does the whole.
    Part(String),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Ended {
        Ended::Failure(Box::new(failure))
    }
}

impl From<QueueError> for Ended {
    fn from(error: QueueError) -> Ended {
        Ended::Queue(error)
    }
}

impl Packager {
    async fn whole(&self, job: &Job, lease: &Arc<Lease>, call: Call) -> Result<Outcome, Ended> {
        let ask: Ask = read("request", &job.request)?;
        let mut kept: Option<Kept> = match job.checkpoint.as_str() {
            "" => None,
            text => Some(read("checkpoint", text)?),
        };
        let splits = self.queue.is_shared() && job.size >= self.share_from;
        let gathered = kept.as_ref().is_some_and(|kept| kept.gathered);
        if splits && !gathered {
            let parts = self.queue.parts_of(&job.id).await?;
            if let Some(part) = parts.iter().find(|part| part.state == State::Failed) {
                return Err(Ended::Part(part.error.clone()));
            }
            if parts.is_empty() {
                let desk = desk(job, lease, call.clone(), |checkpoint| Kept {
                    checkpoint,
                    gathered: false,
                });
                let checkpoint = kept.take().map(|kept| kept.checkpoint);
                let plan = prepare(&self.means, &ask.order, checkpoint, &desk).await?;
                // Where the archive stands already there is nothing to share.
                if plan.parts > 0 {
                    return self.groups(job, ask.order, plan).map(Outcome::Split);
                }
            }
            let kept = kept.get_or_insert_default();
            for part in parts.iter().filter(|part| part.state == State::Done) {
                let done: PartsDone = read("part", &part.result)?;
                kept.checkpoint.take_in(&done);
            }
        }
        let desk = desk(job, lease, call, move |checkpoint| Kept {
            checkpoint,
            gathered: splits,
        });
        let checkpoint = kept.map(|kept| kept.checkpoint);
        let packaged = package(&self.means, &ask.order, checkpoint, &desk).await?;
        written(&packaged).map(Outcome::Done)
    }

    /// Groups of neighbouring parts; neither so many that a large job fills the queue, nor so few that workers idle.
    fn groups(&self, job: &Job, order: Order, plan: Checkpoint) -> Result<Vec<NewJob>, Ended> {
        let each = (self.share_from / FEWEST_GROUPS).max(1);
        let groups = (job.size / each).clamp(FEWEST_GROUPS, MOST_GROUPS) as usize;
        let groups = groups.min(plan.parts).max(1);
        let bounds = (0..=groups).map(|group| plan.parts * group / groups);
        let bounds: Vec<usize> = bounds.collect();
        let mut jobs = Vec::with_capacity(groups);
        for (number, bound) in bounds.windows(2).enumerate() {
            let (first, last) = (bound[0] + 1, bound[1]);
            let group = Group {
                order: order.clone(),
                checkpoint: plan.clone(),
                first,
                last,
            };
            let count = (last + 1 - first) as u64;
            jobs.push(NewJob {
                // Of this claim: another one may have planned otherwise.
                id: format!("{}-{}-{number:03}", job.id, job.fence),
                kind: PARTS,
                owner: job.owner.clone(),
                request: written(&group)?,
                subject: String::new(),
                size: count.saturating_mul(plan.part_size),
                keep: Duration::ZERO,
            });
        }
        Ok(jobs)
    }

    async fn parts(&self, job: &Job, lease: &Arc<Lease>, call: Call) -> Result<Outcome, Ended> {
        let group: Group = read("request", &job.request)?;
        let checkpoint = match job.checkpoint.as_str() {
            "" => group.checkpoint,
            text => read::<Kept>("checkpoint", text)?.checkpoint,
        };
        let desk = desk(job, lease, call, |checkpoint| Kept {
            checkpoint,
            gathered: false,
        });
        let numbers = group.first..=group.last;
        let done = package_parts(&self.means, &group.order, checkpoint, numbers, &desk).await?;
        written(&done).map(Outcome::Done)
    }
}

fn read<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, Ended> {
    serde_json::from_str(text).map_err(|error| Ended::Malformed {
        what,
        reason: error.to_string(),
    })
}

fn written<T: Serialize>(value: &T) -> Result<String, Ended> {
    serde_json::to_string(value).map_err(|error| Ended::Malformed {
        what: "result",
        reason: error.to_string(),
    })
}
