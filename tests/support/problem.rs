//! Errors of the API as a client gets them, each held to the contract that all of them have.

use std::sync::LazyLock;

use http::HeaderMap;
use serde_json::Value;

use super::client::Answered;

/// The description of the API, as the server hands it out.
static API: LazyLock<Value> = LazyLock::new(sheaf::http::api::described);

/// One error.
#[derive(Debug)]
pub struct Problem {
    /// The status of the answer.
    pub status: u16,
    /// Its `type`.
    pub kind: String,
    /// Its `detail`.
    pub detail: String,
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Value,
}

impl Problem {
    /// Reads an answer, which must be a problem as RFC 9457 and the description of the API have it.
    pub fn of(answer: &Answered) -> Problem {
        let status = answer.status.as_u16();
        let text = String::from_utf8_lossy(&answer.body);
        assert!(status >= 400, "not an error: {status} {text}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.headers["cache-control"], "no-store");
        let body: Value = serde_json::from_str(&text).expect("a body of JSON");
        assert_eq!(body["status"], status, "{body}");
        let of = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let (kind, detail) = (of("type"), of("detail"));
        assert!(kinds().contains(&kind), "not described: {body}");
        assert!(!of("title").is_empty() && detail.len() > 10, "{body}");
        assert_eq!(
            answer.headers["x-request-id"].to_str().ok(),
            body["request_id"].as_str()
        );
        Problem {
            status,
            kind,
            detail,
            headers: answer.headers.clone(),
            body,
        }
    }

    /// Must have this status and type, and a detail that holds all of these words.
    pub fn is(self, status: u16, kind: &str, words: &[&str]) -> Problem {
        assert_eq!(
            (self.status, self.kind.as_str()),
            (status, kind),
            "{}",
            self.body
        );
        for word in words {
            assert!(self.detail.contains(word), "no {word:?} in {}", self.detail);
        }
        self
    }
}

/// Whether the description of the API says that `method` of `path` may answer with this status.
pub fn is_described(method: &str, path: &str, status: u16) -> bool {
    let operation = &API["paths"][path][method.to_lowercase()];
    operation["responses"][status.to_string()].is_object()
}

/// Every `type` that the description of the API knows.
pub fn kinds() -> Vec<String> {
    let kinds = &API["components"]["schemas"]["ProblemDetails"]["properties"]["type"]["enum"];
    let kinds = kinds.as_array().expect("a list of types");
    kinds
        .iter()
        .map(|kind| kind.as_str().expect("text").to_owned())
        .collect()
}
