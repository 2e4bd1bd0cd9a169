//! `GET /d/{link}/packaged`: the archive of a link where it was written into a bucket.
//!
//! Nobody counts downloads of it, so a link that allows a number of them does not offer it.

use std::time::{Duration, SystemTime};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use tracing::warn;

use crate::disposition;
use crate::http::Problem;
use crate::http::record::Details;
use crate::http::routes::App;
use crate::job::Packaged;
use crate::manifest::Open;
use crate::manifest::issue::unix;

/// The packaged archive of a link, as the queue knows it. One that does not answer knows none.
pub(in crate::http) async fn of(app: &App, open: &Open) -> Option<Packaged> {
    if open.frozen.header().max_downloads.is_some() {
        return None;
    }
    let queue = app.queue().ok()?;
    match queue.done_about(&open.id.to_string()).await {
        Ok(job) => serde_json::from_str(&job?.result).ok(),
        Err(error) => {
            warn!(%error, "the queue could not say whether a link was packaged");
            None
        }
    }
}

/// Redirects to a presigned URL of the packaged archive, which saves it under the link's name.
///
/// # Errors
/// 403 and 410 for links that are of no use; 403 `bucket-not-allowed`; 404 `not-packaged`.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/d/{link}/packaged",
        operation_id = "packaged",
        tag = "recipients",
        summary = "The archive of a link where a job has written it into a bucket",
        params(("link" = String, Path, description = "The token of the link: a credential.")),
        responses((status = 302, description = "To a fresh presigned URL.", headers(("Location" = String, description = "The presigned URL.")))),
        security((), ("passphrase" = [])),
        extensions(("x-problems" = json!(["LINK", "PACKAGED", "STORE"]))),
    )
)]
pub async fn redirect(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let links = app.links()?;
    let grant = links.grant(&token, &details)?;
    let open = links.open(grant, &details).await?;
    let packaged = of(&app, &open).await.ok_or_else(Problem::not_packaged)?;
    app.may_hand_out(&packaged.target, open.id)?;
    let now = SystemTime::now();
    let rest = Duration::from_secs(grant.expires.saturating_sub(unix(now)).max(1));
    let name = disposition::attachment(&open.frozen.header().filename);
    let (bucket, key) = (&packaged.target.bucket, &packaged.target.key);
    let life = app.config.expires_in.min(rest);
    let store = &app.config.store;
    let url = store.presign_get(bucket, key, None, now, life, Some(name));
    let url = url.await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.extend(
        HeaderValue::try_from(url)
            .ok()
            .map(|url| (header::LOCATION, url)),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
