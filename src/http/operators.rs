//! What operators of a process are told that serves no clients: health and metrics, and nothing else.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::ServiceExt;

use super::routes::health;
use super::serve::{OPERATORS, accepted};
use crate::job::queue::Queue;
use crate::measure;
use crate::read_ahead::MemoryBudget;

/// For the head of a request, and between two of them.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the queue may take to count its jobs.
const COUNTING: Duration = Duration::from_secs(2);

/// What operators ask about.
#[derive(Clone, Debug)]
pub struct Operated {
    /// The jobs.
    pub queue: Queue,
    /// The memory that they have.
    pub memory: MemoryBudget,
}

/// Answers `/healthz`, `/readyz` and `/metrics` until it is dropped.
pub async fn answer(listener: TcpListener, operated: Operated) -> Infallible {
    let router = Router::new()
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(operated);
    let places = Arc::new(Semaphore::new(OPERATORS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            std::future::pending().await
        };
        while connections.try_join_next().is_some() {}
        let (stream, _) = accepted(&listener).await;
        let router = router.clone();
        connections.spawn(async move {
            let _place = place;
            let answers = service_fn(move |request| router.clone().oneshot(request));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .serve_connection(TokioIo::new(stream), answers);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
}

/// Ready when the queue answers.
async fn ready(State(operated): State<Operated>) -> Response {
    match tokio::time::timeout(COUNTING, operated.queue.counts()).await {
        Ok(Ok(_)) => "ready\n".into_response(),
        _ => {
            let told = "the queue's database does not answer\n";
            (StatusCode::SERVICE_UNAVAILABLE, told).into_response()
        }
    }
}

async fn metrics(State(operated): State<Operated>) -> Response {
    counted(Some(&operated.queue), &operated.memory).await
}

/// Everything that is counted.
/// Source: [text format](https://prometheus.io/docs/instrumenting/exposition_formats/).
pub(super) async fn counted(queue: Option<&Queue>, memory: &MemoryBudget) -> Response {
    if let Some(queue) = queue {
        // A queue that does not answer must not keep all the rest.
        if let Ok(Ok(counts)) = tokio::time::timeout(COUNTING, queue.counts()).await {
            for (state, count) in counts {
                measure::jobs(state.name(), count);
            }
        }
    }
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (content_type, measure::exposition(memory)).into_response()
}
