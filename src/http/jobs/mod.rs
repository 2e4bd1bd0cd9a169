//! `/v1/jobs`: archives that are written into a bucket, and what has become of them; and what recipients have of those.
//!
//! A job belongs to the key that asked for it. To others there is no such job.
//!
//! | file | owns |
//! |---|---|
//! | [`request`] | what is to be packaged, and where to |
//! | [`view`] | a job as it is shown |
//! | [`events`] | `GET /v1/jobs/{id}/events`: the same while it changes |
//! | [`packaged`] | `GET /d/{link}/packaged`: the archive, for recipients |

pub mod events;
pub mod packaged;
pub mod request;
pub mod view;

use std::time::{Duration, SystemTime};

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use tracing::info;
use uuid::Uuid;

use super::Problem;
use super::caller::Caller;
use super::json::Bounds;
use super::links::{self, Links};
use super::record::Details;
use super::routes::App;
use crate::job::queue::{Job, NewJob, Queue};
use crate::job::run::{Ask, PACKAGE};
use crate::job::{Order, Target};
use crate::link::{Grant, InvalidLink};
use crate::manifest::issue::unix;
use crate::manifest::library::StateKey;
use crate::manifest::{Issued, Open, StateSpace};
use request::{JobRequest, Source};
use view::JobView;

/// Jobs of an answer.
const MOST: u32 = 100;

/// Enters a job: freezes what it is to package, and answers 202 with where to ask about it.
///
/// # Errors
/// See [`Problem`]; nothing is left then.
#[cfg_attr(
    test,
    utoipa::path(
        post,
        path = "/v1/jobs",
        operation_id = "createJob",
        tag = "jobs",
        summary = "Packages a selection, or a link that there is, into a bucket",
        description = "What is selected is frozen before the answer, as for a link.",
        request_body(content = JobRequest, example = json!({"prefix": "reports/2025/", "to": "s3://my-bucket/archives/2025.zip"})),
        responses((status = 202, description = "The job, as it is now. It goes on by itself.", body = JobView, headers(("Location" = String, description = "Where to ask about it.")))),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY", "SCOPE", "BODY", "SELECTION", "NOTHING", "KEYS", "STORE", "OBJECTS", "BOUNDS", "LINKS", "NAME", "LINK", "FOUND", "JOBS", "ENTER"]))),
    )
)]
pub async fn create(
    State(app): State<App>,
    Extension(details): Extension<Details>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let JobRequest { source, options } =
        JobRequest::read(&headers, body, Bounds::of(&app.config.limits)).await?;
    let queue = app.queue()?;
    let links = app.links()?;
    let base = app.base_url(&headers).ok_or_else(Problem::no_public_url)?;
    let target = options.target(&app, &caller)?;
    queue.admit(caller.owner(), 0).await?;
    let (made, manifest) = match source {
        Source::Link(named) => (None, links.named(&named)?),
        Source::Selection(asked) => {
            let issued: Issued = links::make(&app, &details, &caller, *asked, base).await?;
            (Some(issued.id), issued.id)
        }
    };
    let entered = async {
        let open = links.library.open(manifest).await?;
        details.link(manifest);
        if made.is_none() {
            Links::may(&caller, &open)?;
            let expires = open.frozen.header().expires;
            if expires <= unix(SystemTime::now()) {
                return Err(InvalidLink::Expired(Grant {
                    id: manifest,
                    expires,
                })
                .into());
            }
        }
        let target = target.unwrap_or_else(|| own_target(links.library.space(), &open));
        enter(links, queue, &caller, &open, target, &options).await
    };
    let id = match entered.await {
        Ok(id) => id,
        Err(problem) => {
            if let Some(made) = made {
                // Nobody has heard of it.
                let _ = links.library.revoke(made).await;
            }
            return Err(problem);
        }
    };
    info!(job = id, link = %manifest, key = caller.name(), "a job was entered");
    let job = queue.job(&id).await?.ok_or_else(Problem::no_such_job)?;
    let mut answer = shown(&app, &headers, StatusCode::ACCEPTED, &job).await?;
    let location = format!("/v1/jobs/{id}");
    answer
        .headers_mut()
        .extend(location.try_into().ok().map(|to| (header::LOCATION, to)));
    Ok(answer)
}

async fn enter(
    links: &Links,
    queue: &Queue,
    caller: &Caller,
    open: &Open,
    target: Target,
    options: &request::Options,
) -> Result<String, Problem> {
    let header = open.frozen.header();
    let order = Order {
        manifest: open.id,
        state: links.library.space().clone(),
        target,
        method: options.method,
        verify: options.verify,
        replace: options.replace,
    };
    let ask = Ask {
        order,
        expires: header.expires,
        filename: header.filename.clone(),
        entries: header.count as u64,
        bytes: header.archive_len,
    };
    let id = Uuid::new_v4().to_string();
    let left = header.expires.saturating_sub(unix(SystemTime::now()));
    let request = serde_json::to_string(&ask);
    let new = NewJob {
        id: id.clone(),
        kind: PACKAGE,
        owner: caller.owner().to_owned(),
        request: request.map_err(|error| Problem::malformed_body(&error.to_string()))?,
        subject: open.id.to_string(),
        size: header.archive_len,
        keep: Duration::from_secs(left),
    };
    queue.enter(&new).await?;
    Ok(id)
}

/// Among sheaf's own objects, where it goes with its link.
fn own_target(space: &StateSpace, open: &Open) -> Target {
    Target {
        bucket: space.bucket.clone(),
        key: space.key(StateKey::Package(open.id)),
    }
}

/// The caller's newest jobs, the newest first.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Jobs {
    jobs: Vec<JobView>,
}

/// Answers with the caller's newest jobs.
///
/// # Errors
/// 409 `no-queue`; 503 `queue-unavailable`.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/v1/jobs",
        operation_id = "listJobs",
        tag = "jobs",
        summary = "The newest hundred jobs of the API key",
        responses((status = 200, description = "The newest first.", body = Jobs)),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY", "JOBS", "STORE"]))),
    )
)]
pub async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let queue = app.queue()?;
    let mut jobs = Vec::new();
    for job in queue.jobs_of(caller.owner(), MOST).await? {
        jobs.push(JobView::of(&app, &headers, &job).await?);
    }
    Ok(as_json(StatusCode::OK, &Jobs { jobs }))
}

/// Answers with a job.
///
/// # Errors
/// 404 `no-such-job`; 409 `no-queue`; 503 `queue-unavailable`.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/v1/jobs/{id}",
        operation_id = "job",
        tag = "jobs",
        summary = "What has become of a job",
        params(("id" = String, Path, description = "The id that the job was entered with.", example = "4f1c0c1e-7a52-4f3e-9c55-0d8f6a1f2b3c")),
        responses((status = 200, description = "The job.", body = JobView)),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY", "JOBS", "JOB", "STORE"]))),
    )
)]
pub async fn show(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let job = find(&app, &caller, &id).await?;
    shown(&app, &headers, StatusCode::OK, &job).await
}

/// Cancels a job: 202 while it still has to be put down and cleared away, 200 where it has ended.
///
/// # Errors
/// As [`show`].
#[cfg_attr(
    test,
    utoipa::path(
        delete,
        path = "/v1/jobs/{id}",
        operation_id = "cancelJob",
        tag = "jobs",
        summary = "Cancels a job",
        params(("id" = String, Path, description = "The id that the job was entered with.", example = "4f1c0c1e-7a52-4f3e-9c55-0d8f6a1f2b3c")),
        responses(
            (status = 200, description = "It has ended.", body = JobView),
            (status = 202, description = "It is still to be put down; its upload is taken back then.", body = JobView),
        ),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY", "JOBS", "JOB", "STORE"]))),
    )
)]
pub async fn cancel(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let before = find(&app, &caller, &id).await?;
    if !before.state.is_end() {
        app.queue()?.cancel(&id).await?;
        info!(job = id, key = caller.name(), "a job is cancelled");
    }
    let job = find(&app, &caller, &id).await?;
    let status = match job.state.is_end() {
        true => StatusCode::OK,
        false => StatusCode::ACCEPTED,
    };
    shown(&app, &headers, status, &job).await
}

/// A job of the caller's. Its parts are nobody's business.
pub(super) async fn find(app: &App, caller: &Caller, id: &str) -> Result<Job, Problem> {
    let job = app.queue()?.job(id).await?;
    job.filter(|job| job.owner == caller.owner() && job.parent.is_empty())
        .ok_or_else(Problem::no_such_job)
}

async fn shown(
    app: &App,
    headers: &HeaderMap,
    status: StatusCode,
    job: &Job,
) -> Result<Response, Problem> {
    let view = JobView::of(app, headers, job).await?;
    Ok(as_json(status, &view))
}

fn as_json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    (status, super::owner::as_json(value)).into_response()
}
