//! Archives as streams of frames, made while they are read.
//!
//! | file | owns |
//! |---|---|
//! | [`rows`] | the selected objects of a listing, each with its entry name |
//! | `packed` | these while they wait for their turn |
//! | [`deflate`] | bytes of compressible objects, deflated away from the tasks that drive sockets |
//! | [`live`] | the archive of a prefix as it is now |
//! | [`frozen`] | any range of a frozen archive |
//! | [`slices`] | a range as what it has of each entry, and what is read for it |
//! | [`passage`] | its bytes on their way |
//! | [`checksums`] | where its CRC-32s come from |
//! | [`watch`] | whether its link is still there |
//! | [`scan`] | hashing objects whose CRC-32 nobody knows |

pub mod checksums;
pub mod deflate;
#[cfg(test)]
mod fixture;
pub mod frozen;
pub mod live;
mod packed;
pub mod passage;
pub mod rows;
pub mod scan;
pub mod slices;
pub mod watch;

use std::sync::Arc;

pub use frozen::FrozenArchive;
pub use live::LiveArchive;
pub use scan::Scanner;

use crate::manifest::learned::HashError;
use crate::manifest::{LibraryError, Sought};
use crate::read_ahead::{Overloaded, ReadAheadError};
use crate::store::StoreError;

/// Why an archive cannot be begun, or cannot be finished.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// No object under the prefix matches.
    #[error("{0}")]
    NothingSelected(Sought),
    /// Objects in an archive tier, without a restored copy.
    #[error(
        "{} must be restored from their archive tier before they can be read",
        list(keys)
    )]
    Archived {
        /// The first of them, at most [`MOST_NAMED`].
        keys: Vec<String>,
    },
    /// The memory budget has no room for one more download.
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    /// The store failed, or an object is not what was listed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What came is not what the store's checksum says.
    #[error("s3://{bucket}/{} has CRC-32 {computed:08x}, but the store's checksum says {stored:08x}", key.escape_default())]
    WrongCrc32 {
        /// The object's bucket.
        bucket: String,
        /// The object's key.
        key: String,
        /// The store's checksum.
        stored: u32,
        /// The CRC-32 of the bytes that came.
        computed: u32,
    },
    /// An object gave other bytes than before under the same ETag.
    #[error("{} gave other bytes than before, although its ETag is the same", key.escape_default())]
    Unstable {
        /// The object's key.
        key: String,
    },
    /// The library that deflates broke its promises, or panicked.
    #[error("what was read could not be deflated")]
    Deflate,
    /// A checksum that the answer needs is not known yet.
    #[error("{missing} of {needed} objects are still being hashed for this range")]
    ChecksumsPending {
        /// Checksums that the range needs and objects before it have.
        needed: usize,
        /// Those that are not known yet.
        missing: usize,
    },
    /// An object could not be hashed.
    #[error("a checksum is not known and could not be computed: {0}")]
    Scan(Arc<HashError>),
    /// The link came to its end.
    #[error(transparent)]
    Link(#[from] LibraryError),
}

impl From<ReadAheadError<DownloadError>> for DownloadError {
    fn from(error: ReadAheadError<DownloadError>) -> DownloadError {
        match error {
            ReadAheadError::Source(error) => error,
            ReadAheadError::Store(error) => DownloadError::Store(error),
            ReadAheadError::Unstable { key, .. } => DownloadError::Unstable { key },
        }
    }
}

/// How many keys an error names at the most.
pub const MOST_NAMED: usize = 10;

fn list(keys: &[String]) -> String {
    keys.iter()
        .map(|key| key.escape_default().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}
