//! A client's connection that can be made to end in a reset.
//!
//! A body without a length and without chunks (HTTP/1.0) ends where the connection closes, so a plain close after a
//! failure would look like success; and not every client compares what came with a length that it was told. A reset is
//! seen by all of them. While a body that is not in chunks is unfinished, the system is told to reset the connection
//! whoever closes it, so that even a killed process leaves no false end.
//!
//! An answer that is whole must arrive. A socket that is closed with bytes unread answers with a reset, which takes with it
//! what the client has not received: so where the client goes on sending (a body that nobody wants, or over HTTP/2 window
//! updates at the least), what comes after the end is read and thrown away, for a while (RFC 9112 §9.6).

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::activity::Activity;

/// How long a client that goes on sending may take to close its side.
const LEAVE: Duration = Duration::from_secs(2);

/// Says how a connection is to close; shared by its socket and by the answers that are sent over it.
#[derive(Clone, Debug, Default)]
pub struct ResetFlag(Arc<State>);

#[derive(Default)]
struct State {
    failed: AtomicBool,
    unfinished: AtomicBool,
    /// Each answer ends for itself (HTTP/2): the connection survives one that fails.
    apart: AtomicBool,
    /// The body of a request was not read to its end.
    unread: AtomicBool,
    activity: Activity,
    /// What waits until the client has taken all that was sent.
    receipts: Mutex<Vec<Receipt>>,
}

type Receipt = Box<dyn FnOnce() + Send>;

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("failed", &self.failed)
            .field("unfinished", &self.unfinished)
            .field("unread", &self.unread)
            .field("activity", &self.activity)
            .finish_non_exhaustive()
    }
}

impl ResetFlag {
    /// The connection has failed: from now on, closing it resets it.
    pub fn set(&self) {
        self.0.failed.store(true, Ordering::Release);
    }

    /// From now on answers end each for itself, in a way that clients see: no failure of one is the connection's.
    pub fn answers_end_apart(&self) {
        self.0.apart.store(true, Ordering::Release);
    }

    /// Whether they do.
    pub fn ends_apart(&self) -> bool {
        self.0.apart.load(Ordering::Acquire)
    }

    /// An answer broke off in its middle. Where its end is not told apart from the connection's, that has failed too.
    pub fn answer_failed(&self) {
        if !self.ends_apart() {
            self.set();
        }
    }

    /// What the connection is doing.
    pub fn activity(&self) -> &Activity {
        &self.0.activity
    }

    /// Whether the connection has failed.
    pub fn is_set(&self) -> bool {
        self.0.failed.load(Ordering::Acquire)
    }

    /// Whether a body is under way whose end a client may see in that of the connection. Said before its head is sent,
    /// and taken back when all of it was handed over.
    pub fn unfinished(&self, unfinished: bool) {
        let unfinished = unfinished && !self.ends_apart();
        self.0.unfinished.store(unfinished, Ordering::Release);
    }

    /// The body of a request was answered before all of it was read: the client may go on sending it.
    pub fn left_unread(&self) {
        self.0.unread.store(true, Ordering::Release);
    }

    /// Whether the client may go on sending after the last answer.
    fn goes_on(&self) -> bool {
        self.ends_apart() || self.0.unread.load(Ordering::Acquire)
    }

    /// An answer was handed over whole: `receipt` is called when the client turns out to have taken it.
    pub fn when_taken(&self, receipt: Receipt) {
        self.receipts().push(receipt);
    }

    /// The client has taken all that was sent: it asks for something else, or closes in good order.
    pub fn taken(&self) {
        // Receipts may take long, and are not called under the lock.
        let receipts = std::mem::take(&mut *self.receipts());
        for receipt in receipts {
            receipt();
        }
    }

    /// The connection broke: what was sent last may not have been taken.
    pub fn lost(&self) {
        self.receipts().clear();
    }

    fn receipts(&self) -> MutexGuard<'_, Vec<Receipt>> {
        self.0
            .receipts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is to end in a reset.
    pub(super) fn resets(&self) -> bool {
        self.is_set() || self.0.unfinished.load(Ordering::Acquire)
    }
}

/// A TCP stream that looks at its [`ResetFlag`] when it closes, and before it writes.
pub struct Socket {
    stream: TcpStream,
    reset: ResetFlag,
    /// Whether the system resets the connection when it is closed.
    armed: bool,
    /// Our side is closed, and the client has this long to close its own.
    leaving: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    /// Wraps a stream; the flag may be set at any time until the socket is dropped.
    pub fn new(stream: TcpStream, reset: ResetFlag) -> Socket {
        Socket {
            stream,
            reset,
            armed: false,
            leaving: None,
        }
    }

    /// Reads until the client has closed as well, or has had the time to.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let leaving = &mut self.leaving;
        let leaving = leaving.get_or_insert_with(|| Box::pin(tokio::time::sleep(LEAVE)));
        // Before what there is to read: that may never end.
        if leaving.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut space = [0; 4096];
        loop {
            let mut space = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut space)).ok();
            if space.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }

    /// Closing with a linger of zero sends RST and drops what is unsent.
    fn arm(&mut self) -> io::Result<()> {
        if !self.armed && self.reset.resets() {
            self.stream.set_zero_linger()?;
            self.armed = true;
        }
        Ok(())
    }

    fn look_at<T>(&self, polled: &Poll<io::Result<T>>) {
        if matches!(polled, Poll::Ready(Err(_))) {
            self.reset.lost();
        }
    }

    /// Tells whether the client takes what it is sent.
    fn tell<T>(&self, written: &Poll<T>) {
        match written {
            Poll::Ready(_) => self.reset.activity().sent(),
            Poll::Pending => self.reset.activity().stuck(),
        }
    }

    fn disarm(&mut self) -> io::Result<()> {
        if self.armed {
            #[expect(deprecated, reason = "a linger blocks; this is the absence of one")]
            self.stream.set_linger(None)?;
            self.armed = false;
        }
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        match self.reset.resets() {
            true => self.reset.lost(),
            false => self.reset.taken(),
        }
        // It fails where the connection is gone already.
        let _ = self.arm();
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.look_at(&polled);
        // What comes over HTTP/2 need not belong to a request.
        if buf.filled().len() > before && !self.reset.ends_apart() {
            self.reset.activity().heard();
        }
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.arm()?;
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.look_at(&polled);
        self.tell(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.resets() {
            // A FIN sent now would reach the client before the reset, and end its body in good order.
            return Poll::Ready(Ok(()));
        }
        if self.leaving.is_none() {
            self.disarm()?;
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            if !self.reset.goes_on() {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_left(cx).map(Ok)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.arm()?;
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.look_at(&polled);
        self.tell(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
