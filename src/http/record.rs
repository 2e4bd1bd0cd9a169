//! One log line a request, written when its answer has ended, and the outcome of its body.
//!
//! [`Recorded`] wraps every body that leaves the server. It is the one place that learns how a body ended, so the
//! outcome in the log and what happens to the connection cannot differ. A [`Record`] writes its line when it is dropped
//! at the latest, so a client that goes away before there is an answer has a line as well.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::activity::UnderWay;
use super::allowance::Admission;
use super::request_id::RequestId;
use super::service::is_store_path;
use super::socket::ResetFlag;
use super::tally::Tally;
use crate::link::without_token;
use crate::measure::{self, Running};

/// Why a body failed that ran when its connection was reset.
const CUT: &str = "the server stopped before the answer was finished";

/// The longest path in a log line, in bytes: that of the longest key, each of its bytes encoded.
const LONGEST_PATH: usize = 4096;

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
    key: Option<String>,
    client: Option<IpAddr>,
    download: Option<Running>,
    tally: Option<Arc<Tally>>,
    /// Its line is for whoever looks for it.
    quiet: bool,
    /// What the request holds until its answer has ended.
    admission: Option<Admission>,
}

impl Details {
    /// The answer is an archive of this kind, to be counted as a download.
    pub fn download(&self, kind: &'static str) {
        self.with(|fields| fields.download = Some(Running::new(kind)));
    }

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

    /// Who asks, and the place that this takes.
    pub fn caller(&self, name: Option<&str>, admission: Option<Admission>) {
        self.with(|fields| {
            fields.key = name.map(str::to_owned);
            fields.admission = admission;
        });
    }

    /// Where a download of a link is to be counted that reaches its end.
    pub fn tally(&self, tally: Arc<Tally>) {
        self.with(|fields| fields.tally = Some(tally));
    }

    /// There may be any number of such requests.
    pub fn quiet(&self) {
        self.with(|fields| fields.quiet = true);
    }

    /// The address of the client.
    pub fn client(&self, address: IpAddr) {
        self.with(|fields| fields.client = Some(address));
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

/// What becomes one line.
pub struct Record {
    id: RequestId,
    method: Method,
    path: String,
    began: Instant,
    details: Details,
    status: Option<StatusCode>,
    bytes: u64,
    first_byte: Option<Duration>,
    written: bool,
    /// The answer carries the last byte of an archive.
    has_last_byte: bool,
    reset: ResetFlag,
    _under_way: UnderWay,
}

impl Record {
    /// A request whose head has come. The path is taken without the query (a presigned URL's is a credential) and without
    /// the token of a link.
    /// A failure in its body is told to `reset`.
    pub fn new<B>(id: RequestId, request: &Request<B>, reset: ResetFlag) -> Record {
        Record {
            id,
            method: request.method().clone(),
            path: shortened(without_token(request.uri().path())),
            began: Instant::now(),
            details: Details::default(),
            status: None,
            bytes: 0,
            first_byte: None,
            written: false,
            has_last_byte: false,
            _under_way: reset.activity().begin(),
            reset,
        }
    }

    /// What handlers fill in.
    pub fn details(&self) -> Details {
        self.details.clone()
    }

    fn write(&mut self, whole: bool, failure: Option<String>) {
        if std::mem::replace(&mut self.written, true) {
            return;
        }
        if whole && failure.is_none() {
            self.reset.unfinished(false);
        }
        let fields = self.details.with(std::mem::take);
        let failed =
            failure.is_some() || self.status.is_some_and(|status| status.is_server_error());
        let outcome = if failed {
            "failed"
        } else if whole {
            "complete"
        } else {
            "client_gone"
        };
        measure::request(route(&self.path), self.status.map(|status| status.as_u16()));
        if let Some(download) = fields.download {
            let entries = fields.entries.unwrap_or_default();
            download.ended(outcome, self.bytes, entries, self.first_byte);
        }
        let to_end = outcome == "complete" && self.has_last_byte;
        if let (true, Some(link), Some(tally)) = (to_end, fields.link, &fields.tally) {
            tally.downloaded(link, SystemTime::now(), fields.client);
            measure::link_downloaded();
        }
        let to_end = to_end.then_some(true);
        let (request_id, method, path) = (self.id.as_str(), self.method.as_str(), &self.path);
        let (status, bytes) = (self.status.map(|status| status.as_u16()), self.bytes);
        let duration_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (bucket, prefix) = (fields.bucket.as_deref(), fields.prefix.as_deref());
        let entries = fields.entries;
        let reason = failure.or(fields.reason);
        let link = fields.link.map(tracing::field::display);
        let reason = reason.as_deref();
        let key = fields.key.as_deref();
        let client = fields.client.map(tracing::field::display);
        // The level is part of what the macros make; the fields stand here once.
        macro_rules! line {
            ($level:ident) => {
                $level!(
                    request_id,
                    method,
                    path,
                    status,
                    key,
                    client,
                    link,
                    bucket,
                    prefix,
                    entries,
                    bytes,
                    duration_ms,
                    outcome,
                    to_end,
                    reason,
                    "request"
                )
            };
        }
        if fields.quiet {
            line!(debug);
        } else if failed {
            line!(warn);
        } else {
            line!(info);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // A connection that the server itself resets takes its requests with it; the client is not the one who left.
        self.write(false, self.reset.is_set().then(|| CUT.to_owned()));
    }
}

/// A path as a line has it: one that is too long for the server is not repeated in full.
fn shortened(mut path: String) -> String {
    if path.len() > LONGEST_PATH {
        let end = path.floor_char_boundary(LONGEST_PATH);
        path.truncate(end);
        path.push('…');
    }
    path
}

/// The route of a path, as one of few: paths themselves are beyond number.
fn route(path: &str) -> &'static str {
    const ROUTES: [&str; 11] = [
        "/docs",
        "/v1/zip",
        "/v1/manifests",
        "/v1/places",
        "/v1/folder",
        "/v1/count",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/",
    ];
    let known = ROUTES.into_iter().find(|route| *route == path);
    known.unwrap_or(if is_store_path(path) {
        "store"
    } else if path.starts_with("/d/") {
        "/d"
    } else if path.starts_with("/assets/") {
        "/assets"
    } else if path.starts_with("/v1/links") {
        "/v1/links"
    } else {
        "other"
    })
}

/// Whether an answer carries an archive to its last byte: from its start, or from where another answer left off.
fn has_last_byte<B>(response: &Response<B>) -> bool {
    let header = |name| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let is_archive = header(header::CONTENT_TYPE) == Some("application/zip");
    is_archive
        && match response.status() {
            StatusCode::OK => true,
            StatusCode::PARTIAL_CONTENT => header(header::CONTENT_RANGE)
                .and_then(|range| range.strip_prefix("bytes ")?.split_once('/'))
                .and_then(|(part, length)| {
                    let (_, last) = part.split_once('-')?;
                    Some(last.parse::<u64>().ok()? + 1 == length.parse::<u64>().ok()?)
                })
                .unwrap_or(false),
            _ => false,
        }
}

/// A body whose end is recorded: `complete`, `client_gone`, or `failed` with the reason.
pub struct Recorded {
    body: Body,
    record: Record,
}

impl Recorded {
    /// Wraps the body of an answer.
    pub fn answer(response: Response<Body>, mut record: Record) -> Response<Recorded> {
        record.status = Some(response.status());
        record.has_last_byte = record.method == Method::GET && has_last_byte(&response);
        response.map(|body| Recorded { body, record })
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
                let began = self.record.began;
                self.record
                    .first_byte
                    .get_or_insert_with(|| began.elapsed());
                self.record.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            }
            Poll::Ready(Some(Err(error))) => {
                self.record.reset.answer_failed();
                self.record.write(false, Some(error.to_string()));
            }
            Poll::Ready(None) => self.record.write(true, None),
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

impl Drop for Recorded {
    fn drop(&mut self) {
        let whole = self.body.is_end_stream() || self.record.method == Method::HEAD;
        if whole {
            self.record.write(true, None);
        }
    }
}
