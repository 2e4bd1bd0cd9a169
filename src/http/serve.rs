//! The accept loop: one task a connection, a bound on how many, and an orderly end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::ServerConfig;
use super::app::App;
use super::service::Service;
use super::socket::{ResetFlag, Socket};
use crate::measure;

/// Pause after the system refused to hand out a connection (out of descriptors, for one).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections of operators at once: they have places of their own, so that health and metrics are answered when
/// clients have taken all of theirs.
const OPERATORS: usize = 32;

/// Where requests come from.
#[derive(Debug)]
pub struct Listeners {
    /// For those who download, and for the API.
    pub clients: TcpListener,
    /// For health and metrics alone.
    pub operators: Option<TcpListener>,
}

/// Serves until `shutdown` completes, then drains: nothing new is accepted, what runs may go on for
/// [`Limits::drain`](super::Limits::drain), and what still runs after that is broken off.
///
/// # Errors
/// Where the listener has no address.
pub async fn run(
    config: ServerConfig,
    listeners: Listeners,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    measure::install();
    let limits = config.limits;
    let Listeners { clients, operators } = listeners;
    let app = App::new(config, clients.local_addr()?);
    let for_operators = Arc::new(Service::for_operators(app.clone()));
    let for_clients = Arc::new(Service::for_clients(app, operators.is_some()));
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let places_of_operators = Arc::new(Semaphore::new(OPERATORS));
    let draining = CancellationToken::new();
    let broken = CancellationToken::new();
    let connections = TaskTracker::new();
    tokio::pin!(shutdown);
    loop {
        let ((stream, peer, place), service) = tokio::select! {
            accepted = accept(&clients, &places) => (accepted, &for_clients),
            accepted = accept_some(operators.as_ref(), &places_of_operators) => (accepted, &for_operators),
            () = &mut shutdown => break,
        };
        let connection = Connection {
            service: service.clone(),
            header_timeout: limits.header_timeout,
            draining: draining.clone(),
            broken: broken.clone(),
            _place: place,
        };
        connections.spawn(connection.serve(stream, peer));
    }
    drop((clients, operators));
    info!(
        connections = connections.len(),
        seconds = limits.drain.as_secs(),
        "draining"
    );
    draining.cancel();
    connections.close();
    if tokio::time::timeout(limits.drain, connections.wait())
        .await
        .is_err()
    {
        warn!(
            connections = connections.len(),
            "the drain is over; what still runs is broken off"
        );
        broken.cancel();
        connections.wait().await;
    }
    Ok(())
}

async fn accept_some(
    listener: Option<&TcpListener>,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    match listener {
        Some(listener) => accept(listener, places).await,
        None => std::future::pending().await,
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            std::future::pending().await
        };
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Bytes of frames that wait in front of the socket, beyond which no further frame is taken. hyper's own 400 kB would let
/// a slow client hold as much of the memory budget.
const WRITE_BUFFER: usize = 64 * 1024;

struct Connection {
    service: Arc<Service>,
    header_timeout: Duration,
    draining: CancellationToken,
    broken: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        // Frames are written whole; waiting to fill packets only delays the last of them.
        let _ = stream.set_nodelay(true);
        let reset = ResetFlag::default();
        let socket = TokioIo::new(Socket::new(stream, reset.clone()));
        let service = self.service;
        let answer = {
            let reset = reset.clone();
            hyper::service::service_fn(move |request| {
                let (service, reset) = (service.clone(), reset.clone());
                async move {
                    Ok::<_, std::convert::Infallible>(service.answer(request, peer, reset).await)
                }
            })
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_buf_size(WRITE_BUFFER)
            .serve_connection(socket, answer);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.draining.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = self.broken.cancelled() => {
                        reset.set();
                        return;
                    }
                }
            }
        };
        if let Err(error) = ended {
            debug!(%peer, %error, "a connection broke");
        }
    }
}
