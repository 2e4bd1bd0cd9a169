//! Objects as they are frozen: with the CRC-32 and the version that the store tells, and whether they can be read at all.
//!
//! A row that names a version is read by it, and so survives that its object is overwritten or deleted. Versions come
//! from ListObjectVersions; where that is denied, from a HEAD of each object; where versions may not be read, rows do
//! without. What a store does not tell, or does not permit to ask, stays unknown.

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use tokio::sync::OnceCell;

use crate::archive::INLINE_MAX;
use crate::manifest::Selection;
use crate::store::{Bucket, Headed, Object, Store, StoreError, StoreErrorKind, Versioning};

/// Pages of a listing.
type Pages = BoxStream<'static, Result<Vec<Object>, StoreError>>;

/// An object as it goes into a row.
#[derive(Clone, Debug)]
pub struct Seen {
    /// It, with its version where that is to be read.
    pub object: Object,
    /// The CRC-32 that the store claims for all of it.
    pub crc32: Option<u32>,
}

/// Looks at objects, one by one, as far as their listing does not tell all.
#[derive(Debug)]
pub struct Look {
    store: Store,
    bucket: Bucket,
    versions: Versions,
    /// Whether versions may be read: the first object that has one is asked for.
    readable: OnceCell<bool>,
    /// Whether there are versions: the first object that is asked for has one.
    kept: OnceCell<bool>,
}

/// How objects come by their versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Versions {
    /// The listing told them, or there are none.
    Told,
    /// The listing told them, of a bucket that may have none: what has no version then is version `null`.
    Perhaps,
    /// By a HEAD of each.
    Heads,
    /// By a HEAD of each, if the first has one.
    HeadsIfAny,
}

impl Look {
    /// For objects that are told by HEAD.
    pub fn headed(store: &Store, bucket: &Bucket) -> Look {
        Look::new(store, bucket, Versions::Told)
    }

    /// Begins the listing of a selection.
    ///
    /// # Errors
    /// As the store says.
    pub async fn listed(store: &Store, selection: &Selection) -> Result<(Pages, Look), StoreError> {
        let (bucket, prefix) = (selection.bucket(), selection.prefix());
        let plain = |versions| {
            let pages = store.list(bucket, prefix).boxed();
            Ok((pages, Look::new(store, bucket, versions)))
        };
        let versioning = store.versioning(bucket).await?;
        if versioning == Versioning::Off {
            return plain(Versions::Told);
        }
        let is_known = versioning == Versioning::On;
        let mut latest = store.list_latest(bucket, prefix).boxed();
        match latest.try_next().await {
            Ok(first) => {
                let pages = stream::iter(first.map(Ok)).chain(latest).boxed();
                let versions = match is_known {
                    true => Versions::Told,
                    false => Versions::Perhaps,
                };
                Ok((pages, Look::new(store, bucket, versions)))
            }
            Err(error) if is_refusal(&error.kind) => plain(match is_known {
                true => Versions::Heads,
                false => Versions::HeadsIfAny,
            }),
            Err(error) => Err(error),
        }
    }

    fn new(store: &Store, bucket: &Bucket, versions: Versions) -> Look {
        Look {
            store: store.clone(),
            bucket: bucket.clone(),
            versions,
            readable: OnceCell::new(),
            kept: OnceCell::new(),
        }
    }

    /// Looks at an object of the listing.
    ///
    /// # Errors
    /// [`StoreErrorKind::NoSuchKey`] and [`StoreErrorKind::Changed`] where it is not what was listed any more; else as
    /// the store says.
    pub async fn at_listed(&self, mut object: Object) -> Result<Seen, StoreError> {
        if object.archived {
            return Ok(Seen {
                object,
                crc32: None,
            });
        }
        if self.versions == Versions::Perhaps {
            object.version_id = object.version_id.filter(|id| id != "null");
        }
        let by_head = match self.versions {
            Versions::Told | Versions::Perhaps => false,
            Versions::Heads => true,
            Versions::HeadsIfAny => *self.kept.get_or_try_init(|| self.is_kept(&object)).await?,
        };
        let is_large = object.size > INLINE_MAX;
        let mut crc32 = None;
        let asks = by_head || object.may_be_archived || is_large && object.has_crc32;
        if asks && let Some(head) = self.head(&object).await? {
            object.archived = head.object.archived;
            crc32 = head.crc32.filter(|_| is_large);
            if by_head {
                object.version_id = head.version_id;
            }
        }
        self.complete(Seen { object, crc32 }).await
    }

    /// Asks about an object by its key; `None` where there is none.
    ///
    /// # Errors
    /// As the store says.
    pub async fn for_key(&self, key: &str) -> Result<Option<Headed>, StoreError> {
        // No object has an empty key, and the store would be asked about the bucket.
        if key.is_empty() {
            return Ok(None);
        }
        self.store.head(&self.bucket, key).await
    }

    /// Looks at an object that is known by HEAD.
    ///
    /// # Errors
    /// As the store says.
    pub async fn at_headed(&self, head: Headed) -> Result<Seen, StoreError> {
        let is_large = head.object.size > INLINE_MAX;
        self.complete(Seen {
            crc32: head.crc32.filter(|_| is_large),
            object: Object {
                version_id: head.version_id,
                ..head.object
            },
        })
        .await
    }

    async fn complete(&self, mut seen: Seen) -> Result<Seen, StoreError> {
        let object = &mut seen.object;
        if object.archived {
            return Ok(seen);
        }
        if object.version_id.is_some() {
            let asked = || self.store.may_read_version(&self.bucket, object);
            if !*self.readable.get_or_try_init(asked).await? {
                object.version_id = None;
            }
        }
        if object.size > INLINE_MAX && seen.crc32.is_none() && object.has_part_crc32s {
            let asked = self.store.combined_crc32(&self.bucket, object).await;
            seen.crc32 = permitted(asked)?.flatten();
        }
        Ok(seen)
    }

    /// What a HEAD tells, where it is permitted.
    async fn head(&self, object: &Object) -> Result<Option<Headed>, StoreError> {
        let asked = self.store.head_of(&self.bucket, object).await;
        permitted(asked)
    }

    async fn is_kept(&self, object: &Object) -> Result<bool, StoreError> {
        let head = self.head(object).await?;
        Ok(head.is_some_and(|head| head.version_id.is_some()))
    }
}

/// Asking is optional: not every store has these calls, nor every key permits them.
fn permitted<T>(asked: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match asked {
        Ok(told) => Ok(Some(told)),
        Err(error) if is_refusal(&error.kind) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_refusal(kind: &StoreErrorKind) -> bool {
    match kind {
        StoreErrorKind::AccessDenied { .. } => true,
        StoreErrorKind::Unexpected { status, .. } => *status < 500 || *status == 501,
        _ => false,
    }
}
