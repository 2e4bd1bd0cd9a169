//! Requests that come as events, answered by the server in this process.
//!
//! The server listens on a loopback address that nobody else knows of, and gets each request over a connection like any
//! other, so that everything about an answer is what it is elsewhere, down to a body that breaks where an archive fails.
//! What is added here is the function's bound: an answer that is larger than Lambda passes on is refused before its first
//! byte, as far as its length can be known then, and breaks visibly otherwise.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, BodyStream, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::request::{HttpEvent, prelude, whole};
use crate::store::client::Client;
use crate::store::error::innermost;

/// The most that Lambda takes of an answer in one piece, in bytes of JSON, less what a gateway may add.
/// Source: [quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
pub const WHOLE: u64 = 6 * 1024 * 1024 - 64 * 1024;

/// The most that Lambda passes on of a streamed answer, in bytes. Source: as above.
pub const STREAMED: u64 = 200 * 1024 * 1024;

/// What an entry adds to an archive at the most, beside its bytes: two headers with a key of 1,024 bytes each, and a
/// descriptor.
const ENTRY: u64 = 2 * 1024 + 256;

/// The live archive, whose length nobody knows beforehand.
const LIVE: &str = "/v1/zip";

/// How answers travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In one piece.
    Whole,
    /// As a stream, of so many bytes at the most.
    Streamed(u64),
}

/// The way to the server.
#[derive(Clone, Debug)]
pub struct Relay {
    client: Client,
    /// Its origin, without a slash.
    server: String,
    mode: Mode,
}

/// An answer to a request.
pub enum Reply {
    /// In one piece.
    Whole(Value),
    /// Its head, and its body as it comes.
    Streamed {
        /// Status and headers.
        prelude: Value,
        /// The body; an error says that it is not whole.
        body: BoxStream<'static, Result<Bytes, Unfinished>>,
    },
}

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// The server broke it off.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// The function's time is over.
    #[error("the function's time was over before the answer was finished")]
    Late,
    /// It grew larger than what is passed on.
    #[error("the answer is larger than the {0} bytes that this function passes on")]
    Large(u64),
}

/// The server in this process does not answer.
#[derive(Debug, thiserror::Error)]
#[error("the server in this function does not answer: {0}")]
pub struct NoServer(String);

impl Relay {
    /// To the server at `server`, `http://127.0.0.1:1234`.
    pub fn new(server: String, mode: Mode) -> Relay {
        let client = Client::local();
        Relay {
            client,
            server,
            mode,
        }
    }

    fn most(&self) -> u64 {
        match self.mode {
            // As base64, four bytes for three.
            Mode::Whole => WHOLE / 4 * 3,
            Mode::Streamed(most) => most,
        }
    }

    /// Answers a request within the time that is left.
    ///
    /// # Errors
    /// [`NoServer`]; everything else is an answer.
    pub async fn answer(
        &self,
        event: HttpEvent,
        left: Option<Duration>,
    ) -> Result<Reply, NoServer> {
        let end = left.map(|left| Instant::now() + left);
        if event.method == Method::GET
            && let Some(query) = event.target.strip_prefix(LIVE)
            && let Some(length) = self.length(query, &event.headers).await?
            && length > self.most()
        {
            return Ok(self.too_large(length));
        }
        let is_head = event.method == Method::HEAD;
        let answer = self.ask(event).await?;
        let (head, body) = answer.into_parts();
        let length = head.headers.get(CONTENT_LENGTH);
        let length: Option<u64> = length.and_then(|length| length.to_str().ok()?.parse().ok());
        if let Some(length) = length.filter(|&length| length > self.most() && !is_head) {
            return Ok(self.too_large(length));
        }
        let body = self.bounded(body, end);
        match self.mode {
            Mode::Streamed(_) => Ok(Reply::Streamed {
                prelude: prelude(head.status, &head.headers),
                body,
            }),
            Mode::Whole => {
                let collected = body.try_fold(BytesMut::new(), |mut all, chunk| async move {
                    all.extend_from_slice(&chunk);
                    Ok(all)
                });
                match collected.await {
                    Ok(body) => Ok(Reply::Whole(whole(head.status, &head.headers, &body))),
                    Err(Unfinished::Large(most)) => Ok(self.too_large(most + 1)),
                    Err(error) => Ok(self.refusal(
                        StatusCode::BAD_GATEWAY,
                        "unfinished",
                        "The answer could not be finished",
                        error.to_string(),
                    )),
                }
            }
        }
    }

    async fn ask(&self, event: HttpEvent) -> Result<Response<Incoming>, NoServer> {
        let mut request = Request::new(Full::from(event.body));
        *request.method_mut() = event.method;
        *request.headers_mut() = event.headers;
        // Its length is that of the body here, whatever it was on its way to the gateway.
        request.headers_mut().remove(CONTENT_LENGTH);
        let uri = format!("{}{}", self.server, event.target);
        *request.uri_mut() = uri
            .parse()
            .map_err(|_| NoServer(format!("{uri:?} is no URL")))?;
        let answer = self.client.ask(request).await;
        answer.map_err(|error| NoServer(innermost(&error)))
    }

    /// The length of a live archive at the most, by the objects that are there now; `None` where it cannot be said, and
    /// the archive itself will say why.
    async fn length(&self, query: &str, headers: &HeaderMap) -> Result<Option<u64>, NoServer> {
        // What only names the download is nothing to count by.
        let pairs = query.trim_start_matches('?').split('&');
        let kept: Vec<&str> = pairs
            .filter(|pair| !pair.starts_with("filename="))
            .collect();
        let mut event = HttpEvent {
            method: Method::GET,
            target: format!("/v1/count?{}", kept.join("&")),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        for name in [AUTHORIZATION, http::header::HOST] {
            let value = headers.get(&name).cloned();
            event.headers.extend(value.map(|value| (name, value)));
        }
        let answer = self.ask(event).await?;
        if !answer.status().is_success() {
            return Ok(None);
        }
        let Ok(lines) = answer.into_body().collect().await else {
            return Ok(None);
        };
        let lines = lines.to_bytes();
        let last = lines.trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
        let count: Value = serde_json::from_slice(last.unwrap_or_default()).unwrap_or_default();
        let of = |name: &str| count[name].as_u64();
        Ok(of("count")
            .zip(of("bytes"))
            .map(|(count, bytes)| bytes.saturating_add(count.saturating_mul(ENTRY))))
    }

    /// The body, which fails where it grows too large or takes too long.
    fn bounded(
        &self,
        body: Incoming,
        end: Option<Instant>,
    ) -> BoxStream<'static, Result<Bytes, Unfinished>> {
        let most = self.most();
        let frames = BodyStream::new(body).filter_map(|frame| async {
            match frame {
                Ok(frame) => frame.into_data().ok().map(Ok),
                Err(error) => Some(Err(Unfinished::Broken(innermost(&error)))),
            }
        });
        let state = (Box::pin(frames), 0_u64);
        futures::stream::try_unfold(state, move |(mut frames, passed)| async move {
            let next = match end {
                Some(end) => tokio::time::timeout_at(end, frames.next()).await,
                None => Ok(frames.next().await),
            };
            let Some(chunk) = next.map_err(|_| Unfinished::Late)?.transpose()? else {
                return Ok(None);
            };
            let passed = passed + chunk.len() as u64;
            match passed > most {
                true => Err(Unfinished::Large(most)),
                false => Ok(Some((chunk, (frames, passed)))),
            }
        })
        .boxed()
    }

    fn too_large(&self, length: u64) -> Reply {
        let most = self.most();
        self.refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large-for-function",
            "The answer is larger than a function can give",
            format!(
                "the answer may have {length} bytes, and this function passes {most} on at the most: make a link \
                 (POST /v1/links) and ask for its archive in ranges, or have it packaged (POST /v1/jobs)"
            ),
        )
    }

    fn refusal(
        &self,
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: String,
    ) -> Reply {
        let problem = json!({
            "type": kind,
            "title": title,
            "status": status.as_u16(),
            "detail": detail,
        });
        let body = Bytes::from(problem.to_string());
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, kind);
        match self.mode {
            Mode::Whole => Reply::Whole(whole(status, &headers, &body)),
            Mode::Streamed(_) => Reply::Streamed {
                prelude: prelude(status, &headers),
                body: futures::stream::once(async { Ok(body) }).boxed(),
            },
        }
    }
}
