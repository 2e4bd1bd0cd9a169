//! Packaging: from a frozen manifest to an archive in a bucket.
//!
//! ```text
//! Order ─ manifest ─ Plan ─┬─ part ─ streamed: Passage ─┐
//!         (frozen)  (pure) ├─ part ─ copied by the store ┼─ one multipart upload ─ read back ─ Packaged
//!                          └─ part …                     ┘
//! ```
//!
//! | file | owns |
//! |---|---|
//! | [`plan`] | which parts there are |
//! | `probe.rs` | whether the store copies parts of objects |
//! | `begin.rs` | the upload: begun, or found again |
//! | `run.rs` | which parts are done when |
//! | `part.rs` | one part |
//! | `outlet.rs` | its bytes on their way out, and whether the store takes them |
//! | `known.rs` | what is done, and the CRC-32s of what lies in several parts |
//! | `finish.rs` | putting the parts together |
//! | `verify.rs` | reading the archive back |
//! | [`trace`] | what is found again when nobody remembers the job |
//!
//! Invariants: the archive is byte for byte that of the manifest's link; it is visible whole or not at all; and of a job
//! that was given up nothing is left.

mod begin;
mod finish;
mod known;
mod outlet;
mod part;
pub mod plan;
mod probe;
mod run;
pub mod trace;
mod verify;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::progress::{Phase, Progress};
use super::{Checkpoint, Desk, Failure, Order, Packaged, PartsDone};
use crate::download::Scanner;
use crate::manifest::Open;
use crate::read_ahead::{BucketReads, MemoryBudget};
use crate::store::{AllowedBuckets, NotAllowed, ResumableUpload, Store};
use begin::Begun;
use known::Known;
use plan::Plan;

/// What jobs work with: the same for all jobs of a process.
#[derive(Clone, Debug)]
pub struct Means {
    /// The store of manifests, objects and targets.
    pub store: Store,
    /// The memory that downloads and jobs share.
    pub budget: MemoryBudget,
    /// Where objects may be read, and archives written.
    pub allowed: AllowedBuckets,
}

impl Means {
    /// Whether a job is for a place that it may write to.
    fn allow(&self, order: &Order) -> Result<(), NotAllowed> {
        let space = Some(&order.state);
        order.target.check(order.manifest, space, &self.allowed)
    }
}

/// A job whose upload was begun.
struct Job {
    order: Order,
    store: Store,
    budget: MemoryBudget,
    open: Arc<Open>,
    scanner: Scanner,
    reads: BucketReads,
    plan: Plan,
    upload: ResumableUpload,
    known: Arc<Known>,
    progress: Arc<Progress>,
}

/// Packages an archive, from its checkpoint on if there is one. The same order gives the same object, however often it
/// was interrupted. Where the archive stands at its target already, it is only verified.
///
/// A checkpoint of nothing but a part size asks for parts of that length. Dropped in the middle, it can be gone on with
/// from the last checkpoint, like one whose process was killed.
///
/// # Errors
/// [`Failure`] says whether to try again. Where it says no, nothing is left of the job; whoever does not try again
/// although it says yes, calls [`abandon`] with the last checkpoint.
pub async fn package(
    means: &Means,
    order: &Order,
    checkpoint: Option<Checkpoint>,
    desk: &Desk,
) -> Result<Packaged, Failure> {
    means.allow(order)?;
    let mut checkpoint = checkpoint.unwrap_or_default();
    let outcome = whole(means, order, &mut checkpoint, desk).await;
    if let Err(Failure::Replaced(_)) = &outcome {
        // What stands at the target now was written by others, although it may be the same archive.
        checkpoint = Checkpoint::default();
    }
    if let Err(failure) = &outcome
        && !failure.can_pass()
        && let Err(error) = abandon(means, order, &checkpoint).await
    {
        tracing::warn!(%error, "the upload of a failed job could not be taken back; `sheaf sweep` will");
    }
    outcome
}

async fn whole(
    means: &Means,
    order: &Order,
    checkpoint: &mut Checkpoint,
    desk: &Desk,
) -> Result<Packaged, Failure> {
    let (standing, etag) = match begin::begin(means, order, checkpoint, desk).await? {
        Begun::Stands(standing, etag) => (standing, etag),
        Begun::Upload(job) => {
            let etag = job.finish(checkpoint, desk).await?;
            (job.standing(checkpoint), etag)
        }
    };
    let verified = verify::verify(means, order, &standing, &etag, desk).await?;
    trace::forget(&means.store, order).await?;
    let layout = standing.open.frozen.layout();
    Ok(Packaged {
        target: order.target.clone(),
        bytes: layout.len(),
        etag,
        archive: standing.open.frozen.header().etag.clone(),
        entries: layout.entries() as u64,
        method: standing.method,
        note: standing.note,
        copied: standing.copied,
        verified,
    })
}

/// Plans a job and begins its upload, for several workers to fill with [`package_parts`]. The checkpoint is kept, and
/// says how many parts there are; [`package`] finishes the job from it, once it has taken in what they have done
/// ([`Checkpoint::take_in`]). Where the archive stands at its target already there are none: [`package`] has only to
/// verify it.
///
/// # Errors
/// As [`package`].
pub async fn prepare(
    means: &Means,
    order: &Order,
    checkpoint: Option<Checkpoint>,
    desk: &Desk,
) -> Result<Checkpoint, Failure> {
    means.allow(order)?;
    let mut checkpoint = checkpoint.unwrap_or_default();
    match begin::begin(means, order, &mut checkpoint, desk).await? {
        Begun::Stands(..) => Ok(Checkpoint::default()),
        Begun::Upload(_) => Ok(checkpoint),
    }
}

/// Does parts of a job that was [prepared](prepare): those with these numbers, from 1 on. The checkpoint is that of the
/// preparation, or what an earlier attempt at the same parts has kept since.
///
/// # Errors
/// As [`package`]; the upload is left to whoever prepared it.
pub async fn package_parts(
    means: &Means,
    order: &Order,
    mut checkpoint: Checkpoint,
    numbers: RangeInclusive<usize>,
    desk: &Desk,
) -> Result<PartsDone, Failure> {
    means.allow(order)?;
    if numbers.is_empty() {
        return Ok(PartsDone::default());
    }
    let manifest = begin::Manifest::open(means, order, &checkpoint).await?;
    let job = match manifest.resume(means, order, &checkpoint, desk).await? {
        Some(job) => job,
        None => {
            let kind = crate::store::StoreErrorKind::NoSuchUpload;
            let target = &order.target;
            let (bucket, key) = (&target.bucket, Some(target.key.as_str()));
            return Err(crate::store::StoreError::new("ListParts", bucket, key, kind).into());
        }
    };
    let left: BTreeSet<usize> = job.known.left();
    let ours = left.into_iter().filter(|number| numbers.contains(number));
    desk.progress.enter(Phase::Uploading);
    job.run(ours.collect(), false, &mut checkpoint, desk)
        .await?;
    let (done, fragments) = job.known.snapshot();
    Ok(PartsDone {
        done,
        fragments,
        learned: job.known.learned(),
    })
}

/// Takes back what is left of a job that nobody will go on with, an archive included that it put together and could not
/// read back. Of one for a place that it may not write to, nothing is looked for.
///
/// # Errors
/// As the store says; what is gone already is no error.
pub async fn abandon(means: &Means, order: &Order, checkpoint: &Checkpoint) -> Result<(), Failure> {
    if let Err(error) = means.allow(order) {
        tracing::warn!(%error, "what a job may have left there is not taken back");
        return Ok(());
    }
    let has_written = begin::has_written(means, order, checkpoint).await?;
    begin::take_back(means, order, checkpoint).await?;
    if has_written {
        let target = &order.target;
        means.store.delete(&target.bucket, &target.key).await?;
    }
    Ok(trace::forget(&means.store, order).await?)
}

#[cfg(test)]
mod tests;
