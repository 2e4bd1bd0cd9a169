//! The body of a request, from a client that must not take for ever to send it.
//!
//! Only the time counts in which the client is waited for. It has `body_timeout` and a second for each [`RATE`] bytes that
//! came, as Apache's mod_reqtimeout gives it: a pause is borne, and a trickle is not.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use super::socket::ResetFlag;

/// Bytes that are worth a second more.
pub const RATE: u64 = 4 << 10;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum PacedError {
    /// The client took too long.
    #[error("the body did not come in time: {bytes} bytes of it in {seconds} s")]
    TooSlow {
        /// How much had come.
        bytes: u64,
        /// How long the client was waited for.
        seconds: u64,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Broke(#[from] hyper::Error),
}

/// A body that ends in an error where it comes too slowly.
#[derive(Debug)]
pub struct Paced<B> {
    body: B,
    patience: Duration,
    bytes: u64,
    waited: Duration,
    /// Since when it is waited for now, and until when.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    unread: Option<Unread>,
}

/// Tells the connection of a body that is dropped before it has ended.
#[derive(Debug)]
struct Unread {
    connection: ResetFlag,
    ended: bool,
}

impl Drop for Unread {
    fn drop(&mut self) {
        if !self.ended {
            self.connection.left_unread();
        }
    }
}

impl<B> Paced<B> {
    /// A body that may take `patience`, and a second for each [`RATE`] bytes.
    pub fn new(body: B, patience: Duration) -> Paced<B> {
        Paced {
            body,
            patience,
            bytes: 0,
            waited: Duration::ZERO,
            waiting: None,
            unread: None,
        }
    }
}

impl<B: Body> Paced<B> {
    /// The same, of this connection, which is told if not all of it is read.
    pub fn of(mut self, connection: &ResetFlag) -> Paced<B> {
        self.unread = Some(Unread {
            connection: connection.clone(),
            ended: self.body.is_end_stream(),
        });
        self
    }
}

impl<B> Body for Paced<B>
where
    B: Body<Data = Bytes> + Unpin,
    PacedError: From<B::Error>,
{
    type Data = Bytes;
    type Error = PacedError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PacedError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            if let Some((since, _)) = this.waiting.take() {
                this.waited += since.elapsed();
            }
            let frame = frame.transpose()?;
            if let Some(unread) = &mut this.unread {
                unread.ended = frame.is_none() || this.body.is_end_stream();
            }
            let data = frame.as_ref().and_then(Frame::data_ref);
            this.bytes += data.map_or(0, |data| data.len() as u64);
            return Poll::Ready(frame.map(Ok));
        }
        let allowed = this.patience + Duration::from_secs(this.bytes / RATE);
        let left = allowed.saturating_sub(this.waited);
        let (since, end) = this
            .waiting
            .get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
        ready!(end.as_mut().poll(cx));
        let waited = this.waited + since.elapsed();
        Poll::Ready(Some(Err(PacedError::TooSlow {
            bytes: this.bytes,
            seconds: waited.as_secs(),
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::StreamExt;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    impl From<Infallible> for PacedError {
        fn from(never: Infallible) -> PacedError {
            match never {}
        }
    }

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A chunk of so many bytes each so many seconds, so often. Returns what came, unless it was too slow.
    async fn came(bytes: usize, seconds: u64, times: usize) -> Option<usize> {
        let chunks = futures::stream::iter(0..times).then(move |_| async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Ok::<_, Infallible>(Frame::data(Bytes::from(vec![0; bytes])))
        });
        let body = Paced::new(StreamBody::new(Box::pin(chunks)), PATIENCE);
        match body.collect().await {
            Ok(all) => Some(all.to_bytes().len()),
            Err(PacedError::TooSlow { .. }) => None,
            Err(PacedError::Broke(error)) => panic!("{error}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_borne_and_a_trickle_is_not() {
        assert_eq!(came(10, 29, 1).await, Some(10));
        assert_eq!(came(10, 31, 1).await, None);
        assert_eq!(came(1, 1, 29).await, Some(29));
        assert_eq!(came(1, 1, 31).await, None, "a byte a second");
        assert_eq!(
            came(4096, 1, 1000).await,
            Some(4_096_000),
            "slow, but a rate"
        );
        assert_eq!(came(2048, 1, 1000).await, None, "half of it");
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_whoever_reads_is_not_the_clients() {
        let chunks = futures::stream::iter([1_usize; 100])
            .map(|bytes| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![0; bytes]))));
        let mut body = Paced::new(StreamBody::new(chunks), PATIENCE);
        let mut came = 0;
        while let Some(frame) = body.frame().await {
            came += frame.unwrap().into_data().unwrap().len();
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        assert_eq!(came, 100);
    }
}
