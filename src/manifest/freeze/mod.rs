//! Freezing a selection, or a list of keys, into the rows of one archive.
//!
//! Rows get a CRC-32 wherever the store has one that says something about the whole object: announced for the whole
//! in the listing, or for each of its parts. Only objects above [`INLINE_MAX`](crate::archive::INLINE_MAX) need one: smaller ones are read whole
//! before their local header goes out. What a store does not tell, or does not permit to ask, stays unknown.

use std::sync::Arc;

use futures::stream::{self, Stream};
use futures::{StreamExt, TryStreamExt, pin_mut};

use super::Selection;
use super::distrust::Distrusted;
use super::selection::is_own;
use super::stored::{Freezer, Row};
use crate::store::{Bucket, Headed, Object, Store, StoreError};

mod look;

use look::{Look, Seen};

/// Requests about single objects at once.
const AT_ONCE: usize = 32;

/// How many keys an error names at the most.
const MOST_NAMED: usize = 10;

/// What is to be frozen.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// What a listing shows now.
    Selection(Selection),
    /// These keys, in whatever order.
    Keys {
        /// Their bucket.
        bucket: Bucket,
        /// The keys; each may stand here once.
        keys: Vec<String>,
        /// What all of sheaf's own keys but manifests begin with.
        state_prefix: String,
    },
}

/// Why nothing was frozen.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// No object under the prefix matches, or the list is empty.
    #[error("no object under the prefix matches the include patterns")]
    NothingSelected,
    /// Objects in an archive tier, without a restored copy.
    #[error(
        "{} must be restored from their archive tier before they can be read",
        named(keys)
    )]
    Archived {
        /// The first of them.
        keys: Vec<String>,
    },
    /// Keys without an object.
    #[error("there are no objects {} in the bucket", named(keys))]
    Missing {
        /// The first of them.
        keys: Vec<String>,
    },
    /// Keys that stand in the list more than once.
    #[error("{} are named more than once", named(keys))]
    Repeated {
        /// The first of them.
        keys: Vec<String>,
    },
    /// Keys of folder markers, or of sheaf's own objects.
    #[error(
        "{} are folder markers or sheaf's own objects, which no archive holds",
        named(keys)
    )]
    Own {
        /// The first of them.
        keys: Vec<String>,
    },
    /// The store failed, or an object changed meanwhile.
    #[error(transparent)]
    Store(Box<StoreError>),
}

impl From<StoreError> for FreezeError {
    fn from(error: StoreError) -> FreezeError {
        FreezeError::Store(Box::new(error))
    }
}

fn named(keys: &[String]) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|key| key.escape_default().to_string())
        .collect();
    keys.join(", ")
}

/// The rows of what was chosen, in the order of their keys' bytes, with the CRC-32s that the store has. Claims that
/// `distrusted` lists are left out.
///
/// # Errors
/// [`FreezeError`] names the keys that are in the way.
pub async fn freeze(
    store: &Store,
    chosen: Chosen,
    distrusted: &Distrusted,
) -> Result<Freezer, FreezeError> {
    match chosen {
        Chosen::Selection(selection) => {
            let freezer = Freezer::new(selection.bucket(), selection.prefix());
            let bucket = selection.bucket().clone();
            let (pages, look) = Look::listed(store, &selection).await?;
            let rows = listed(pages, look, selection);
            collect(freezer, rows, &bucket, distrusted).await
        }
        Chosen::Keys {
            bucket,
            keys,
            state_prefix,
        } => {
            let keys = sorted(keys, &state_prefix)?;
            let heads = headed(store, &bucket, keys).await?;
            let look = Look::headed(store, &bucket);
            let rows = stream::iter(heads).map(Ok).map_ok(|head| {
                let look = &look;
                async move { Ok(looked(look.at_headed(head).await?)) }
            });
            let rows = rows.try_buffered(AT_ONCE);
            collect(Freezer::new(&bucket, ""), rows, &bucket, distrusted).await
        }
    }
}

/// The rows of a listing, in its order.
fn listed(
    pages: impl Stream<Item = Result<Vec<Object>, StoreError>>,
    look: Look,
    selection: Selection,
) -> impl Stream<Item = Result<Looked, StoreError>> {
    let objects = pages.map_ok(move |page| {
        let objects = page.into_iter().filter(|object| selection.takes(object));
        let objects: Vec<Object> = objects.collect();
        stream::iter(objects.into_iter().map(Ok))
    });
    let look = Arc::new(look);
    let rows = objects.try_flatten().map_ok(move |object| {
        let look = look.clone();
        async move { Ok(looked(look.at_listed(object).await?)) }
    });
    rows.try_buffered(AT_ONCE)
}

/// A row, and whether its object lies in an archive tier.
type Looked = (Row, bool);

fn looked(seen: Seen) -> Looked {
    let Seen { object, crc32 } = seen;
    let archived = object.archived;
    (row(object, crc32), archived)
}

async fn collect(
    mut freezer: Freezer,
    rows: impl Stream<Item = Result<Looked, StoreError>>,
    bucket: &Bucket,
    distrusted: &Distrusted,
) -> Result<Freezer, FreezeError> {
    let mut archived = Vec::new();
    pin_mut!(rows);
    while let Some((mut row, is_archived)) = rows.try_next().await? {
        if is_archived {
            archived.push(row.key);
            if archived.len() == MOST_NAMED {
                break;
            }
            continue;
        }
        if distrusted.has(bucket.as_str(), &row) {
            row.crc32 = None;
        }
        freezer.push(&row);
    }
    if !archived.is_empty() {
        return Err(FreezeError::Archived { keys: archived });
    }
    if freezer.count() == 0 {
        return Err(FreezeError::NothingSelected);
    }
    Ok(freezer)
}

/// The keys in the order of their bytes, none of them twice, none of them our own.
fn sorted(mut keys: Vec<String>, state_prefix: &str) -> Result<Vec<String>, FreezeError> {
    keys.sort_unstable();
    let repeated = keys.windows(2).filter(|pair| pair[0] == pair[1]);
    let mut repeated: Vec<String> = repeated.map(|pair| pair[0].clone()).collect();
    repeated.dedup();
    repeated.truncate(MOST_NAMED);
    if !repeated.is_empty() {
        return Err(FreezeError::Repeated { keys: repeated });
    }
    let own = keys.iter().filter(|key| is_own(key, state_prefix));
    let own: Vec<String> = own.take(MOST_NAMED).cloned().collect();
    if !own.is_empty() {
        return Err(FreezeError::Own { keys: own });
    }
    Ok(keys)
}

/// Every key's object, in the order of the keys.
async fn headed(
    store: &Store,
    bucket: &Bucket,
    keys: Vec<String>,
) -> Result<Vec<Headed>, FreezeError> {
    let asked = stream::iter(keys).map(|key| async move {
        // No object has an empty key, and the store would be asked about the bucket.
        let head = if key.is_empty() {
            None
        } else {
            store.head(bucket, &key).await?
        };
        Ok::<_, StoreError>(head.ok_or(key))
    });
    let asked = asked.buffered(AT_ONCE);
    pin_mut!(asked);
    let (mut heads, mut missing, mut markers) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(head) = asked.try_next().await? {
        match head {
            Ok(head) if head.object.size == 0 && head.object.key.ends_with('/') => {
                markers.push(head.object.key);
            }
            Ok(head) => heads.push(head),
            Err(key) => missing.push(key),
        }
        if missing.len() == MOST_NAMED {
            break;
        }
    }
    if !missing.is_empty() {
        return Err(FreezeError::Missing { keys: missing });
    }
    if !markers.is_empty() {
        markers.truncate(MOST_NAMED);
        return Err(FreezeError::Own { keys: markers });
    }
    Ok(heads)
}

fn row(object: Object, crc32: Option<u32>) -> Row {
    Row {
        key: object.key,
        size: object.size,
        etag: object.etag,
        modified: object.modified,
        crc32,
        version: object.version_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_keys_are_checked() {
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(
            sorted(keys(&["b", "a/ü", "B", "a"]), ".sheaf/").unwrap(),
            ["B", "a", "a/ü", "b"]
        );
        let error = sorted(keys(&["b", "a", "b", "b", "a"]), ".sheaf/").unwrap_err();
        assert!(matches!(error, FreezeError::Repeated { keys } if keys == ["a", "b"]));
        let error = sorted(keys(&["b", "state/x"]), "state/").unwrap_err();
        assert!(matches!(error, FreezeError::Own { keys } if keys == ["state/x"]));
    }
}
