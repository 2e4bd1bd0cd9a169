//! Any range of a frozen archive: what a link's archive is sent from.
//!
//! The bytes of a range are those of the same range of the whole, on every replica and after every restart, and only
//! what the range has is read (and some objects whole: see [`Slices`]). CRC-32s that it needs and does not learn by
//! itself are hashed meanwhile; a range that has nothing else to send first waits for them.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::checksums::Scanned;
use super::passage::Passage;
use super::slices::{Needed, Slices};
use super::watch::Watch;
use super::{DownloadError, Scanner};
use crate::manifest::Open;
use crate::read_ahead::{BucketReads, Reads};

/// How long a range may wait for CRC-32s before its headers go out.
const PATIENCE: Duration = Duration::from_secs(20);

/// A range of a frozen archive under way.
///
/// Once [`FrozenArchive::next`] has failed, it is broken for good. Dropped, it keeps what it has learned.
pub struct FrozenArchive<R: Reads = BucketReads> {
    passage: Passage<R>,
    open: Arc<Open>,
    scanner: Scanner,
    watch: Watch,
}

impl<R: Reads> FrozenArchive<R> {
    /// Lets the download of a range in, which must lie within the archive and not be empty. CRC-32s that it needs and
    /// will not learn by itself begin to be hashed; where no bytes of an object come first, they are waited for. No
    /// object is read yet for the range itself.
    ///
    /// # Errors
    /// [`DownloadError::Overloaded`]; [`DownloadError::ChecksumsPending`] where hashing takes longer than 20 s;
    /// [`DownloadError::Scan`].
    pub async fn begin(
        reads: R,
        scanner: &Scanner,
        open: &Arc<Open>,
        range: Range<u64>,
    ) -> Result<FrozenArchive<R>, DownloadError> {
        let share = scanner.library().budget().admit()?;
        let needed = Needed::by(open.frozen.layout(), &range);
        scanner.want(&reads, open, needed.rows()).await;
        let first = Slices::new(open.clone(), range.clone()).next();
        match first.map(|item| item.tag) {
            // What can be sent while others are hashed is sent.
            Some(slice) if !slice.header.is_empty() || !slice.data.is_empty() => {}
            Some(slice) => in_time(scanner, open, slice.index..slice.index + 1).await?,
            None => in_time(scanner, open, needed.rows()).await?,
        }
        Ok(FrozenArchive {
            watch: Watch::over(scanner.library(), open.id),
            passage: Passage::new(
                reads.clone(),
                Scanned::new(reads, scanner, open),
                open,
                range,
                share,
            ),
            open: open.clone(),
            scanner: scanner.clone(),
        })
    }

    /// Entries begun so far.
    pub fn entries(&self) -> u64 {
        self.passage.entries()
    }

    /// The next frame, never empty, or `None` after the last. It holds its part of the memory budget until it is
    /// dropped.
    ///
    /// # Errors
    /// [`DownloadError`]; the download cannot go on then. A claim that proved wrong breaks the link for good.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DownloadError> {
        tokio::select! {
            biased;
            error = self.watch.ended() => Err(error.into()),
            frame = self.passage.next() => frame,
        }
    }
}

impl<R: Reads> Drop for FrozenArchive<R> {
    fn drop(&mut self) {
        self.scanner.keep(&self.open);
    }
}

/// Waits for rows to become known, but not for long.
async fn in_time(
    scanner: &Scanner,
    open: &Arc<Open>,
    rows: impl Iterator<Item = usize> + Clone,
) -> Result<(), DownloadError> {
    let known = tokio::time::timeout(PATIENCE, scanner.wait(open, rows.clone()));
    known.await.unwrap_or_else(|_| {
        Err(DownloadError::ChecksumsPending {
            needed: open.unclaimed(rows.clone()).count(),
            missing: open.learned.missing(open.unclaimed(rows)),
        })
    })
}

#[cfg(test)]
mod tests;
