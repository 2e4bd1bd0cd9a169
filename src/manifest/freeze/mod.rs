//! Freezing a selection, or a list of keys, into the rows of one archive.
//!
//! Rows get a CRC-32 wherever the store has one that says something about the whole object: announced for the whole
//! in the listing, or for each of its parts. Only objects above [`INLINE_MAX`] need one: smaller ones are read whole
//! before their local header goes out. What a store does not tell, or does not permit to ask, stays unknown.

use std::fmt;
use std::sync::Arc;

use futures::stream::{self, Stream};
use futures::{StreamExt, TryStreamExt, pin_mut};

use super::Selection;
use super::distrust::Distrusted;
use super::list::{Place, Wanted};
use super::selection::is_own;
use super::stored::{Freezer, Row};
use crate::read_ahead::{Overloaded, ReadAheadError};
use crate::store::{Bucket, Object, Store, StoreError};

mod look;
mod scan;

use look::{Look, Seen};
pub use scan::{Progress, Scan, scanned};

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
        /// What all of them begin with; names lose it up to its last `/`.
        prefix: String,
        /// The keys; each may stand here once.
        wanted: Vec<Wanted>,
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
        named(places)
    )]
    Archived {
        /// The first of them.
        places: Vec<Place>,
    },
    /// Keys without an object.
    #[error("there are no objects {} in the bucket", named(places))]
    Missing {
        /// The first of them.
        places: Vec<Place>,
    },
    /// Objects that are not what the list says.
    #[error(
        "the size or the ETag of {} is another one than the list says",
        named(places)
    )]
    Differ {
        /// The first of them.
        places: Vec<Place>,
    },
    /// Keys that stand in the list more than once.
    #[error("{} are named more than once", named(places))]
    Repeated {
        /// The first of them, where they stand again.
        places: Vec<Place>,
    },
    /// Keys that are not below the prefix.
    #[error("{} do not begin with the prefix", named(places))]
    Outside {
        /// The first of them.
        places: Vec<Place>,
    },
    /// Keys of folder markers, or of sheaf's own objects.
    #[error(
        "{} are folder markers or sheaf's own objects, which no archive holds",
        named(places)
    )]
    Own {
        /// The first of them.
        places: Vec<Place>,
    },
    /// The memory budget has no room for hashing objects.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// An object gave other bytes than before under the same ETag.
    #[error("{} gave other bytes than before, although its ETag is the same", key.escape_default())]
    Unstable {
        /// The object's key.
        key: String,
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

impl From<ReadAheadError<StoreError>> for FreezeError {
    fn from(error: ReadAheadError<StoreError>) -> FreezeError {
        match error {
            ReadAheadError::Source(error) | ReadAheadError::Store(error) => error.into(),
            ReadAheadError::Unstable { key, .. } => FreezeError::Unstable { key },
        }
    }
}

fn named(places: &[impl fmt::Display]) -> String {
    let places: Vec<String> = places.iter().map(ToString::to_string).collect();
    places.join(", ")
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
            prefix,
            wanted,
            state_prefix,
        } => {
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

/// What became of one object that was chosen.
enum Found {
    Row(Row),
    /// It lies in an archive tier.
    Archived(Place),
    Missing(Place),
    /// It is a folder marker.
    Marker(Place),
    /// It is not what the list says.
    Differs(Place),
}

impl Found {
    fn of(seen: Seen, line: Option<u64>) -> Found {
        let Seen { object, crc32 } = seen;
        match object.archived {
            true => Found::Archived(Place {
                key: object.key,
                line,
            }),
            false => Found::Row(row(object, crc32)),
        }
    }
}

impl Look {
    /// Looks for an object that was asked for by its key.
    async fn found(&self, wanted: Wanted) -> Result<Found, StoreError> {
        let place = Place::of(&wanted);
        let Some(head) = self.for_key(&wanted.key).await? else {
            return Ok(Found::Missing(place));
        };
        let object = &head.object;
        if object.size == 0 && object.key.ends_with('/') {
            return Ok(Found::Marker(place));
        }
        let tag = |etag: &str| etag.trim_matches('"').to_owned();
        let other_size = wanted.size.is_some_and(|size| size != object.size);
        let other_etag = wanted
            .etag
            .is_some_and(|etag| tag(&etag) != tag(&object.etag));
        if other_size || other_etag {
            return Ok(Found::Differs(place));
        }
        Ok(Found::of(self.at_headed(head).await?, wanted.line))
    }
}

/// Everything that is in the way of an archive.
#[derive(Default)]
struct InTheWay {
    archived: Vec<Place>,
    missing: Vec<Place>,
    markers: Vec<Place>,
    differ: Vec<Place>,
}

impl InTheWay {
    /// The list that something stands in, which may be full.
    fn note(&mut self, found: Found) -> Option<Row> {
        let (list, place) = match found {
            Found::Row(row) => return Some(row),
            Found::Archived(place) => (&mut self.archived, place),
            Found::Missing(place) => (&mut self.missing, place),
            Found::Marker(place) => (&mut self.markers, place),
            Found::Differs(place) => (&mut self.differ, place),
        };
        list.push(place);
        None
    }

    fn lists(&self) -> [&Vec<Place>; 4] {
        [&self.missing, &self.markers, &self.differ, &self.archived]
    }

    fn is_empty(&self) -> bool {
        self.lists().iter().all(|list| list.is_empty())
    }

    fn is_full(&self) -> bool {
        self.lists().iter().any(|list| list.len() == MOST_NAMED)
    }

    fn check(self) -> Result<(), FreezeError> {
        let error = if !self.missing.is_empty() {
            FreezeError::Missing {
                places: self.missing,
            }
        } else if !self.markers.is_empty() {
            FreezeError::Own {
                places: self.markers,
            }
        } else if !self.differ.is_empty() {
            FreezeError::Differ {
                places: self.differ,
            }
        } else if !self.archived.is_empty() {
            FreezeError::Archived {
                places: self.archived,
            }
        } else {
            return Ok(());
        };
        Err(error)
    }
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
    if freezer.count() == 0 {
        return Err(FreezeError::NothingSelected);
    }
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
