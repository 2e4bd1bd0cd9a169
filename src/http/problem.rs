//! Every error that a client can get, as problem details (RFC 9457), and the one table that makes them.
//!
//! The `type` is stable and meant for programs; `detail` is for people and may change.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

mod downloads;
mod jobs;
pub mod kinds;
mod links;
mod requests;
mod store;

/// After how many seconds a client may ask again when the store was out of reach.
const RETRY_AFTER: u32 = 5;

/// Problem details (RFC 9457). `type` is stable; `detail` is for people.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it describes what `Problem::body` makes")]
pub struct ProblemDetails {
    /// What happened, for programs.
    r#type: String,
    /// What happened, in a few words.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What happened, to which key, and what to do.
    detail: String,
    /// The id of the request, as in the log and in `X-Request-Id`.
    request_id: String,
    /// The first keys concerned, with `archived`, `no-such-keys`, `object-changed`, `malformed-selection` and `link-broken`.
    #[schema(required = false)]
    keys: Vec<String>,
    /// Where these keys, or what is malformed, stand in a manifest: numbers of lines from 1 on.
    #[schema(required = false)]
    lines: Vec<u64>,
    /// Objects whose checksum the range needs, with `checksums-pending`.
    #[schema(required = false)]
    needed: u64,
    /// Those that are still to be hashed, with `checksums-pending`.
    #[schema(required = false)]
    missing: u64,
}

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
        debug_assert_eq!(
            kinds::of(kind).map(|kind| kind.status),
            Some(status.as_u16()),
            "{kind} is not in the table of problem::kinds"
        );
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

    /// The problem as JSON.
    pub fn body(&self) -> Value {
        let mut body = json!({
            "type": self.kind,
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        for (name, value) in &self.extra {
            body[*name] = value.clone();
        }
        body
    }

    /// The answer, naming the request.
    pub fn answer(&self, request_id: &str) -> Response {
        let mut body = self.body();
        body["request_id"] = request_id.into();
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers());
        response
    }

    /// What the answer's head says about the problem, whatever its body is.
    pub(super) fn headers(&self) -> Option<(header::HeaderName, HeaderValue)> {
        self.header.as_deref().cloned()
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
