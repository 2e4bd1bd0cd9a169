//! Cross-origin requests: none, but for origins that the configuration names
//! ([Fetch](https://fetch.spec.whatwg.org/#http-cors-protocol)).

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

/// What a page of another origin may send beyond what every page may.
const METHODS: &str = "GET, HEAD, POST, DELETE";
const HEADERS: &str =
    "authorization, content-type, range, if-range, if-match, if-none-match, x-request-id";
/// What it may read beyond the body.
const EXPOSED: &str = "accept-ranges, content-disposition, content-length, content-range, etag, retry-after, x-request-id";

/// The origins whose pages may read answers.
#[derive(Clone, Debug, Default)]
pub struct Origins(Vec<String>);

impl Origins {
    /// These origins, as browsers write them: `https://portal.example.org`.
    pub fn new(origins: Vec<String>) -> Origins {
        Origins(origins)
    }

    /// The origin of a request, if it is one of these.
    pub fn of(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let origin = headers.get(header::ORIGIN)?;
        let known = self
            .0
            .iter()
            .any(|known| known.as_bytes() == origin.as_bytes());
        known.then(|| origin.clone())
    }

    /// Whether any origin is allowed, so that answers differ by it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a browser asks if it may ask.
pub fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that, before [`allow`].
pub fn preflight<B: Default>() -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, text) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(text));
    }
    response
}

/// Lets pages of `origin` read an answer. Cookies are never asked for, and none would mean anything.
pub fn allow(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSED),
        );
    }
}
