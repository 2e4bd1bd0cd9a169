//! The stored manifests of links: put into the store, opened once, kept by size, and asked for again.
//!
//! Replicas share nothing but these objects. One that is open is asked for again, conditionally, once it is older than
//! [`TRUSTED_FOR`], so what was revoked or found broken elsewhere is so here soon after. Loads that coincide are one.

//!
//! What is open is counted in the memory budget. What nobody uses goes when downloads need the memory, or more than a
//! quarter of the budget is kept; a manifest for which there is no room is not opened.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::stored::{CONTENT_TYPE, Frozen, LARGEST, StoredError};
use crate::read_ahead::{Keeper, MemoryBudget, Overloaded};
use crate::store::state::Incoming;
use crate::store::{
    AllowedBuckets, Bucket, NotAllowed, PartWriter, Store, StoreError, StoreErrorKind, WriteError,
};
use shelves::{Book, Shelves};

mod notes;
mod open;
mod shelves;
mod space;

pub use open::Open;
pub use space::{StateKey, StateSpace};

/// How long an open manifest is taken for current. With the time that asking takes, a revocation holds within 30 s.
pub const TRUSTED_FOR: Duration = Duration::from_secs(25);

/// What opening takes in memory, in lengths of the file: the file itself, the layout, and for a while the names.
const OPENING: usize = 4;

/// What part of the budget manifests may take that nobody uses.
const KEPT: usize = 4;

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
    /// It would take all of the memory, and more.
    #[error(
        "the manifest of the link takes {needed} bytes of memory to open, and the memory budget is {total} bytes; the server needs a larger --memory-budget"
    )]
    TooLarge {
        /// What it takes, in bytes.
        needed: usize,
        /// What there is.
        total: usize,
    },
    /// Its objects are in a bucket that is not served.
    #[error(transparent)]
    Bucket(#[from] NotAllowed),
    /// There is no memory for it now.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
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

/// The stored manifests. Clones share what is open.
#[derive(Clone, Debug)]
pub struct Library {
    store: Store,
    space: StateSpace,
    budget: MemoryBudget,
    trusted_for: Duration,
    allowed: AllowedBuckets,
    shelves: Arc<Shelves>,
}

impl Library {
    /// The library in `space`. Nothing is asked for yet.
    pub fn new(store: &Store, space: StateSpace, budget: &MemoryBudget) -> Library {
        let shelves: Arc<Shelves> = Arc::default();
        let keeper: Weak<Shelves> = Arc::downgrade(&shelves);
        budget.asks(keeper);
        Library {
            store: store.clone(),
            space,
            budget: budget.clone(),
            trusted_for: TRUSTED_FOR,
            allowed: AllowedBuckets::default(),
            shelves,
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

    /// The same, which opens no manifest of objects in other buckets than these.
    #[must_use]
    pub fn reading_only(self, allowed: &AllowedBuckets) -> Library {
        Library {
            allowed: allowed.clone(),
            ..self
        }
    }

    /// Where the manifests are.
    pub fn space(&self) -> &StateSpace {
        &self.space
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
        let mut writer =
            PartWriter::new(&self.store, &self.space.bucket, &key, CONTENT_TYPE).is_new();
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
        let shelf = self.shelves.of(id);
        let mut book = shelf.lock().await;
        // Taken before anything is asked: an answer is as old as its question.
        let now = Instant::now();
        let until = now + self.trusted_for;
        if let Some(known) = book.as_ref().filter(|known| now < known.until) {
            return Ok((known.open.clone(), known.until));
        }
        let known = book.as_ref().map(|known| known.etag.as_str());
        match self.ask(id, known).await {
            Ok(Some((open, etag))) => {
                *book = Some(Book {
                    open: open.clone(),
                    etag,
                    until,
                });
                let most = self.budget.total() / KEPT;
                self.shelves.let_go(self.budget.kept().saturating_sub(most));
                Ok((open, until))
            }
            Ok(None) => match book.as_mut() {
                Some(known) => {
                    known.until = until;
                    Ok((known.open.clone(), until))
                }
                None => Err(LibraryError::Revoked),
            },
            Err(error) => {
                // A store that fails now may answer again; what it answered before is not forgotten for that.
                if book.is_none() || !matches!(error, LibraryError::Store(_)) {
                    *book = None;
                    self.shelves.clear(id);
                }
                Err(error)
            }
        }
    }

    /// Loads a manifest; `None` where it still has the ETag `known`.
    async fn ask(
        &self,
        id: Uuid,
        known: Option<&str>,
    ) -> Result<Option<(Arc<Open>, String)>, LibraryError> {
        let key = self.space.key(StateKey::Link(id));
        let asked = self
            .store
            .open_whole(&self.space.bucket, &key, known, LARGEST)
            .await;
        match asked {
            Ok(Some(incoming)) => self.load(id, incoming).await.map(Some),
            Ok(None) => Ok(None),
            Err(error) if matches!(error.kind, StoreErrorKind::NoSuchKey) => {
                Err(LibraryError::Revoked)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn load(
        &self,
        id: Uuid,
        incoming: Incoming,
    ) -> Result<(Arc<Open>, String), LibraryError> {
        let needed = incoming.length().saturating_mul(OPENING);
        let total = self.budget.total();
        if needed > total {
            return Err(LibraryError::TooLarge { needed, total });
        }
        let kept = self.budget.keep(needed)?;
        let whole = incoming.read().await?;
        let opening = tokio::task::spawn_blocking(move || Frozen::open(whole.bytes));
        let frozen = crate::store::parts::joined(opening.await)?;
        if let Some(key) = frozen.header().broken.clone() {
            return Err(LibraryError::Broken { key });
        }
        let bucket = Bucket::new(&frozen.header().bucket).map_err(|_| StoredError::Count)?;
        // Whoever may write where manifests are stored could have made this one up.
        self.allowed.check(&bucket)?;
        let open = Open::new(id, bucket, frozen).within(kept)?;
        Ok((Arc::new(open), whole.etag))
    }

    /// Takes a link's manifest away, what stands beside it, and its archive where that was packaged for nowhere else. Whether there was one is not told: a deletion in S3 does not tell either.
    ///
    /// # Errors
    /// As the store says; the link may still be there then.
    pub async fn revoke(&self, id: Uuid) -> Result<(), StoreError> {
        self.shelves.clear(id);
        for key in [
            StateKey::Link(id),
            StateKey::Crc32s(id),
            StateKey::Package(id),
        ] {
            self.store
                .delete(&self.space.bucket, &self.space.key(key))
                .await?;
        }
        self.forget_downloads(id).await;
        // A load that was under way may have put it back on its shelf.
        self.shelves.clear(id);
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
        self.space.links()
    }
}

#[cfg(test)]
mod tests;
