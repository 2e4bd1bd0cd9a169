//! Packaging: from a frozen manifest to an archive in a bucket.

use super::{Checkpoint, Desk, Failure, Order, Packaged, PartsDone};
use crate::read_ahead::MemoryBudget;
use crate::store::Store;

/// What jobs work with: the same for all jobs of a process.
#[derive(Clone, Debug)]
pub struct Means {
    /// The store of manifests, objects and targets.
    pub store: Store,
    /// The memory that downloads and jobs share.
    pub budget: MemoryBudget,
}

/// Packages an archive, from its checkpoint on if there is one. The same order gives the same object, however often it
/// was interrupted.
///
/// # Errors
/// [`Failure`] says whether to try again. Whoever gives a job up for good, calls [`abandon`] with its last checkpoint.
pub async fn package(
    means: &Means,
    order: &Order,
    checkpoint: Option<Checkpoint>,
    desk: &Desk,
) -> Result<Packaged, Failure> {
    let _ = (means, order, checkpoint);
    desk.cancel.cancelled().await;
    Err(Failure::Cancelled)
}

/// Plans a job and begins its upload, for several workers to fill with [`package_parts`]. The checkpoint is kept, and
/// says how many parts there are; [`package`] finishes the job from it, once it has taken in what they have done
/// ([`Checkpoint::take_in`]).
///
/// # Errors
/// As [`package`].
pub async fn prepare(
    means: &Means,
    order: &Order,
    checkpoint: Option<Checkpoint>,
    desk: &Desk,
) -> Result<Checkpoint, Failure> {
    let _ = (means, order, checkpoint);
    desk.cancel.cancelled().await;
    Err(Failure::Cancelled)
}

/// Does parts of a job that was [prepared](prepare): those with these numbers, from 1 on. `done` is what an earlier
/// attempt at the same group kept, as it came to the desk; only the parts of that are not done again.
///
/// # Errors
/// As [`package`]; a call to cancel leaves the upload to whoever prepared it.
pub async fn package_parts(
    means: &Means,
    order: &Order,
    checkpoint: Checkpoint,
    numbers: std::ops::RangeInclusive<usize>,
    desk: &Desk,
) -> Result<PartsDone, Failure> {
    let _ = (means, order, checkpoint, numbers);
    desk.cancel.cancelled().await;
    Err(Failure::Cancelled)
}

/// Takes back the upload of a job that nobody will go on with.
///
/// # Errors
/// As the store says; an upload that is gone is no error.
pub async fn abandon(means: &Means, order: &Order, checkpoint: &Checkpoint) -> Result<(), Failure> {
    let _ = (means, order, checkpoint);
    Ok(())
}
