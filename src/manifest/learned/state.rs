//! What is known of the rows, and which of them are being hashed: plain data, kept behind one lock.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::bits::Bits;
use super::failure::{HashError, Unsteady};

/// All of it.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Both are empty until something is learned.
    pub(super) known: Bits,
    pub(super) crc32s: Vec<u32>,
    /// Rows that were hashed with two results.
    pub(super) disputed: BTreeSet<usize>,
    /// It grows with everything that a sidecar should say.
    pub(super) news: u64,
    /// What of the news the stored sidecar has.
    pub(super) stored: u64,
    /// Somebody will write the sidecar soon.
    pub(super) gathering: bool,
    /// Rows that are to be hashed.
    pub(super) wanted: Bits,
    /// Rows that are being hashed, in the order in which they were given out.
    pub(super) hashing: VecDeque<usize>,
    pub(super) scanning: bool,
    /// When somebody last asked for one, and how many wait.
    pub(super) asked: Option<Instant>,
    pub(super) waiting: usize,
    /// Rows that could not be hashed, and why none can.
    pub(super) failed: BTreeMap<usize, Arc<HashError>>,
    pub(super) all_failed: Option<Arc<HashError>>,
}

impl State {
    pub(super) fn get(&self, row: usize) -> Option<u32> {
        self.known.has(row).then(|| self.crc32s[row])
    }

    pub(super) fn put(&mut self, row: usize, crc32: u32, count: usize) {
        if self.crc32s.is_empty() {
            self.crc32s = vec![0; count];
        }
        if let Some(place) = self.crc32s.get_mut(row) {
            *place = crc32;
            self.known.put(row, count);
        }
    }

    pub(super) fn learn(&mut self, row: usize, crc32: u32, count: usize) -> Result<(), Unsteady> {
        match self.get(row) {
            Some(known) if known == crc32 => Ok(()),
            None => {
                self.put(row, crc32, count);
                self.news += 1;
                Ok(())
            }
            Some(_) => {
                self.known.remove(row);
                self.news += 1;
                let again = !self.disputed.insert(row);
                Err(Unsteady { again })
            }
        }
    }
}
