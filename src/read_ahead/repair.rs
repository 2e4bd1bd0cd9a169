//! A range of one object's bytes in order, mended where a read breaks.
//!
//! The SDK never asks again when a body breaks, and is told not to when the request of a read fails: [`MendedRead`] does
//! both. It goes on from the next byte, and If-Match keeps it on the object that was listed.

use std::ops::Range;

use bytes::Bytes;
use tracing::warn;

use super::reads::{ReadBody, Reads};
use crate::measure;
use crate::store::{Object, Patience, StoreError};

/// Breaks in a row, with less than a mebibyte between them, that end a read. The pauses before the last try add up to
/// some ten seconds: a store that throttles for longer is overloaded by others.
pub const TRIES: u32 = 8;

/// A read of a range of one object, pinned to the ETag of the listing.
pub struct MendedRead<'a, R: Reads> {
    reads: &'a R,
    object: &'a Object,
    /// None between a break and the next try: a broken body must not keep the connection that the next one needs.
    body: Option<R::Body>,
    rest: Range<u64>,
    crc32: Option<u32>,
    patience: Patience,
}

impl<'a, R: Reads> MendedRead<'a, R> {
    /// Opens the read. With `checksum` the store's CRC-32 is asked for.
    ///
    /// # Errors
    /// As [`MendedRead::next`].
    pub async fn open(
        reads: &'a R,
        object: &'a Object,
        range: Range<u64>,
        checksum: bool,
    ) -> Result<MendedRead<'a, R>, StoreError> {
        let mut read = MendedRead {
            reads,
            object,
            body: None,
            rest: range.clone(),
            crc32: None,
            patience: Patience::new(TRIES),
        };
        match reads.get(object, range, checksum).await {
            Ok(body) => {
                read.crc32 = body.crc32();
                read.body = Some(body);
            }
            Err(error) => read.pause(error).await?,
        }
        Ok(read)
    }

    /// The store's CRC-32 of the whole object, where the answer had it.
    pub fn crc32(&self) -> Option<u32> {
        self.crc32
    }

    /// The next chunk, or `None` when all of the range has come.
    ///
    /// # Errors
    /// What cannot pass ([`can_pass`](crate::store::StoreErrorKind::can_pass)) at once: the object is gone, or another
    /// one. What can, after [`TRIES`] in a row.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while !self.rest.is_empty() {
            let came = match &mut self.body {
                Some(body) => body.next().await,
                None => match self.reads.get(self.object, self.rest.clone(), false).await {
                    Ok(body) => {
                        self.body = Some(body);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match came {
                Ok(Some(chunk)) => {
                    self.rest.start += chunk.len() as u64;
                    self.patience.came(chunk.len());
                    return Ok(Some(chunk));
                }
                // Bodies never end early without an error; if one did, nothing must be taken for whole.
                Ok(None) => self.body = None,
                Err(error) => {
                    self.body = None;
                    self.pause(error).await?;
                }
            }
        }
        Ok(None)
    }

    /// Waits before the next try, or gives up with the error.
    async fn pause(&mut self, error: StoreError) -> Result<(), StoreError> {
        if !error.kind.can_pass() {
            return Err(error);
        }
        let Some(pause) = self.patience.pause() else {
            return Err(error);
        };
        let (position, tries) = (self.rest.start, self.patience.breaks());
        measure::store_retry("body");
        warn!(%error, position, tries, "a read broke; it goes on from its next byte");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
