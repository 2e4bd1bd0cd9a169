//! A file behind an `http` or `https` URL, read in ranges (RFC 9110, section 14).
//!
//! Every read names the validator that the first answer gave (If-Match, or If-Unmodified-Since where there is no
//! strong one), and every answer is compared with it: parts of two different files are never put together.

use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ETAG, IF_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED, LOCATION, RANGE,
    USER_AGENT,
};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use url::Url;

use self::redirect::{check, host, redirect};
use super::content_range::ContentRange;
use crate::store::client::Client;
use crate::store::error::innermost;

mod error;
mod redirect;

pub use error::RemoteError;

/// How many redirects are followed in a row (curl's own bound is 50, browsers' 20).
pub(super) const REDIRECTS: usize = 10;

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the server may be silent, before an answer or within a body.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A file behind a URL.
#[derive(Debug)]
pub(super) struct RemoteFile {
    client: Client,
    /// The URL that was given.
    given: Url,
    /// Where its redirects led last. They often lead to a URL that expires, so that the one given is asked again then.
    current: Mutex<Url>,
    etag: Option<HeaderValue>,
    modified: Option<HeaderValue>,
    len: u64,
}

impl RemoteFile {
    /// Asks for the first byte: that tells the length, the validator, and whether ranges are answered. (A HEAD would
    /// do as well, but a presigned URL is good for GET only.)
    /// Certificates of `ca_file` (PEM) are trusted beside the system's.
    pub(super) async fn open(url: Url, ca_file: Option<&Path>) -> Result<RemoteFile, RemoteError> {
        check(&url).map_err(|reason| RemoteError::BadUrl { reason })?;
        let mut file = RemoteFile {
            client: Client::trusting(ca_file, CONNECT_TIMEOUT)?,
            current: Mutex::new(url.clone()),
            given: url,
            etag: None,
            modified: None,
            len: 0,
        };
        let answer = file.ask(0..1).await?;
        let range = ContentRange::of(answer.headers());
        file.len = match answer.status() {
            StatusCode::PARTIAL_CONTENT => match range {
                Some(ContentRange::Part {
                    start: 0,
                    total: Some(total),
                    ..
                }) => total,
                Some(ContentRange::Part {
                    start: 0,
                    total: None,
                    ..
                }) => {
                    return Err(file.nonsense("a range of a file whose length it does not tell"));
                }
                _ => return Err(file.nonsense("another range than the one asked for")),
            },
            // There is no first byte in an empty file.
            StatusCode::RANGE_NOT_SATISFIABLE
                if range == Some(ContentRange::Outside { total: 0 }) =>
            {
                0
            }
            StatusCode::OK => return Err(RemoteError::NoRanges { host: file.host() }),
            status => return Err(file.status(status)),
        };
        file.etag = answer.headers().get(ETAG).cloned();
        file.modified = answer.headers().get(LAST_MODIFIED).cloned();
        Ok(file)
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// One attempt at a range that is not empty: all of it on success, and never more than it.
    pub(super) async fn append(
        &self,
        range: Range<u64>,
        buffer: &mut Vec<u8>,
    ) -> Result<(), RemoteError> {
        let answer = self.ask(range.clone()).await?;
        self.check_answer(&answer, range.start)?;
        let mut missing = range.end - range.start;
        let mut body = answer.into_body();
        while missing > 0 {
            let broken = |reason| RemoteError::Body {
                host: self.host(),
                reason,
            };
            let frame = tokio::time::timeout(READ_TIMEOUT, body.frame())
                .await
                .map_err(|_| broken(silence()))?
                .ok_or_else(|| broken("it ended early".to_owned()))?
                .map_err(|error| broken(innermost(&error)))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            missing = missing
                .checked_sub(data.len() as u64)
                .ok_or_else(|| self.nonsense("more bytes than were asked for"))?;
            buffer.extend_from_slice(&data);
        }
        Ok(())
    }

    /// Is this a part of the file that was opened, from `start` on?
    fn check_answer(&self, answer: &Response<Incoming>, start: u64) -> Result<(), RemoteError> {
        let changed = Err(RemoteError::Changed { host: self.host() });
        match answer.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::OK => return Err(RemoteError::NoRanges { host: self.host() }),
            StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE => return changed,
            status => return Err(self.status(status)),
        }
        let differs = |name, pinned: &Option<HeaderValue>| {
            let now = answer.headers().get(name);
            now.is_some() && pinned.is_some() && now != pinned.as_ref()
        };
        if differs(ETAG, &self.etag)
            || (self.etag.is_none() && differs(LAST_MODIFIED, &self.modified))
        {
            return changed;
        }
        match ContentRange::of(answer.headers()) {
            Some(ContentRange::Part {
                total: Some(total), ..
            }) if total != self.len => changed,
            Some(ContentRange::Part { start: given, .. }) if given == start => Ok(()),
            _ => Err(self.nonsense("another range than the one asked for")),
        }
    }

    /// Sends the request, to where it is redirected, and where that has expired, by way of the URL given.
    async fn ask(&self, range: Range<u64>) -> Result<Response<Incoming>, RemoteError> {
        let mut url = self.lock().clone();
        for _ in 0..=REDIRECTS {
            let answer = self.send(&url, &range).await?;
            match answer.status() {
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => {
                    url = redirect(&url, answer.headers().get(LOCATION))?
                }
                StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::NOT_FOUND
                | StatusCode::GONE
                    if url == *self.lock() && url != self.given =>
                {
                    *self.lock() = self.given.clone();
                    url = self.given.clone();
                }
                _ => {
                    *self.lock() = url;
                    return Ok(answer);
                }
            }
        }
        Err(RemoteError::TooManyRedirects {
            host: host(&self.given),
        })
    }

    async fn send(&self, url: &Url, range: &Range<u64>) -> Result<Response<Incoming>, RemoteError> {
        let mut request = Request::get(url.as_str())
            .header(RANGE, format!("bytes={}-{}", range.start, range.end - 1))
            .header(ACCEPT_ENCODING, "identity")
            .header(USER_AGENT, concat!("sheaf/", env!("CARGO_PKG_VERSION")));
        match (&self.etag, &self.modified) {
            // A weak validator never matches here (RFC 9110, 13.1.1).
            (Some(etag), _) if !etag.as_bytes().starts_with(b"W/") => {
                request = request.header(IF_MATCH, etag)
            }
            (_, Some(modified)) => request = request.header(IF_UNMODIFIED_SINCE, modified),
            _ => {}
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|_| RemoteError::BadUrl {
                reason: "it is malformed",
            })?;
        let unreachable = |reason| RemoteError::Unreachable {
            host: host(url),
            reason,
        };
        tokio::time::timeout(READ_TIMEOUT, self.client.ask(request))
            .await
            .map_err(|_| unreachable(silence()))?
            .map_err(|error| unreachable(innermost(&error)))
    }

    fn lock(&self) -> MutexGuard<'_, Url> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn host(&self) -> String {
        host(&self.lock())
    }

    fn nonsense(&self, what: &'static str) -> RemoteError {
        RemoteError::Nonsense {
            host: self.host(),
            what,
        }
    }

    fn status(&self, status: StatusCode) -> RemoteError {
        RemoteError::Status {
            host: self.host(),
            status,
        }
    }
}

fn silence() -> String {
    format!("no byte came for {} s", READ_TIMEOUT.as_secs())
}
