//! `POST /v1/manifests`: a JSONL manifest of presigned URLs, itself handed out as one presigned URL.

use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Problem;
use super::caller::Caller;
use super::json::{Bounds, read};
use super::record::Details;
use super::routes::App;
use crate::manifest::fan_out::{MOST, publish_each};
use crate::manifest::{PublishOptions, Selection, one_or_many, publish};

/// The largest request body, in bytes.
const BODY_LIMIT: usize = 64 << 10;

/// The body of the request; every field may be left out.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, schema(as = ManifestRequest))]
pub struct ManifestRequest {
    /// The server's default bucket where absent.
    bucket: Option<String>,
    /// The server's default prefix where absent.
    prefix: Option<String>,
    /// A manifest of each, instead; at most 1000.
    #[cfg_attr(test, schema(max_items = 1000))]
    prefixes: Option<Vec<String>>,
    /// A glob on the key below the prefix, or a list of them; `*.pdf` where absent.
    #[serde(default, deserialize_with = "one_or_many")]
    #[cfg_attr(test, schema(required = false, value_type = OneOrMany))]
    include: Vec<String>,
    /// Life of the URLs in seconds.
    #[cfg_attr(test, schema(minimum = 1, maximum = 604_800))]
    expires_in: Option<u64>,
}

/// One, or several.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it describes what `one_or_many` reads")]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// A manifest, or a result for each prefix.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it describes what `create` answers")]
enum MadeManifests {
    /// Of one prefix.
    One(crate::manifest::publish::Published),
    /// Of several.
    Many(Results),
}

/// Results in the order of the prefixes.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it describes what `create_each` answers")]
struct Results {
    results: Vec<ManifestResult>,
}

/// A manifest, or why there is none.
#[cfg(test)]
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it describes what `create_each` answers")]
enum ManifestResult {
    /// A manifest.
    Made(crate::manifest::publish::Published),
    /// Why there is none.
    Failed {
        /// The prefix.
        prefix: String,
        /// A problem, without a request's id of its own.
        problem: Value,
    },
}

/// Answers 201 with the manifest's count, key and presigned URL.
///
/// # Errors
/// See [`Problem`]; nothing is left in the bucket then.
#[cfg_attr(
    test,
    utoipa::path(
        post,
        path = "/v1/manifests",
        operation_id = "createManifest",
        tag = "manifests",
        summary = "A JSONL manifest of presigned URLs, itself handed out as one presigned URL",
        description = "With `prefixes` a manifest for each; one that fails leaves the others alone.",
        request_body(content = ManifestRequest, description = "Every field may be left out.", example = json!({"prefix": "reports/2025/", "expires_in": 3600})),
        responses(
            (status = 201, description = "The manifest is in the bucket, or all of them are.", body = MadeManifests),
            (status = 207, description = "At least one of the `prefixes` has a problem instead of a manifest.", body = Results),
        ),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY", "SCOPE", "BODY", "SELECTION", "STORE", "BOUNDS", "MANIFEST"]))),
    )
)]
pub async fn create(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let bounds = Bounds::of(&app.config.limits).within(BODY_LIMIT);
    let request: ManifestRequest = read(&headers, body, bounds).await?;
    if let Some(prefixes) = &request.prefixes {
        return create_each(&app, &details, &caller, &request, prefixes).await;
    }
    let selection = app.selection(
        &caller,
        request.bucket.as_deref(),
        request.prefix.as_deref(),
        &request.include,
    )?;
    details.selection(selection.bucket().as_str(), selection.prefix());
    let options = options(&app, &request);
    let published = publish(&app.config.store, &selection, &options).await?;
    details.entries(published.count);
    let body = serde_json::to_value(&published)
        .map_err(|error| Problem::malformed_body(&error.to_string()))?;
    Ok(answer(StatusCode::CREATED, &body))
}

/// Answers 201 with a result for each prefix, or 207 where one of them is a problem.
async fn create_each(
    app: &App,
    details: &Details,
    caller: &Caller,
    request: &ManifestRequest,
    prefixes: &[String],
) -> Result<Response, Problem> {
    if prefixes.len() > MOST || request.prefix.is_some() {
        return Err(Problem::malformed_body(&format!(
            "\"prefixes\" takes {MOST} prefixes at the most, and no \"prefix\" beside them"
        )));
    }
    let bucket = request.bucket.as_deref();
    let selections = prefixes
        .iter()
        .map(|prefix| app.selection(caller, bucket, Some(prefix), &request.include));
    let selections: Vec<Selection> = selections.collect::<Result<_, _>>()?;
    if let Some(first) = selections.first() {
        details.selection(first.bucket().as_str(), &prefixes.join(" "));
    }
    let options = options(app, request);
    let published = publish_each(&app.config.store, selections, &options).await;
    let (mut entries, mut status, mut results) = (0, StatusCode::CREATED, Vec::new());
    for (published, prefix) in published.into_iter().zip(prefixes) {
        results.push(match published {
            Ok(published) => {
                entries += published.count;
                json!(published)
            }
            Err(error) => {
                status = StatusCode::MULTI_STATUS;
                json!({"prefix": prefix, "problem": Problem::from(error).body()})
            }
        });
    }
    details.entries(entries);
    Ok(answer(status, &json!({ "results": results })))
}

fn options(app: &App, request: &ManifestRequest) -> PublishOptions {
    PublishOptions {
        expires_in: request
            .expires_in
            .map_or(app.config.expires_in, Duration::from_secs),
        queue_max: app.config.queue_max,
        watch: app.config.watch,
        ..PublishOptions::default()
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body.to_string()).into_response()
}
