//! What becomes of each object that was chosen: a row, or something that is in the way of all.

use super::FreezeError;
use super::look::{Look, Seen};
use crate::manifest::list::{Place, Wanted};
use crate::manifest::stored::Row;
use crate::store::{Object, StoreError};

/// How many keys an error names at the most.
pub(super) const MOST_NAMED: usize = 10;

/// What became of one object that was chosen.
pub(super) enum Found {
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
    pub(super) fn of(seen: Seen, line: Option<u64>) -> Found {
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
    pub(super) async fn found(&self, wanted: Wanted) -> Result<Found, StoreError> {
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
pub(super) struct InTheWay {
    archived: Vec<Place>,
    missing: Vec<Place>,
    markers: Vec<Place>,
    differ: Vec<Place>,
}

impl InTheWay {
    /// The list that something stands in, which may be full.
    pub(super) fn note(&mut self, found: Found) -> Option<Row> {
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

    pub(super) fn is_empty(&self) -> bool {
        self.lists().iter().all(|list| list.is_empty())
    }

    pub(super) fn is_full(&self) -> bool {
        self.lists().iter().any(|list| list.len() == MOST_NAMED)
    }

    pub(super) fn check(self) -> Result<(), FreezeError> {
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

fn row(object: Object, crc32: Option<u32>) -> Row {
    Row {
        key: object.key,
        size: object.size,
        etag: object.etag,
        modified: object.modified,
        crc32,
        announced: crc32.is_none() && object.has_crc32,
        version: object.version_id,
    }
}
