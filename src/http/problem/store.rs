//! The part of the table that is about the store.

use http::{StatusCode, header};

use super::{Problem, RETRY_AFTER};
use crate::store::{StoreError, StoreErrorKind};

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        Problem::from(&error)
    }
}

impl From<&StoreError> for Problem {
    fn from(error: &StoreError) -> Problem {
        let detail = error.to_string();
        let key: Vec<String> = error.key.iter().cloned().collect();
        let (status, kind, title) = match error.kind {
            StoreErrorKind::NoSuchBucket => {
                (StatusCode::NOT_FOUND, "no-such-bucket", "No such bucket")
            }
            StoreErrorKind::NoSuchKey | StoreErrorKind::Changed => {
                (StatusCode::CONFLICT, "object-changed", "An object changed")
            }
            StoreErrorKind::AccessDenied { .. } => (
                StatusCode::FORBIDDEN,
                "store-access-denied",
                "The store denies access",
            ),
            StoreErrorKind::Archived => return Problem::archived(detail, &key),
            StoreErrorKind::BadCredentials { .. } | StoreErrorKind::NoCredentials { .. } => (
                StatusCode::BAD_GATEWAY,
                "store-credentials",
                "The store refuses the server's credentials",
            ),
            StoreErrorKind::WrongRegion { .. } => (
                StatusCode::BAD_GATEWAY,
                "wrong-region",
                "The bucket is in another region",
            ),
            StoreErrorKind::Unreachable { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store-unreachable",
                "The store cannot be reached",
            ),
            StoreErrorKind::Throttled => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store-throttled",
                "The store asks to slow down",
            ),
            StoreErrorKind::NoSuchUpload
            | StoreErrorKind::Body { .. }
            | StoreErrorKind::BadListing { .. }
            | StoreErrorKind::Unexpected { .. } => {
                (StatusCode::BAD_GATEWAY, "store-failed", "The store failed")
            }
        };
        let problem = Problem::new(status, kind, title, detail);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            problem.with_header(header::RETRY_AFTER, RETRY_AFTER)
        } else {
            problem
        }
    }
}
