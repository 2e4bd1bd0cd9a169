//! The accept loop: one task a connection, a place for each, and an orderly end.
//!
//! Whoever finds no place is answered aside, in few words (`aside.rs`). When hundreds are, the others wait in
//! the system's queue, but for those of an address that has all that it may have: they are closed as they come.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::{info, warn};

use super::app::App;
use super::aside::{self, Aside};
use super::connection::{Connection, Entry};
use super::excess::Limit;
use super::places::Places;
use super::proxies::TrustedProxies;
use super::service::Service;
use super::tls::Tls;
use super::{Limits, ServerConfig};
use crate::measure;

/// Pause after the system refused to hand out a connection (out of descriptors, for one).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections of operators at once: they have places of their own, so that health and metrics are answered when
/// clients have taken all of theirs.
pub(super) const OPERATORS: usize = 32;

/// Connections of clients and operators that there may be at once, each with a descriptor.
pub fn descriptors(limits: &Limits) -> usize {
    limits.max_connections + aside::SEATS + OPERATORS
}

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
    let (tls, proxies) = (config.door.tls.clone(), config.door.proxies.clone());
    let app = App::new(config, listeners.clients.local_addr()?);
    let places = Places::new(
        "clients",
        limits.max_connections,
        limits.max_connections_per_address,
        proxies,
    );
    let doors = Doors {
        clients: Door::new(listeners.clients, places, tls),
        operators: listeners.operators.map(|listener| {
            let places = Places::new("operators", OPERATORS, OPERATORS, TrustedProxies::default());
            Door::new(listener, places, None)
        }),
    };
    let has_operators = doors.operators.is_some();
    let full = Full {
        all: Arc::new(Service::full(app.clone(), Limit::Connections)),
        address: Arc::new(Service::full(app.clone(), Limit::ConnectionsPerAddress)),
    };
    let unencrypted = Arc::new(Service::unencrypted(app.clone()));
    let services = |clients, operators| Services {
        clients: Arc::new(clients),
        operators: Arc::new(operators),
        unencrypted: unencrypted.clone(),
        full: full.clone(),
    };
    let serving = services(
        Service::for_clients(app.clone(), has_operators),
        Service::for_operators(app.clone()),
    );
    let stopping = services(
        Service::stopping(app.clone(), false),
        Service::stopping(app.clone(), true),
    );
    let running = Connections::new(limits);
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
        ..Connections::new(limits)
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

/// The next connection, however long the system refuses to hand one out.
pub(super) async fn accepted(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A listener, and the places for those who come in through it.
struct Door {
    listener: TcpListener,
    places: Places,
    aside: Aside,
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
    full: Full,
}

/// What is told to whoever finds no place: none at all, or none for one more of the same address.
#[derive(Clone)]
struct Full {
    all: Arc<Service>,
    address: Arc<Service>,
}

/// Connections that end together.
struct Connections {
    limits: Limits,
    keep_alive: bool,
    draining: CancellationToken,
    broken: CancellationToken,
    tracker: TaskTracker,
}

impl Connections {
    fn new(limits: Limits) -> Connections {
        Connections {
            limits,
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
        let operators = async {
            match &self.operators {
                Some(door) => door.serve(&services.operators, services, connections).await,
                None => std::future::pending().await,
            }
        };
        let clients = self.clients.serve(&services.clients, services, connections);
        tokio::select! {
            never = clients => never,
            never = operators => never,
        }
    }
}

impl Door {
    fn new(listener: TcpListener, places: Places, tls: Option<Tls>) -> Door {
        Door {
            listener,
            places,
            aside: Aside::new(),
            tls,
        }
    }

    async fn serve(
        &self,
        service: &Arc<Service>,
        services: &Services,
        connections: &Connections,
    ) -> Infallible {
        loop {
            let (stream, peer) = accepted(&self.listener).await;
            let connection = |service: &Arc<Service>, keep_alive, entry| Connection {
                service: service.clone(),
                tls: self
                    .tls
                    .as_ref()
                    .map(|tls| (tls.acceptor(), services.unencrypted.clone())),
                limits: connections.limits,
                keep_alive,
                draining: connections.draining.clone(),
                broken: connections.broken.clone(),
                streams: connections.tracker.clone(),
                entry,
            };
            let limit = match self.places.take(peer.ip()) {
                Ok(place) => {
                    let connection =
                        connection(service, connections.keep_alive, Entry::Place(place));
                    connections.tracker.spawn(connection.serve(stream, peer));
                    continue;
                }
                Err(limit) => limit,
            };
            let seen = service.door.log_addresses.then_some(peer.ip());
            limit.cut_off(seen);
            let (full, seat) = match limit {
                // One address must not keep all the others waiting.
                Limit::ConnectionsPerAddress => (&services.full.address, self.aside.now().await),
                _ => (&services.full.all, self.aside.wait().await),
            };
            if let Some(seat) = seat {
                let connection = connection(full, false, Entry::Aside);
                let told = seat.hold(connection.serve(stream, peer));
                connections.tracker.spawn(told);
            }
        }
    }
}
