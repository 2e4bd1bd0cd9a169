//! Requests that the framework does not get to see.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request};
use s3s::{S3Error, S3ErrorCode};
use url::form_urlencoded;

/// Refuses what the framework would take but we do not offer: SigV2, which rests on SHA-1, and uploads by HTML form,
/// which it buffers whole before it knows who sent them. And what it stumbles over: where overflow is checked, it panics
/// at a date with a character below `0`.
pub(super) fn refuse<B>(request: &Request<B>) -> Option<S3Error> {
    let invalid = |message| Some(S3Error::with_message(S3ErrorCode::InvalidRequest, message));
    let text = |name: &str| {
        let value = request.headers().get(name);
        let value = value.and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    };
    let query = request.uri().query().unwrap_or_default();
    let authorization = text(AUTHORIZATION.as_str());
    let is_v2 = authorization.starts_with("AWS ")
        || query
            .split('&')
            .any(|pair| pair.split('=').next() == Some("Signature"));
    if is_v2 {
        return invalid("requests must be signed by AWS4-HMAC-SHA256");
    }
    let credential = authorization.split_once("Credential=");
    let credential = credential.map_or("", |(_, credential)| credential);
    let in_headers = is_dated(text("x-amz-date")) && is_dated(scope_date(credential));
    let in_query = form_urlencoded::parse(query.as_bytes()).all(|(name, value)| match &*name {
        "X-Amz-Date" => is_dated(&value),
        "X-Amz-Credential" => is_dated(scope_date(&value)),
        _ => true,
    });
    if !in_headers || !in_query {
        return invalid("the signature's date is none: it reads 20260131, and 20260131T235959Z");
    }
    let content_type = text(CONTENT_TYPE.as_str()).trim_start();
    let is_form = content_type.to_ascii_lowercase().starts_with("multipart/");
    (is_form && request.method() == Method::POST)
        .then(|| S3Error::new(S3ErrorCode::MethodNotAllowed))
}

/// The date in a credential: `key/20260131/region/s3/aws4_request`.
fn scope_date(credential: &str) -> &str {
    credential.split('/').nth(1).unwrap_or_default()
}

/// Whether it may be a date. Which one it is, and whether it is right, is for the framework to say.
fn is_dated(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
