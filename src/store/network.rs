//! The SDK's way to the store over sockets: our [`Client`].
//!
//! The SDK has a client of its own, which would bring a second way to open connections, with certificates and proxies of
//! its own, and HTTP/2, which no object store needs.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::client::Client;
use super::dial::{Dialer, TimedOut};

/// Without a limit of the SDK's own.
const NO_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Sends what the SDK asks for. Clones share connections.
#[derive(Clone)]
pub(super) struct Network(Arc<Shared>);

struct Shared {
    dialer: Dialer,
    /// By how long a connection may take to open: providers of credentials have times of their own.
    clients: Mutex<HashMap<Duration, Client>>,
    /// One for each request that is under way, so that there are no more connections.
    seats: Arc<Semaphore>,
}

/// What sends requests of the same limits.
struct Sender {
    network: Network,
    client: Client,
    answer_within: Duration,
}

impl Network {
    /// Over connections that this dialer opens, at most so many at a time.
    pub(super) fn new(dialer: Dialer, most: usize) -> Network {
        Network(Arc::new(Shared {
            dialer,
            clients: Mutex::default(),
            seats: Arc::new(Semaphore::new(most)),
        }))
    }

    fn client(&self, within: Duration) -> Client {
        let mut clients = self
            .0
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let client = clients
            .entry(within)
            .or_insert_with(|| Client::new(self.0.dialer.clone(), within));
        client.clone()
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network")
            .field("dialer", &self.0.dialer)
            .finish_non_exhaustive()
    }
}

impl HttpClient for Network {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Sender {
            network: self.clone(),
            client: self.client(settings.connect_timeout().unwrap_or(NO_LIMIT)),
            answer_within: settings.read_timeout().unwrap_or(NO_LIMIT),
        })
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("network", &self.network)
            .field("answer_within", &self.answer_within)
            .finish_non_exhaustive()
    }
}

impl HttpConnector for Sender {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.client.clone();
        let within = self.answer_within;
        let shared = self.network.0.clone();
        HttpConnectorFuture::new(async move {
            let mut request = request
                .try_into_http1x()
                .map_err(|error| ConnectorError::user(error.into()))?;
            tell_connection(&mut request);
            // It is never closed.
            let seat = shared.seats.clone().acquire_owned().await;
            let seat = seat.map_err(|error| ConnectorError::other(error.into(), None))?;
            let answer = tokio::time::timeout(within, client.ask(request)).await;
            let answer = answer
                .map_err(|_| ConnectorError::timeout(TimedOut::Answer(within).into()))?
                .map_err(failed)?;
            let body = |body| SdkBody::from_body_1_x(Seated { body, _seat: seat });
            HttpResponse::try_from(answer.map(body))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Lets the SDK say that the connection of a request is not to be used again, as it does after an answer that it takes for
/// a failure of the server behind it.
fn tell_connection(request: &mut Request<SdkBody>) {
    let captured = capture_connection(request);
    if let Some(told) = request.extensions().get::<CaptureSmithyConnection>() {
        told.set_connection_retriever(move || described(captured.clone()));
    }
}

fn described(captured: CaptureConnection) -> Option<ConnectionMetadata> {
    let is_proxied = captured.connection_metadata().as_ref()?.is_proxied();
    let poison = move || {
        if let Some(connection) = captured.connection_metadata().as_ref() {
            connection.poison();
        }
    };
    let description = ConnectionMetadata::builder();
    Some(description.proxied(is_proxied).poison_fn(poison).build())
}

/// Whether it is worth another try: the request cannot be sent, time is up, or the connection broke.
fn failed(error: legacy::Error) -> ConnectorError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(this) = cause {
        if this.is::<TimedOut>() {
            return ConnectorError::timeout(error.into());
        }
        if this.downcast_ref().is_some_and(hyper::Error::is_user) {
            return ConnectorError::user(error.into());
        }
        cause = this.source();
    }
    ConnectorError::io(error.into())
}

/// The body of an answer, which keeps its place until it is read or dropped.
struct Seated {
    body: Incoming,
    _seat: OwnedSemaphorePermit,
}

impl Body for Seated {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
