//! `POST /v1/manifests`: a JSONL manifest of presigned URLs, itself handed out as one presigned URL.

use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;

use super::Problem;
use super::caller::Caller;
use super::record::Details;
use super::routes::App;
use crate::manifest::{PublishOptions, publish};

/// The largest request body, in bytes.
const BODY_LIMIT: usize = 64 << 10;

/// The body of the request; every field may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    bucket: Option<String>,
    prefix: Option<String>,
    #[serde(default, deserialize_with = "one_or_many")]
    include: Vec<String>,
    /// Seconds.
    expires_in: Option<u64>,
}

/// Answers 201 with the manifest's count, key and presigned URL.
///
/// # Errors
/// See [`Problem`]; nothing is left in the bucket then.
pub async fn create(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let request: Request = json(&headers, body, BODY_LIMIT).await?;
    let selection = app.selection(
        &caller,
        request.bucket.as_deref(),
        request.prefix.as_deref(),
        &request.include,
    )?;
    details.selection(selection.bucket().as_str(), selection.prefix());
    let options = PublishOptions {
        expires_in: request
            .expires_in
            .map_or(app.config.expires_in, Duration::from_secs),
        queue_max: app.config.queue_max,
        ..PublishOptions::default()
    };
    let published = publish(&app.config.store, &selection, &options).await?;
    details.entries(published.count);
    let body = serde_json::to_vec(&published)
        .map_err(|error| Problem::malformed_body(&error.to_string()))?;
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::CREATED, headers, body).into_response())
}

/// Reads a JSON body. Its content type is insisted on: a page of another site can send text, but not JSON, unasked.
pub(super) async fn json<T: serde::de::DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<T, Problem> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Problem::not_json());
    }
    let bytes = match Limited::new(body, limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(Problem::body_too_large(limit));
        }
        Err(error) => {
            return Err(Problem::malformed_body(&format!(
                "the body could not be read: {error}"
            )));
        }
    };
    // A list of the fields' values would do for the parser as well.
    let first = bytes.trim_ascii_start().first();
    if first.is_some_and(|&first| first != b'{') {
        return Err(Problem::malformed_body("the body is not a JSON object"));
    }
    serde_json::from_slice(&bytes).map_err(|error| Problem::malformed_body(&error.to_string()))
}

/// `"include": "*.pdf"` means the same as `"include": ["*.pdf"]`.
pub(super) fn one_or_many<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a pattern or a list of patterns")]
    enum Include {
        One(String),
        Many(Vec<String>),
        None,
    }
    Ok(match Include::deserialize(deserializer)? {
        Include::One(pattern) => vec![pattern],
        Include::Many(patterns) => patterns,
        Include::None => Vec::new(),
    })
}
