//! Where the archive's bytes have their CRC-32s from, and who hears of those that are computed on the way.

use std::iter;
use std::ops::Range;
use std::sync::Arc;

use super::{DownloadError, Scanner};
use crate::manifest::Open;
use crate::read_ahead::Reads;

/// Where a passage has the CRC-32s from that it does not compute itself, and who hears of those that it does.
pub trait Checksums: Send + 'static {
    /// What is hashed of an object elsewhere is known here too: nothing is read again to be held against its checksum.
    const REMEMBERS: bool;

    /// All bytes of a range of an object have come, never none. `stored` is the CRC-32 that the store sent along.
    ///
    /// # Errors
    /// They are not what they should be: the last of them are not passed on then.
    fn hashed(
        &self,
        index: usize,
        range: Range<u64>,
        crc32: u32,
        stored: Option<u32>,
    ) -> impl Future<Output = Result<(), DownloadError>> + Send;

    /// The CRC-32 of an entry, waited for where it is not known yet.
    fn crc32(&self, index: usize) -> impl Future<Output = Result<u32, DownloadError>> + Send;
}

/// What nobody knows is hashed by the manifest's scan. Only objects that pass whole are taken notice of.
#[derive(Debug)]
pub struct Scanned<R> {
    reads: R,
    scanner: Scanner,
    open: Arc<Open>,
}

impl<R: Reads> Scanned<R> {
    /// What is known of a manifest, and found out.
    pub fn new(reads: R, scanner: &Scanner, open: &Arc<Open>) -> Scanned<R> {
        Scanned {
            reads,
            scanner: scanner.clone(),
            open: open.clone(),
        }
    }
}

impl<R: Reads> Checksums for Scanned<R> {
    // Whoever comes for the rest of a download may have had the first of it from another replica.
    const REMEMBERS: bool = false;

    async fn hashed(
        &self,
        index: usize,
        range: Range<u64>,
        crc32: u32,
        stored: Option<u32>,
    ) -> Result<(), DownloadError> {
        if range != (0..self.open.frozen.layout().size(index)) {
            return Ok(());
        }
        let scanner = &self.scanner;
        scanner.learn(&self.open, index, crc32, stored).await
    }

    async fn crc32(&self, index: usize) -> Result<u32, DownloadError> {
        loop {
            if let Some(crc32) = self.open.crc32(index) {
                return Ok(crc32);
            }
            let row = iter::once(index);
            self.scanner
                .want(&self.reads, &self.open, row.clone())
                .await;
            self.scanner.wait(&self.open, row).await?;
        }
    }
}
