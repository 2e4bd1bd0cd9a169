//! From parts to an object.

use std::sync::Arc;

use super::Job;
use super::begin::{self, At};
use super::verify::Standing;
use crate::job::progress::Phase;
use crate::job::{Checkpoint, Desk, Failure};
use crate::store::{Patience, StoreError, StoreErrorKind, StoredPart};

/// How often parts are done that the store does not have at the end.
const ROUNDS: usize = 3;

/// Tries at putting the parts together.
const TRIES: u32 = 5;

impl Job {
    /// What will stand at the target.
    pub(super) fn standing(&self, checkpoint: &Checkpoint) -> Standing {
        Standing::of(&self.open, &self.plan, checkpoint)
    }

    /// Does all parts that are not done, and has the store put them together. Returns the object's entity tag.
    pub(super) async fn finish(
        self: &Arc<Job>,
        checkpoint: &mut Checkpoint,
        desk: &Desk,
    ) -> Result<String, Failure> {
        let mut round = 0;
        let parts = loop {
            self.progress.enter(Phase::Uploading);
            self.run(self.known.left(), false, checkpoint, desk).await?;
            self.run(self.known.left(), true, checkpoint, desk).await?;
            let stored = self.upload.parts().await?;
            let missing = self.missing(&stored);
            if missing.is_empty() {
                break stored;
            }
            round += 1;
            if round == ROUNDS {
                return Err(self.lost(&missing).into());
            }
            self.known.undo(&missing, &self.plan);
        };
        self.progress.enter(Phase::Completing);
        self.complete(&parts).await
    }

    /// The numbers of those parts that the store does not have as they were sent.
    fn missing(&self, stored: &[StoredPart]) -> Vec<usize> {
        let parts = self.plan.parts().iter().enumerate();
        let is_missing = |index: usize, length: u64| {
            let found = stored.binary_search_by_key(&(index + 1), |part| part.number);
            found.map_or(true, |at| stored[at].size != length)
        };
        parts
            .filter(|(index, part)| is_missing(*index, part.len()))
            .map(|(index, _)| index + 1)
            .collect()
    }

    fn lost(&self, missing: &[usize]) -> StoreError {
        let message = format!(
            "to UploadPart, and does not list {} of the parts that it took",
            missing.len()
        );
        let kind = StoreErrorKind::Unexpected {
            status: 200,
            code: None,
            message,
        };
        let target = &self.order.target;
        StoreError::new("ListParts", &target.bucket, Some(&target.key), kind)
    }

    /// What stands at the target by now is asked for once more right before, where it may not be replaced. An answer that is
    /// lost is no failure: the archive stands then.
    async fn complete(&self, parts: &[StoredPart]) -> Result<String, Failure> {
        let parts = &parts[..self.plan.parts().len().min(parts.len())];
        let mut patience = Patience::new(TRIES);
        loop {
            if !self.order.replace
                && matches!(
                    self.look().await?,
                    At::Other
                        | At::Ours {
                            is_whole: false,
                            ..
                        }
                )
            {
                return Err(Failure::Exists(self.order.target.clone()));
            }
            let error = match self.upload.complete(parts).await {
                Ok(etag) => return Ok(etag),
                Err(error) => error,
            };
            let gone = matches!(error.kind, StoreErrorKind::NoSuchUpload);
            if !gone && !error.kind.can_pass() {
                return Err(error.into());
            }
            if let At::Ours {
                etag,
                is_whole: true,
            } = self.look().await?
            {
                return Ok(etag);
            }
            match patience.pause() {
                Some(pause) if !gone => tokio::time::sleep(pause).await,
                _ => return Err(error.into()),
            }
        }
    }

    async fn look(&self) -> Result<At, StoreError> {
        begin::look(&self.store, &self.order, &self.open).await
    }
}
