//! A small server that speaks the runtime API of AWS Lambda: it hands out events and keeps what comes back.
//!
//! Source: [runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::AbortHandle;

/// What a function said about one invocation.
#[derive(Debug)]
pub struct Told {
    /// The path behind the version.
    pub path: String,
    /// Its body, where that is JSON.
    pub body: Value,
    pub bytes: Bytes,
    pub headers: HeaderMap,
    /// What came behind the body.
    pub trailers: Option<HeaderMap>,
}

impl Told {
    /// Head and body of a streamed answer.
    pub fn streamed(&self) -> (Value, Bytes) {
        let end = self.bytes.windows(8).position(|window| window == [0; 8]);
        let end = end.expect("a head before the body");
        let head = serde_json::from_slice(&self.bytes[..end]).expect("a head in JSON");
        (head, self.bytes.slice(end + 8..))
    }
}

/// The running API; it ends when it is dropped.
#[derive(Debug)]
pub struct RuntimeApi {
    /// Host and port, as `AWS_LAMBDA_RUNTIME_API` has them.
    pub address: String,
    told: mpsc::UnboundedReceiver<Told>,
    asked: Arc<Notify>,
    accepting: AbortHandle,
}

impl RuntimeApi {
    /// Hands these events out, one after the other; each may take a minute.
    pub async fn start(events: impl IntoIterator<Item = Value>) -> RuntimeApi {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let events: VecDeque<(usize, Value)> = events.into_iter().enumerate().collect();
        let events = Arc::new(Mutex::new(events));
        let (teller, told) = mpsc::unbounded_channel();
        let asked = Arc::new(Notify::new());
        let here = asked.clone();
        let accept = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (events, teller, asked) = (events.clone(), teller.clone(), here.clone());
                let service = service_fn(move |request| {
                    answer(request, events.clone(), teller.clone(), asked.clone())
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        };
        RuntimeApi {
            address,
            told,
            asked,
            accepting: tokio::spawn(accept).abort_handle(),
        }
    }

    /// Waits until the function has asked for an event, again for each call: what it needs before counts as its start.
    pub async fn asked(&self) {
        let asked = tokio::time::timeout(Duration::from_secs(60), self.asked.notified()).await;
        asked.expect("the function asks for an event");
    }

    /// What the function says next.
    pub async fn told(&mut self) -> Told {
        let told = tokio::time::timeout(Duration::from_secs(60), self.told.recv()).await;
        told.expect("the function says something")
            .expect("the API is up")
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn answer(
    request: http::Request<Incoming>,
    events: Arc<Mutex<VecDeque<(usize, Value)>>>,
    teller: mpsc::UnboundedSender<Told>,
    asked: Arc<Notify>,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let path = request
        .uri()
        .path()
        .trim_start_matches("/2018-06-01/runtime/")
        .to_owned();
    if path == "invocation/next" {
        asked.notify_one();
        let next = events.lock().await.pop_front();
        let Some((number, event)) = next else {
            // As long as there is no event, there is no answer.
            return std::future::pending().await;
        };
        let deadline = SystemTime::now() + Duration::from_secs(60);
        let deadline = deadline
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970");
        let answer = http::Response::builder()
            .header("lambda-runtime-aws-request-id", format!("request-{number}"))
            .header(
                "lambda-runtime-deadline-ms",
                deadline.as_millis().to_string(),
            )
            .body(Full::from(event.to_string()));
        return Ok(answer.expect("an answer"));
    }
    let headers = request.headers().clone();
    let Ok(body) = request.into_body().collect().await else {
        return Ok(http::Response::new(Full::default()));
    };
    let trailers = body.trailers().cloned();
    let bytes = body.to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    let _ = teller.send(Told {
        path,
        body,
        bytes,
        headers,
        trailers,
    });
    let answer = http::Response::builder().status(202).body(Full::default());
    Ok(answer.expect("an answer"))
}
