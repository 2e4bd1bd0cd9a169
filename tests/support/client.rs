//! A plain HTTP/1.1 client, also under TLS: one connection a request, nothing retried, nothing decoded but the transfer
//! coding.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::Url;

use super::secrets::{self, Secrets};
use super::tls;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server could not be reached.
    #[error("no connection")]
    Connect(#[from] std::io::Error),
    /// The exchange broke: before the answer, or in the middle of its body.
    #[error("the exchange broke off")]
    Http(#[from] hyper::Error),
}

/// A whole answer.
#[derive(Debug)]
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answered {
    fn is_problem(&self) -> bool {
        let content_type = self.headers.get("content-type");
        content_type.is_some_and(|value| value == "application/problem+json")
    }
}

/// Sends one request without a body, and returns when the head of the answer is there.
pub async fn open(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
) -> Result<Response<Incoming>, ClientError> {
    send(method, url, headers, Bytes::new()).await
}

/// Sends one request, and returns when the head of the answer is there. A Host header among `headers` replaces the
/// URL's own.
async fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Response<Incoming>, ClientError> {
    let url = Url::parse(url).expect("a URL");
    let authority = format!(
        "{}:{}",
        url.host_str().expect("a host"),
        url.port_or_known_default().expect("a port")
    );
    let mut sender = match url.scheme() {
        "https" => speak(tls::connect(&authority, "http/1.1").await?).await?,
        _ => speak(TcpStream::connect(&authority).await?).await?,
    };
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    secrets::sent(headers, &body);
    let mut request = Request::builder().method(method).uri(target);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", authority);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Ok(sender
        .send_request(request.body(Full::new(body)).expect("a request"))
        .await?)
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, hyper::Error> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends one request and reads its whole answer.
pub async fn fetch(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
) -> Result<Answered, ClientError> {
    fetch_with(method, url, headers, Bytes::new()).await
}

/// Sends one request with a body and reads its whole answer.
pub async fn fetch_with(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answered, ClientError> {
    let (head, body) = send(method, url, headers, body.into()).await?.into_parts();
    let answer = Answered {
        status: head.status,
        headers: head.headers,
        body: body.collect().await?.to_bytes(),
    };
    if answer.is_problem() {
        let text = String::from_utf8_lossy(&answer.body);
        Secrets::default().are_not_in(&text, "an error");
    }
    Ok(answer)
}

/// Sends one POST of JSON and reads its whole answer.
pub async fn post(url: &str, body: &serde_json::Value) -> Result<Answered, ClientError> {
    let url = Url::parse(url).expect("a URL");
    let host = url.host_str().expect("a host");
    let port = url.port_or_known_default().expect("a port");
    let stream = TcpStream::connect((host, port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method("POST")
        .uri(&url[url::Position::BeforePath..url::Position::AfterQuery])
        .header("host", format!("{host}:{port}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .expect("a request");
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Answered {
        status: head.status,
        headers: head.headers,
        body: body.collect().await?.to_bytes(),
    })
}
