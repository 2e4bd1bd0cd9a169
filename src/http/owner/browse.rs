//! `GET /v1/places` and `GET /v1/folder`: where files are.

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde::Serialize;

use super::as_json;
use crate::http::Problem;
use crate::http::caller::Caller;
use crate::http::query::Query;
use crate::http::record::Details;
use crate::http::routes::App;
use crate::store::StoreErrorKind;

/// Folders and files of a page.
const PAGE: i32 = 200;

/// Where a caller may begin.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Places {
    places: Vec<Place>,
    /// Whether other buckets may be named as well.
    any_bucket: bool,
}

/// A prefix of a bucket.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Place {
    bucket: String,
    prefix: String,
}

/// A page of a folder.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Folder {
    folders: Vec<String>,
    files: Vec<File>,
    /// Given back as `from`, it gets the next page.
    next: Option<String>,
}

/// An object.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct File {
    key: String,
    size: u64,
}

/// Answers with the buckets and prefixes that the caller may begin with.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/v1/places",
        operation_id = "listPlaces",
        tag = "browsing",
        summary = "Where the caller may begin",
        responses((status = 200, description = "Buckets and prefixes.", body = Places)),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY"]))),
    )
)]
pub async fn places(State(app): State<App>, Extension(caller): Extension<Caller>) -> Response {
    let place = |bucket: &str, prefix: &str| Place {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    };
    let (allowed, default) = (
        app.config.door.allowed_buckets.named(),
        &app.config.default_bucket,
    );
    let places = match caller.scopes() {
        [] if allowed.is_empty() => default
            .iter()
            .map(|bucket| place(bucket.as_str(), ""))
            .collect(),
        [] => allowed
            .iter()
            .map(|bucket| place(bucket.as_str(), ""))
            .collect(),
        scopes => scopes
            .iter()
            .map(|scope| place(&scope.bucket, &scope.prefix))
            .collect(),
    };
    as_json(&Places {
        places,
        any_bucket: caller.scopes().is_empty()
            && allowed.is_empty()
            && app.config.embedded.is_none(),
    })
}

/// Answers with a page of what lies directly below a prefix.
///
/// # Errors
/// 400 for a malformed query; 403 `out-of-scope`; else as the store says.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/v1/folder",
        operation_id = "listFolder",
        tag = "browsing",
        summary = "A page of what lies directly below a prefix",
        params(
            ("bucket" = Option<String>, Query, description = "The bucket; the server's default one where absent."),
            ("prefix" = Option<String>, Query, description = "Up to and with the last `/`."),
            ("from" = Option<String>, Query, description = "`next` of the page before."),
        ),
        responses((status = 200, description = "Folders and files.", body = Folder)),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY", "SCOPE", "QUERY", "SELECTION", "STORE"]))),
    )
)]
pub async fn folder(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = Query::parse(query.as_deref(), &["bucket", "prefix", "from"])?;
    let prefix = Some(query.one("prefix")?.unwrap_or_default());
    let selection = app.selection(&caller, query.one("bucket")?, prefix, &[])?;
    let (bucket, prefix) = (selection.bucket(), selection.prefix());
    details.selection(bucket.as_str(), prefix);
    let from = query.one("from")?;
    let page = app.config.store.folder(bucket, prefix, from, PAGE).await;
    let page = page.map_err(|error| match (&error.kind, from) {
        // The only thing in this request that a store can find malformed is its own word, given back.
        (StoreErrorKind::Unexpected { status: 400, .. }, Some(from)) => {
            Problem::malformed_query(&format!("from={from:?} is not what \"next\" of a page was"))
        }
        _ => error.into(),
    })?;
    let own = &app.config.links.state_prefix;
    let is_file = |key: &str| key != prefix && !crate::manifest::selection::is_own(key, own);
    let files = page.files.into_iter().filter(|(key, _)| is_file(key));
    Ok(as_json(&Folder {
        folders: page
            .folders
            .into_iter()
            .filter(|folder| folder != own)
            .collect(),
        files: files.map(|(key, size)| File { key, size }).collect(),
        next: page.next,
    }))
}
