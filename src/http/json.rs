//! Bodies of requests in JSON: of the right type, not too large, not too deep, in time.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::paced::PacedError;
use super::{Limits, Problem};

/// Bounds on one body.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    bytes: usize,
    depth: usize,
}

impl Bounds {
    /// Those of the server.
    pub fn of(limits: &Limits) -> Bounds {
        Bounds {
            bytes: limits.max_body,
            depth: limits.max_json_depth,
        }
    }

    /// The same, and no more bytes than these.
    pub fn within(self, bytes: usize) -> Bounds {
        Bounds {
            bytes: self.bytes.min(bytes),
            ..self
        }
    }
}

/// Reads a JSON body. Its content type is insisted on: a page of another site can send text, but not JSON, unasked.
///
/// # Errors
/// 400 `malformed-body` and `body-too-deep`; 408 `body-too-slow`; 413 `body-too-large`; 415 `not-json`.
pub async fn read<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    bounds: Bounds,
) -> Result<T, Problem> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Problem::not_json());
    }
    let bytes = all(body, bounds.bytes).await?;
    // A list of the fields' values would do for the parser as well.
    let first = bytes.trim_ascii_start().first();
    if first.is_some_and(|&first| first != b'{') {
        return Err(Problem::malformed_body("the body is not a JSON object"));
    }
    if depth(&bytes) > bounds.depth {
        return Err(Problem::body_too_deep(bounds.depth));
    }
    serde_json::from_slice(&bytes).map_err(|error| Problem::malformed_body(&error.to_string()))
}

async fn all(body: Body, limit: usize) -> Result<Bytes, Problem> {
    // Who says beforehand that it is too much need not send it.
    if body.size_hint().lower() > limit as u64 {
        return Err(Problem::body_too_large(limit));
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::body_too_large(limit)),
        Err(error) => Err(unread(error.as_ref())),
    }
}

/// Why a body could not be read.
pub fn unread(error: &(dyn std::error::Error + 'static)) -> Problem {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(slow @ PacedError::TooSlow { .. }) = error.downcast_ref() {
            return Problem::body_too_slow(&slow.to_string());
        }
        cause = error.source();
    }
    Problem::malformed_body(&format!("the body could not be read: {error}"))
}

/// How deep brackets are nested. What is no JSON has a depth as well.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                now += 1;
                most = most.max(now);
            }
            b'}' | b']' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn brackets_are_counted_where_they_are_brackets() {
        for (json, expected) in [
            ("", 0),
            ("1", 0),
            ("{}", 1),
            (r#"{"a": [], "b": [{}]}"#, 3),
            (r#"{"a": "[[[["}"#, 1),
            (r#"{"a": "\"[[[["}"#, 1),
            (r#"{"a\\": [[]]}"#, 3),
            ("]]]][", 1),
        ] {
            assert_eq!(depth(json.as_bytes()), expected, "{json}");
        }
    }
}
