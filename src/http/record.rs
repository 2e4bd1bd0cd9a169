//! One log line a request, written when its answer has ended, and the outcome of its body.
//!
//! [`Recorded`] wraps every body that leaves the server. It is the one place that learns how a body ended, so the
//! outcome in the log and what happens to the connection cannot differ.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tracing::{info, warn};
use uuid::Uuid;

use super::socket::ResetFlag;

/// What a request's log line says beyond method, path, status and time. Handlers fill it in.
#[derive(Clone, Debug, Default)]
pub struct Details(Arc<Mutex<Fields>>);

#[derive(Debug, Default)]
struct Fields {
    link: Option<Uuid>,
    bucket: Option<String>,
    prefix: Option<String>,
    entries: Option<u64>,
    reason: Option<String>,
}

impl Details {
    /// Which part of which bucket was asked for.
    pub fn selection(&self, bucket: &str, prefix: &str) {
        self.with(|fields| {
            fields.bucket = Some(bucket.to_owned());
            fields.prefix = Some(prefix.to_owned());
        });
    }

    /// Which link it is about; its id, never its token.
    pub fn link(&self, id: Uuid) {
        self.with(|fields| fields.link = Some(id));
    }

    /// How many entries or lines the answer has, so far.
    pub fn entries(&self, entries: u64) {
        self.with(|fields| fields.entries = Some(entries));
    }

    /// Why the request failed.
    pub fn reason(&self, reason: String) {
        self.with(|fields| fields.reason = Some(reason));
    }

    fn with<T>(&self, change: impl FnOnce(&mut Fields) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The id that ties a request's log line to its answer: the client's own `X-Request-Id` where it is sound, else a new one.
#[derive(Clone, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// Takes the client's id: at most 128 letters, digits and `-_.:/+=@`. Anything else could break out of a log line.
    pub fn new(given: Option<&HeaderValue>) -> RequestId {
        let sound = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (1..=128).contains(&bytes.len())
                && bytes
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=@".contains(b))
        };
        RequestId(given.filter(sound).cloned().unwrap_or_else(|| {
            let id = uuid::Uuid::new_v4().hyphenated().to_string();
            HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-"))
        }))
    }

    /// As the value of a header.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or("-")
    }
}

/// What is known of a request before its answer's body is sent.
pub struct Record {
    /// The id of the request.
    pub id: RequestId,
    /// Its method.
    pub method: Method,
    /// Its path, without the query (a presigned URL's is a credential) and without the token of a link.
    pub path: String,
    /// The status of its answer.
    pub status: StatusCode,
    /// When its head had come.
    pub began: Instant,
    /// What handlers know.
    pub details: Details,
}

/// A body whose end is recorded: `complete`, `client_gone`, or `failed` with the reason.
pub struct Recorded {
    body: Body,
    record: Record,
    reset: ResetFlag,
    bytes: u64,
    ended: bool,
}

impl Recorded {
    /// Wraps the body of an answer; a failure in it sets `reset`.
    pub fn new(body: Body, record: Record, reset: ResetFlag) -> Recorded {
        Recorded {
            body,
            record,
            reset,
            bytes: 0,
            ended: false,
        }
    }

    fn end(&mut self, failure: Option<String>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let whole = self.body.is_end_stream() || self.record.method == Method::HEAD;
        let Record {
            id,
            method,
            path,
            status,
            began,
            details,
        } = &self.record;
        let fields = details.with(std::mem::take);
        let failed = failure.is_some() || status.is_server_error();
        let outcome = if failed {
            "failed"
        } else if whole {
            "complete"
        } else {
            "client_gone"
        };
        let reason = failure.or(fields.reason);
        let (request_id, method, status, bytes) =
            (id.as_str(), method.as_str(), status.as_u16(), self.bytes);
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let link = fields.link.map(tracing::field::display);
        let (bucket, prefix, entries) = (
            fields.bucket.as_deref(),
            fields.prefix.as_deref(),
            fields.entries,
        );
        let reason = reason.as_deref();
        if failed {
            warn!(
                request_id,
                method,
                path,
                status,
                link,
                bucket,
                prefix,
                entries,
                bytes,
                duration_ms,
                outcome,
                reason,
                "request"
            );
        } else {
            info!(
                request_id,
                method,
                path,
                status,
                link,
                bucket,
                prefix,
                entries,
                bytes,
                duration_ms,
                outcome,
                reason,
                "request"
            );
        }
    }
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64)
            }
            Poll::Ready(Some(Err(error))) => {
                self.reset.set();
                self.end(Some(error.to_string()));
            }
            Poll::Ready(None) => self.end_whole(),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Recorded {
    fn end_whole(&mut self) {
        // A stream that has ended need not say so when it is asked again.
        self.body = Body::empty();
        self.end(None);
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.end(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_taken_where_they_are_sound() {
        let given = |text: &str| {
            RequestId::new(Some(&HeaderValue::from_str(text).unwrap()))
                .as_str()
                .to_owned()
        };
        assert_eq!(given("abc-123"), "abc-123");
        for unsound in ["", "a b", "a\"b", "é", &"a".repeat(129)] {
            assert_ne!(given(unsound), unsound);
            assert_eq!(given(unsound).len(), 36);
        }
        assert_ne!(RequestId::new(None).as_str(), RequestId::new(None).as_str());
    }
}
