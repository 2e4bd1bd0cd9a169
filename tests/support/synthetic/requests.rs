//! What clients ask: the parsed request, and the record of all of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::request::Parts;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

/// The calls that the server tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    List,
    HeadBucket,
    GetVersioning,
    ListVersions,
    GetObject,
    HeadObject,
    GetAttributes,
    PutObject,
    DeleteObject,
    CreateUpload,
    UploadPart,
    ListParts,
    CompleteUpload,
    AbortUpload,
    /// Anything else; answered with an error.
    Unknown,
}

/// One request, parsed.
#[derive(Clone, Debug)]
pub struct Request {
    pub operation: Operation,
    pub bucket: String,
    /// The key, decoded; empty for calls on the bucket.
    pub key: String,
    pub query: BTreeMap<String, String>,
    pub headers: HeaderMap,
}

impl Request {
    /// Parses a path-style request.
    pub fn parse(parts: &Parts) -> Self {
        let path = parts.uri.path().trim_start_matches('/');
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let key = percent_decode_str(key).decode_utf8_lossy().into_owned();
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect();
        let has = |name: &str| query.contains_key(name);
        let operation = match (&parts.method, key.is_empty()) {
            (&Method::HEAD, true) => Operation::HeadBucket,
            (&Method::GET, true) if has("list-type") => Operation::List,
            (&Method::GET, true) if has("versioning") => Operation::GetVersioning,
            (&Method::GET, true) if has("versions") => Operation::ListVersions,
            (&Method::GET, false) if has("attributes") => Operation::GetAttributes,
            (&Method::GET, false) if has("uploadId") => Operation::ListParts,
            (&Method::GET, false) => Operation::GetObject,
            (&Method::HEAD, false) => Operation::HeadObject,
            (&Method::PUT, false) if has("uploadId") => Operation::UploadPart,
            (&Method::PUT, false) => Operation::PutObject,
            (&Method::POST, false) if has("uploads") => Operation::CreateUpload,
            (&Method::POST, false) if has("uploadId") => Operation::CompleteUpload,
            (&Method::DELETE, false) if has("uploadId") => Operation::AbortUpload,
            (&Method::DELETE, false) => Operation::DeleteObject,
            _ => Operation::Unknown,
        };
        Request {
            operation,
            bucket: bucket.to_owned(),
            key,
            query,
            headers: parts.headers.clone(),
        }
    }

    /// A header, where it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    fn not_everywhere(&self) -> Vec<&'static str> {
        let asked = |name: &&str| match *name {
            // The same parameter on a key begins an upload.
            "uploads of the bucket" => self.key.is_empty() && self.query.contains_key("uploads"),
            name => self.headers.contains_key(name) || self.query.contains_key(name),
        };
        NOT_EVERYWHERE.into_iter().filter(asked).collect()
    }

    /// Which page of a listing this asks for, counted from 1. Continuation tokens carry it.
    pub fn page(&self) -> usize {
        let token = self.parameter("continuation-token").unwrap_or_default();
        token
            .split_once('-')
            .and_then(|(page, _)| page.parse().ok())
            .unwrap_or(1)
    }
}

/// What is remembered of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub operation: Operation,
    pub key: String,
    pub range: Option<String>,
    pub if_match: Option<String>,
    pub version_id: Option<String>,
    /// Which of [`NOT_EVERYWHERE`] it asked for.
    pub not_everywhere: Vec<&'static str>,
    /// Who signed; `None` where nobody did.
    pub authorization: Option<String>,
    pub request_payer: Option<String>,
    /// Behind which key a listing is to begin.
    pub start_after: Option<String>,
}

/// Headers and query parameters that not every store heeds.
pub const NOT_EVERYWHERE: [&str; 6] = [
    "if-none-match",
    "x-amz-copy-source",
    "x-amz-checksum-type",
    "start-after",
    "attributes",
    "uploads of the bucket",
];

/// The record of all requests, and gauges.
#[derive(Debug, Default)]
pub struct Requests {
    log: Mutex<Vec<Record>>,
    sent: AtomicU64,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

impl Requests {
    /// Every request so far, in order of arrival.
    pub fn log(&self) -> Vec<Record> {
        self.log.lock().unwrap().clone()
    }

    /// How many requests of a kind there were.
    pub fn count(&self, operation: Operation) -> usize {
        self.log
            .lock()
            .unwrap()
            .iter()
            .filter(|record| record.operation == operation)
            .count()
    }

    /// Bytes of bodies handed to connections, errors and listings included.
    pub fn bytes_sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// GETs of objects that are under way: from the request's arrival until its body has ended or was dropped.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// The most GETs of objects that ever were under way at once.
    pub fn most_open(&self) -> usize {
        self.most_open.load(Ordering::SeqCst)
    }

    pub(super) fn arrived(self: &Arc<Self>, request: &Request) -> Option<InFlight> {
        self.log.lock().unwrap().push(Record {
            operation: request.operation,
            key: request.key.clone(),
            range: request.header("range").map(str::to_owned),
            if_match: request.header("if-match").map(str::to_owned),
            version_id: request.parameter("versionId").map(str::to_owned),
            not_everywhere: request.not_everywhere(),
            authorization: request.header("authorization").map(str::to_owned),
            request_payer: request.header("x-amz-request-payer").map(str::to_owned),
            start_after: request.parameter("start-after").map(str::to_owned),
        });
        (request.operation == Operation::GetObject).then(|| {
            let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_open.fetch_max(open, Ordering::SeqCst);
            InFlight(self.clone())
        })
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::SeqCst);
    }
}

/// One GET under way; dropped with its body.
#[derive(Debug)]
pub struct InFlight(Arc<Requests>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}
