//! Why a job did not come to its end, and whether it makes sense to try again.

use super::desk::Unsaved;
use super::order::Target;
use crate::download::DownloadError;
use crate::manifest::LibraryError;
use crate::read_ahead::Overloaded;
use crate::store::{NotAllowed, StoreError, StoreErrorKind};
use crate::verify::SourceError;

/// Why a job did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It was called off; nothing is left of it.
    #[error("the job was cancelled")]
    Cancelled,
    /// It was told to stop; another attempt goes on from here.
    #[error("the job was interrupted; it goes on from here when it is run again")]
    Paused,
    /// Its manifest is gone, broken or unreadable.
    #[error("the manifest cannot be packaged: {0}")]
    Manifest(#[from] LibraryError),
    /// It is for a bucket that is not served.
    #[error("the archive cannot be written: {0}")]
    Bucket(#[from] NotAllowed),
    /// An object is not what its row says, or cannot be read.
    #[error("the archive cannot be made: {0}")]
    Archive(#[from] DownloadError),
    /// The store refused something.
    #[error(transparent)]
    Store(Box<StoreError>),
    /// Something else stands at the target.
    #[error("s3://{}/{} exists already and is another object: choose another target, delete it, or ask for it to be replaced", .0.bucket, .0.key.escape_default())]
    Exists(Target),
    /// No upload has room for it.
    #[error("the archive has {bytes} bytes, more than the {limit} that one object can have")]
    TooLarge {
        /// Its length.
        bytes: u64,
        /// The most.
        limit: u64,
    },
    /// The store was to copy, and does not.
    #[error("the store cannot copy parts of objects: {reason}")]
    CannotCopy {
        /// Why not.
        reason: String,
    },
    /// What was written is not what was to be, and does not stand any more.
    #[error("the archive at s3://{}/{} is not what it should be, and was removed: {reason}", target.bucket, target.key.escape_default())]
    Unsound {
        /// Where it was written.
        target: Target,
        /// What is wrong with it.
        reason: String,
    },
    /// Somebody else wrote to the target while the archive was read back.
    #[error("s3://{}/{} was replaced by another object while the archive was read back: that object is left as it is, and the archive is not there", .0.bucket, .0.key.escape_default())]
    Replaced(Target),
    /// What was written cannot be read back.
    #[error("the archive was written, but cannot be read back: {0}")]
    Unread(#[from] SourceError),
    /// The queue does not keep checkpoints.
    #[error(transparent)]
    Unsaved(#[from] Unsaved),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Store(Box::new(error))
    }
}

impl From<Overloaded> for Failure {
    fn from(error: Overloaded) -> Failure {
        Failure::Archive(DownloadError::Overloaded(error))
    }
}

impl Failure {
    /// May the same job come to its end a little later?
    pub fn can_pass(&self) -> bool {
        match self {
            Failure::Paused | Failure::Unsaved(_) => true,
            Failure::Store(error) => passes(error),
            Failure::Manifest(error) => match error {
                LibraryError::Store(error) => passes(error),
                LibraryError::Overloaded(_) => true,
                _ => false,
            },
            Failure::Archive(error) => match error {
                DownloadError::Store(error) => passes(error),
                DownloadError::Overloaded(_) => true,
                _ => false,
            },
            Failure::Unread(SourceError::Store(error)) => passes(error),
            // What is removed is written anew: a store may have lost a part of it.
            Failure::Unsound { .. } => true,
            _ => false,
        }
    }

    /// The key that it is about, where it is about one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Failure::Store(error) | Failure::Manifest(LibraryError::Store(error)) => {
                error.key.as_deref()
            }
            Failure::Unread(SourceError::Store(error))
            | Failure::Archive(DownloadError::Store(error)) => error.key.as_deref(),
            Failure::Exists(target)
            | Failure::Replaced(target)
            | Failure::Unsound { target, .. } => Some(&target.key),
            Failure::Archive(
                DownloadError::WrongCrc32 { key, .. } | DownloadError::Unstable { key },
            )
            | Failure::Manifest(LibraryError::Broken { key }) => Some(key),
            _ => None,
        }
    }
}

/// An upload that is gone is begun anew; credentials may come back, as those of a role do.
fn passes(error: &StoreError) -> bool {
    error.kind.can_pass()
        || matches!(
            error.kind,
            StoreErrorKind::NoSuchUpload | StoreErrorKind::BadCredentials { .. }
        )
}
