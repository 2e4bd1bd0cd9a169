//! `GET /v1/links`: the links that there are, and their downloads.

use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use time::OffsetDateTime;

use super::as_json;
use crate::http::Problem;
use crate::http::caller::Caller;
use crate::http::routes::App;
use crate::http::tally::Downloads;
use crate::manifest::issue::at;

/// Links of an answer.
const MOST: usize = 100;

/// The newest links.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = KnownLinks))]
pub struct Links {
    links: Vec<Link>,
}

/// One of them.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[cfg_attr(test, schema(as = KnownLink))]
pub struct Link {
    #[cfg_attr(test, schema(value_type = uuid::Uuid))]
    id: String,
    /// The page for people; left out where the server does not know its own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    page_url: Option<String>,
    filename: String,
    bucket: String,
    prefix: String,
    count: usize,
    bytes: u64,
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(test, schema(value_type = String, format = DateTime))]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(test, schema(value_type = String, format = DateTime))]
    expires_at: OffsetDateTime,
    /// Since this server began.
    downloads: Downloads,
}

/// Answers with the newest links in the caller's scope, the newest first.
///
/// # Errors
/// 409 `no-state-bucket`; else as the store says.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/v1/links",
        operation_id = "listLinks",
        tag = "links",
        summary = "The newest hundred links in the caller's scope, with their downloads",
        responses((status = 200, description = "The newest first.", body = Links)),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY", "STORE", "LINKS"]))),
    )
)]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let links = app.links()?;
    let base = app.base_url(&headers);
    let known = links.library.newest(MOST).await?;
    let seen = known.into_iter().filter(|link| {
        // Of a list of keys only the bucket is known here.
        link.header.broken.is_none() && caller.sees(&link.header.bucket, &link.header.prefix)
    });
    let links = seen.map(|link| Link {
        id: link.id.to_string(),
        page_url: base
            .as_ref()
            .map(|base| format!("{base}/d/{}", links.keys.sign(link.id, link.header.expires))),
        created_at: at(u64::try_from(link.header.created).unwrap_or_default()),
        expires_at: at(link.header.expires),
        count: link.header.count,
        bytes: link.header.archive_len,
        downloads: app.tally.of(link.id),
        filename: link.header.filename,
        bucket: link.header.bucket,
        prefix: link.header.prefix,
    });
    Ok(as_json(&Links {
        links: links.collect(),
    }))
}
