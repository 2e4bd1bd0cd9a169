//! The part of the table that is about requests: what is asked for in a way that cannot be answered.

use http::{HeaderValue, StatusCode, header};

use super::{Problem, RETRY_AFTER};
use crate::http::Limits;
use crate::http::excess::Limit;
use crate::manifest::InvalidSelection;
use crate::store::{InvalidBucket, NotAllowed};

impl Problem {
    pub(in crate::http) fn not_found(path: &str) -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "Not found",
            format!("there is nothing at {path:?}"),
        )
    }

    pub(in crate::http) fn method_not_allowed(method: &str, path: &str) -> Problem {
        let detail = format!("{path} does not take {method}; the Allow header names what it takes");
        Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "Method not allowed",
            detail,
        )
    }

    pub(in crate::http) fn malformed_query(detail: &str) -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed-query",
            "Malformed query",
            detail,
        )
    }

    pub(in crate::http) fn malformed_body(detail: &str) -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed-body",
            "Malformed body",
            detail,
        )
    }

    pub(in crate::http) fn body_too_large(limit: usize) -> Problem {
        let detail = format!("the body has more than {limit} bytes");
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            "Body too large",
            detail,
        )
    }

    pub(in crate::http) fn body_too_deep(most: usize) -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "body-too-deep",
            "Body too deep",
            format!("the body's JSON is nested more than {most} deep"),
        )
    }

    pub(in crate::http) fn body_too_slow(detail: &str) -> Problem {
        Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body-too-slow",
            "Body too slow",
            detail,
        )
    }

    pub(in crate::http) fn url_too_long(length: usize, most: usize) -> Problem {
        let detail = format!(
            "path and query have {length} bytes; {most} are taken at the most. Where there are many patterns, POST /v1/links and POST /v1/manifests take them in their bodies"
        );
        Problem::new(
            StatusCode::URI_TOO_LONG,
            "url-too-long",
            "URL too long",
            detail,
        )
    }

    pub(in crate::http) fn headers_too_large(detail: &str) -> Problem {
        Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers-too-large",
            "Header fields too large",
            detail,
        )
    }

    /// There is no place for a connection.
    pub(in crate::http) fn no_place(limit: Limit, limits: &Limits) -> Problem {
        let problem = match limit {
            Limit::ConnectionsPerAddress => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-connections",
                "Too many connections",
                format!(
                    "your address has {} connections open, as many as it may; close some, or ask again a little later",
                    limits.max_connections_per_address
                ),
            ),
            _ => Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "server-full",
                "The server is full",
                "all connections that this server may have are taken; ask again a little later",
            ),
        };
        problem.with_header(header::RETRY_AFTER, RETRY_AFTER)
    }

    pub(in crate::http) fn not_json() -> Problem {
        let detail = "send the body as JSON, with Content-Type: application/json";
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not-json",
            "Not JSON",
            detail,
        )
    }

    pub(in crate::http) fn no_bucket() -> Problem {
        Problem::malformed_selection(
            "name a bucket; this server has no default one (--bucket, BUCKET_NAME)",
        )
    }

    pub(in crate::http) fn stopping() -> Problem {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "The server is stopping",
            "this server finishes what runs and takes nothing new; ask again a little later",
        )
        .with_header(header::RETRY_AFTER, RETRY_AFTER)
    }

    pub(in crate::http) fn unencrypted() -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "https-needed",
            "This is an HTTPS server",
            "what was sent here was not encrypted: ask again with https:// in place of http://; if it held a key, a passphrase or a link, others may have read it on its way",
        )
    }

    pub(in crate::http) fn unauthorized(detail: &str) -> Problem {
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

    pub(in crate::http) fn too_many_requests(key: &str, wait: std::time::Duration) -> Problem {
        let seconds = u32::try_from(wait.as_millis().div_ceil(1000))
            .unwrap_or(u32::MAX)
            .max(1);
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many-requests",
            "Too many requests",
            format!("the API key {key} asks for more than it may; ask again in {seconds} s"),
        )
        .with_header(header::RETRY_AFTER, seconds)
    }

    pub(in crate::http) fn out_of_scope(bucket: &str, prefix: &str) -> Problem {
        let detail = match bucket {
            "" => "this API key is for some buckets only, and that concerns all of them".to_owned(),
            bucket => format!(
                "this API key is not for all of s3://{bucket}/{prefix}; name a prefix that it is for"
            ),
        };
        Problem::new(
            StatusCode::FORBIDDEN,
            "out-of-scope",
            "Out of scope",
            detail,
        )
    }

    pub(in crate::http) fn malformed_host() -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed-host",
            "Malformed host",
            "the request must name one host, once",
        )
    }

    pub(in crate::http) fn forbidden_host(host: &str) -> Problem {
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

    pub(in crate::http) fn not_resumable() -> Problem {
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

    pub(super) fn malformed_selection(detail: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed-selection",
            "Malformed selection",
            detail,
        )
    }

    pub(super) fn archived(detail: String, keys: &[String]) -> Problem {
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

impl From<NotAllowed> for Problem {
    fn from(error: NotAllowed) -> Problem {
        Problem::new(
            StatusCode::FORBIDDEN,
            "bucket-not-allowed",
            "Bucket not allowed",
            error.to_string(),
        )
    }
}

impl From<InvalidBucket> for Problem {
    fn from(error: InvalidBucket) -> Problem {
        Problem::malformed_selection(error.to_string())
    }
}
