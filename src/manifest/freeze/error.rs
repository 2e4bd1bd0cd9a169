//! Why nothing was frozen: every error names the first keys that are in the way.

use std::fmt;

use crate::manifest::Sought;
use crate::manifest::list::Place;
use crate::read_ahead::{Overloaded, ReadAheadError};
use crate::store::StoreError;

/// Why nothing was frozen.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// No object under the prefix matches.
    #[error("{0}")]
    NothingSelected(Sought),
    /// A list without a key.
    #[error("the list of keys is empty")]
    EmptyList,
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
