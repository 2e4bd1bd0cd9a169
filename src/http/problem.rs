//! Every error that a client can get, as problem details (RFC 9457), and the one table that makes them.
//!
//! The `type` is stable and meant for programs; `detail` is for people and may change.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::download::DownloadError;
use crate::manifest::{InvalidSelection, ManifestError};
use crate::store::{InvalidBucket, StoreError, StoreErrorKind};

mod links;

/// After how many seconds a client may ask again when the store was out of reach.
const RETRY_AFTER: u32 = 5;

/// One error, as a client gets it.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
    /// Boxed, so that a `Result` with a problem stays small.
    header: Option<Box<(header::HeaderName, HeaderValue)>>,
    extra: Vec<(&'static str, Value)>,
}

impl Problem {
    fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Problem {
        Problem {
            status,
            kind,
            title,
            detail: detail.into(),
            header: None,
            extra: Vec::new(),
        }
    }

    fn with_header(mut self, name: header::HeaderName, value: impl Into<HeaderValue>) -> Problem {
        self.header = Some(Box::new((name, value.into())));
        self
    }

    fn with(mut self, name: &'static str, value: impl Into<Value>) -> Problem {
        self.extra.push((name, value.into()));
        self
    }

    /// The same problem under another status.
    pub(super) fn with_status(mut self, status: StatusCode) -> Problem {
        self.status = status;
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What happened, for people.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The stable name of the error.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The answer, naming the request.
    pub fn answer(&self, request_id: &str) -> Response {
        let mut body = json!({
            "type": self.kind,
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "request_id": request_id,
        });
        for (name, value) in &self.extra {
            body[*name] = value.clone();
        }
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some((name, value)) = self.header.as_deref() {
            headers.insert(name, value.clone());
        }
        response
    }

    pub(super) fn not_found(path: &str) -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "Not found",
            format!("there is nothing at {path:?}"),
        )
    }

    pub(super) fn method_not_allowed(method: &str, path: &str) -> Problem {
        let detail = format!("{path} does not take {method}; the Allow header names what it takes");
        Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "Method not allowed",
            detail,
        )
    }

    pub(super) fn malformed_query(detail: &str) -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed-query",
            "Malformed query",
            detail,
        )
    }

    pub(super) fn malformed_body(detail: &str) -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed-body",
            "Malformed body",
            detail,
        )
    }

    pub(super) fn body_too_large(limit: usize) -> Problem {
        let detail = format!("the body has more than {limit} bytes");
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            "Body too large",
            detail,
        )
    }

    pub(super) fn not_json() -> Problem {
        let detail = "send the body as JSON, with Content-Type: application/json";
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            "Not JSON",
            detail,
        )
    }

    pub(super) fn no_bucket() -> Problem {
        Problem::malformed_selection(
            "name a bucket; this server has no default one (--bucket, BUCKET_NAME)",
        )
    }

    pub(super) fn unauthorized(detail: &str) -> Problem {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "An API key is needed",
            detail,
        )
        .with_header(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"sheaf\""),
        )
    }

    pub(super) fn forbidden_host(host: &str) -> Problem {
        let detail = format!(
            "this server has no API keys, so it answers only to its own name, and not to {host:?}; see --public-url"
        );
        Problem::new(
            StatusCode::FORBIDDEN,
            "forbidden-host",
            "Unknown host name",
            detail,
        )
    }

    pub(super) fn not_resumable() -> Problem {
        let detail = "a live archive is made anew by every request and cannot be resumed or read in part; \
                      a link can: create one with POST /v1/links, or download again from the start";
        Problem::new(
            StatusCode::CONFLICT,
            "not-resumable",
            "A live archive cannot be resumed",
            detail,
        )
        .with_header(header::ACCEPT_RANGES, HeaderValue::from_static("none"))
    }

    fn malformed_selection(detail: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed-selection",
            "Malformed selection",
            detail,
        )
    }

    fn archived(detail: String, keys: &[String]) -> Problem {
        Problem::new(
            StatusCode::CONFLICT,
            "archived",
            "Objects are archived",
            detail,
        )
        .with("keys", keys)
    }
}

impl From<InvalidSelection> for Problem {
    fn from(error: InvalidSelection) -> Problem {
        Problem::malformed_selection(error.to_string())
    }
}

impl From<InvalidBucket> for Problem {
    fn from(error: InvalidBucket) -> Problem {
        Problem::malformed_selection(error.to_string())
    }
}

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

impl From<DownloadError> for Problem {
    fn from(error: DownloadError) -> Problem {
        let detail = error.to_string();
        match error {
            DownloadError::NothingSelected => Problem::new(
                StatusCode::NOT_FOUND,
                "nothing-selected",
                "Nothing is selected",
                detail,
            ),
            DownloadError::Archived { keys } => Problem::archived(detail, &keys),
            DownloadError::Overloaded(_) => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "Too many downloads",
                detail,
            )
            .with_header(header::RETRY_AFTER, RETRY_AFTER),
            DownloadError::Store(error) => error.into(),
            DownloadError::Scan(error) => Problem::from(error.as_ref()),
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
            DownloadError::WrongCrc32 { .. } | DownloadError::Unstable { .. } => Problem::new(
                StatusCode::BAD_GATEWAY,
                "wrong-checksum",
                "An object does not match its checksum",
                detail,
            ),
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

/// Leaves the body to the one place that knows the request's id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
