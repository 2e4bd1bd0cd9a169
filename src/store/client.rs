//! Requests to other servers: hyper's client, over connections that are opened as those of reads are. It is one type for
//! all who ask, so that it is in the program once.

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::PROXY_AUTHORIZATION;
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{Connected, Connection as Describe};
use hyper_util::client::legacy::{self, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tower::Service;

use super::ConnectError;
use super::dial::{BoxError, Connection, Dialer, IDLE};

/// How long a connection to this machine may take to open.
const LOCAL: Duration = Duration::from_secs(10);

/// Sends requests (HTTP/1.1) and keeps connections for the next. Clones share them.
#[derive(Clone)]
pub(crate) struct Client {
    dialer: Dialer,
    requests: legacy::Client<Opener, UnsyncBoxBody<Bytes, BoxError>>,
}

/// Opens connections for hyper's client.
#[derive(Clone)]
struct Opener {
    dialer: Dialer,
    within: Duration,
}

impl Client {
    /// To servers anywhere: it heeds the environment's proxies, and trusts the certificates of a file (PEM) beside the
    /// system's. Connections open within this time.
    ///
    /// # Errors
    /// [`ConnectError`] where the file cannot be read, or holds no certificate that can be a root.
    pub(crate) fn trusting(
        ca_file: Option<&Path>,
        within: Duration,
    ) -> Result<Client, ConnectError> {
        Ok(Client::new(Dialer::new(ca_file)?, within))
    }

    /// To servers on this machine: it heeds no proxies.
    pub(crate) fn local() -> Client {
        Client::new(Dialer::direct(), LOCAL)
    }

    /// Over connections that this dialer opens, each within this time.
    pub(super) fn new(dialer: Dialer, within: Duration) -> Client {
        let requests = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(Opener {
                dialer: dialer.clone(),
                within,
            });
        Client { dialer, requests }
    }

    /// Asks, over a connection that is there or a new one. It waits for the head of the answer as long as it takes.
    ///
    /// # Errors
    /// Where there is no connection, where it breaks, and where the answer is no HTTP.
    pub(crate) async fn ask<B>(
        &self,
        request: Request<B>,
    ) -> Result<Response<Incoming>, ClientError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        let forwarded = self.dialer.forwarded(request.uri());
        if let Some(value) = forwarded.and_then(|forwarded| forwarded.authorization) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, value);
        }
        self.requests.request(request).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("dialer", &self.dialer)
            .finish_non_exhaustive()
    }
}

impl Service<Uri> for Opener {
    type Response = TokioIo<Connection>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Opener { dialer, within } = self.clone();
        Box::pin(async move { dialer.dial(&to, within).await.map(TokioIo::new) })
    }
}

impl Describe for Connection {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.forwarded.is_some())
    }
}
