//! The part of the table that is about links.

use http::{HeaderValue, StatusCode, header};

use super::Problem;
use crate::link::InvalidLink;
use crate::manifest::{FreezeError, IssueError, LibraryError};

impl Problem {
    pub(in crate::http) fn no_state_bucket() -> Problem {
        Problem::new(
            StatusCode::CONFLICT,
            "no-state-bucket",
            "This server keeps no links",
            "links need a bucket for what they stand for: set --state-bucket or --bucket",
        )
    }

    pub(in crate::http) fn no_public_url() -> Problem {
        Problem::new(
            StatusCode::CONFLICT,
            "no-public-url",
            "This server does not know its own name",
            "a link needs the name under which recipients reach this server: set --public-url (SHEAF_PUBLIC_URL)",
        )
    }

    pub(in crate::http) fn no_such_link() -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "Not found",
            "that is not the id of a link",
        )
    }

    pub(in crate::http) fn no_such_folder() -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "Not found",
            "the link has no folder of this name",
        )
    }

    pub(in crate::http) fn no_such_file() -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "Not found",
            "the link has no file of this number",
        )
    }

    pub(in crate::http) fn precondition_failed() -> Problem {
        Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition-failed",
            "The archive is another one",
            "the archive is not the one that If-Match or If-Unmodified-Since names",
        )
    }

    pub(in crate::http) fn range_not_satisfiable(length: u64) -> Problem {
        let range = HeaderValue::try_from(format!("bytes */{length}"));
        Problem::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "range-not-satisfiable",
            "No such bytes",
            format!("the archive has {length} bytes"),
        )
        .with_header(
            header::CONTENT_RANGE,
            range.unwrap_or(HeaderValue::from_static("bytes */0")),
        )
    }
}

impl From<InvalidLink> for Problem {
    fn from(error: InvalidLink) -> Problem {
        let (status, kind, title) = match error {
            InvalidLink::Forged => (StatusCode::FORBIDDEN, "invalid-link", "Invalid link"),
            InvalidLink::Expired(_) => (StatusCode::GONE, "link-expired", "The link has expired"),
        };
        Problem::new(status, kind, title, error.to_string())
    }
}

impl From<LibraryError> for Problem {
    fn from(error: LibraryError) -> Problem {
        let detail = error.to_string();
        match error {
            LibraryError::Revoked => Problem::new(
                StatusCode::GONE,
                "link-revoked",
                "The link was revoked",
                detail,
            ),
            LibraryError::Broken { key } => Problem::new(
                StatusCode::GONE,
                "link-broken",
                "The link is broken",
                detail,
            )
            .with("keys", vec![key]),
            LibraryError::Stored(_) => Problem::new(
                StatusCode::BAD_GATEWAY,
                "link-unreadable",
                "The link's manifest cannot be used",
                detail,
            ),
            LibraryError::Store(error) => Problem::from(error.as_ref()),
        }
    }
}

impl From<FreezeError> for Problem {
    fn from(error: FreezeError) -> Problem {
        let detail = error.to_string();
        match error {
            FreezeError::NothingSelected => Problem::new(
                StatusCode::NOT_FOUND,
                "nothing-selected",
                "Nothing is selected",
                detail,
            ),
            FreezeError::Archived { keys } => Problem::archived(detail, &keys),
            FreezeError::Missing { keys } => Problem::new(
                StatusCode::NOT_FOUND,
                "no-such-keys",
                "There are no such objects",
                detail,
            )
            .with("keys", keys),
            FreezeError::Repeated { keys } | FreezeError::Own { keys } => {
                Problem::malformed_selection(detail).with("keys", keys)
            }
            FreezeError::Store(error) => Problem::from(error.as_ref()),
        }
    }
}

impl From<IssueError> for Problem {
    fn from(error: IssueError) -> Problem {
        let detail = error.to_string();
        match error {
            IssueError::Freeze(error) => error.into(),
            IssueError::Store(error) => Problem::from(error.as_ref()),
            IssueError::TooLarge { .. } => Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "manifest-too-large",
                "The manifest is too large",
                detail,
            ),
            IssueError::InvalidExpiry { .. } => Problem::new(
                StatusCode::BAD_REQUEST,
                "invalid-expiry",
                "Invalid expiry",
                detail,
            ),
        }
    }
}
