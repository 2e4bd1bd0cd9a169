//! What a running job is given by whoever runs it.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{Checkpoint, Progress};

/// What a running job is given by whoever runs it.
#[derive(Clone)]
pub struct Desk {
    /// The job was called off: it takes back what it has begun, and ends as [`Failure::Cancelled`](super::Failure::Cancelled).
    pub cancel: CancellationToken,
    /// The job is to stop here, because its lease is lost or the process ends: it leaves everything as it is, for another
    /// attempt to go on with, and ends as [`Failure::Paused`](super::Failure::Paused).
    pub pause: CancellationToken,
    /// Where it tells how far it is.
    pub progress: Arc<Progress>,
    /// Where it keeps its checkpoints.
    pub keep: Arc<dyn Keep>,
}

/// Keeps checkpoints.
#[async_trait]
pub trait Keep: Send + Sync {
    /// Keeps a checkpoint for good: when this returns, a crash does not lose it.
    ///
    /// # Errors
    /// [`Unsaved`]; the job may go on, or try again later.
    async fn save(&self, checkpoint: &Checkpoint) -> Result<(), Unsaved>;
}

/// A checkpoint could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job's checkpoint could not be kept: {reason}")]
pub struct Unsaved {
    /// What the queue says.
    pub reason: String,
}

impl Desk {
    /// A desk of one's own, of which nobody takes anything.
    pub fn new(keep: Arc<dyn Keep>) -> Desk {
        Desk {
            cancel: CancellationToken::new(),
            pause: CancellationToken::new(),
            progress: Arc::default(),
            keep,
        }
    }
}
