//! A TCP connection that a body can cut, after everything before the cut has left.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

const WHOLE: u8 = 0;
const CLOSE: u8 = 1;
const RESET: u8 = 2;

/// A body's wish to end its connection.
#[derive(Debug, Default)]
pub struct Cut(AtomicU8);

impl Cut {
    /// Asks for a close in good order (FIN).
    pub fn close(&self) {
        self.0.store(CLOSE, Ordering::SeqCst);
    }

    /// Asks for a reset (RST).
    pub fn reset(&self) {
        self.0.store(RESET, Ordering::SeqCst);
    }
}

/// The connection. hyper flushes it only once its own buffer is written out: there the cut is made, so that no byte
/// before it is lost.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    cut: Arc<Cut>,
}

impl Connection {
    /// Wraps `stream`; `cut` is handed to the bodies that are sent over it.
    pub fn new(stream: TcpStream, cut: Arc<Cut>) -> Self {
        Connection { stream, cut }
    }
}

/// Serves whoever comes until it is dropped; the connections live in its set and end with it. `answer` may cut the one that
/// its request came over.
pub async fn serve<A, F, B, E>(listener: TcpListener, answer: A)
where
    A: Fn(Request<Incoming>, Arc<Cut>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    E: Into<BoxError> + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let (answer, cut) = (answer.clone(), Arc::new(Cut::default()));
                let io = TokioIo::new(Connection::new(stream, cut.clone()));
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(request, cut.clone()));
                    // An error is a cut that was asked for, or a client that went away.
                    let _ = http1::Builder::new().serve_connection(io, service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.cut.0.load(Ordering::SeqCst) == RESET {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cut.0.load(Ordering::SeqCst) != WHOLE {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
