//! What every answer has in common: a request id, a log line, a problem for every error, and the embedded store's mount.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, Request, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use tower::ServiceExt;

use super::excess::Limit;
use super::paced::Paced;
use super::page::Reader;
use super::record::{Details, Record, Recorded};
use super::request_id::RequestId;
use super::socket::ResetFlag;
use super::tally::Tally;
use super::{DoorConfig, Limits, Problem, cors, head};
use crate::link::without_token;
use crate::store::embedded::{self, EmbeddedStore};

/// The header that carries a request's id, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the paths of links begin with.
const LINKS: &str = "/d/";

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// Answers requests; one for all connections.
pub struct Service {
    pub(super) router: Router,
    pub(super) embedded: Option<EmbeddedStore>,
    /// The path under which clients reach this server.
    pub(super) below: String,
    pub(super) door: DoorConfig,
    pub(super) tally: Arc<Tally>,
    pub(super) limits: Limits,
    /// Its answers are told by [`excess`](super::excess) all together.
    pub(super) quiet: bool,
}

impl Service {
    /// Answers one request, whatever happens.
    pub async fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: SocketAddr,
        reset: ResetFlag,
    ) -> http::Response<Recorded> {
        // Who asks for something else has taken what was sent before.
        reset.taken();
        let id = RequestId::new(request.headers().get(REQUEST_ID));
        let record = Record::new(id.clone(), &request, reset.clone());
        let is_link = request.uri().path().starts_with(LINKS);
        let reader = Reader::of(request.uri().path(), request.headers());
        let details = record.details();
        if self.door.log_addresses {
            details.client(self.door.proxies.client(peer.ip(), request.headers()));
        }
        if self.quiet {
            details.quiet();
        }
        details.tally(self.tally.clone());
        let origin = self.door.origins.of(request.headers());
        let (knows_chunks, is_head) = (
            request.version() >= Version::HTTP_11,
            request.method() == Method::HEAD,
        );
        let store = self.embedded.as_ref();
        let store = store.filter(|_| is_store_path(request.uri().path()));
        let is_store = store.is_some();
        let sound = head::check(&request, &self.limits).and_then(|()| one_host(&mut request));
        let request = request.map(|body| Paced::new(body, self.limits.body_timeout).of(&reset));
        let mut response = match (sound, store) {
            (Err(problem), _) => problem.into_response(),
            (Ok(()), None) if !is_text(request.uri().path()) => {
                Problem::not_found(&without_token(request.uri().path())).into_response()
            }
            (Ok(()), Some(store)) => store.serve(request).await.map(Body::new),
            (Ok(()), None) if origin.is_some() && cors::is_preflight(&request) => cors::preflight(),
            (Ok(()), None) => self.route(request, &id, &details, peer, &reset).await,
        };
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            details.reason(format!("{}: {}", problem.kind(), problem.detail()));
            if let Some(limit) = Limit::of(problem.kind()) {
                limit.refused();
            }
            let allow = response.headers_mut().remove(header::ALLOW);
            response = match reader {
                Some(reader) => reader.told(&problem, &self.below, id.as_str()),
                None => problem.answer(id.as_str()),
            };
            response
                .headers_mut()
                .extend(allow.map(|allow| (header::ALLOW, allow)));
        }
        if !is_store && !self.door.origins.is_empty() {
            cors::allow(response.headers_mut(), origin);
        }
        response.headers_mut().insert(REQUEST_ID, id.header());
        response.headers_mut().insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        if is_link {
            // The path is a credential: it must not leave with a referrer, nor be found by a search engine.
            for (name, value) in [
                (header::REFERRER_POLICY, "no-referrer"),
                (ROBOTS, "noindex"),
            ] {
                response
                    .headers_mut()
                    .insert(name, HeaderValue::from_static(value));
            }
        }
        // A body in chunks says itself where it ends (RFC 9112, section 7.1). Any other may be taken for whole when its
        // connection closes: without a length it ends there, and with one, Python's `read` and all that is built on it
        // do not compare.
        let has_length = response.headers().contains_key(header::CONTENT_LENGTH)
            || response.body().size_hint().exact().is_some();
        let in_chunks = knows_chunks && !has_length;
        reset.unfinished(!in_chunks && !is_head);
        Recorded::answer(response, record)
    }

    async fn route(
        &self,
        request: Request<Paced<Incoming>>,
        id: &RequestId,
        details: &Details,
        peer: SocketAddr,
        reset: &ResetFlag,
    ) -> Response {
        let mut request = request.map(Body::new);
        let extensions = request.extensions_mut();
        extensions.insert(details.clone());
        extensions.insert(id.clone());
        extensions.insert(peer);
        extensions.insert(reset.clone());
        match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Whether a path says text: keys, names and tokens of ours are all UTF-8. What it leads to otherwise is nowhere.
fn is_text(path: &str) -> bool {
    percent_decode_str(path).decode_utf8().is_ok()
}

/// Sees to it that a request names one host (RFC 9112 §3.2), in the Host header, where HTTP/2 need not have one
/// (RFC 9113 §8.3.1).
///
/// # Errors
/// 400 `malformed-host`.
fn one_host<B>(request: &mut Request<B>) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    match (first, second, authority) {
        (_, Some(_), _) => Err(Problem::malformed_host()),
        (Some(host), None, _) if host.to_str().is_err() => Err(Problem::malformed_host()),
        (Some(host), None, Some(authority)) if host.as_bytes() != authority.as_bytes() => {
            Err(Problem::malformed_host())
        }
        (None, None, Some(authority)) => {
            let host = HeaderValue::from_str(authority).map_err(|_| Problem::malformed_host())?;
            request.headers_mut().insert(header::HOST, host);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether a path belongs to the embedded store's S3 API, which checks signatures of its own.
pub(super) fn is_store_path(path: &str) -> bool {
    let below = path
        .strip_prefix('/')
        .and_then(|path| path.strip_prefix(embedded::BUCKET));
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::header::HOST;

    use super::{is_store_path, one_host};

    #[test]
    fn a_request_names_one_host() {
        let host = |uri: &str, hosts: &[&str]| {
            let mut request = Request::builder().uri(uri);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let mut request = request.body(()).unwrap();
            one_host(&mut request).ok()?;
            let host = request.headers().get(HOST);
            Some(host.map_or(String::new(), |host| host.to_str().unwrap().to_owned()))
        };
        assert_eq!(host("/", &["a:80"]).as_deref(), Some("a:80"));
        assert_eq!(host("https://a/", &[]).as_deref(), Some("a"));
        assert_eq!(host("https://a/", &["a"]).as_deref(), Some("a"));
        assert_eq!(host("/", &[]).as_deref(), Some(""));
        assert_eq!(host("https://evil/", &["localhost"]), None);
        assert_eq!(host("/", &["localhost", "evil"]), None);
        assert_eq!(host("/", &["localhost", "localhost"]), None);
    }

    #[test]
    fn only_the_bucket_itself_is_the_store() {
        assert!(is_store_path("/local"));
        assert!(is_store_path("/local/"));
        assert!(is_store_path("/local/a/b.pdf"));
        assert!(!is_store_path("/locals"));
        assert!(!is_store_path("/"));
        assert!(!is_store_path("/v1/zip"));
    }
}
