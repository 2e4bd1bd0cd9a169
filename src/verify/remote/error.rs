//! How reading a URL fails. Texts name the host, never the path or the query, which may be a credential.

use http::StatusCode;

use super::REDIRECTS;
use crate::store::ConnectError;

/// Why a URL cannot be read in ranges.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Not `http` or `https`, no host, or a password in it.
    #[error("the URL cannot be used: {reason}")]
    BadUrl {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file of certificates cannot be used.
    #[error(transparent)]
    Certificates(#[from] ConnectError),
    /// No connection, or no answer.
    #[error("{host} cannot be reached ({reason})")]
    Unreachable {
        /// The host.
        host: String,
        /// The innermost cause.
        reason: String,
    },
    /// The body of an answer broke, ended early or stood still.
    #[error("the answer of {host} broke off ({reason})")]
    Body {
        /// The host.
        host: String,
        /// The innermost cause.
        reason: String,
    },
    /// A status that is no answer to a read.
    #[error("{host} answered {status}")]
    Status {
        /// The host.
        host: String,
        /// The status.
        status: StatusCode,
    },
    /// The server sends the whole file whatever is asked for.
    #[error(
        "{host} does not answer ranges, without which an archive cannot be verified in place: download it, then verify the file"
    )]
    NoRanges {
        /// The host.
        host: String,
    },
    /// An answer that contradicts the request or itself.
    #[error("{host} answered nonsense: {what}")]
    Nonsense {
        /// The host.
        host: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The file is another one than when it was opened.
    #[error("the file at {host} changed while it was verified")]
    Changed {
        /// The host.
        host: String,
    },
    /// From `https` to `http`, or to another scheme altogether.
    #[error("{host} redirects to a place that is not followed: {reason}")]
    BadRedirect {
        /// The host.
        host: String,
        /// Why not.
        reason: &'static str,
    },
    /// Redirects without end.
    #[error("{host} redirects more than {REDIRECTS} times")]
    TooManyRedirects {
        /// The host that was asked first.
        host: String,
    },
}

impl RemoteError {
    /// May the same request succeed a little later?
    pub(in crate::verify) fn can_pass(&self) -> bool {
        match self {
            RemoteError::Unreachable { .. } | RemoteError::Body { .. } => true,
            RemoteError::Status { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            _ => false,
        }
    }
}
