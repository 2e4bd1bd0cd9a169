//! A client's connection under TLS, which ends as its [`ResetFlag`] says.
//!
//! A closing alert (RFC 8446 §6.1) says that all was sent: after a failure it must not leave, as little as a FIN may.
//!
//! HTTP/2 clients go on sending (window updates, at the least) until they know that the connection ends. A socket that is
//! closed with such bytes unread answers with a reset, which takes with it what the client has not received: so what
//! comes after the last frame is read and thrown away, for a while.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;

use super::socket::{ResetFlag, Socket};

/// How long a client may take to close its side.
const LEAVE: Duration = Duration::from_secs(2);

/// A TLS stream over a [`Socket`].
pub struct Encrypted {
    stream: TlsStream<Socket>,
    reset: ResetFlag,
    leaving: Option<Pin<Box<Sleep>>>,
}

impl Encrypted {
    /// Wraps a stream whose handshake is done; `reset` is its socket's flag.
    pub fn new(stream: TlsStream<Socket>, reset: ResetFlag) -> Encrypted {
        Encrypted {
            stream,
            reset,
            leaving: None,
        }
    }

    /// Reads until the client has closed as well, or has had the time to.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [0; 4096];
        loop {
            let mut space = ReadBuf::new(&mut space);
            let socket = &mut self.stream.get_mut().0;
            match Pin::new(socket).poll_read(cx, &mut space) {
                Poll::Ready(Ok(())) if !space.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        let leaving = &mut self.leaving;
        let leaving = leaving.get_or_insert_with(|| Box::pin(tokio::time::sleep(LEAVE)));
        leaving.as_mut().poll(cx)
    }

    /// The protocol that the client chose in the handshake, if it did.
    pub fn protocol(&self) -> Option<&[u8]> {
        self.stream.get_ref().1.alpn_protocol()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        // Many clients close without an alert when they have all that they want; any other error is one of what came.
        if let Poll::Ready(Err(error)) = &polled
            && error.kind() != io::ErrorKind::UnexpectedEof
        {
            self.reset.lost();
        }
        polled
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.resets() {
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        if self.reset.ends_apart() {
            ready!(self.poll_left(cx));
        }
        Poll::Ready(Ok(()))
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
}
