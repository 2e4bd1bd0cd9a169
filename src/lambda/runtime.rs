//! The runtime API of AWS Lambda: one event after the other, until the process is ended.
//!
//! Source: [runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::Function;

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

/// The API of one host.
struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
    address: String,
}

/// Takes events from the API at `address` (host and port), and answers them.
///
/// # Errors
/// [`RuntimeError`]; it never ends otherwise.
pub async fn run(address: &str, function: &Function) -> Result<(), RuntimeError> {
    let api = Api {
        client: Client::builder(TokioExecutor::new()).build_http(),
        address: address.to_owned(),
    };
    loop {
        let next = api.call("next", "invocation/next", None).await?;
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
        match answered {
            Ok(answer) => {
                tracing::info!(
                    request_id = id,
                    milliseconds,
                    outcome = "complete",
                    "invocation"
                );
                api.call(
                    "response",
                    &format!("invocation/{id}/response"),
                    Some(answer),
                )
                .await?;
            }
            Err(error) => {
                let name = error.name();
                tracing::error!(request_id = id, milliseconds, outcome = "failed", name, %error, "invocation");
                let report =
                    json!({"errorType": name, "errorMessage": error.to_string(), "stackTrace": []});
                api.call("error", &format!("invocation/{id}/error"), Some(report))
                    .await?;
            }
        }
    }
}

impl Api {
    /// A GET, or a POST of JSON.
    async fn call(
        &self,
        call: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Response<Incoming>, RuntimeError> {
        let bad = || RuntimeError::Address {
            address: self.address.clone(),
        };
        let uri = format!("http://{}/{VERSION}/runtime/{path}", self.address);
        let uri: Uri = uri.parse().map_err(|_| bad())?;
        let request = match body {
            None => Request::get(uri).body(Full::default()),
            Some(body) => Request::post(uri)
                .header("content-type", "application/json")
                .body(Full::from(body.to_string())),
        };
        let answer = self.client.request(request.map_err(|_| bad())?).await;
        let answer = answer.map_err(|error| RuntimeError::Unreachable {
            reason: crate::store::error::innermost(&error),
        })?;
        match answer.status().as_u16() {
            200..300 => Ok(answer),
            status => Err(RuntimeError::Refused { call, status }),
        }
    }
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
