//! Which path goes where, and what every answer has in common: a request id, a log line, a problem for every error.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, delete, get, on, post};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use tower::ServiceExt;

use super::door::Door;
use super::links::Links;
use super::record::{Details, Record, Recorded, RequestId};
use super::socket::ResetFlag;
use super::{Problem, ServerConfig, access, archive, handout, links, manifests, page, zip};
use crate::link::without_token;
use crate::manifest::Selection;
use crate::measure;
use crate::store::Bucket;
use crate::store::embedded::{self, EmbeddedStore};

/// The header that carries a request's id, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the paths of links begin with.
const LINKS: &str = "/d/";

const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// The description of the API (OpenAPI 3.1).
pub const OPENAPI: &str = include_str!("openapi.json");

/// What every handler can reach.
#[derive(Clone)]
pub struct App {
    /// The checked configuration.
    pub config: Arc<ServerConfig>,
    door: Arc<Door>,
    links: Option<Links>,
}

/// Answers requests; one for all connections.
pub struct Service {
    router: Router,
    embedded: Option<EmbeddedStore>,
}

impl App {
    /// What handlers of a server that listens on `address` can reach.
    pub fn new(config: ServerConfig, address: SocketAddr) -> App {
        let door = Door::new(config.api_keys.clone(), address, config.public_url.as_ref());
        App {
            links: Links::new(&config.store, &config.links),
            config: Arc::new(config),
            door: Arc::new(door),
        }
    }

    /// The selection that a request means, with the server's defaults where it says nothing.
    ///
    /// # Errors
    /// 400 `malformed-selection`.
    pub fn selection(
        &self,
        bucket: Option<&str>,
        prefix: Option<&str>,
        include: &[String],
    ) -> Result<Selection, Problem> {
        let bucket = self.bucket(bucket)?;
        let prefix = prefix.unwrap_or(&self.config.default_prefix);
        let selection = Selection::new(bucket, prefix, include)?;
        Ok(selection.apart_from(&self.config.links.state_prefix))
    }

    /// The bucket that a request means.
    ///
    /// # Errors
    /// 400 `malformed-selection`.
    pub fn bucket(&self, name: Option<&str>) -> Result<Bucket, Problem> {
        match name.filter(|name| !name.is_empty()) {
            Some(name) => Ok(Bucket::new(name)?),
            None => {
                let default = self.config.default_bucket.clone();
                default.ok_or_else(Problem::no_bucket)
            }
        }
    }

    /// The server's links.
    ///
    /// # Errors
    /// 409 `no-state-bucket`.
    pub fn links(&self) -> Result<&Links, Problem> {
        self.links.as_ref().ok_or_else(Problem::no_state_bucket)
    }

    /// What URLs of this server begin with, if it is known: the public URL, or on loopback what the client calls it.
    pub fn base_url(&self, headers: &HeaderMap) -> Option<String> {
        match &self.config.public_url {
            Some(url) => Some(url.as_str().trim_end_matches('/').to_owned()),
            None => self.door.loopback_url(headers),
        }
    }
}

impl Service {
    /// The service for clients. Without a listener for operators, `/metrics` is here too, behind the door.
    pub fn for_clients(app: App, has_operators: bool) -> Service {
        let embedded = app.config.embedded.clone();
        let mut api = Router::new();
        if !has_operators {
            api = api.route("/metrics", get(metrics));
        }
        let api = api
            .route(
                "/v1/zip",
                on(MethodFilter::GET.or(MethodFilter::HEAD), zip::live),
            )
            .route("/v1/manifests", post(manifests::create))
            .route("/v1/links", post(links::create))
            .route("/v1/links/{id}", delete(links::revoke))
            .route("/", get(index))
            .route_layer(axum::middleware::from_fn_with_state(app.clone(), guard));
        let links = Router::new()
            .route("/d/{link}", get(page::show))
            .route("/d/{link}/manifest.jsonl", get(handout::manifest))
            .route("/d/{link}/files/{row}", get(handout::file))
            .route(
                "/d/{link}/{filename}",
                on(MethodFilter::GET.or(MethodFilter::HEAD), archive::download),
            )
            .route_layer(axum::middleware::from_fn_with_state(app.clone(), access::guard));
        let router = api
            .merge(links)
            .route("/openapi.json", get(|| async { as_json(OPENAPI) }));
        Service {
            router: finished(router, app),
            embedded,
        }
    }

    /// The service for operators, on a listener of its own: nothing but health and metrics, without a key.
    pub fn for_operators(app: App) -> Service {
        Service {
            router: finished(Router::new().route("/metrics", get(metrics)), app),
            embedded: None,
        }
    }

    /// Answers one request, whatever happens.
    pub async fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        reset: ResetFlag,
    ) -> http::Response<Recorded> {
        reset.taken();
        let id = RequestId::new(request.headers().get(REQUEST_ID));
        let record = Record::new(id.clone(), &request, reset.clone());
        let is_link = request.uri().path().starts_with(LINKS);
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
            response = problem.answer(id.as_str());
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

/// What every service answers.
fn finished(router: Router<App>, app: App) -> Router {
    router
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .fallback(|uri: Uri| async move { Problem::not_found(&without_token(uri.path())) })
        .method_not_allowed_fallback(|method: Method, uri: Uri| async move {
            Problem::method_not_allowed(method.as_str(), &without_token(uri.path()))
        })
        .with_state(app)
}

/// Whether a path belongs to the embedded store's S3 API, which checks signatures of its own.
pub(super) fn is_store_path(path: &str) -> bool {
    let below = path
        .strip_prefix('/')
        .and_then(|path| path.strip_prefix(embedded::BUCKET));
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Nothing behind the door is reached without passing it.
async fn guard(
    State(app): State<App>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    match app.door.check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn index() -> Response {
    as_json(concat!(
        r#"{"name":"sheaf","version":""#,
        env!("CARGO_PKG_VERSION"),
        r#"","api":"/openapi.json"}"#,
        "\n"
    ))
}

fn as_json(body: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Source: [text format](https://prometheus.io/docs/instrumenting/exposition_formats/).
async fn metrics(State(app): State<App>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (content_type, measure::exposition(&app.config.memory)).into_response()
}

/// Ready when the default bucket answers; without one there is nothing to ask.
async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    if let Some(bucket) = &app.config.default_bucket {
        // A load balancer takes a 5xx for "not ready", and a 404 for a mistake of its own.
        let unready = |error| Problem::from(error).with_status(StatusCode::SERVICE_UNAVAILABLE);
        app.config
            .store
            .head_bucket(bucket)
            .await
            .map_err(unready)?;
    }
    Ok("ready\n")
}

#[cfg(test)]
mod tests {
    use super::{OPENAPI, is_store_path};

    #[test]
    fn the_api_is_described_in_full() {
        let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        // Every route above, read from this very file.
        let routes = include_str!("routes.rs").split(".route(\"").skip(1);
        for path in routes
            .filter_map(|rest| rest.split('"').next())
            .filter(|path| path.len() > 1)
        {
            assert!(
                document["paths"][path].is_object(),
                "{path} is not described"
            );
        }
        // Every problem's type, read from the file that makes them.
        let kinds = &document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"];
        let kinds: Vec<&str> = kinds
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|kind| kind.as_str())
            .collect();
        for kind in kinds {
            let made = [include_str!("problem.rs"), include_str!("problem/links.rs")];
            assert!(
                made.iter()
                    .any(|file| file.contains(&format!("\"{kind}\""))),
                "{kind} is described but never made"
            );
        }
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
