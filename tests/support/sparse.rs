//! Files whose zeros take no disk: blocks of nothing but zeros are left out, and the file system reads them back.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::synthetic::content::ZEROS;

/// The block of common file systems: what is aligned to it and never written takes no room.
const BLOCK: u64 = 4096;

/// A file that is written from its start to its end.
#[derive(Debug)]
pub struct SparseFile {
    file: File,
    len: u64,
}

impl SparseFile {
    /// Creates the file, empty.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::create(path)?;
        Ok(SparseFile { file, len: 0 })
    }

    /// Appends.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let rest_of_block = (BLOCK - self.len % BLOCK) as usize;
            let block;
            (block, bytes) = bytes.split_at(rest_of_block.min(bytes.len()));
            if *block != ZEROS[..block.len()] {
                self.file.write_all_at(block, self.len)?;
            }
            self.len += block.len() as u64;
        }
        Ok(())
    }

    /// Gives the file its length, and tells how many bytes of disk it takes.
    pub fn finish(self) -> io::Result<u64> {
        self.file.set_len(self.len)?;
        self.file.sync_all()?;
        // In units of 512 bytes, whatever the block is (POSIX leaves it open, Linux does not).
        Ok(self.file.metadata()?.blocks() * 512)
    }
}
