//! A server that answers as a test tells it to.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{CONTENT_RANGE, ETAG, IF_MATCH, LOCATION, RANGE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use url::Url;

use crate::verify::{Report, Source, SourceError, check};

pub(super) type Answer = Response<BoxBody<Bytes, std::io::Error>>;

/// A request as it came: its number from 0 on, its path and its headers.
pub(super) struct Asked<'a> {
    pub(super) number: usize,
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
}

/// A server on loopback that answers every request by a function of it.
pub(super) struct Server {
    pub(super) url: Url,
    pub(super) asked: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Server {
    pub(super) async fn start(
        answer: impl Fn(Asked<'_>) -> Answer + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/a.zip", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (asked.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer) = (seen.clone(), answer.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(request.headers().clone());
                        seen.len() - 1
                    };
                    let (path, headers) = (request.uri().path(), request.headers());
                    let response = answer(Asked {
                        number,
                        path,
                        headers,
                    });
                    async move { Ok::<_, Infallible>(response) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Server { url, asked }
    }

    pub(super) fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    pub(super) async fn verify(&self) -> Result<Report, SourceError> {
        let source = Source::url(self.url.clone(), None).await?;
        check(source, self.url.as_str(), &mut |_| {}).await
    }
}

/// The range of a request, as `start..end`.
pub(super) fn range(headers: &HeaderMap) -> std::ops::Range<usize> {
    let value = headers[RANGE].to_str().unwrap();
    let (start, end) = value
        .strip_prefix("bytes=")
        .unwrap()
        .split_once('-')
        .unwrap();
    start.parse().unwrap()..end.parse::<usize>().unwrap() + 1
}

pub(super) fn body(bytes: &[u8]) -> BoxBody<Bytes, std::io::Error> {
    Full::new(Bytes::copy_from_slice(bytes))
        .map_err(|never| match never {})
        .boxed()
}

/// What a good server answers.
pub(super) fn part(bytes: &[u8], etag: &str, headers: &HeaderMap) -> Answer {
    let range = range(headers);
    let range = range.start..range.end.min(bytes.len());
    if headers.get(IF_MATCH).is_some_and(|pinned| pinned != etag) {
        return status(StatusCode::PRECONDITION_FAILED);
    }
    Response::builder()
        .status(StatusCode::PARTIAL_CONTENT)
        .header(ETAG, etag)
        .header(
            CONTENT_RANGE,
            format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len()),
        )
        .body(body(&bytes[range]))
        .unwrap()
}

pub(super) fn status(status: StatusCode) -> Answer {
    Response::builder().status(status).body(body(b"")).unwrap()
}

pub(super) fn redirect(to: &str) -> Answer {
    let mut answer = status(StatusCode::FOUND);
    answer.headers_mut().insert(LOCATION, to.parse().unwrap());
    answer
}
