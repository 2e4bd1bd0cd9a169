//! One object's bytes in order, mended where a read breaks.
//!
//! The SDK asks again when a request fails, but not when a body breaks. [`PinnedRead`] does: it goes on from the next
//! byte, and If-Match keeps it on the object that was listed.

use std::time::Duration;

use bytes::Bytes;
use tracing::warn;

use crate::store::{Bucket, Object, ObjectBody, Store, StoreError};

/// Breaks in a row, with less than [`PROGRESS`] between them, that end a read.
const TRIES: u32 = 6;

/// Bytes after which a read counts as well again.
const PROGRESS: u64 = 1 << 20;

/// Pause after the first break; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// A read of one whole object, pinned to the ETag of the listing.
pub struct PinnedRead {
    store: Store,
    bucket: Bucket,
    object: Object,
    body: ObjectBody,
    position: u64,
    breaks: u32,
    last_break: u64,
}

impl PinnedRead {
    /// Opens the read. The store's CRC-32 is asked for where its listing announces one.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn open(
        store: &Store,
        bucket: &Bucket,
        object: Object,
    ) -> Result<PinnedRead, StoreError> {
        let body = store
            .get(bucket, &object, 0..object.size, object.has_crc32)
            .await?;
        Ok(PinnedRead {
            store: store.clone(),
            bucket: bucket.clone(),
            object,
            body,
            position: 0,
            breaks: 0,
            last_break: 0,
        })
    }

    /// The object as it was listed.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The CRC-32 that the store announced, if it did: from the answer, else from a HEAD of its own.
    ///
    /// # Errors
    /// As [`Store::stored_crc32`].
    pub async fn announced_crc32(&self) -> Result<Option<u32>, StoreError> {
        match self.body.crc32() {
            None if self.object.has_crc32 => {
                self.store.stored_crc32(&self.bucket, &self.object).await
            }
            crc32 => Ok(crc32),
        }
    }

    /// The next chunk, or `None` when all of the object has come.
    ///
    /// # Errors
    /// [`NoSuchKey`](crate::store::StoreErrorKind::NoSuchKey) and [`Changed`](crate::store::StoreErrorKind::Changed) at once; what can be mended, after six tries.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            let error = match self.body.next().await {
                Ok(chunk) => {
                    self.position += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
                    return Ok(chunk);
                }
                Err(error) => error,
            };
            self.reopen(error).await?;
        }
    }

    async fn reopen(&mut self, mut error: StoreError) -> Result<(), StoreError> {
        if self.position - self.last_break >= PROGRESS {
            self.breaks = 0;
        }
        self.last_break = self.position;
        loop {
            self.breaks += 1;
            if !error.kind.can_pass() || self.breaks == TRIES {
                return Err(error);
            }
            warn!(%error, position = self.position, tries = self.breaks, "a read broke; it goes on from its next byte");
            tokio::time::sleep(FIRST_PAUSE * 2u32.pow(self.breaks - 1)).await;
            match self
                .store
                .get(
                    &self.bucket,
                    &self.object,
                    self.position..self.object.size,
                    false,
                )
                .await
            {
                Ok(body) => {
                    self.body = body;
                    return Ok(());
                }
                Err(next) => error = next,
            }
        }
    }
}
