//! CRC-32s that were learned by hashing: what rows do not claim, and descriptors and the central directory need.
//!
//! They fill in bytes, and never change a layout or an ETag. In memory they are an index beside an open manifest; in
//! the store a sidecar beside the stored one, so that a replica that starts anew need not hash again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use crate::store::StoreError;

mod sidecar;

/// How long rows are hashed for somebody who does not ask again.
const INTEREST: Duration = Duration::from_secs(600);

/// The CRC-32s of one manifest's rows, as far as they are known. They may be learned from many sides at once.
#[derive(Debug)]
pub struct Learned {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    count: usize,
}

#[derive(Debug, Default)]
struct State {
    /// One bit a row. Both are empty until something is learned.
    known: Vec<u64>,
    crc32s: Vec<u32>,
    /// Known rows.
    learned: usize,
    /// Learned, or read from the sidecar, when that was last written or read.
    stored: usize,
    /// Whether the sidecar has been read.
    loaded: bool,
    /// Rows that somebody waits for.
    wanted: BTreeSet<usize>,
    /// Rows that are being hashed.
    hashing: BTreeSet<usize>,
    /// When somebody last asked for one.
    asked: Option<Instant>,
    scanning: bool,
    /// A write of the sidecar is under way or about to begin.
    writing: bool,
    failure: Option<Arc<StoreError>>,
}

/// A row was hashed twice, and the results differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsteady;

impl Learned {
    /// Nothing is known yet of `count` rows.
    pub fn new(count: usize) -> Learned {
        Learned {
            state: Mutex::default(),
            changes: watch::Sender::new(0),
            count,
        }
    }

    /// The CRC-32 of a row, if it is known.
    pub fn get(&self, index: usize) -> Option<u32> {
        self.lock().get(index)
    }

    /// A row has been hashed.
    ///
    /// # Errors
    /// [`Unsteady`] where it had another CRC-32 before; nothing is known of it then.
    pub fn learn(&self, index: usize, crc32: u32) -> Result<(), Unsteady> {
        let mut state = self.lock();
        state.hashing.remove(&index);
        let learned = state.put(index, crc32, self.count);
        drop(state);
        self.changed();
        learned
    }

    /// Waits for the next change after `seen`, which is brought up to date.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Asks for rows to be hashed. Returns whether nobody is at it yet, so that the caller must begin.
    pub fn want(&self, rows: impl IntoIterator<Item = usize>) -> bool {
        let mut state = self.lock();
        state.failure = None;
        state.asked = Some(Instant::now());
        for row in rows {
            if state.get(row).is_none() && !state.hashing.contains(&row) {
                state.wanted.insert(row);
            }
        }
        !state.wanted.is_empty() && !std::mem::replace(&mut state.scanning, true)
    }

    /// The next row to hash, as long as somebody still asks.
    pub fn next_wanted(&self) -> Option<usize> {
        let mut state = self.lock();
        if state.asked.is_some_and(|asked| asked.elapsed() > INTEREST) {
            state.wanted.clear();
        }
        while let Some(row) = state.wanted.pop_first() {
            if state.get(row).is_none() {
                state.hashing.insert(row);
                return Some(row);
            }
        }
        None
    }

    /// Whoever hashes would stop. Returns whether nothing more is wanted; then [`Learned::want`] begins anew.
    pub fn stop(&self) -> bool {
        let mut state = self.lock();
        state.scanning = !state.wanted.is_empty();
        !state.scanning
    }

    /// Hashing a row has failed; whoever waits is told, and the next [`Learned::want`] begins anew.
    pub fn fail(&self, index: usize, error: StoreError) {
        let mut state = self.lock();
        state.hashing.remove(&index);
        state.wanted.clear();
        state.failure = Some(Arc::new(error));
        drop(state);
        self.changed();
    }

    /// Why hashing has failed, since it was last asked for.
    pub fn failure(&self) -> Option<Arc<StoreError>> {
        self.lock().failure.clone()
    }

    /// How many of these rows are not known yet.
    pub fn missing(&self, rows: &[usize]) -> usize {
        let state = self.lock();
        rows.iter().filter(|row| state.get(**row).is_none()).count()
    }

    /// Whether the sidecar should be read before anything is hashed. Says so once.
    pub fn should_load(&self) -> bool {
        !std::mem::replace(&mut self.lock().loaded, true)
    }

    /// Takes over what a sidecar says, and returns whether it was one of this manifest's.
    pub fn load(&self, file: &[u8]) -> bool {
        let Some(rows) = sidecar::decode(file, self.count) else {
            return false;
        };
        let mut state = self.lock();
        let before = state.learned;
        for (index, crc32) in rows {
            if state.get(index).is_none() {
                // It is not known, so it cannot differ.
                let _ = state.put(index, crc32, self.count);
            }
        }
        state.stored += state.learned - before;
        drop(state);
        self.changed();
        true
    }

    /// Whether more is known than the sidecar says.
    pub fn has_news(&self) -> bool {
        let state = self.lock();
        state.learned > state.stored
    }

    /// Whether the caller is to write a sidecar: there is more to say than the last one does, and nobody else is at it.
    pub fn begin_writing(&self) -> bool {
        let mut state = self.lock();
        state.learned > state.stored && !std::mem::replace(&mut state.writing, true)
    }

    /// The sidecar, if it would say more than the one that was last stored; from now on that is this one.
    pub fn sidecar(&self) -> Option<Bytes> {
        let mut state = self.lock();
        state.writing = false;
        if state.learned <= state.stored {
            return None;
        }
        state.stored = state.learned;
        Some(sidecar::encode(self.count, |index| state.get(index)))
    }

    /// The sidecar that [`Learned::sidecar`] gave could not be stored.
    pub fn not_stored(&self) {
        self.lock().stored = 0;
    }

    /// The bytes that are kept on the heap once all is known.
    pub fn heap_bytes(&self) -> usize {
        self.count * 4 + self.count.div_ceil(64) * 8
    }

    fn changed(&self) {
        self.changes.send_modify(|change| *change += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn get(&self, index: usize) -> Option<u32> {
        let known = self.known.get(index / 64)? >> (index % 64) & 1 == 1;
        known.then(|| self.crc32s[index])
    }

    fn put(&mut self, index: usize, crc32: u32, count: usize) -> Result<(), Unsteady> {
        if index >= count {
            return Ok(());
        }
        if self.known.is_empty() {
            self.known = vec![0; count.div_ceil(64)];
            self.crc32s = vec![0; count];
        }
        match self.get(index) {
            None => {
                self.known[index / 64] |= 1 << (index % 64);
                self.crc32s[index] = crc32;
                self.learned += 1;
                Ok(())
            }
            Some(known) if known == crc32 => Ok(()),
            Some(_) => {
                self.known[index / 64] &= !(1 << (index % 64));
                self.learned -= 1;
                self.stored = 0;
                Err(Unsteady)
            }
        }
    }
}

#[cfg(test)]
mod tests;
