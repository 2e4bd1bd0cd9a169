//! The stored manifests of links: put into the store, opened once, kept by size, and asked for again.
//!
//! Replicas share nothing but these objects. One that is open is asked for again, conditionally, once it is older than
//! [`TRUSTED_FOR`], so what was revoked or found broken elsewhere is so here soon after. Loads that coincide are one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::learned::Learned;
use super::stored::{CONTENT_TYPE, Frozen, LARGEST, StoredError};
use crate::read_ahead::MemoryBudget;
use crate::store::{Bucket, PartWriter, Store, StoreError, StoreErrorKind, WriteError};

mod notes;

/// How long an open manifest is taken for current. With the time that asking takes, a revocation holds within 30 s.
pub const TRUSTED_FOR: Duration = Duration::from_secs(25);

/// What open manifests may take in memory together, in bytes; what is in use stays beyond that.
pub const KEPT: usize = 64 << 20;

/// Where links are, below the state prefix.
const LINKS: &str = "links/";

/// Where sheaf keeps its own objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSpace {
    /// Their bucket.
    pub bucket: Bucket,
    /// What all their keys begin with.
    pub prefix: String,
}

/// One of sheaf's own objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKey {
    /// The stored manifest of a link.
    Link(Uuid),
    /// The CRC-32s that were learned of its rows.
    Crc32s(Uuid),
    /// What the keys of a link's complete downloads begin with.
    Downloads(Uuid),
    /// One complete download of a link.
    Download(Uuid, Uuid),
    /// Objects whose claimed CRC-32 proved wrong.
    Distrusted,
}

impl StateSpace {
    /// The key of an object.
    pub fn key(&self, key: StateKey) -> String {
        let prefix = &self.prefix;
        match key {
            StateKey::Link(id) => format!("{prefix}{LINKS}{id}"),
            StateKey::Crc32s(id) => format!("{prefix}{LINKS}{id}.crc32"),
            StateKey::Downloads(id) => format!("{prefix}{LINKS}{id}.downloads/"),
            StateKey::Download(id, download) => {
                format!("{prefix}{LINKS}{id}.downloads/{download}")
            }
            StateKey::Distrusted => format!("{prefix}distrusted.jsonl"),
        }
    }
}

/// Why a link has no archive.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// Its manifest is not there any more.
    #[error("the link was revoked, or what it stands for was cleaned up")]
    Revoked,
    /// An object is not what its row claims.
    #[error("the object {} does not have the checksum that was told of it; ask for a new link", key.escape_default())]
    Broken {
        /// The object's key.
        key: String,
    },
    /// Its manifest cannot be used.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// The store failed.
    #[error(transparent)]
    Store(Box<StoreError>),
}

impl From<StoreError> for LibraryError {
    fn from(error: StoreError) -> LibraryError {
        LibraryError::Store(Box::new(error))
    }
}

/// An open manifest and what was learned of its rows.
#[derive(Debug)]
pub struct Open {
    /// Its id.
    pub id: Uuid,
    /// The bucket of its objects.
    pub bucket: Bucket,
    /// Its rows and their archive.
    pub frozen: Frozen,
    /// CRC-32s that its rows do not claim.
    pub learned: Learned,
}

impl Open {
    /// A manifest of which nothing is learned yet.
    pub fn new(id: Uuid, bucket: Bucket, frozen: Frozen) -> Open {
        Open {
            id,
            bucket,
            learned: Learned::new(frozen.header().count),
            frozen,
        }
    }

    /// The key of a row, for messages.
    pub fn key(&self, index: usize) -> String {
        let row = self.frozen.row(index);
        row.map_or_else(String::new, |row| row.key)
    }

    /// Those of some rows that have a CRC-32 which is not claimed, and so has to be learned.
    pub fn unclaimed<I: Iterator<Item = usize>>(&self, rows: I) -> impl Iterator<Item = usize> {
        let layout = self.frozen.layout();
        rows.filter(|row| layout.claimed_crc32(*row).is_none() && layout.size(*row) > 0)
    }

    /// The CRC-32 of a row: claimed, learned, or that of nothing.
    pub fn crc32(&self, index: usize) -> Option<u32> {
        let layout = self.frozen.layout();
        layout
            .claimed_crc32(index)
            .or_else(|| (layout.size(index) == 0).then_some(0))
            .or_else(|| self.learned.get(index))
    }
}

/// The stored manifests. Clones share what is open.
#[derive(Clone, Debug)]
pub struct Library {
    store: Store,
    space: StateSpace,
    budget: MemoryBudget,
    trusted_for: Duration,
    shelves: Arc<Mutex<Shelves>>,
}

#[derive(Debug, Default)]
struct Shelves {
    by_id: HashMap<Uuid, Shelf>,
    clock: u64,
}

#[derive(Debug)]
struct Shelf {
    book: Arc<AsyncMutex<Option<Book>>>,
    used: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Book {
    open: Arc<Open>,
    etag: String,
    /// When it has to be asked for again.
    until: Instant,
}

impl Library {
    /// The library in `space`. Nothing is asked for yet.
    pub fn new(store: &Store, space: StateSpace, budget: &MemoryBudget) -> Library {
        Library {
            store: store.clone(),
            space,
            budget: budget.clone(),
            trusted_for: TRUSTED_FOR,
            shelves: Arc::default(),
        }
    }

    /// The same, which takes what is open for current for so long instead of [`TRUSTED_FOR`].
    #[must_use]
    pub fn trusting(self, trusted_for: Duration) -> Library {
        Library {
            trusted_for,
            ..self
        }
    }

    /// How long an open manifest is taken for current.
    pub fn trusted_for(&self) -> Duration {
        self.trusted_for
    }

    /// The memory that manifests and downloads share.
    pub fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    /// Stores a manifest under a new id.
    ///
    /// # Errors
    /// As the store says; nothing is visible then.
    pub async fn put(&self, frozen: &Frozen) -> Result<Uuid, WriteError> {
        let id = Uuid::new_v4();
        let key = self.space.key(StateKey::Link(id));
        let mut writer = PartWriter::new(&self.store, &self.space.bucket, &key, CONTENT_TYPE);
        for piece in frozen.file().chunks(crate::store::parts::PART) {
            writer.filling().extend_from_slice(piece);
            writer.pass_on().await?;
        }
        writer.finish().await?;
        Ok(id)
    }

    /// The manifest of a link, as current as [`TRUSTED_FOR`] says.
    ///
    /// # Errors
    /// [`LibraryError`] says why there is none.
    pub async fn open(&self, id: Uuid) -> Result<Arc<Open>, LibraryError> {
        let (open, _) = self.open_until(id).await?;
        Ok(open)
    }

    /// The same, and how long it may be taken for current.
    ///
    /// # Errors
    /// As [`Library::open`].
    pub async fn open_until(&self, id: Uuid) -> Result<(Arc<Open>, Instant), LibraryError> {
        let book = self.shelf(id);
        let mut book = book.lock().await;
        // Taken before anything is asked: an answer is as old as its question.
        let now = Instant::now();
        let until = now + self.trusted_for;
        if let Some(known) = book.as_ref().filter(|known| now < known.until) {
            return Ok((known.open.clone(), known.until));
        }
        let outcome = self
            .ask(id, book.as_ref().map(|known| known.etag.as_str()))
            .await;
        let (open, etag) = match outcome {
            Ok(Some(loaded)) => loaded,
            Ok(None) => match book.as_mut() {
                Some(known) => {
                    known.until = until;
                    return Ok((known.open.clone(), until));
                }
                None => return Err(LibraryError::Revoked),
            },
            Err(error) => {
                // A store that fails now may answer again; what it answered before is not forgotten for that.
                if !matches!(error, LibraryError::Store(_)) {
                    *book = None;
                    self.clear(id);
                }
                return Err(error);
            }
        };
        self.weigh(id, open.frozen.heap_bytes() + open.learned.heap_bytes());
        *book = Some(Book {
            open: open.clone(),
            etag,
            until,
        });
        Ok((open, until))
    }

    /// Loads a manifest; `None` where it still has the ETag `known`.
    async fn ask(
        &self,
        id: Uuid,
        known: Option<&str>,
    ) -> Result<Option<(Arc<Open>, String)>, LibraryError> {
        let key = self.space.key(StateKey::Link(id));
        let read = self
            .store
            .read_whole(&self.space.bucket, &key, known, LARGEST)
            .await;
        let whole = match read {
            Ok(Some(whole)) => whole,
            Ok(None) => return Ok(None),
            Err(error) if matches!(error.kind, StoreErrorKind::NoSuchKey) => {
                return Err(LibraryError::Revoked);
            }
            Err(error) => return Err(error.into()),
        };
        let opening = tokio::task::spawn_blocking(move || Frozen::open(whole.bytes));
        let frozen = crate::store::parts::joined(opening.await)?;
        if let Some(key) = frozen.header().broken.clone() {
            return Err(LibraryError::Broken { key });
        }
        let bucket = Bucket::new(&frozen.header().bucket).map_err(|_| StoredError::Count)?;
        Ok(Some((Arc::new(Open::new(id, bucket, frozen)), whole.etag)))
    }

    /// Takes a link's manifest away, and what stands beside it. Whether there was one is not told: a deletion in S3 does not tell either.
    ///
    /// # Errors
    /// As the store says; the link may still be there then.
    pub async fn revoke(&self, id: Uuid) -> Result<(), StoreError> {
        self.clear(id);
        for key in [StateKey::Link(id), StateKey::Crc32s(id)] {
            self.store
                .delete(&self.space.bucket, &self.space.key(key))
                .await?;
        }
        self.forget_downloads(id).await;
        // A load that was under way may have put it back on its shelf.
        self.clear(id);
        Ok(())
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn bucket(&self) -> &Bucket {
        &self.space.bucket
    }

    /// What the keys of a link's complete downloads begin with.
    pub(super) fn downloads_prefix(&self, id: Uuid) -> String {
        self.space.key(StateKey::Downloads(id))
    }

    /// What the keys of stored manifests and their sidecars begin with.
    pub(super) fn links_prefix(&self) -> String {
        format!("{}{LINKS}", self.space.prefix)
    }

    fn shelf(&self, id: Uuid) -> Arc<AsyncMutex<Option<Book>>> {
        let mut shelves = self.lock();
        shelves.clock += 1;
        let used = shelves.clock;
        match shelves.by_id.entry(id) {
            Entry::Occupied(mut known) => {
                known.get_mut().used = used;
                known.get().book.clone()
            }
            Entry::Vacant(free) => {
                let book: Arc<AsyncMutex<Option<Book>>> = Arc::default();
                free.insert(Shelf {
                    book: book.clone(),
                    used,
                    bytes: 0,
                });
                book
            }
        }
    }

    /// Notes what a manifest weighs, and lets go of those that were not used for the longest time.
    fn weigh(&self, id: Uuid, bytes: usize) {
        let mut shelves = self.lock();
        if let Some(shelf) = shelves.by_id.get_mut(&id) {
            shelf.bytes = bytes;
        }
        let mut kept: usize = shelves.by_id.values().map(|shelf| shelf.bytes).sum();
        while kept > KEPT {
            let others = shelves.by_id.iter().filter(|(other, _)| **other != id);
            let Some((&oldest, shelf)) = others.min_by_key(|(_, shelf)| shelf.used) else {
                break;
            };
            kept -= shelf.bytes;
            shelves.by_id.remove(&oldest);
        }
    }

    fn clear(&self, id: Uuid) {
        self.lock().by_id.remove(&id);
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
