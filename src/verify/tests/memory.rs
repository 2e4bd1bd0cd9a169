//! A source in memory.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::verify::SourceError;

/// Bytes in memory. Every read of them is kept in mind, and one can be made to fail.
#[derive(Clone, Debug)]
pub(in crate::verify) struct Memory {
    bytes: Vec<u8>,
    reads: Arc<Mutex<Vec<Range<u64>>>>,
    failing: Option<usize>,
}

impl Memory {
    pub(in crate::verify) fn new(bytes: &[u8]) -> Memory {
        Memory {
            bytes: bytes.to_vec(),
            reads: Arc::default(),
            failing: None,
        }
    }

    /// The read with this number, from 0 on, will fail.
    pub(super) fn failing_at(mut self, read: usize) -> Memory {
        self.failing = Some(read);
        self
    }

    /// What has been read so far.
    pub(super) fn reads(&self) -> Vec<Range<u64>> {
        self.reads.lock().unwrap().clone()
    }

    pub(in crate::verify) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(in crate::verify) fn append(
        &self,
        range: Range<u64>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), SourceError> {
        let mut reads = self.reads.lock().unwrap();
        if self.failing == Some(reads.len()) {
            return Err(SourceError::File {
                path: "memory".into(),
                error: io::ErrorKind::PermissionDenied.into(),
            });
        }
        buffer.extend_from_slice(&self.bytes[range.start as usize..range.end as usize]);
        reads.push(range);
        Ok(())
    }
}
