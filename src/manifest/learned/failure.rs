//! Why a row is not known although it was hashed, or cannot be hashed.

use crate::read_ahead::Overloaded;
use crate::store::{StoreError, StoreErrorKind};

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
    /// What came is not what the store's checksum says.
    #[error("{} has CRC-32 {computed:08x}, but the store's checksum says {stored:08x}", key.escape_default())]
    WrongCrc32 {
        /// Its key.
        key: String,
        /// The store's checksum.
        stored: u32,
        /// The CRC-32 of the bytes that came.
        computed: u32,
    },
    /// There is no memory to hash in.
    #[error(transparent)]
    Overloaded(Overloaded),
}

impl HashError {
    /// Whether it says something about one object only.
    pub(super) fn is_of_one_row(&self) -> bool {
        match self {
            HashError::Store(error) => matches!(
                error.kind,
                StoreErrorKind::NoSuchKey | StoreErrorKind::Changed
            ),
            HashError::Unstable { .. } | HashError::WrongCrc32 { .. } => true,
            HashError::Overloaded(_) => false,
        }
    }
}
