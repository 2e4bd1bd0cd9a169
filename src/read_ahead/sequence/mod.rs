//! Reading ahead: items in, their bytes in order out, with as many pieces under way at once as the window allows.
//!
//! The queue holds the pieces whose reads have begun, in the order of the archive and without a gap; what comes after
//! them is the cursor's. The head of the queue is passed on chunk by chunk as it comes, the others fill up meanwhile.
//! Where a piece gave way to others, the queue is taken back to that place and read again from there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crc32fast::Hasher;
use futures::stream::{Fuse, Stream, StreamExt};
use tokio_util::task::AbortOnDropHandle;

use super::budget::Share;
use super::buffer::{Buffer, Found, Known, Taker};
use super::piece::{Cursor, Cut, Item, Span};
use super::reads::Reads;
use super::traffic::Traffic;
use super::window::Window;

mod begin;
mod event;

pub use event::{Event, ReadAheadError};

/// The most reads of one download under way at once.
pub const MOST_READS: usize = 64;

/// Reads ahead of whoever takes from it. Dropped, it ends all of its reads.
pub struct ReadAhead<R, S, T> {
    reads: R,
    source: Fuse<S>,
    share: Share,
    window: Window,
    queue: VecDeque<Piece<T>>,
    /// What is cut next; further ones are left over from a queue that was taken back.
    cursors: VecDeque<Cursor<T>>,
    /// The item that is being passed on.
    passing: Passing,
    traffic: Traffic,
    most_reads: usize,
    taker: Arc<Taker>,
}

struct Piece<T> {
    span: Arc<Span>,
    cut: Cut,
    /// There until the item has begun, if this is its first piece.
    tag: Option<T>,
    /// The next byte to be passed on, as an offset in the object.
    at: u64,
    /// It only finds out what must be known beforehand; the bytes are read once more.
    hash_only: bool,
    buffer: Arc<Buffer>,
    _read: Option<AbortOnDropHandle<()>>,
}

#[derive(Default)]
struct Passing {
    /// Of the pieces that have passed.
    passed: Option<Hasher>,
    /// Of what has passed of the piece at hand.
    piece: Hasher,
    computed: Option<u32>,
}

impl Passing {
    /// Nothing more of the piece at hand will pass. Most items have one, and nothing to combine.
    fn end_piece(&mut self) {
        let piece = std::mem::take(&mut self.piece);
        match &mut self.passed {
            Some(passed) => passed.combine(&piece),
            None => self.passed = Some(piece),
        }
    }
}

impl<R, S, T, E> ReadAhead<R, S, T>
where
    R: Reads,
    S: Stream<Item = Result<Item<T>, E>> + Unpin,
{
    /// Reads the items of `source` within `share`. Nothing is read before the first call of [`ReadAhead::next`].
    pub fn new(reads: R, source: S, share: Share) -> ReadAhead<R, S, T> {
        ReadAhead {
            reads,
            source: source.fuse(),
            window: Window::new(share.most()),
            share,
            queue: VecDeque::new(),
            cursors: VecDeque::new(),
            passing: Passing::default(),
            traffic: Traffic::default(),
            most_reads: MOST_READS,
            taker: Arc::default(),
        }
    }

    /// The same, with at most `reads` under way at once instead of [`MOST_READS`].
    #[must_use]
    pub fn at_most(self, reads: usize) -> ReadAhead<R, S, T> {
        ReadAhead {
            most_reads: reads.max(1),
            ..self
        }
    }

    /// Where the items come from.
    pub fn source(&self) -> &S {
        self.source.get_ref()
    }

    /// The share that everything is read within.
    pub fn share(&self) -> &Share {
        &self.share
    }

    /// The next event, or `None` after the last item.
    ///
    /// It may wait for bytes that were given out before to be dropped. So whoever takes events must let go of their
    /// bytes in its own time, as a socket does, and not only when the next event is there.
    ///
    /// # Errors
    /// [`ReadAheadError`]; nothing can be read after that. A read's failure comes at its own place in the sequence, so
    /// that what comes before it does not depend on timing.
    pub async fn next(&mut self) -> Result<Option<Event<T>>, ReadAheadError<E>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Event<T>>, ReadAheadError<E>>> {
        self.taker.register(cx.waker());
        loop {
            if self.taker.has_gap()
                && let Some(gap) = self.queue.iter().position(|piece| piece.buffer.gave_way())
            {
                // Before anything is read that would lie behind the gap, only to be read again.
                self.take_back(gap);
            }
            let exhausted = self.fill(cx)?;
            if self.queue.is_empty() {
                if exhausted {
                    return Poll::Ready(Ok(None));
                }
                self.window.waits();
                return Poll::Pending;
            }
            if let Some(event) = ready!(self.poll_head()?) {
                return Poll::Ready(Ok(Some(event)));
            }
        }
    }

    /// Looks at the head of the queue. `None` says that the queue has changed.
    fn poll_head(&mut self) -> Poll<Result<Option<Event<T>>, ReadAheadError<E>>> {
        let Some(head) = self.queue.front_mut() else {
            return Poll::Ready(Ok(None));
        };
        if head.tag.is_some() {
            return self.poll_begin();
        }
        head.buffer.is_next();
        match head.buffer.take() {
            Found::Chunk(chunk, _) if chunk.is_empty() => Poll::Ready(Ok(None)),
            Found::Chunk(chunk, so_far) => {
                head.at += chunk.len() as u64;
                self.passing.piece = so_far;
                let idle = self.traffic.under_way() == 0;
                self.window.taken(chunk.len(), idle, self.traffic.latency());
                Poll::Ready(Ok(Some(Event::Data(chunk))))
            }
            Found::Nothing => {
                self.window.waits();
                Poll::Pending
            }
            Found::End => Poll::Ready(self.end_head()),
            Found::Failed(error) => Poll::Ready(Err(ReadAheadError::Store(error))),
            Found::GaveWay => {
                self.take_back(0);
                Poll::Ready(Ok(None))
            }
        }
    }

    /// Begins the item that the head of the queue is the first piece of.
    fn poll_begin(&mut self) -> Poll<Result<Option<Event<T>>, ReadAheadError<E>>> {
        let Some(head) = self.queue.front_mut() else {
            return Poll::Ready(Ok(None));
        };
        let before = head.span.before;
        if !before.computed {
            // Otherwise its taker is not to be woken before all of it has come.
            head.buffer.is_next();
        }
        let stored = before.stored && !head.span.range.is_empty();
        match head.buffer.known(before.computed, stored) {
            Known::All { computed, stored } => {
                self.passing = Passing {
                    computed,
                    ..Passing::default()
                };
                let tag = head.tag.take();
                if head.hash_only {
                    self.queue.pop_front();
                }
                Poll::Ready(Ok(tag.map(|tag| Event::Begin {
                    tag,
                    computed,
                    stored,
                })))
            }
            Known::NotYet => {
                self.window.waits();
                Poll::Pending
            }
            Known::Failed(error) => Poll::Ready(Err(ReadAheadError::Store(error))),
            Known::GaveWay => {
                self.take_back(0);
                Poll::Ready(Ok(None))
            }
        }
    }

    /// All of the head was passed on.
    fn end_head(&mut self) -> Result<Option<Event<T>>, ReadAheadError<E>> {
        let Some(piece) = self.queue.pop_front() else {
            return Ok(None);
        };
        self.passing.end_piece();
        if piece.cut.range.end < piece.span.range.end {
            return Ok(None);
        }
        let Passing {
            passed, computed, ..
        } = std::mem::take(&mut self.passing);
        let crc32 = passed.map_or(0, Hasher::finalize);
        match computed {
            Some(first) if first != crc32 => Err(ReadAheadError::Unstable {
                key: piece.span.object.key.clone(),
                first,
                second: crc32,
            }),
            _ => Ok(Some(Event::End { crc32 })),
        }
    }

    /// Ends all reads but the first `kept`, and goes back to the first byte that they do not bring.
    fn take_back(&mut self, kept: usize) {
        self.window.gave_way();
        if kept == 0 {
            self.passing.end_piece();
        }
        for piece in self.queue.drain(kept..).rev() {
            let later = self.cursors.front();
            if later.is_some_and(|later| Arc::ptr_eq(&later.span, &piece.span)) {
                self.cursors.pop_front();
            }
            self.cursors.push_front(Cursor {
                span: piece.span,
                at: piece.at,
                tag: piece.tag,
            });
        }
    }
}
