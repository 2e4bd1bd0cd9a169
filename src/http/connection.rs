//! One connection of a client: which protocol is spoken over it, what bounds it, and how it ends.
//!
//! Over TLS the client chooses between HTTP/2 and HTTP/1.1 in the handshake; in clear there is HTTP/1.1 alone.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::encrypted::Encrypted;
use super::record::Recorded;
use super::service::Service;
use super::socket::{ResetFlag, Socket};
use super::tls::HTTP2;

/// Bytes of frames that wait in front of the socket, beyond which no further frame is taken. hyper's own 400 kB would let
/// a slow client hold as much of the memory budget. With HTTP/2 it is that many for each answer. The frames are still
/// the chunks that were read, so each is charged to the budget until the last of its bytes has left.
const WRITE_BUFFER: usize = 64 * 1024;

/// Bytes under TLS that wait in front of the socket, beyond the frames.
const TLS_BUFFER: usize = 64 * 1024;

/// Requests at once over one connection. RFC 9113 §6.5.2 recommends no fewer than 100.
const STREAMS: u32 = 100;

/// Bytes of the bodies of requests that a client may send ahead: in one of them, and in all of one connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Bytes of a request's header fields, as RFC 9113 §6.5.2 counts them.
const HEADERS: u32 = 16 * 1024;

/// Requests that a client may take back before they were looked at, and errors of streams, before the connection is
/// closed with ENHANCE_YOUR_CALM (CVE-2023-44487, CVE-2025-8671).
const RESETS: usize = 20;
const STREAM_ERRORS: usize = 64;

/// The first byte of a TLS record that begins a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

pub(super) struct Connection {
    pub(super) service: Arc<Service>,
    /// How to speak TLS, and what to answer who does not.
    pub(super) tls: Option<(TlsAcceptor, Arc<Service>)>,
    pub(super) header_timeout: Duration,
    pub(super) keep_alive: bool,
    pub(super) draining: CancellationToken,
    pub(super) broken: CancellationToken,
    /// Where the answers of HTTP/2 run, so that the server waits for their ends.
    pub(super) streams: TaskTracker,
    pub(super) _place: OwnedSemaphorePermit,
}

impl Connection {
    /// Serves until the client goes, or until the server does.
    pub(super) async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        // Frames are written whole; waiting to fill packets only delays the last of them.
        let _ = stream.set_nodelay(true);
        let reset = ResetFlag::default();
        let Some((acceptor, unencrypted)) = &self.tls else {
            let socket = Socket::new(stream, reset.clone());
            return self.http1(&self.service, socket, peer, reset).await;
        };
        let handshake = async {
            let mut first = [0];
            let speaks_tls = stream.peek(&mut first).await? == 0 || first[0] == HANDSHAKE;
            let socket = Socket::new(stream, reset.clone());
            if !speaks_tls {
                return Ok(Err(socket));
            }
            let mut accepted = acceptor.accept(socket).await?;
            accepted.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
            Ok(Ok(Encrypted::new(accepted, reset.clone())))
        };
        // Nothing was asked yet, so nobody is waited for.
        let shaken: Result<Result<Encrypted, Socket>, std::io::Error> = tokio::select! {
            shaken = timeout(self.header_timeout, handshake) => match shaken {
                Ok(shaken) => shaken,
                Err(_) => return debug!(%peer, "no handshake in time"),
            },
            () = self.draining.cancelled() => return,
        };
        match shaken {
            Ok(Ok(socket)) if socket.protocol() == Some(HTTP2) => {
                self.http2(socket, peer, reset).await;
            }
            Ok(Ok(socket)) => self.http1(&self.service, socket, peer, reset).await,
            Ok(Err(socket)) => self.http1(unencrypted, socket, peer, reset).await,
            Err(error) => debug!(%peer, %error, "a handshake failed"),
        }
    }

    async fn http1<S>(&self, service: &Arc<Service>, socket: S, peer: SocketAddr, reset: ResetFlag)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .keep_alive(self.keep_alive)
            .max_buf_size(WRITE_BUFFER)
            .serve_connection(TokioIo::new(socket), Answers::new(service, peer, &reset));
        // It looks after idle clients itself.
        self.conduct(connection, std::future::pending(), peer, reset)
            .await;
    }

    async fn http2(&self, socket: Encrypted, peer: SocketAddr, reset: ResetFlag) {
        reset.answers_end_apart();
        let connection = http2::Builder::new(Tracked(self.streams.clone()))
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADERS)
            .max_send_buf_size(WRITE_BUFFER)
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(STREAM_ERRORS)
            .serve_connection(
                TokioIo::new(socket),
                Answers::new(&self.service, peer, &reset),
            );
        let idle = {
            let (reset, pause) = (reset.clone(), self.header_timeout);
            async move { reset.idle_for(pause).await }
        };
        self.conduct(connection, idle, peer, reset).await;
    }

    /// Lets a connection go on until it ends; where it is `idle` or the server is to stop, until its answers have ended.
    async fn conduct(
        &self,
        connection: impl Graceful,
        idle: impl Future<Output = ()>,
        peer: SocketAddr,
        reset: ResetFlag,
    ) {
        let mut connection = pin!(connection);
        // How long whoever has nothing under way may take to leave; for downloads there is no such bound.
        let patience = tokio::select! {
            ended = connection.as_mut() => return told(peer, ended),
            () = idle => Some(self.header_timeout),
            () = self.draining.cancelled() => None,
        };
        connection.as_mut().finish();
        let patience = async {
            match patience {
                Some(patience) => tokio::time::sleep(patience).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = connection => told(peer, ended),
            () = patience => debug!(%peer, "an idle client did not take its leave"),
            () = self.broken.cancelled() => reset.set(),
        }
    }
}

fn told(peer: SocketAddr, ended: hyper::Result<()>) {
    if let Err(error) = ended {
        debug!(%peer, %error, "a connection broke");
    }
}

/// What is answered over one connection.
struct Answers {
    service: Arc<Service>,
    peer: SocketAddr,
    reset: ResetFlag,
}

impl Answers {
    fn new(service: &Arc<Service>, peer: SocketAddr, reset: &ResetFlag) -> Answers {
        Answers {
            service: service.clone(),
            peer,
            reset: reset.clone(),
        }
    }
}

impl hyper::service::Service<Request<Incoming>> for Answers {
    type Response = Response<Recorded>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Recorded>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (service, peer, reset) = (self.service.clone(), self.peer, self.reset.clone());
        Box::pin(async move { Ok(service.answer(request, peer, reset).await) })
    }
}

/// A connection that can be asked to come to its end.
trait Graceful: Future<Output = hyper::Result<()>> {
    /// No further request is taken; those under way are answered.
    fn finish(self: Pin<&mut Self>);
}

impl<S: AsyncRead + AsyncWrite + Unpin> Graceful for http1::Connection<TokioIo<S>, Answers> {
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Graceful
    for http2::Connection<TokioIo<S>, Answers, Tracked>
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs each answer as a task that is counted.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, answer: F) {
        self.0.spawn(answer);
    }
}
