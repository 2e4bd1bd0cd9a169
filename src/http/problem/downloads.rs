//! The part of the table that is about archives and manifests.

use http::{StatusCode, header};

use super::{Problem, RETRY_AFTER};
use crate::download::DownloadError;
use crate::manifest::learned::HashError;
use crate::manifest::{ManifestError, Sought};

impl Problem {
    pub(in crate::http) fn overloaded(detail: String) -> Problem {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Problem::new(status, "overloaded", "Too many downloads", detail)
            .with_header(header::RETRY_AFTER, RETRY_AFTER)
    }

    pub(super) fn nothing_selected(sought: &Sought) -> Problem {
        Problem::nothing(match sought.is_everything() {
            true => sought.to_string(),
            false => format!("{sought}; include=* takes every object"),
        })
    }

    /// Nothing is selected, because of this.
    pub(super) fn nothing(detail: String) -> Problem {
        let title = "Nothing is selected";
        Problem::new(StatusCode::NOT_FOUND, "nothing-selected", title, detail)
    }

    fn wrong_checksum(detail: String) -> Problem {
        let title = "An object does not match its checksum";
        Problem::new(StatusCode::BAD_GATEWAY, "wrong-checksum", title, detail)
    }
}

impl From<DownloadError> for Problem {
    fn from(error: DownloadError) -> Problem {
        let detail = error.to_string();
        match error {
            DownloadError::NothingSelected(sought) => Problem::nothing_selected(&sought),
            DownloadError::Archived { keys } => Problem::archived(detail, &keys),
            DownloadError::Overloaded(_) | DownloadError::Deflate => Problem::overloaded(detail),
            DownloadError::Store(error) => error.into(),
            DownloadError::Scan(error) => match error.as_ref() {
                HashError::Store(error) => Problem::from(error),
                HashError::Overloaded(_) => Problem::overloaded(detail),
                HashError::Unstable { .. } | HashError::WrongCrc32 { .. } => {
                    Problem::wrong_checksum(detail)
                }
            },
            DownloadError::Link(error) => error.into(),
            DownloadError::ChecksumsPending { needed, missing } => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "checksums-pending",
                "Checksums are being computed",
                detail,
            )
            .with_header(header::RETRY_AFTER, RETRY_AFTER)
            .with("needed", needed)
            .with("missing", missing),
            DownloadError::WrongCrc32 { .. } | DownloadError::Unstable { .. } => {
                Problem::wrong_checksum(detail)
            }
        }
    }
}

impl From<ManifestError> for Problem {
    fn from(error: ManifestError) -> Problem {
        let detail = error.to_string();
        match error {
            ManifestError::Store(error) => error.into(),
            ManifestError::InvalidExpiry { .. } => Problem::new(
                StatusCode::BAD_REQUEST,
                "invalid-expiry",
                "Invalid expiry",
                detail,
            ),
            ManifestError::SlowPage { .. } | ManifestError::SlowRun { .. } => Problem::new(
                StatusCode::GATEWAY_TIMEOUT,
                "manifest-too-slow",
                "The manifest took too long",
                detail,
            ),
            ManifestError::TooLarge { .. } => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "manifest-too-large",
                "The manifest is too large",
                detail,
            ),
        }
    }
}
