//! What is written beside stored manifests: that one is broken, which claims not to believe, and learned CRC-32s.

use tracing::warn;

use super::{Library, Open, StateKey};
use crate::manifest::distrust::{Claim, Distrusted};
use crate::manifest::jsonl;
use crate::manifest::stored::CONTENT_TYPE;
use crate::store::{StoreError, StoreErrorKind};

impl Library {
    /// The bytes of an object are not those of its checksum, for good: the link is of no use any more. A store that
    /// fails is only logged; the next download finds out again.
    pub async fn break_link(&self, open: &Open, index: usize) {
        let object = open.key(index);
        warn!(id = %open.id, key = object, "a checksum proved wrong; the link is broken for good");
        let body = open.frozen.broken(&object);
        let key = self.space.key(StateKey::Link(open.id));
        let stored = self
            .store
            .put(&self.space.bucket, &key, CONTENT_TYPE, body)
            .await;
        self.clear(open.id);
        if let Err(error) = stored {
            warn!(%error, "a broken link could not be marked");
        }
    }

    /// An object has another CRC-32 than its row claims: the link is broken, and the claim not to be believed by a new
    /// one.
    pub async fn disprove(&self, open: &Open, index: usize) {
        self.break_link(open, index).await;
        let Some(row) = open.frozen.row(index) else {
            return;
        };
        let claim = Claim {
            bucket: open.bucket.to_string(),
            key: row.key,
            etag: row.etag,
        };
        let noted = match self.distrusted().await {
            Ok(known) => self.write_distrusted(known.with(claim)).await,
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            warn!(%error, "a wrong claim could not be noted; a new link will believe it again");
        }
    }

    /// The claims that proved wrong so far.
    ///
    /// # Errors
    /// As the store says.
    pub async fn distrusted(&self) -> Result<Distrusted, StoreError> {
        let key = self.space.key(StateKey::Distrusted);
        let read = self
            .store
            .read_whole(&self.space.bucket, &key, None, Distrusted::LARGEST)
            .await;
        match read {
            Ok(whole) => {
                Ok(whole.map_or_else(Distrusted::default, |whole| Distrusted::read(&whole.bytes)))
            }
            Err(error) if matches!(error.kind, StoreErrorKind::NoSuchKey) => {
                Ok(Distrusted::default())
            }
            Err(error) => Err(error),
        }
    }

    async fn write_distrusted(&self, distrusted: Distrusted) -> Result<(), StoreError> {
        let key = self.space.key(StateKey::Distrusted);
        self.store
            .put(
                &self.space.bucket,
                &key,
                jsonl::CONTENT_TYPE,
                distrusted.write(),
            )
            .await
    }

    /// Reads the sidecar of a manifest, once, for all who ask meanwhile. What cannot be read is learned anew.
    pub async fn load_learned(&self, open: &Open) {
        open.learned.load_once(self.merge_sidecar(open)).await;
    }

    /// Stores what was learned since the last time. Replicas may learn at the same time, so theirs is read first.
    pub async fn keep_learned(&self, open: &Open) {
        if !open.learned.has_news() {
            return;
        }
        self.merge_sidecar(open).await;
        let Some(body) = open.learned.sidecar() else {
            return;
        };
        let key = self.space.key(StateKey::Crc32s(open.id));
        let put = self
            .store
            .put(&self.space.bucket, &key, CONTENT_TYPE, body)
            .await;
        if let Err(error) = put {
            open.learned.not_stored();
            warn!(%error, "learned checksums could not be stored; they will be learned again");
        }
    }

    async fn merge_sidecar(&self, open: &Open) {
        let key = self.space.key(StateKey::Crc32s(open.id));
        let limit = open.learned.heap_bytes() + 1024;
        let read = self
            .store
            .read_whole(&self.space.bucket, &key, None, limit)
            .await;
        match read {
            Ok(Some(whole)) if open.learned.load(&whole.bytes) => {}
            Ok(_) => warn!(id = %open.id, "the sidecar is not one of its manifest"),
            Err(error) if matches!(error.kind, StoreErrorKind::NoSuchKey) => {}
            Err(error) => warn!(%error, "learned checksums could not be read"),
        }
    }
}
