//! Which path goes where.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, delete, get, on, post};
use axum::{Extension, Router};
use http::{HeaderMap, Method, StatusCode, Uri, header};

use super::accept::prefers_html;
pub use super::app::App;
use super::caller::Caller;
use super::excess::Limit;
use super::owner::{self, browse, count, register};
use super::page::assets;
use super::record::Details;
use super::service::Service;
use super::{
    DoorConfig, Limits, Problem, access, api, archive, handout, jobs, links, manifests, operators,
    page, zip,
};
use crate::link::without_token;

impl Service {
    /// The service for clients. Without a listener for operators, `/metrics` is here too, behind the door.
    pub fn for_clients(app: App, has_operators: bool) -> Service {
        let embedded = app.config.embedded.clone();
        let public_url = app.config.public_url.as_ref();
        let (door, tally) = (app.config.door.clone(), app.tally.clone());
        let below = page::below(public_url.map_or("", |url| url.as_str()));
        let limits = app.config.limits;
        let mut api = Router::new();
        if !has_operators {
            api = api.route("/metrics", get(metrics_for));
        }
        let api = api
            .route(
                "/v1/zip",
                on(MethodFilter::GET.or(MethodFilter::HEAD), zip::live),
            )
            .route("/v1/manifests", post(manifests::create))
            .route("/v1/links", post(links::create).get(register::list))
            .route("/v1/places", get(browse::places))
            .route("/v1/folder", get(browse::folder))
            .route("/v1/count", get(count::count))
            .route("/v1/links/{id}", delete(links::revoke))
            .route("/v1/jobs", post(jobs::create).get(jobs::list))
            .route("/v1/jobs/{id}", get(jobs::show).delete(jobs::cancel))
            .route("/v1/jobs/{id}/events", get(jobs::events::events))
            .route("/", get(index))
            .route_layer(axum::middleware::from_fn_with_state(app.clone(), guard));
        let links = Router::new()
            .route("/d/{link}", get(page::show))
            .route("/d/{link}/manifest.jsonl", get(handout::manifest))
            .route("/d/{link}/packaged", get(jobs::packaged::redirect))
            .route("/d/{link}/files/{row}", get(handout::file))
            .route(
                "/d/{link}/{filename}",
                on(MethodFilter::GET.or(MethodFilter::HEAD), archive::download),
            )
            .route_layer(axum::middleware::from_fn_with_state(
                app.clone(),
                access::guard,
            ));
        let router = api
            .merge(links)
            .route("/assets/{name}", get(assets::show))
            .route("/openapi.json", get(openapi))
            .route("/docs", get(api::page::show));
        Service {
            router: finished(router, app),
            embedded,
            below,
            door,
            tally,
            limits,
            quiet: false,
        }
    }

    /// The service for operators, on a listener of its own: nothing but health and metrics, without a key.
    pub fn for_operators(app: App) -> Service {
        let (door, limits) = (DoorConfig::default(), app.config.limits);
        let metrics = Router::new().route("/metrics", get(metrics));
        Service::beside(finished(metrics, app), door, limits)
    }

    /// The service for who speaks HTTP where TLS is spoken: nothing is answered, and nobody is sent elsewhere, because what
    /// they sent has been read on the way already.
    pub fn unencrypted(app: App) -> Service {
        let (door, limits, tally) = (
            app.config.door.clone(),
            app.config.limits,
            app.tally.clone(),
        );
        let router = Router::new()
            .fallback(|| async { Problem::unencrypted() })
            .with_state(app);
        Service {
            tally,
            ..Service::beside(router, door, limits)
        }
    }

    /// The service for whom there is no place, by this limit: health and, behind the door, metrics; all else is asked to
    /// come back. Whether the server is ready has nothing to do with it: balancers would take its load to the others.
    pub fn full(app: App, limit: Limit) -> Service {
        let (door, limits) = (app.config.door.clone(), app.config.limits);
        let router = guarded_metrics(&app)
            .route("/healthz", get(health))
            .route("/readyz", get(ready))
            .fallback(move || async move { Problem::no_place(limit, &limits) })
            .with_state(app);
        Service {
            quiet: true,
            ..Service::beside(router, door, limits)
        }
    }

    /// The service of a server that is stopping: health and, for operators or behind the door, metrics. All else is
    /// asked to come back, when this server or another one will be there.
    pub fn stopping(app: App, for_operators: bool) -> Service {
        let (door, metrics) = if for_operators {
            let open = Router::new().route("/metrics", get(metrics));
            (DoorConfig::default(), open)
        } else {
            (app.config.door.clone(), guarded_metrics(&app))
        };
        let limits = app.config.limits;
        let router = metrics
            .route("/healthz", get(health))
            .fallback(|| async { Problem::stopping() })
            .with_state(app);
        Service::beside(router, door, limits)
    }

    /// A service beside the one for clients: it has no store, and a tally of its own.
    fn beside(router: Router, door: DoorConfig, limits: Limits) -> Service {
        Service {
            router,
            embedded: None,
            below: String::new(),
            door,
            tally: Arc::default(),
            limits,
            quiet: false,
        }
    }
}

/// Metrics behind the door.
fn guarded_metrics(app: &App) -> Router<App> {
    Router::new()
        .route("/metrics", get(metrics_for))
        .route_layer(axum::middleware::from_fn_with_state(app.clone(), guard))
}

/// What every service answers.
fn finished(router: Router<App>, app: App) -> Router {
    router
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .fallback(|uri: Uri| async move { Problem::not_found(&without_token(uri.path())) })
        .method_not_allowed_fallback(|method: Method, uri: Uri| async move {
            Problem::method_not_allowed(method.as_str(), &without_token(uri.path()))
        })
        .with_state(app)
}

/// Nothing behind the door is reached without passing it.
async fn guard(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    mut request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    // The owner's page holds nothing: what it shows, it asks for with a key.
    if request.uri().path() == "/" && prefers_html(request.headers()) {
        return next.run(request).await;
    }
    match app.door.check(request.headers()) {
        Ok((caller, admission)) => {
            details.caller(caller.name(), admission);
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/",
        operation_id = "index",
        tag = "browsing",
        summary = "The owner's page for browsers, which needs no key; for others what this is",
        responses((
            status = 200,
            description = "The page, or name, version and where this document is.",
            content((String = "text/html"), (Index = "application/json")),
        )),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY"]))),
    )
)]
pub(super) async fn index(app: State<App>, headers: HeaderMap) -> Response {
    if prefers_html(&headers) {
        return owner::page::show(app, headers).await;
    }
    as_json(concat!(
        r#"{"name":"sheaf","version":""#,
        env!("CARGO_PKG_VERSION"),
        r#"","api":"/openapi.json"}"#,
        "\n"
    ))
}

/// What this server is.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it describes what `index` answers")]
struct Index {
    name: String,
    version: String,
    /// Where the description of the API is.
    api: String,
}

/// The description of the API.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/openapi.json",
        operation_id = "openapi",
        tag = "operations",
        summary = "This document",
        responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json", body = serde_json::Value)),
        security(()),
    )
)]
pub(super) async fn openapi() -> Response {
    as_json(&api::DOCUMENT)
}

/// The process answers.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/healthz",
        operation_id = "health",
        tag = "operations",
        summary = "The process answers",
        responses((status = 200, description = "It does.", content_type = "text/plain", body = String)),
        security(()),
    )
)]
pub(super) async fn health() -> &'static str {
    "ok\n"
}

fn as_json(body: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics(State(app): State<App>) -> Response {
    operators::counted(app.queue().ok(), &app.config.memory).await
}

/// What is counted is counted over all buckets.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/metrics",
        operation_id = "metrics",
        tag = "operations",
        summary = "What is counted, for Prometheus; on a listener of its own where there is one (--admin-listen)",
        responses((status = 200, description = "Prometheus' text format.", content_type = "text/plain", body = String)),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY", "SCOPE", "FOUND"]))),
    )
)]
pub(super) async fn metrics_for(
    app: State<App>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Problem> {
    caller.may_all()?;
    Ok(metrics(app).await)
}

/// Ready when the default bucket answers; without one there is nothing to ask. A server that is full, or whose memory is
/// used up, is ready all the same; one that is stopping is not.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/readyz",
        operation_id = "ready",
        tag = "operations",
        summary = "The store answers",
        responses(
            (status = 200, description = "It does.", content_type = "text/plain", body = String),
            (status = 503, description = "It does not.", content_type = "application/problem+json", body = super::problem::ProblemDetails),
        ),
        security(()),
        extensions(("x-problems" = json!([]))),
    )
)]
pub(super) async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
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
