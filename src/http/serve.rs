//! The accept loop: one task a connection, a bound on how many, and an orderly end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::{info, warn};

use super::ServerConfig;
use super::app::App;
use super::connection::Connection;
use super::service::Service;
use super::tls::Tls;
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
    let _adding_up = AbortOnDropHandle::new(tokio::spawn(measure::add_up()));
    let limits = config.limits;
    let tls = config.door.tls.clone();
    let app = App::new(config, listeners.clients.local_addr()?);
    let doors = Doors {
        clients: Door::new(listeners.clients, limits.max_connections, tls),
        operators: listeners
            .operators
            .map(|listener| Door::new(listener, OPERATORS, None)),
    };
    let has_operators = doors.operators.is_some();
    let serving = Services {
        clients: Arc::new(Service::for_clients(app.clone(), has_operators)),
        operators: Arc::new(Service::for_operators(app.clone())),
        unencrypted: Arc::new(Service::unencrypted(app.clone())),
    };
    let stopping = Services {
        clients: Arc::new(Service::stopping(app.clone(), false)),
        operators: Arc::new(Service::stopping(app.clone(), true)),
        unencrypted: Arc::new(Service::unencrypted(app.clone())),
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
    tls: Option<Tls>,
}

struct Doors {
    clients: Door,
    operators: Option<Door>,
}

/// What is answered at each door.
struct Services {
    clients: Arc<Service>,
    operators: Arc<Service>,
    /// What is told to whoever does not speak TLS where it is spoken.
    unencrypted: Arc<Service>,
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
            let ((stream, peer, place), service, tls) = tokio::select! {
                accepted = self.clients.accept() => (accepted, &services.clients, self.clients.tls.as_ref()),
                accepted = self.accept_operator() => (accepted, &services.operators, None),
            };
            let connection = Connection {
                service: service.clone(),
                tls: tls.map(|tls| (tls.acceptor(), services.unencrypted.clone())),
                header_timeout: connections.header_timeout,
                keep_alive: connections.keep_alive,
                draining: connections.draining.clone(),
                broken: connections.broken.clone(),
                streams: connections.tracker.clone(),
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
    fn new(listener: TcpListener, places: usize, tls: Option<Tls>) -> Door {
        Door {
            listener,
            places: Arc::new(Semaphore::new(places)),
            tls,
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
