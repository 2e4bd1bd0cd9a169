//! The upload of a job: begun, or found again with the parts that it has.

use std::sync::Arc;

use super::known::Known;
use super::plan::{MOST, PART, Part, Plan, part_size};
use super::verify::Standing;
use super::{Job, Means, probe, trace};
use crate::disposition;
use crate::download::Scanner;
use crate::job::progress::Phase;
use crate::job::{Checkpoint, Desk, Failure, Method, Order};
use crate::manifest::{Library, Open};
use crate::read_ahead::BucketReads;
use crate::store::resumable::Nature;
use crate::store::{ResumableUpload, Store, StoreError, StoreErrorKind};

/// The object's own field that says which archive it is: the entity tag behind the archive's link, without quotes.
pub(super) const MARK: &str = "sheaf-archive";

/// Less is not worth the tries that it takes to find out whether the store copies.
const WORTH_COPYING: u64 = 64 << 20;

/// A job's archive stands already, or its upload is under way.
pub(super) enum Begun {
    /// With this entity tag. What the job had uploaded for it is taken back.
    Stands(Standing, String),
    /// To be filled.
    Upload(Arc<Job>),
}

/// The manifest of a job.
pub(super) struct Manifest {
    open: Arc<Open>,
    scanner: Scanner,
}

/// Begins a job's upload, or finds it again. The checkpoint is kept then, and says so.
pub(super) async fn begin(
    means: &Means,
    order: &Order,
    checkpoint: &mut Checkpoint,
    desk: &Desk,
) -> Result<Begun, Failure> {
    desk.progress.enter(Phase::Planning);
    let manifest = Manifest::open(means, order, checkpoint).await?;
    let is_ours = checkpoint.archive == manifest.open.frozen.header().etag;
    match look(&means.store, order, &manifest.open).await? {
        At::Ours {
            etag,
            is_whole: true,
        } => {
            let wrote = is_ours && has_written(means, order, checkpoint).await?;
            let plan = wrote.then(|| plan(&manifest.open, checkpoint)).flatten();
            let standing = match plan {
                Some(plan) => Standing::of(&manifest.open, &plan, checkpoint),
                None => Standing::found(&manifest.open),
            };
            if !wrote && *checkpoint != Checkpoint::default() {
                take_back(means, order, checkpoint).await?;
                // Nothing of the archive is this job's; and without its upload it would seem to be.
                *checkpoint = Checkpoint::default();
                desk.keep.save(checkpoint).await?;
            }
            return Ok(Begun::Stands(standing, etag));
        }
        At::Nothing => {}
        At::Ours { .. } | At::Other if order.replace => {}
        At::Ours { .. } | At::Other => return Err(Failure::Exists(order.target.clone())),
    }
    if is_ours {
        match manifest.resume(means, order, checkpoint, desk).await? {
            Some(job) => {
                desk.progress.note(checkpoint.note.clone());
                return Ok(Begun::Upload(job));
            }
            // The process ended while it was begun, or somebody took it back.
            None => take_back(means, order, checkpoint).await?,
        }
    }
    manifest
        .start(means, order, checkpoint, desk)
        .await
        .map(Begun::Upload)
}

/// What stands at the target of a job.
pub(super) enum At {
    /// Nothing, or the store does not say.
    Nothing,
    /// The job's archive, by its mark: whoever wrote it.
    Ours {
        /// Its entity tag.
        etag: String,
        /// It has the length that it should have.
        is_whole: bool,
    },
    /// Something else.
    Other,
}

/// Asks what stands at the target.
pub(super) async fn look(store: &Store, order: &Order, open: &Open) -> Result<At, StoreError> {
    let target = &order.target;
    let found = store.marked(&target.bucket, &target.key, MARK).await?;
    Ok(match found {
        None => At::Nothing,
        Some((Some(mark), size, etag)) if mark == mark_of(open) => At::Ours {
            etag,
            is_whole: size == open.frozen.layout().len(),
        },
        Some(_) => At::Other,
    })
}

pub(super) fn mark_of(open: &Open) -> &str {
    open.frozen.header().etag.trim_matches('"')
}

/// The plan of a checkpoint; `None` where that is of another archive, or of another version of sheaf.
fn plan(open: &Open, checkpoint: &Checkpoint) -> Option<Plan> {
    let layout = open.frozen.layout();
    if checkpoint.part_size == 0 {
        return None;
    }
    let plan = match checkpoint.method {
        Method::Copy => Plan::copied(layout, checkpoint.part_size)?,
        _ => Plan::streamed(layout, checkpoint.part_size),
    };
    (plan.parts().len() == checkpoint.parts).then_some(plan)
}

/// Whether a job's upload was put together, and is what stands at its target.
pub(super) async fn has_written(
    means: &Means,
    order: &Order,
    checkpoint: &Checkpoint,
) -> Result<bool, StoreError> {
    let target = &order.target;
    let Some(id) = &checkpoint.upload else {
        return Ok(false);
    };
    // Asked before anything is taken back: then an upload is gone only where it was put together.
    let upload = means.store.resume(&target.bucket, &target.key, id);
    match upload.parts().await {
        Err(error) if matches!(error.kind, StoreErrorKind::NoSuchUpload) => {}
        _ => return Ok(false),
    }
    let found = means
        .store
        .marked(&target.bucket, &target.key, MARK)
        .await?;
    let mark = found.and_then(|(mark, ..)| mark);
    Ok(mark.as_deref() == Some(checkpoint.archive.trim_matches('"')))
}

/// Takes back the upload of a job, and others of its key where it is not known which one is its own.
pub(super) async fn take_back(
    means: &Means,
    order: &Order,
    checkpoint: &Checkpoint,
) -> Result<(), StoreError> {
    let target = &order.target;
    if let Some(id) = &checkpoint.upload {
        let upload = means.store.resume(&target.bucket, &target.key, id);
        upload.abort().await?;
    } else if !checkpoint.archive.is_empty() {
        trace::take_back(&means.store, target).await?;
    }
    Ok(())
}

impl Manifest {
    /// Opens the manifest of a job, with what is known of its rows.
    pub(super) async fn open(
        means: &Means,
        order: &Order,
        checkpoint: &Checkpoint,
    ) -> Result<Manifest, Failure> {
        let library = Library::new(&means.store, order.state.clone(), &means.budget)
            .reading_only(&means.allowed);
        let open = library.open(order.manifest).await?;
        library.load_learned(&open).await;
        for &(row, crc32) in &checkpoint.learned {
            if open.learned.learn(row, crc32).is_err() {
                tracing::warn!(
                    row,
                    "two workers hashed an object with two results; it is hashed again"
                );
            }
        }
        Ok(Manifest {
            scanner: Scanner::new(&library),
            open,
        })
    }

    /// The job with the upload of its checkpoint; `None` where there is none (any more).
    pub(super) async fn resume(
        &self,
        means: &Means,
        order: &Order,
        checkpoint: &Checkpoint,
        desk: &Desk,
    ) -> Result<Option<Arc<Job>>, Failure> {
        let (Some(id), Some(plan)) = (&checkpoint.upload, plan(&self.open, checkpoint)) else {
            return Ok(None);
        };
        let target = &order.target;
        let upload = means.store.resume(&target.bucket, &target.key, id);
        match upload.parts().await {
            Ok(stored) => {
                let is_stored = |number: &usize| {
                    let found = stored.binary_search_by_key(number, |part| part.number);
                    let size = found.ok().map(|at| stored[at].size);
                    size.is_some() && size == plan.part(*number).map(Part::len)
                };
                let runs = checkpoint.done.iter();
                let numbers = runs.flat_map(|&(first, last)| first.max(1)..=last);
                let done: Vec<usize> = numbers.filter(is_stored).collect();
                Ok(Some(
                    self.job(means, order, plan, upload, &done, checkpoint, desk),
                ))
            }
            Err(error) if matches!(error.kind, StoreErrorKind::NoSuchUpload) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Plans the job, and begins a new upload.
    async fn start(
        &self,
        means: &Means,
        order: &Order,
        checkpoint: &mut Checkpoint,
        desk: &Desk,
    ) -> Result<Arc<Job>, Failure> {
        let header = self.open.frozen.header();
        let length = self.open.frozen.layout().len();
        let least = match checkpoint.archive.is_empty() {
            true => checkpoint.part_size,
            false => 0,
        };
        let least = if least > 0 { least } else { PART };
        let Some(part_size) = part_size(length, least) else {
            return Err(Failure::TooLarge {
                bytes: length,
                limit: MOST,
            });
        };
        // From here on something may be found under the target's name that is this job's.
        *checkpoint = Checkpoint {
            archive: header.etag.clone(),
            part_size,
            ..Checkpoint::default()
        };
        desk.keep.save(checkpoint).await?;
        trace::leave(&means.store, order, None).await?;
        let (plan, note) = tokio::select! {
            biased;
            () = desk.cancel.cancelled() => return Err(Failure::Cancelled),
            () = desk.pause.cancelled() => return Err(Failure::Paused),
            decided = self.decide(means, order, part_size, desk) => decided?,
        };
        checkpoint.method = match plan.copied_bytes() {
            0 => Method::Stream,
            _ => Method::Copy,
        };
        checkpoint.parts = plan.parts().len();
        checkpoint.note = note;
        desk.progress.note(checkpoint.note.clone());
        let target = &order.target;
        let nature = Nature {
            content_type: "application/zip",
            disposition: &disposition::attachment(&header.filename),
            mark: (MARK, mark_of(&self.open)),
        };
        let upload = means
            .store
            .begin_resumable(&target.bucket, &target.key, nature)
            .await?;
        checkpoint.upload = Some(upload.id().to_owned());
        desk.keep.save(checkpoint).await?;
        trace::leave(&means.store, order, checkpoint.upload.clone()).await?;
        Ok(self.job(means, order, plan, upload, &[], checkpoint, desk))
    }

    /// Whether objects are copied, and if not, why.
    async fn decide(
        &self,
        means: &Means,
        order: &Order,
        part_size: u64,
        desk: &Desk,
    ) -> Result<(Plan, Option<String>), Failure> {
        let layout = self.open.frozen.layout();
        let reason = match Plan::copied(layout, part_size) {
            _ if order.method == Method::Stream => {
                return Ok((Plan::streamed(layout, part_size), None));
            }
            None => {
                "no object is larger than 10 MiB and has a CRC-32 that the store tells".to_owned()
            }
            Some(plan) if order.method == Method::Auto && plan.copied_bytes() < WORTH_COPYING => {
                "less than 64 MiB could be copied".to_owned()
            }
            Some(plan) => {
                desk.progress.enter(Phase::Probing);
                match probe::probe(means, order, &self.open, &plan).await? {
                    None => return Ok((plan, None)),
                    Some(reason) => reason,
                }
            }
        };
        if order.method == Method::Copy {
            return Err(Failure::CannotCopy { reason });
        }
        Ok((Plan::streamed(layout, part_size), Some(reason)))
    }

    #[allow(clippy::too_many_arguments, reason = "what a job is made of")]
    fn job(
        &self,
        means: &Means,
        order: &Order,
        plan: Plan,
        upload: ResumableUpload,
        done: &[usize],
        checkpoint: &Checkpoint,
        desk: &Desk,
    ) -> Arc<Job> {
        let parts = done.iter().filter_map(|&number| plan.part(number));
        let (mut bytes, mut copied) = (0, 0);
        for part in parts {
            bytes += part.len();
            copied += if part.is_copied() { part.len() } else { 0 };
        }
        desk.progress.begin(
            (done.len() as u64, plan.parts().len() as u64),
            (bytes, self.open.frozen.layout().len()),
            copied,
        );
        let known = Known::new(
            &self.open,
            &self.scanner,
            &plan,
            done.iter().copied(),
            &checkpoint.fragments,
        );
        Arc::new(Job {
            order: order.clone(),
            store: means.store.clone(),
            budget: means.budget.clone(),
            open: self.open.clone(),
            scanner: self.scanner.clone(),
            reads: BucketReads::new(&means.store, &self.open.bucket),
            plan,
            upload,
            known: Arc::new(known),
            progress: desk.progress.clone(),
        })
    }
}
