//! The part of the table that is about links.

use std::num::NonZeroU32;
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};

use super::Problem;
use crate::download::DownloadError;
use crate::link::InvalidLink;
use crate::manifest::list::{InvalidList, Place};
use crate::manifest::{FreezeError, IssueError, LibraryError};

/// Browsers ask for a user name too; any will do.
const BASIC: HeaderValue =
    HeaderValue::from_static("Basic realm=\"passphrase of the link\", charset=\"UTF-8\"");

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

    pub(in crate::http) fn passphrase_required() -> Problem {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "passphrase-needed",
            "The link asks for a passphrase",
            "send the passphrase of the link as the password of HTTP Basic, with any user name (curl -u x, wget --user=x --ask-password)",
        )
        .with_header(header::WWW_AUTHENTICATE, BASIC)
    }

    pub(in crate::http) fn wrong_passphrase() -> Problem {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "wrong-passphrase",
            "That is not the passphrase",
            "this is not the passphrase of the link; whoever sent you the link knows it",
        )
        .with_header(header::WWW_AUTHENTICATE, BASIC)
    }

    /// Wrong passphrases were tried too often.
    pub(in crate::http) fn too_many_tries(wait: Duration) -> Problem {
        let seconds = wait.as_secs() + 1;
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "passphrase-throttled",
            "Too many wrong passphrases",
            format!(
                "wrong passphrases were tried too often for this link; try again in {seconds} s"
            ),
        )
        .with_header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    pub(in crate::http) fn downloads_used_up(most: NonZeroU32) -> Problem {
        let times = match most.get() {
            1 => "once".to_owned(),
            most => format!("{most} times"),
        };
        Problem::new(
            StatusCode::GONE,
            "downloads-used-up",
            "The downloads are used up",
            format!("the archive was to be downloaded {times}, and was; ask for a new link"),
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

impl Problem {
    /// Names keys, and the lines that they stand on where they were read from lines.
    fn with_places(self, places: Vec<Place>) -> Problem {
        let (keys, lines) = told(places);
        self.with("keys", keys).with_lines(lines)
    }

    fn with_lines(self, lines: Vec<u64>) -> Problem {
        match lines.is_empty() {
            true => self,
            false => self.with("lines", lines),
        }
    }
}

fn told(places: Vec<Place>) -> (Vec<String>, Vec<u64>) {
    let lines = places.iter().filter_map(|place| place.line).collect();
    let keys = places.into_iter().map(|place| place.key).collect();
    (keys, lines)
}

impl From<InvalidList> for Problem {
    fn from(error: InvalidList) -> Problem {
        Problem::malformed_body(&error.to_string()).with_lines(vec![error.line()])
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
            LibraryError::TooLarge { .. } => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "link-too-large",
                "The link's manifest is too large for this server",
                detail,
            ),
            LibraryError::Bucket(error) => Problem::from(error),
            LibraryError::Overloaded(_) => Problem::overloaded(detail),
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
            FreezeError::NothingSelected(sought) => Problem::nothing_selected(&sought),
            FreezeError::EmptyList => Problem::nothing(detail),
            FreezeError::Archived { places } => {
                let (keys, lines) = told(places);
                Problem::archived(detail, &keys).with_lines(lines)
            }
            FreezeError::Missing { places } => {
                let title = "There are no such objects";
                Problem::new(StatusCode::NOT_FOUND, "no-such-keys", title, detail)
                    .with_places(places)
            }
            FreezeError::Differ { places } => {
                let title = "An object changed";
                Problem::new(StatusCode::CONFLICT, "object-changed", title, detail)
                    .with_places(places)
            }
            FreezeError::Repeated { places }
            | FreezeError::Outside { places }
            | FreezeError::Own { places } => {
                Problem::malformed_selection(detail).with_places(places)
            }
            FreezeError::Overloaded(error) => DownloadError::Overloaded(error).into(),
            FreezeError::Unstable { key } => DownloadError::Unstable { key }.into(),
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
