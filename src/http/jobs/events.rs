//! `GET /v1/jobs/{id}/events`: a job while it changes, as server-sent events.
//!
//! Each event has the job whole, so that whoever was cut off misses nothing by asking again; what they saw last need not
//! be told. The last event is named after the end (`done`, `failed`, `cancelled`), all others `progress`.
//! Source: [server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html).

use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, header};
use tokio::time::Instant;

use super::find;
use super::view::JobView;
use crate::http::Problem;
use crate::http::caller::Caller;
use crate::http::routes::App;

/// Between two looks at a job.
const LOOK: Duration = Duration::from_millis(500);

/// How long a line may be silent: proxies cut idle ones after a minute.
const SILENCE: Duration = Duration::from_secs(15);

struct Watching {
    app: App,
    caller: Caller,
    headers: HeaderMap,
    id: String,
    /// What was told last, without what changes by itself.
    told: Option<JobView>,
    number: u64,
    spoke: Instant,
    over: bool,
}

/// Answers with events until the job has ended, or this server stops.
///
/// # Errors
/// 404 `no-such-job`; 409 `no-queue`; 503 `queue-unavailable`.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = "/v1/jobs/{id}/events",
        operation_id = "jobEvents",
        tag = "jobs",
        summary = "A job while it changes, as server-sent events",
        params(("id" = String, Path, description = "The id that the job was entered with.", example = "4f1c0c1e-7a52-4f3e-9c55-0d8f6a1f2b3c")),
        responses((status = 200, description = "Each event has the whole job as its data: `progress` while it runs; the last is `done`, `failed` or `cancelled`.", content_type = "text/event-stream", body = String)),
        security((), ("apiKey" = [])),
        extensions(("x-problems" = json!(["KEY", "JOBS", "JOB", "STORE"]))),
    )
)]
pub async fn events(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut watching = Watching {
        app,
        caller,
        headers,
        id,
        told: None,
        number: 0,
        spoke: Instant::now(),
        over: false,
    };
    // What fails at once, fails as a problem.
    let first = watching.look().await?;
    let frames = stream::unfold((first, watching), |(first, mut watching)| async move {
        let frame = match first {
            Some(frame) => frame,
            None => watching.next().await?,
        };
        Some((Ok::<_, std::convert::Infallible>(frame), (None, watching)))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl Watching {
    /// An event, where there is news.
    async fn look(&mut self) -> Result<Option<Bytes>, Problem> {
        let job = find(&self.app, &self.caller, &self.id).await?;
        let view = JobView::of(&self.app, &self.headers, &job).await?;
        let steady = JobView {
            estimated_end: None,
            page_url: None,
            zip_url: None,
            url: None,
            ..view.clone()
        };
        if self.told.as_ref() == Some(&steady) {
            return Ok(None);
        }
        self.told = Some(steady);
        self.number += 1;
        self.over = job.state.is_end();
        let name = match self.over {
            true => job.state.name(),
            false => "progress",
        };
        // JSON has no line ends within.
        let data = serde_json::to_string(&view).unwrap_or_default();
        let number = self.number;
        Ok(Some(
            format!("event: {name}\nid: {number}\ndata: {data}\n\n").into(),
        ))
    }

    /// What is said next; `None` where nothing more will be.
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        loop {
            tokio::select! {
                () = self.app.stopping.cancelled() => return None,
                () = tokio::time::sleep(LOOK) => {}
            }
            match self.look().await {
                Ok(Some(frame)) => {
                    self.spoke = Instant::now();
                    return Some(frame);
                }
                // It was forgotten.
                Err(problem) if problem.status() == http::StatusCode::NOT_FOUND => return None,
                // A queue that does not answer may do so later.
                Ok(None) | Err(_) if self.spoke.elapsed() >= SILENCE => {
                    self.spoke = Instant::now();
                    return Some(Bytes::from_static(b": still here\n\n"));
                }
                Ok(None) | Err(_) => {}
            }
        }
    }
}
