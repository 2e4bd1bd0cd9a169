//! A client's connection under TLS, which ends as its [`ResetFlag`] says.
//!
//! A closing alert (RFC 8446 §6.1) says that all was sent: after a failure it must not leave, as little as a FIN may.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::socket::{ResetFlag, Socket};

/// A TLS stream over a [`Socket`].
pub struct Encrypted {
    stream: TlsStream<Socket>,
    reset: ResetFlag,
}

impl Encrypted {
    /// Wraps a stream whose handshake is done; `reset` is its socket's flag.
    pub fn new(stream: TlsStream<Socket>, reset: ResetFlag) -> Encrypted {
        Encrypted { stream, reset }
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
        Pin::new(&mut self.stream).poll_shutdown(cx)
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
