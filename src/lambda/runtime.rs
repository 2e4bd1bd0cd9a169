//! The runtime API of AWS Lambda: one event after the other, until the process is ended.
//!
//! Source: [runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::{Value, json};

use super::relay::{Reply, Unfinished};
use super::{Answer, Failed, Function};
use crate::store::client::Client;

/// The version of the API.
const VERSION: &str = "2018-06-01";

/// Why no more events can be taken.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The variable is wrong.
    #[error("AWS_LAMBDA_RUNTIME_API is {address:?}, which is no host and port")]
    Address {
        /// What it says.
        address: String,
    },
    /// The API does not answer.
    #[error("the runtime API does not answer: {reason}")]
    Unreachable {
        /// What the HTTP client says.
        reason: String,
    },
    /// It answers with an error, or not as documented.
    #[error("the runtime API answered {status} to {call}")]
    Refused {
        /// The call.
        call: &'static str,
        /// The HTTP status.
        status: u16,
    },
}

/// What stands between the head of a streamed answer and its body.
/// Source: [response streaming](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming).
const BEFORE_BODY: &[u8] = &[0; 8];

/// Says that an answer is streamed, with its head in front. Source: as above.
const STREAMED: &str = "application/vnd.awslambda.http-integration-response";

/// The trailers that say that a streamed answer is not whole. Source: as above.
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";
const ERROR_BODY: &str = "lambda-runtime-function-error-body";

/// The API of one host.
struct Api {
    client: Client,
    address: String,
}

/// Takes events from the API at `address` (host and port), and answers them.
///
/// # Errors
/// [`RuntimeError`]; it never ends otherwise.
pub async fn run(address: &str, function: &Function) -> Result<(), RuntimeError> {
    let api = Api {
        client: Client::local(),
        address: address.to_owned(),
    };
    loop {
        let next = api.get("next", "invocation/next").await?;
        let (head, body) = next.into_parts();
        let id = text(&head.headers, "lambda-runtime-aws-request-id")
            .unwrap_or_default()
            .to_owned();
        let left = text(&head.headers, "lambda-runtime-deadline-ms").and_then(time_left);
        let body = body
            .collect()
            .await
            .map_err(|error| RuntimeError::Unreachable {
                reason: error.to_string(),
            })?;
        let event: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
        let began = std::time::Instant::now();
        let answered = function.answer(&event, left).await;
        let milliseconds = began.elapsed().as_millis() as u64;
        if let Ok(Answer::Result(_)) = &answered {
            tracing::info!(
                request_id = id,
                milliseconds,
                outcome = "complete",
                "invocation"
            );
        }
        api.answer(&id, milliseconds, answered).await?;
    }
}

impl Api {
    /// Says what became of an event. Requests over HTTP have a log line of their own, by the server.
    async fn answer(
        &self,
        id: &str,
        milliseconds: u64,
        answered: Result<Answer, Failed>,
    ) -> Result<(), RuntimeError> {
        let path = format!("invocation/{id}/response");
        match answered {
            Ok(Answer::Result(answer) | Answer::Http(Reply::Whole(answer))) => {
                self.post("response", &path, &answer).await
            }
            Ok(Answer::Http(Reply::Streamed { prelude, body })) => {
                let request = Request::post(self.uri(&path)?)
                    .header("content-type", STREAMED)
                    .header("lambda-runtime-function-response-mode", "streaming")
                    .header("trailer", format!("{ERROR_TYPE}, {ERROR_BODY}"))
                    .body(streamed(&prelude, body));
                self.call("response", request).await.map(drop)
            }
            Err(error) => {
                let name = error.name();
                tracing::error!(request_id = id, milliseconds, outcome = "failed", name, %error, "invocation");
                let report = report(name, &error.to_string());
                let path = format!("invocation/{id}/error");
                self.post("error", &path, &report).await
            }
        }
    }

    async fn get(
        &self,
        call: &'static str,
        path: &str,
    ) -> Result<Response<Incoming>, RuntimeError> {
        let request = Request::get(self.uri(path)?).body(Full::default());
        self.call(call, request).await
    }

    /// A POST of JSON.
    async fn post(&self, call: &'static str, path: &str, body: &Value) -> Result<(), RuntimeError> {
        let request = Request::post(self.uri(path)?)
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()));
        self.call(call, request).await.map(drop)
    }

    fn bad(&self) -> RuntimeError {
        RuntimeError::Address {
            address: self.address.clone(),
        }
    }

    fn uri(&self, path: &str) -> Result<Uri, RuntimeError> {
        let uri = format!("http://{}/{VERSION}/runtime/{path}", self.address);
        uri.parse().map_err(|_| self.bad())
    }

    async fn call<B>(
        &self,
        call: &'static str,
        request: http::Result<Request<B>>,
    ) -> Result<Response<Incoming>, RuntimeError>
    where
        B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
    {
        let answer = self.client.ask(request.map_err(|_| self.bad())?).await;
        let answer = answer.map_err(|error| RuntimeError::Unreachable {
            reason: crate::store::error::innermost(&error),
        })?;
        match answer.status().as_u16() {
            200..300 => Ok(answer),
            status => Err(RuntimeError::Refused { call, status }),
        }
    }
}

fn report(name: &str, message: &str) -> Value {
    json!({"errorType": name, "errorMessage": message, "stackTrace": []})
}

/// Head and body of a streamed answer. Where the body is not whole, trailers say so.
fn streamed(
    prelude: &Value,
    body: BoxStream<'static, Result<Bytes, Unfinished>>,
) -> impl Body<Data = Bytes, Error = Infallible> + use<> {
    let head = [prelude.to_string().as_bytes(), BEFORE_BODY].concat();
    let head = stream::once(async { Frame::data(Bytes::from(head)) });
    let frames = head.chain(body.map(|chunk| match chunk {
        Ok(chunk) => Frame::data(chunk),
        Err(error) => {
            tracing::error!(%error, "the answer is not whole");
            Frame::trailers(trailers(&error))
        }
    }));
    StreamBody::new(infallible(frames))
}

fn infallible<T>(frames: impl Stream<Item = T>) -> impl Stream<Item = Result<T, Infallible>> {
    frames.map(Ok)
}

fn trailers(error: &Unfinished) -> HeaderMap {
    let name = "UnfinishedAnswer";
    let text = STANDARD.encode(report(name, &error.to_string()).to_string());
    let mut trailers = HeaderMap::new();
    trailers.insert(ERROR_TYPE, HeaderValue::from_static(name));
    trailers.extend(
        HeaderValue::try_from(text)
            .ok()
            .map(|text| (http::HeaderName::from_static(ERROR_BODY), text)),
    );
    trailers
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// How long it is until a moment in Unix milliseconds.
fn time_left(deadline: &str) -> Option<Duration> {
    let deadline =
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(deadline.parse().ok()?))?;
    Some(
        deadline
            .duration_since(SystemTime::now())
            .unwrap_or_default(),
    )
}
