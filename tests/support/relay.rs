//! A pass-through in front of a store that makes its listing fail.
//!
//! Everything goes through as it came, signatures included, but listings: those are asked for with keys of the relay's
//! own, in pages as small as a test wants, so that a listing of many pages needs few objects.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{EncodingType, Object};
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// A body of either side.
type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// What the relay does to listings.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Keys on a page.
    pub page_size: i32,
    /// From which page on all are refused, counted from 1; as soon as a part of a multipart upload has come.
    pub refused_page: usize,
}

/// A running relay; it ends when it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    wire: Arc<Wire>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Wire {
    upstream: String,
    s3: Client,
    script: Script,
    pages: AtomicUsize,
    /// Parts of multipart uploads that have come so far.
    parts: watch::Sender<usize>,
}

impl Relay {
    /// Passes on to the store at `endpoint`, which `s3` may list.
    pub async fn start(endpoint: &str, s3: Client, script: Script) -> Relay {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let wire = Arc::new(Wire {
            upstream: endpoint.trim_start_matches("http://").to_owned(),
            s3,
            script,
            pages: AtomicUsize::new(0),
            parts: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, wire.clone())).abort_handle();
        Relay {
            address,
            wire,
            accepting,
        }
    }

    /// The URL for `S3_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many pages of listings were asked for.
    pub fn pages(&self) -> usize {
        self.wire.pages.load(Ordering::SeqCst)
    }

    /// How many parts of multipart uploads were sent.
    pub fn parts(&self) -> usize {
        *self.wire.parts.borrow()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, wire: Arc<Wire>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let wire = wire.clone();
                connections.spawn(async move {
                    let service = service_fn(move |request| pass(wire.clone(), request));
                    // An error is a client that went away.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(wire: Arc<Wire>, request: Request<Incoming>) -> Result<Response<Body>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    if parts.method == Method::GET && query.contains("list-type=2") {
        let page = wire.pages.fetch_add(1, Ordering::SeqCst) + 1;
        if page >= wire.script.refused_page {
            let mut parts = wire.parts.subscribe();
            let _ = parts.wait_for(|parts| *parts > 0).await;
            return Ok(refusal());
        }
        return Ok(wire.listing(&parts).await);
    }
    if parts.method == Method::PUT && query.contains("partNumber=") {
        wire.parts.send_modify(|parts| *parts += 1);
    }
    wire.forward(Request::from_parts(parts, body.boxed_unsync()))
        .await
}

impl Wire {
    async fn forward(&self, request: Request<Body>) -> Result<Response<Body>, hyper::Error> {
        let stream = TcpStream::connect(&self.upstream)
            .await
            .expect("the store answers");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        Ok(response.map(|body| body.boxed_unsync()))
    }

    /// The same page, but smaller.
    async fn listing(&self, asked: &Parts) -> Response<Body> {
        let bucket = asked.uri.path().trim_matches('/');
        let mut listing = self.s3.list_objects_v2().bucket(bucket);
        let query = asked.uri.query().unwrap_or_default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            listing = match &*name {
                "prefix" => listing.prefix(value),
                "continuation-token" => listing.continuation_token(value),
                // Listings cannot begin behind a key here, so that one page comes after the other and has a number.
                _ => listing,
            };
        }
        let page = listing
            .encoding_type(EncodingType::Url)
            .max_keys(self.script.page_size)
            .send()
            .await
            .expect("a page");
        xml(200, page_document(&page))
    }
}

/// Keys come encoded and go on as they are, so nothing in them needs escaping.
fn page_document(page: &ListObjectsV2Output) -> String {
    let rows: String = page.contents().iter().map(row).collect();
    let next = page
        .next_continuation_token()
        .map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>"))
        .unwrap_or_default();
    format!(
        "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{}</IsTruncated>{next}{rows}</ListBucketResult>",
        page.is_truncated() == Some(true)
    )
}

fn row(object: &Object) -> String {
    let modified = object.last_modified().expect("a time");
    format!(
        "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
        object.key().expect("a key"),
        modified.fmt(Format::DateTime).expect("a date"),
        object.e_tag().expect("an ETag").replace('"', "&quot;"),
        object.size().expect("a size"),
    )
}

fn refusal() -> Response<Body> {
    let document = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    xml(403, document.to_owned())
}

fn xml(status: u16, document: String) -> Response<Body> {
    let body = Full::new(Bytes::from(document));
    Response::builder()
        .status(status)
        .header("content-type", "application/xml")
        .body(body.map_err(|never| match never {}).boxed_unsync())
        .expect("a response")
}
