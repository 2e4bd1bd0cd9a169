//! The accept loop: one task a connection, a bound on how many, and an orderly end.

use std::convert::Infallible;
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

/// Bytes of frames that wait in front of the socket, beyond which no further frame is taken. hyper's own 400 kB would let
/// a slow client hold as much of the memory budget.
const WRITE_BUFFER: usize = 64 * 1024;

/// Where requests come from.
#[derive(Debug)]
pub struct Listeners {
    /// For those who download, and for the API.
    pub clients: TcpListener,
    /// For health and metrics alone.
    pub operators: Option<TcpListener>,
}

/// Serves until `shutdown` completes, then drains: what runs may go on for [`Limits::drain`](super::Limits::drain), and
/// what still runs after that is broken off. Whoever comes meanwhile is told to come back.
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
    let app = App::new(config, listeners.clients.local_addr()?);
    let doors = Doors {
        clients: Door::new(listeners.clients, limits.max_connections),
        operators: listeners
            .operators
            .map(|listener| Door::new(listener, OPERATORS)),
    };
    let has_operators = doors.operators.is_some();
    let serving = Services {
        clients: Arc::new(Service::for_clients(app.clone(), has_operators)),
        operators: Arc::new(Service::for_operators(app.clone())),
    };
    let stopping = Services {
        clients: Arc::new(Service::stopping(app.clone(), false)),
        operators: Arc::new(Service::stopping(app.clone(), true)),
    };
    let running = Connections::new(limits.header_timeout);
    tokio::select! {
        never = doors.serve(&serving, &running) => match never {},
        () = shutdown => {}
    }
    info!(
        connections = running.tracker.len(),
        seconds = limits.drain.as_secs(),
        "draining"
    );
    app.stopping.cancel();
    running.draining.cancel();
    running.tracker.close();
    let late = Connections {
        keep_alive: false,
        ..Connections::new(limits.header_timeout)
    };
    tokio::select! {
        never = doors.serve(&stopping, &late) => match never {},
        () = running.tracker.wait() => {}
        () = tokio::time::sleep(limits.drain) => warn!(
            connections = running.tracker.len(),
            "the drain is over; what still runs is broken off"
        ),
    }
    drop(doors);
    for connections in [running, late] {
        connections.tracker.close();
        connections.draining.cancel();
        connections.broken.cancel();
        connections.tracker.wait().await;
    }
    Ok(())
}

/// A listener, and how many may come in through it at once.
struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

struct Doors {
    clients: Door,
    operators: Option<Door>,
}

/// What is answered at each door.
struct Services {
    clients: Arc<Service>,
    operators: Arc<Service>,
}

/// Connections that end together.
struct Connections {
    header_timeout: Duration,
    keep_alive: bool,
    draining: CancellationToken,
    broken: CancellationToken,
    tracker: TaskTracker,
}

impl Connections {
    fn new(header_timeout: Duration) -> Connections {
        Connections {
            header_timeout,
            keep_alive: true,
            draining: CancellationToken::new(),
            broken: CancellationToken::new(),
            tracker: TaskTracker::new(),
        }
    }
}

impl Doors {
    /// Lets in whoever comes.
    async fn serve(&self, services: &Services, connections: &Connections) -> Infallible {
        loop {
            let ((stream, peer, place), service) = tokio::select! {
                accepted = self.clients.accept() => (accepted, &services.clients),
                accepted = self.accept_operator() => (accepted, &services.operators),
            };
            let connection = Connection {
                service: service.clone(),
                header_timeout: connections.header_timeout,
                keep_alive: connections.keep_alive,
                draining: connections.draining.clone(),
                broken: connections.broken.clone(),
                _place: place,
            };
            connections.tracker.spawn(connection.serve(stream, peer));
        }
    }

    async fn accept_operator(&self) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        match &self.operators {
            Some(door) => door.accept().await,
            None => std::future::pending().await,
        }
    }
}

impl Door {
    fn new(listener: TcpListener, places: usize) -> Door {
        Door {
            listener,
            places: Arc::new(Semaphore::new(places)),
        }
    }

    async fn accept(&self) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
        loop {
            let Ok(place) = self.places.clone().acquire_owned().await else {
                std::future::pending().await
            };
            match self.listener.accept().await {
                Ok((stream, peer)) => return (stream, peer, place),
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

struct Connection {
    service: Arc<Service>,
    header_timeout: Duration,
    keep_alive: bool,
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
                async move { Ok::<_, Infallible>(service.answer(request, peer, reset).await) }
            })
        };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .keep_alive(self.keep_alive)
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
