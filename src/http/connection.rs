//! One connection of a client: which protocol is spoken over it, what bounds it, and how it ends.
//! What bounds it is told in [`Limits`]; what no operator would set stands here.
//!
//! Over TLS the client chooses between HTTP/2 and HTTP/1.1 in the handshake; in clear there is HTTP/1.1 alone.

use std::convert::Infallible;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::Limits;
use super::activity::{Overdue, Patience};
use super::encrypted::Encrypted;
use super::excess::Limit;
use super::places::Place;
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

/// Bytes that lie in the system unsent, beyond which a socket takes no more. Left alone, the system takes up to 4 MB from
/// whoever writes to a slow client: 1.7 GB for a thousand of them, which no budget counts, and with that much it holds up
/// every connection there is (a quick client beside them kept 0.2 of its rate).
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// Bytes of the bodies of requests that a client may send ahead: in one of them, and in all of one connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Bytes of the head of a request that are read at all. Up to here a head that is too large is answered with a problem;
/// beyond, with a bare status. Over HTTP/1 the whole head must fit into what is read at once, which is as much.
const HEAD: u32 = WRITE_BUFFER as u32;

/// Header fields that hyper reads at all where it is not told otherwise; beyond, it answers with a bare status.
const FIELDS: usize = 100;

/// Errors of streams before the connection is closed with ENHANCE_YOUR_CALM (CVE-2025-8671).
const STREAM_ERRORS: usize = 64;

/// How long a client may be idle while others wait for its place.
const CROWDED: Duration = Duration::from_secs(1);

/// The first byte of a TLS record that begins a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

pub(super) struct Connection {
    pub(super) service: Arc<Service>,
    /// How to speak TLS, and what to answer who does not.
    pub(super) tls: Option<(TlsAcceptor, Arc<Service>)>,
    pub(super) limits: Limits,
    pub(super) keep_alive: bool,
    pub(super) draining: CancellationToken,
    pub(super) broken: CancellationToken,
    /// Where the answers of HTTP/2 run, so that the server waits for their ends.
    pub(super) streams: TaskTracker,
    pub(super) entry: Entry,
}

/// By what right a connection is served.
pub(super) enum Entry {
    /// It has a place.
    Place(Place),
    /// It has none, and is told so.
    Aside,
}

impl Connection {
    /// Serves until the client goes, or until the server does.
    pub(super) async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        // Frames are written whole; waiting to fill packets only delays the last of them.
        let _ = stream.set_nodelay(true);
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
        let reset = ResetFlag::default();
        let Some((acceptor, unencrypted)) = &self.tls else {
            let socket = Socket::new(stream, reset.clone());
            // Each stage has a box of its own: a future is as large as all that ever was in it, several times over.
            return Box::pin(self.http1(&self.service, socket, peer, reset)).await;
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
            shaken = timeout(self.limits.header_timeout, Box::pin(handshake)) => match shaken {
                Ok(shaken) => shaken,
                Err(_) => return Limit::HeadTime.cut_off(self.seen(peer)),
            },
            () = self.draining.cancelled() => return,
        };
        reset.activity().open();
        match shaken {
            Ok(Ok(socket)) if socket.protocol() == Some(HTTP2) => {
                Box::pin(self.http2(socket, peer, reset)).await;
            }
            Ok(Ok(socket)) => Box::pin(self.http1(&self.service, socket, peer, reset)).await,
            Ok(Err(socket)) => Box::pin(self.http1(unencrypted, socket, peer, reset)).await,
            Err(error) => debug!(%peer, %error, "a handshake failed"),
        }
    }

    async fn http1<S>(&self, service: &Arc<Service>, socket: S, peer: SocketAddr, reset: ResetFlag)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let limits = &self.limits;
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            // It counts from the end of the last answer on, so this only ends what `overdue` does not see: a head whose
            // first bytes came during that answer.
            .header_read_timeout(limits.header_timeout.max(limits.idle_timeout))
            .keep_alive(self.keep_alive)
            .max_buf_size(WRITE_BUFFER);
        if limits.max_headers >= FIELDS {
            builder.max_headers(limits.max_headers + FIELDS);
        }
        let answers = Answers::new(service, peer, &reset);
        let connection = Box::pin(builder.serve_connection(TokioIo::new(socket), answers));
        self.conduct(connection, peer, reset).await;
    }

    async fn http2(&self, socket: Encrypted, peer: SocketAddr, reset: ResetFlag) {
        reset.answers_end_apart();
        let connection = http2::Builder::new(Tracked(self.streams.clone()))
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.max_streams)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD)
            .max_send_buf_size(WRITE_BUFFER)
            .max_pending_accept_reset_streams(self.limits.max_resets)
            .max_local_error_reset_streams(STREAM_ERRORS)
            .serve_connection(
                TokioIo::new(socket),
                Answers::new(&self.service, peer, &reset),
            );
        self.conduct(Box::pin(connection), peer, reset).await;
    }

    /// Lets a connection go on until it ends; where it is idle or the server is to stop, until its answers have ended.
    async fn conduct(
        &self,
        mut connection: Pin<Box<impl Graceful>>,
        peer: SocketAddr,
        reset: ResetFlag,
    ) {
        let limits = &self.limits;
        let idle = || match &self.entry {
            Entry::Place(place) if place.is_wanted() => CROWDED.min(limits.idle_timeout),
            Entry::Place(_) => limits.idle_timeout,
            Entry::Aside => Duration::ZERO,
        };
        let patience = Patience {
            head: limits.header_timeout,
            idle,
            stall: limits.stall_timeout,
        };
        // How long whoever has nothing under way may take to leave; for downloads there is no such bound.
        let patience = tokio::select! {
            ended = connection.as_mut() => return self.told(peer, ended),
            overdue = reset.activity().overdue(patience) => {
                let limit = match overdue {
                    Overdue::Head => Limit::HeadTime,
                    Overdue::Silent | Overdue::Idle => Limit::Idle,
                    Overdue::Stalled => Limit::Stall,
                };
                // Whoever has no place was counted, and is to leave as soon as that was told.
                if matches!(self.entry, Entry::Place(_)) || limit != Limit::Idle {
                    limit.cut_off(self.seen(peer));
                }
                let may_leave = overdue == Overdue::Idle || reset.ends_apart();
                if overdue == Overdue::Stalled || !may_leave {
                    // There is nothing that it could be sent in good order.
                    return;
                }
                Some(limits.header_timeout)
            }
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
            // It must outlive what is done here: a reset that is asked for is its own.
            ended = connection.as_mut() => self.told(peer, ended),
            () = patience => debug!(%peer, "an idle client did not take its leave"),
            () = self.broken.cancelled() => reset.set(),
        }
    }

    fn told(&self, peer: SocketAddr, ended: hyper::Result<()>) {
        let Err(error) = ended else { return };
        if let Some(limit) = exceeded(&error) {
            limit.cut_off(self.seen(peer));
        }
        debug!(%peer, %error, "a connection broke");
    }

    /// The address of the peer, where logs may have it.
    fn seen(&self, peer: SocketAddr) -> Option<IpAddr> {
        let may = self.service.door.log_addresses;
        may.then(|| peer.ip().to_canonical())
    }
}

/// The limit whose excess ended a connection.
fn exceeded(error: &hyper::Error) -> Option<Limit> {
    if error.is_parse_too_large() {
        return Some(Limit::Headers);
    }
    if error.is_timeout() {
        return Some(Limit::HeadTime);
    }
    let error = error.source()?.downcast_ref::<h2::Error>()?;
    let ours = error.is_library() || !error.is_remote();
    (ours && error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM)).then_some(Limit::Flood)
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

#[cfg(test)]
mod tests;
