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
use super::list::{Place, Wanted};
use super::selection::is_own;
use super::stored::Freezer;
use crate::store::{Bucket, Object, Store, StoreError};

mod error;
mod found;
mod look;
mod scan;

pub use error::FreezeError;
use found::{Found, InTheWay, MOST_NAMED};
use look::Look;
pub use scan::{Progress, Scan, scanned};

/// Requests about single objects at once.
const AT_ONCE: usize = 32;

/// What is to be frozen.
#[derive(Clone, Debug)]
pub enum Chosen {
    /// What a listing shows now.
    Selection(Selection),
    /// These keys, in whatever order.
    Keys {
        /// Their bucket.
        bucket: Bucket,
        /// What all of them begin with; names lose it up to its last `/`.
        prefix: String,
        /// The keys; each may stand here once.
        wanted: Vec<Wanted>,
        /// What all of sheaf's own keys but manifests begin with.
        state_prefix: String,
    },
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
            let sought = selection.sought();
            let (pages, look) = Look::listed(store, &selection).await?;
            let rows = listed(pages, look, selection);
            let freezer = collect(freezer, rows, &bucket, distrusted).await?;
            match freezer.count() {
                0 => Err(FreezeError::NothingSelected(sought)),
                _ => Ok(freezer),
            }
        }
        Chosen::Keys {
            bucket,
            prefix,
            wanted,
            state_prefix,
        } => {
            if wanted.is_empty() {
                return Err(FreezeError::EmptyList);
            }
            let wanted = sorted(wanted, &prefix, &state_prefix)?;
            let look = Look::headed(store, &bucket);
            let found = stream::iter(wanted).map(|wanted| look.found(wanted));
            let found = found.buffered(AT_ONCE);
            collect(Freezer::new(&bucket, &prefix), found, &bucket, distrusted).await
        }
    }
}

/// The rows of a listing, in its order.
fn listed(
    pages: impl Stream<Item = Result<Vec<Object>, StoreError>>,
    look: Look,
    selection: Selection,
) -> impl Stream<Item = Result<Found, StoreError>> {
    let objects = pages.map_ok(move |page| {
        let objects = page.into_iter().filter(|object| selection.takes(object));
        let objects: Vec<Object> = objects.collect();
        stream::iter(objects.into_iter().map(Ok))
    });
    let look = Arc::new(look);
    let rows = objects.try_flatten().map_ok(move |object| {
        let look = look.clone();
        async move { Ok(Found::of(look.at_listed(object).await?, None)) }
    });
    rows.try_buffered(AT_ONCE)
}

async fn collect(
    mut freezer: Freezer,
    found: impl Stream<Item = Result<Found, StoreError>>,
    bucket: &Bucket,
    distrusted: &Distrusted,
) -> Result<Freezer, FreezeError> {
    let mut in_the_way = InTheWay::default();
    pin_mut!(found);
    while let Some(found) = found.try_next().await? {
        if let Some(mut row) = in_the_way.note(found) {
            if distrusted.has(bucket.as_str(), &row) {
                row.crc32 = None;
                row.announced = false;
            }
            if in_the_way.is_empty() {
                freezer.push(&row);
            }
        }
        if in_the_way.is_full() {
            break;
        }
    }
    in_the_way.check()?;
    Ok(freezer)
}

/// The list in the order of its keys' bytes, none of them twice, none of them our own, all below the prefix.
fn sorted(
    mut wanted: Vec<Wanted>,
    prefix: &str,
    state_prefix: &str,
) -> Result<Vec<Wanted>, FreezeError> {
    wanted.sort_unstable();
    let again = wanted.windows(2).filter(|pair| pair[0].key == pair[1].key);
    let mut again: Vec<Place> = again.map(|pair| Place::of(&pair[1])).collect();
    again.dedup_by(|second, first| second.key == first.key);
    again.truncate(MOST_NAMED);
    if !again.is_empty() {
        return Err(FreezeError::Repeated { places: again });
    }
    let first = |is_wrong: &dyn Fn(&str) -> bool| -> Vec<Place> {
        let wrong = wanted.iter().filter(|wanted| is_wrong(&wanted.key));
        wrong.take(MOST_NAMED).map(Place::of).collect()
    };
    let places = first(&|key| is_own(key, state_prefix));
    if !places.is_empty() {
        return Err(FreezeError::Own { places });
    }
    let places = first(&|key| !key.starts_with(prefix));
    if !places.is_empty() {
        return Err(FreezeError::Outside { places });
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(keys: &[(&str, u64)]) -> Vec<Wanted> {
        let wanted = |(key, line): &(&str, u64)| Wanted {
            line: Some(*line),
            ..Wanted::from((*key).to_owned())
        };
        keys.iter().map(wanted).collect()
    }

    #[test]
    fn lists_of_keys_are_checked() {
        let keys = wanted(&[("b", 1), ("a/ü", 2), ("B", 3), ("a", 4)]);
        let keys = sorted(keys, "", ".sheaf/").unwrap();
        let keys: Vec<String> = keys.into_iter().map(|wanted| wanted.key).collect();
        assert_eq!(keys, ["B", "a", "a/ü", "b"]);
        let keys = wanted(&[("b", 1), ("a", 2), ("b", 3), ("b", 4), ("a", 5)]);
        let error = sorted(keys, "", ".sheaf/").unwrap_err();
        let said = error.to_string();
        assert_eq!(said, "a (line 5), b (line 3) are named more than once");
        let error = sorted(wanted(&[("b", 1), ("state/x", 2)]), "", "state/").unwrap_err();
        assert!(matches!(error, FreezeError::Own { places } if places[0].line == Some(2)));
        let error = sorted(wanted(&[("b/c", 1), ("c", 2)]), "b/", "state/").unwrap_err();
        assert!(matches!(error, FreezeError::Outside { places } if places[0].key == "c"));
    }
}
