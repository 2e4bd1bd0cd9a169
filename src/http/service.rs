//! What every answer has in common: a request id, a log line, a problem for every error, and the embedded store's mount.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method, Request, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use tower::ServiceExt;

use super::Problem;
use super::page::Reader;
use super::record::{Details, Record, Recorded, RequestId};
use super::socket::ResetFlag;
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
}

impl Service {
    /// Answers one request, whatever happens.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
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
        let (knows_chunks, is_head) = (
            request.version() >= Version::HTTP_11,
            request.method() == Method::HEAD,
        );
        let store = self.embedded.as_ref();
        let mut response = match store.filter(|_| is_store_path(request.uri().path())) {
            Some(store) => store.serve(request).await.map(Body::new),
            None => self.route(request, &id, &details, peer, &reset).await,
        };
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            details.reason(format!("{}: {}", problem.kind(), problem.detail()));
            let allow = response.headers_mut().remove(header::ALLOW);
            response = match reader {
                Some(reader) => reader.told(&problem, &self.below, id.as_str()),
                None => problem.answer(id.as_str()),
            };
            response
                .headers_mut()
                .extend(allow.map(|allow| (header::ALLOW, allow)));
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
        // RFC 9112, section 6.3: such a body ends where the connection does.
        let has_length = response.headers().contains_key(header::CONTENT_LENGTH)
            || response.body().size_hint().exact().is_some();
        let ends_with_connection = !knows_chunks && !has_length && !is_head;
        reset.unfinished(ends_with_connection);
        Recorded::answer(response, record)
    }

    async fn route(
        &self,
        request: Request<Incoming>,
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

/// Whether a path belongs to the embedded store's S3 API, which checks signatures of its own.
pub(super) fn is_store_path(path: &str) -> bool {
    let below = path
        .strip_prefix('/')
        .and_then(|path| path.strip_prefix(embedded::BUCKET));
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::is_store_path;

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
