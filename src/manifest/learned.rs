//! CRC-32s that were learned by hashing: what rows do not claim, and descriptors and the central directory need.
//!
//! They fill in bytes, and never change a layout or an ETag. In memory they are an index beside an open manifest; in
//! the store a sidecar beside the stored one, so that a replica that starts anew need not hash again. A row that was
//! hashed with two results is unknown again, and what a sidecar says of it is not believed from then on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OnceCell, watch};
use tokio::time::Instant;

use crate::read_ahead::Overloaded;
use crate::store::{StoreError, StoreErrorKind};
use bits::Bits;

mod bits;
mod sidecar;

/// How long rows are hashed for somebody who neither waits nor asks again.
const INTEREST: Duration = Duration::from_secs(600);

/// Rows that may fail one by one; after so many nothing more is tried until somebody asks again.
const MOST_FAILED: usize = 100;

/// The CRC-32s of one manifest's rows, as far as they are known. They may be learned from many sides at once.
#[derive(Debug)]
pub struct Learned {
    state: Mutex<State>,
    changes: watch::Sender<u64>,
    /// Whether the sidecar has been read.
    loaded: OnceCell<()>,
    count: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Both are empty until something is learned.
    known: Bits,
    crc32s: Vec<u32>,
    /// Rows that were hashed with two results.
    disputed: BTreeSet<usize>,
    /// It grows with everything that a sidecar should say.
    news: u64,
    /// What of the news the stored sidecar has.
    stored: u64,
    /// A write of the sidecar is under way or about to begin.
    writing: bool,
    /// Rows that are to be hashed.
    wanted: Bits,
    /// Rows that are being hashed, in the order in which they were given out.
    hashing: VecDeque<usize>,
    scanning: bool,
    /// When somebody last asked for one, and how many wait.
    asked: Option<Instant>,
    waiting: usize,
    /// Rows that could not be hashed, and why none can.
    failed: BTreeMap<usize, Arc<HashError>>,
    all_failed: Option<Arc<HashError>>,
}

/// A row was hashed twice, and the results differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsteady {
    /// It was not the first time for this row: the object is at fault, and not one of the reads.
    pub again: bool,
}

/// Why a row cannot be hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The store failed, or the object is not what was frozen.
    #[error(transparent)]
    Store(StoreError),
    /// The object gave other bytes than before under the same ETag.
    #[error("{} gave other bytes than before, although its ETag is the same", key.escape_default())]
    Unstable {
        /// Its key.
        key: String,
    },
    /// There is no memory to hash in.
    #[error(transparent)]
    Overloaded(Overloaded),
}

impl HashError {
    /// Whether it says something about one object only.
    fn is_of_one_row(&self) -> bool {
        match self {
            HashError::Store(error) => matches!(
                error.kind,
                StoreErrorKind::NoSuchKey | StoreErrorKind::Changed
            ),
            HashError::Unstable { .. } => true,
            HashError::Overloaded(_) => false,
        }
    }
}

/// Somebody waits for rows: they are hashed for as long as this lives.
#[derive(Debug)]
pub struct Interest<'a>(&'a Learned);

impl Drop for Interest<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.waiting -= 1;
        state.asked = Some(Instant::now());
    }
}

impl Learned {
    /// Nothing is known yet of `count` rows.
    pub fn new(count: usize) -> Learned {
        Learned {
            state: Mutex::default(),
            changes: watch::Sender::new(0),
            loaded: OnceCell::new(),
            count,
        }
    }

    /// The CRC-32 of a row, if it is known.
    pub fn get(&self, row: usize) -> Option<u32> {
        self.lock().get(row)
    }

    /// A row has been hashed.
    ///
    /// # Errors
    /// [`Unsteady`] where it had another CRC-32 before; nothing is known of it then.
    pub fn learn(&self, row: usize, crc32: u32) -> Result<(), Unsteady> {
        let mut state = self.lock();
        let learned = state.learn(row, crc32, self.count);
        drop(state);
        self.changed();
        learned
    }

    /// Tells of changes after this call.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Keeps the hashing of what was asked for alive.
    pub fn interest(&self) -> Interest<'_> {
        self.lock().waiting += 1;
        Interest(self)
    }

    /// Asks for rows to be hashed that are not known. Returns whether nobody is at it yet, so that the caller must
    /// begin.
    pub fn want(&self, rows: impl IntoIterator<Item = usize>) -> bool {
        let mut state = self.lock();
        state.asked = Some(Instant::now());
        state.all_failed = None;
        for row in rows {
            if !state.known.has(row) {
                state.failed.remove(&row);
                state.wanted.put(row, self.count);
            }
        }
        let State {
            hashing, wanted, ..
        } = &mut *state;
        hashing.iter().for_each(|row| wanted.remove(*row));
        !state.wanted.is_empty() && !std::mem::replace(&mut state.scanning, true)
    }

    /// The next row to hash, as long as somebody still wants it.
    pub fn next_wanted(&self) -> Option<usize> {
        let mut state = self.lock();
        let forgotten = state.asked.is_some_and(|asked| asked.elapsed() > INTEREST);
        if forgotten && state.waiting == 0 {
            state.wanted.clear();
        }
        while let Some(row) = state.wanted.pop_first() {
            if !state.known.has(row) {
                state.hashing.push_back(row);
                return Some(row);
            }
        }
        None
    }

    /// The row has been hashed that was given out before all others.
    ///
    /// # Errors
    /// [`Unsteady`] where it had another CRC-32 before; [`Learned::fail`] is then still to be called.
    pub fn hashed(&self, crc32: u32) -> Result<(), Unsteady> {
        let mut state = self.lock();
        let Some(&row) = state.hashing.front() else {
            return Ok(());
        };
        state.learn(row, crc32, self.count)?;
        state.hashing.pop_front();
        drop(state);
        self.changed();
        Ok(())
    }

    /// The row that is being hashed before all others.
    pub fn hashing(&self) -> Option<usize> {
        self.lock().hashing.front().copied()
    }

    /// Hashing has come to an end at the row that was given out before all others. Whoever waits for that row is told;
    /// the others are wanted again, unless the failure is theirs too.
    pub fn fail(&self, error: HashError) {
        let mut state = self.lock();
        let failed = state.hashing.pop_front();
        let rest = std::mem::take(&mut state.hashing);
        let is_of_one_row = error.is_of_one_row() && state.failed.len() < MOST_FAILED;
        let error = Arc::new(error);
        if is_of_one_row {
            state.failed.extend(failed.map(|row| (row, error)));
            for row in rest {
                state.wanted.put(row, self.count);
            }
        } else {
            state.wanted.clear();
            state.failed.clear();
            state.all_failed = Some(error);
        }
        drop(state);
        self.changed();
    }

    /// Why a row could not be hashed, since it was last asked for.
    pub fn failure(&self, row: usize) -> Option<Arc<HashError>> {
        let state = self.lock();
        let of_row = state.failed.get(&row);
        of_row.or(state.all_failed.as_ref()).cloned()
    }

    /// Whoever hashes would stop. Returns whether nothing more is wanted; then [`Learned::want`] begins anew.
    pub fn stop(&self) -> bool {
        let mut state = self.lock();
        state.scanning = !state.wanted.is_empty();
        !state.scanning
    }

    /// How many of these rows are not known yet.
    pub fn missing(&self, rows: impl IntoIterator<Item = usize>) -> usize {
        let state = self.lock();
        let rows = rows.into_iter();
        rows.filter(|row| !state.known.has(*row)).count()
    }

    /// Has the sidecar read before anything is hashed: the first time by `load`, which the others wait for.
    pub async fn load_once(&self, load: impl Future<Output = ()>) {
        self.loaded.get_or_init(|| load).await;
    }

    /// Takes over what a sidecar says of rows that are not known and not disputed, and returns whether it was one of
    /// this manifest's.
    pub fn load(&self, file: &[u8]) -> bool {
        let Some(rows) = sidecar::decode(file, self.count) else {
            return false;
        };
        let mut state = self.lock();
        for (row, crc32) in rows {
            if !state.known.has(row) && !state.disputed.contains(&row) {
                state.put(row, crc32, self.count);
            }
        }
        drop(state);
        self.changed();
        true
    }

    /// Whether there is something to say that the stored sidecar does not.
    pub fn has_news(&self) -> bool {
        let state = self.lock();
        state.news != state.stored
    }

    /// Whether the caller is to write a sidecar: there is something new to say, and nobody else is at it.
    pub fn begin_writing(&self) -> bool {
        let mut state = self.lock();
        state.news != state.stored && !std::mem::replace(&mut state.writing, true)
    }

    /// The sidecar, if it would say something else than the one that was last stored; from now on that is this one.
    pub fn sidecar(&self) -> Option<Bytes> {
        let mut state = self.lock();
        state.writing = false;
        if state.news == state.stored {
            return None;
        }
        state.stored = state.news;
        Some(sidecar::encode(self.count, |row| state.get(row)))
    }

    /// The sidecar that [`Learned::sidecar`] gave could not be stored.
    pub fn not_stored(&self) {
        self.lock().news += 1;
    }

    /// The bytes that are kept on the heap once all is known and wanted.
    pub fn heap_bytes(&self) -> usize {
        self.count * size_of::<u32>() + 2 * Bits::heap_bytes(self.count)
    }

    fn changed(&self) {
        self.changes.send_modify(|change| *change += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn get(&self, row: usize) -> Option<u32> {
        self.known.has(row).then(|| self.crc32s[row])
    }

    fn put(&mut self, row: usize, crc32: u32, count: usize) {
        if self.crc32s.is_empty() {
            self.crc32s = vec![0; count];
        }
        if let Some(place) = self.crc32s.get_mut(row) {
            *place = crc32;
            self.known.put(row, count);
        }
    }

    fn learn(&mut self, row: usize, crc32: u32, count: usize) -> Result<(), Unsteady> {
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

#[cfg(test)]
mod tests;
