//! What can go wrong in the embedded store, and the one table that turns it into S3's error codes.
//!
//! [`EmbeddedError`] is for opening the store; [`OpError`] is for one S3 operation and never leaves this folder
//! but as an [`S3Error`].

use std::error::Error;
use std::io;
use std::path::PathBuf;

use http::header::{CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue, StatusCode};
use s3s::dto::{Timestamp, TimestampFormat};
use s3s::{S3Error, S3ErrorCode};
use time::OffsetDateTime;

use crate::store::error::FOLDER_DENIES;

/// Why a folder could not be opened as a store.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The folder to serve cannot be resolved.
    #[error("cannot open the folder {}", path.display())]
    Folder {
        /// The folder as it was given.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The path to serve is not a folder.
    #[error("{} is not a folder", path.display())]
    NotAFolder {
        /// The path as it was given.
        path: PathBuf,
    },
    /// The state folder cannot be made or written.
    #[error("cannot use the state folder {}", path.display())]
    State {
        /// The path that failed.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The state folder is the served folder itself, so credentials would be served as objects.
    #[error("the state folder {} must not be the served folder itself", path.display())]
    StateIsFolder {
        /// The path of both.
        path: PathBuf,
    },
    /// The file of credentials is there but cannot be understood.
    #[error("the credentials in {} cannot be read", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// Why one S3 operation failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpError {
    #[error("the bucket does not exist")]
    NoSuchBucket,
    #[error("the key does not exist")]
    NoSuchKey,
    #[error("the bucket is not versioned")]
    NoSuchVersion,
    #[error("the upload does not exist; it may have been completed or aborted")]
    NoSuchUpload,
    #[error("the condition {header} does not hold")]
    PreconditionFailed { header: &'static str },
    #[error("the object is the one that the client has")]
    NotModified {
        etag: String,
        modified: OffsetDateTime,
    },
    #[error("the served folder is read-only")]
    ReadOnly,
    #[error("the folder with the keys below {below:?} cannot be listed")]
    Unlistable { below: String, source: io::Error },
    #[error("the range lies outside the object's {size} bytes")]
    RangeNotSatisfiable { size: u64 },
    #[error("the body has {actual} bytes where {expected} were announced")]
    IncompleteBody { expected: u64, actual: u64 },
    #[error("the body broke off: {source}")]
    BrokenBody {
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("the body does not have the {algorithm} that was sent with it")]
    BadDigest { algorithm: &'static str },
    #[error("the trailer {name} was announced but did not come")]
    MissingTrailer { name: String },
    #[error("{name} is not valid")]
    InvalidArgument { name: &'static str },
    #[error("part {number} is missing or differs from what was uploaded")]
    InvalidPart { number: i32 },
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    #[error("part {number} has {size} bytes; all but the last need 5 MiB")]
    PartTooSmall { number: i32, size: u64 },
    #[error("the list of parts is empty")]
    NoParts,
    #[error("the file changed while it was read")]
    ChangedWhileRead,
    #[error("cannot {doing}")]
    Io {
        doing: &'static str,
        source: io::Error,
    },
}

impl OpError {
    /// Wraps an I/O error with what was being done, for `map_err`.
    pub(super) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> OpError {
        move |source| OpError::Io { doing, source }
    }
}

impl From<OpError> for S3Error {
    fn from(error: OpError) -> S3Error {
        let code = match &error {
            OpError::NoSuchBucket => S3ErrorCode::NoSuchBucket,
            OpError::NoSuchKey => S3ErrorCode::NoSuchKey,
            OpError::NoSuchVersion => S3ErrorCode::NoSuchVersion,
            OpError::NoSuchUpload => S3ErrorCode::NoSuchUpload,
            OpError::PreconditionFailed { .. } => S3ErrorCode::PreconditionFailed,
            OpError::NotModified { .. } => S3ErrorCode::NotModified,
            OpError::ReadOnly => S3ErrorCode::AccessDenied,
            OpError::RangeNotSatisfiable { .. } => S3ErrorCode::InvalidRange,
            OpError::IncompleteBody { .. } | OpError::MissingTrailer { .. } => {
                S3ErrorCode::IncompleteBody
            }
            OpError::BrokenBody { source } => broken_body_code(source.as_ref()),
            OpError::BadDigest { .. } => S3ErrorCode::BadDigest,
            OpError::InvalidArgument { .. } => S3ErrorCode::InvalidArgument,
            OpError::InvalidPart { .. } => S3ErrorCode::InvalidPart,
            OpError::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
            OpError::PartTooSmall { .. } => S3ErrorCode::EntityTooSmall,
            OpError::NoParts => S3ErrorCode::InvalidRequest,
            OpError::ChangedWhileRead => S3ErrorCode::OperationAborted,
            OpError::Io { source, .. } | OpError::Unlistable { source, .. } => {
                match source.kind() {
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                        return folder_denies(format!("{error}: {source}"));
                    }
                    _ => S3ErrorCode::InternalError,
                }
            }
        };
        let mut answer = S3Error::with_message(code, error.to_string());
        answer.set_headers(headers_of(&error));
        answer.set_source(Box::new(error));
        answer
    }
}

/// The folder's own permissions are in the way, for which S3 has no word.
fn folder_denies(message: String) -> S3Error {
    let code = S3ErrorCode::Custom(FOLDER_DENIES.into());
    let mut answer = S3Error::with_message(code, message);
    answer.set_status_code(StatusCode::FORBIDDEN);
    answer
}

/// The headers that belong to an error.
fn headers_of(error: &OpError) -> HeaderMap {
    let given = match error {
        // RFC 9110, section 15.5.17: a 416 says how long the representation is.
        OpError::RangeNotSatisfiable { size } => vec![(CONTENT_RANGE, format!("bytes */{size}"))],
        // RFC 9110, section 15.4.5: a 304 carries the validators.
        OpError::NotModified { etag, modified } => {
            let mut date = Vec::new();
            let written = Timestamp::from(*modified).format(TimestampFormat::HttpDate, &mut date);
            let date = written
                .ok()
                .and_then(|()| String::from_utf8(date).ok())
                .unwrap_or_default();
            vec![(ETAG, format!("\"{etag}\"")), (LAST_MODIFIED, date)]
        }
        _ => vec![(CONTENT_TYPE, "application/xml".to_owned())],
    };
    let valid = |(name, text)| HeaderValue::try_from(text).ok().map(|value| (name, value));
    given.into_iter().filter_map(valid).collect()
}

/// The framework verifies payload hashes and chunk signatures inside the body stream, with private error types:
/// their text is all that tells them apart.
fn broken_body_code(source: &(dyn Error + Send + Sync)) -> S3ErrorCode {
    let text = source.to_string();
    if text.contains("SignatureMismatch") {
        S3ErrorCode::SignatureDoesNotMatch
    } else if text.contains("Sha256Mismatch") {
        S3ErrorCode::BadDigest
    } else {
        S3ErrorCode::IncompleteBody
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::error::Refusal;

    #[test]
    fn a_folder_that_lets_nobody_in_is_no_matter_of_policies() {
        let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
        let below = "private/".to_owned();
        let errors = [
            OpError::Unlistable {
                below,
                source: denied(),
            },
            OpError::io("open the file")(denied()),
        ];
        let said = errors.map(|error| {
            let answer = S3Error::from(error);
            let refusal = Refusal {
                status: answer.status_code().unwrap().as_u16(),
                code: Some(answer.code().as_str()),
                message: answer.message().unwrap(),
                region: None,
            };
            refusal.kind("ListObjectsV2", false).to_string()
        });
        assert_eq!(
            said,
            [
                "the store answered 403 FolderPermissionDenied the folder with the keys below \"private/\" cannot be \
                 listed: permission denied",
                "the store answered 403 FolderPermissionDenied cannot open the file: permission denied",
            ]
        );
    }
}
