//! Requests over HTTP as events, and answers as API Gateway and function URLs want them; pure.
//!
//! There are two forms: 2.0 of HTTP APIs and function URLs, 1.0 of REST APIs and load balancers. Sources:
//! [payloads of HTTP APIs](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html),
//! [function URLs](https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::event::InvalidEvent;

/// What stays as it is in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A request that came as an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpEvent {
    /// The method.
    pub method: Method,
    /// Path and query, as they were sent.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// An event of either form; fields of the other are left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    // 2.0
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    #[serde(default)]
    request_context: Context,
    // 1.0
    http_method: Option<String>,
    path: Option<String>,
    query_string_parameters: Option<BTreeMap<String, String>>,
    multi_value_query_string_parameters: Option<BTreeMap<String, Vec<String>>>,
    multi_value_headers: Option<BTreeMap<String, Vec<String>>>,
    // Both
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Default, Deserialize)]
struct Context {
    http: Option<Http>,
    stage: Option<String>,
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

impl HttpEvent {
    /// Whether an event is a request.
    pub fn is(event: &Value) -> bool {
        event["requestContext"].is_object() || event["httpMethod"].is_string()
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`InvalidEvent::Malformed`] says what is wrong with it.
    pub fn parse(event: &Value) -> Result<HttpEvent, InvalidEvent> {
        let payload = Payload::deserialize(event).map_err(malformed)?;
        let (method, target) = match (payload.request_context.http, payload.raw_path) {
            (Some(http), Some(path)) => {
                let stage = payload.request_context.stage;
                let path = without_stage(&path, stage.as_deref());
                let query = payload.raw_query_string;
                (http.method, with_query(path, &query.unwrap_or_default()))
            }
            _ => {
                let method = payload.http_method.ok_or("it has no method");
                let path = payload.path.ok_or("it has no path");
                let query = match payload.multi_value_query_string_parameters {
                    Some(all) => all,
                    None => (payload.query_string_parameters.into_iter().flatten())
                        .map(|(name, value)| (name, vec![value]))
                        .collect(),
                };
                let method = method.map_err(malformed)?;
                (
                    method,
                    with_query(&path.map_err(malformed)?, &encoded(&query)),
                )
            }
        };
        let body = payload.body.unwrap_or_default();
        let body = match payload.is_base64_encoded {
            true => STANDARD.decode(body).map_err(malformed)?,
            false => body.into_bytes(),
        };
        let headers = match payload.multi_value_headers {
            Some(all) => all,
            None => (payload.headers.into_iter().flatten())
                .map(|(name, value)| (name, vec![value]))
                .collect(),
        };
        Ok(HttpEvent {
            method: method.parse().map_err(malformed)?,
            target,
            headers: headers_of(headers)?,
            body: body.into(),
        })
    }
}

fn malformed(error: impl ToString) -> InvalidEvent {
    InvalidEvent::Malformed {
        reason: error.to_string(),
    }
}

/// HTTP APIs put the stage before the path, other than the one that is called `$default`.
fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let rest = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    match rest {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

fn with_query(path: &str, query: &str) -> String {
    match query {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// Form 1.0 has the parameters decoded.
fn encoded(query: &BTreeMap<String, Vec<String>>) -> String {
    let pairs = query.iter().flat_map(|(name, values)| {
        values.iter().map(move |value| {
            let (name, value) = (
                utf8_percent_encode(name, QUERY),
                utf8_percent_encode(value, QUERY),
            );
            format!("{name}={value}")
        })
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn headers_of(all: BTreeMap<String, Vec<String>>) -> Result<HeaderMap, InvalidEvent> {
    let mut headers = HeaderMap::new();
    for (name, values) in all {
        let name = HeaderName::try_from(&name).map_err(malformed)?;
        // These two speak of the client's connection, which ended at the gateway.
        if name == CONNECTION || name == TRANSFER_ENCODING {
            continue;
        }
        for value in values {
            headers.append(&name, HeaderValue::try_from(value).map_err(malformed)?);
        }
    }
    Ok(headers)
}

/// The head of an answer, as it goes before a streamed body.
pub fn prelude(status: StatusCode, headers: &HeaderMap) -> Value {
    let mut fields = Map::new();
    for name in headers.keys() {
        if *name == CONNECTION || *name == TRANSFER_ENCODING {
            continue;
        }
        let values: Vec<&str> = headers
            .get_all(name)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .collect();
        fields.insert(name.to_string(), values.join(", ").into());
    }
    json!({"statusCode": status.as_u16(), "headers": fields})
}

/// An answer in one piece; what is not text goes as base64.
pub fn whole(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Value {
    let mut answer = prelude(status, headers);
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let is_text = kind.is_some_and(|kind| kind.starts_with("text/") || kind.contains("json"));
    let text = std::str::from_utf8(body)
        .ok()
        .filter(|_| is_text || body.is_empty());
    answer["isBase64Encoded"] = text.is_none().into();
    answer["body"] = match text {
        Some(text) => text.into(),
        None => STANDARD.encode(body).into(),
    };
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_function_urls() {
        let event = json!({
            "version": "2.0", "rawPath": "/v1/zip", "rawQueryString": "prefix=a%2Fb&include=*",
            "headers": {"host": "x.example", "range": "bytes=0-1", "connection": "close"},
            "requestContext": {"http": {"method": "GET", "path": "/v1/zip"}, "stage": "$default"},
            "isBase64Encoded": false,
        });
        assert!(HttpEvent::is(&event));
        let request = HttpEvent::parse(&event).unwrap();
        assert_eq!(request.method, Method::GET);
        assert_eq!(request.target, "/v1/zip?prefix=a%2Fb&include=*");
        assert_eq!(request.headers["range"], "bytes=0-1");
        assert!(!request.headers.contains_key(CONNECTION));
        assert!(request.body.is_empty());
    }

    #[test]
    fn the_stage_is_no_part_of_the_path() {
        for (path, target) in [
            ("/prod/v1/zip", "/v1/zip"),
            ("/prod", "/"),
            ("/product", "/product"),
        ] {
            let event = json!({
                "rawPath": path, "requestContext": {"http": {"method": "POST"}, "stage": "prod"},
                "body": "e30=", "isBase64Encoded": true,
            });
            let request = HttpEvent::parse(&event).unwrap();
            assert_eq!(
                (request.target.as_str(), &request.body[..]),
                (target, &b"{}"[..])
            );
        }
    }

    #[test]
    fn the_form_of_rest_apis() {
        let event = json!({
            "httpMethod": "GET", "path": "/v1/zip", "requestContext": {"stage": "prod"},
            "multiValueQueryStringParameters": {"include": ["*.pdf", "a b"], "prefix": ["ü/"]},
            "multiValueHeaders": {"Accept": ["text/html", "*/*"]}, "body": null,
        });
        let request = HttpEvent::parse(&event).unwrap();
        assert_eq!(
            request.target,
            "/v1/zip?include=%2A.pdf&include=a%20b&prefix=%C3%BC/"
        );
        assert_eq!(request.headers.get_all("accept").iter().count(), 2);
    }

    #[test]
    fn what_makes_no_request_is_refused() {
        for event in [
            json!({"requestContext": {}}),
            json!({"httpMethod": "GET", "requestContext": {}}),
            json!({"httpMethod": "G T", "path": "/"}),
            json!({"httpMethod": "GET", "path": "/", "headers": {"a\nb": "c"}}),
            json!({"httpMethod": "GET", "path": "/", "body": "?", "isBase64Encoded": true}),
        ] {
            assert!(HttpEvent::parse(&event).is_err(), "{event}");
        }
    }

    #[test]
    fn answers_are_text_or_base64() {
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        let answer = whole(StatusCode::NOT_FOUND, &headers, b"{}");
        assert_eq!(
            (&answer["statusCode"], &answer["body"]),
            (&404.into(), &"{}".into())
        );
        assert_eq!(answer["isBase64Encoded"], false);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
        let answer = whole(StatusCode::OK, &headers, b"PK");
        assert_eq!(
            (&answer["body"], &answer["isBase64Encoded"]),
            (&"UEs=".into(), &true.into())
        );
        assert_eq!(answer["headers"]["content-type"], "application/zip");
    }
}
