//! Reading ahead: items in, their bytes in order out, with as many pieces under way at once as the window allows.
//!
//! The queue holds the pieces whose reads have begun, in the order of the archive and without a gap; what comes after
//! them is the cursor's. The head of the queue is passed on chunk by chunk as it comes, the others fill up meanwhile.
//! Where a piece gave way to others, the queue is taken back to that place and read again from there.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use crc32fast::Hasher;
use futures::stream::{Fuse, Stream, StreamExt};
use futures::task::AtomicWaker;
use tokio_util::task::AbortOnDropHandle;

use super::budget::{Reservation, Share};
use super::buffer::{Buffer, Found, Known};
use super::piece::{Cursor, Cut, Item, Span};
use super::reader::{self, Order};
use super::reads::Reads;
use super::window::{SMALLEST_PIECE, Window};
use crate::store::StoreError;

/// The most reads of one download under way at once.
pub const MOST_READS: usize = 64;

/// What each read at once needs a share to reach, in bytes: its connection's own buffers, which grow to some 400 kB and
/// stay, are not charged to anybody.
const REACH_PER_READ: usize = 512 * 1024;

/// The most pieces begun and not passed on; it bounds what objects without bytes can pile up.
const MOST_PIECES: usize = 1024;

/// What comes out, for each item: one [`Event::Begin`], its bytes, one [`Event::End`].
#[derive(Debug, PartialEq, Eq)]
pub enum Event<T> {
    /// The next item.
    Begin {
        /// The caller's own.
        tag: T,
        /// The CRC-32 of the item's range, if it was to be computed beforehand.
        computed: Option<u32>,
        /// The stored CRC-32, if it was asked for and is there.
        stored: Option<u32>,
    },
    /// The next bytes of the item, never none. They hold their part of the budget until they are dropped.
    Data(Bytes),
    /// All bytes of the item have come.
    End {
        /// The CRC-32 of the bytes that were passed on.
        crc32: u32,
    },
}

/// Why the sequence cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReadAheadError<E> {
    /// The items' source failed.
    #[error(transparent)]
    Source(E),
    /// A read failed for good.
    #[error(transparent)]
    Store(StoreError),
    /// An object that was read twice gave other bytes the second time, under one ETag.
    #[error("{} changed while it was read", key.escape_default())]
    Unstable {
        /// The object's key.
        key: String,
        /// The CRC-32 of the first time.
        first: u32,
        /// The CRC-32 of the second time.
        second: u32,
    },
}

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
    under_way: Arc<AtomicUsize>,
    most_reads: usize,
    wakes: Arc<AtomicWaker>,
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
    hasher: Hasher,
    computed: Option<u32>,
}

/// What became of the attempt to begin a read.
enum Begun {
    Yes,
    /// Not before something else happens, which wakes the task.
    Later,
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
            under_way: Arc::default(),
            most_reads: MOST_READS,
            wakes: Arc::default(),
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
        self.wakes.register(cx.waker());
        loop {
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
        head.buffer.is_next();
        if head.tag.is_some() {
            return self.poll_begin();
        }
        match head.buffer.take() {
            Found::Chunk(chunk, _) if chunk.is_empty() => Poll::Ready(Ok(None)),
            Found::Chunk(chunk, hasher) => {
                head.at += chunk.len() as u64;
                self.passing.hasher.combine(&hasher);
                let idle = self.under_way.load(Ordering::Relaxed) == 0;
                self.window.taken(chunk.len(), idle);
                Poll::Ready(Ok(Some(Event::Data(chunk))))
            }
            Found::Nothing => {
                self.window.waits();
                Poll::Pending
            }
            Found::End => Poll::Ready(self.end_head()),
            Found::Failed(error) => Poll::Ready(Err(ReadAheadError::Store(error))),
            Found::GaveWay => {
                self.take_back();
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
        let stored = before.stored && !head.span.range.is_empty();
        match head.buffer.known(before.computed, stored) {
            Known::All { computed, stored } => {
                self.passing = Passing {
                    hasher: Hasher::new(),
                    computed,
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
                self.take_back();
                Poll::Ready(Ok(None))
            }
        }
    }

    /// All of the head was passed on.
    fn end_head(&mut self) -> Result<Option<Event<T>>, ReadAheadError<E>> {
        let Some(piece) = self.queue.pop_front() else {
            return Ok(None);
        };
        if piece.cut.range.end < piece.span.range.end {
            return Ok(None);
        }
        let Passing { hasher, computed } = std::mem::take(&mut self.passing);
        let crc32 = hasher.finalize();
        match computed {
            Some(first) if first != crc32 => Err(ReadAheadError::Unstable {
                key: piece.span.object.key.clone(),
                first,
                second: crc32,
            }),
            _ => Ok(Some(Event::End { crc32 })),
        }
    }

    /// Ends all reads and goes back to the first byte that was not passed on.
    fn take_back(&mut self) {
        while let Some(piece) = self.queue.pop_back() {
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

    /// Begins as many reads as the window and the share allow; `true` where there is nothing more to read.
    fn fill(&mut self, cx: &mut Context<'_>) -> Result<bool, ReadAheadError<E>> {
        loop {
            let most = (self.share.reach() / REACH_PER_READ).clamp(1, self.most_reads);
            let busy = self.under_way.load(Ordering::Relaxed) >= most;
            if (busy && !self.queue.is_empty()) || self.queue.len() >= MOST_PIECES {
                return Ok(false);
            }
            if self.cursors.is_empty() {
                match Pin::new(&mut self.source).poll_next(cx) {
                    Poll::Ready(Some(Ok(item))) => self.cursors.push_back(Cursor::new(item)),
                    Poll::Ready(Some(Err(error))) => return Err(ReadAheadError::Source(error)),
                    Poll::Ready(None) => return Ok(true),
                    Poll::Pending => return Ok(false),
                }
            }
            match self.begin(cx) {
                Begun::Yes => {}
                Begun::Later => return Ok(false),
            }
        }
    }

    /// Begins to read the next piece, if there is room for it.
    fn begin(&mut self, cx: &mut Context<'_>) -> Begun {
        let Some(cursor) = self.cursors.front() else {
            return Begun::Later;
        };
        let cut = cursor.cut(&self.window, self.share.reach());
        if cut.range.is_empty() {
            return self.push(cut, None, false);
        }
        let is_head = self.queue.is_empty();
        let charge = cut.charge();
        let used = self.share.used();
        if !is_head && used + charge > self.window.target() {
            return Begun::Later;
        }
        if let Some(reservation) = self.share.try_take(charge) {
            return self.push(cut, Some(reservation), false);
        }
        self.window.refused(used);
        if !is_head {
            return Begun::Later;
        }
        // The head goes on with what the first reservation covers: at the least once its own bytes have left.
        let least = Cut {
            range: cut.range.start..cut.range.end.min(cut.range.start + SMALLEST_PIECE),
            whole: false,
        };
        match self.share.poll_take(cx, least.charge()) {
            Poll::Ready(reservation) if cut.whole && cut.range != least.range => {
                self.push(cut, Some(reservation), true)
            }
            Poll::Ready(reservation) => self.push(least, Some(reservation), false),
            Poll::Pending => Begun::Later,
        }
    }

    /// Puts a piece behind the others, and its read under way.
    fn push(&mut self, cut: Cut, reservation: Option<Reservation>, hash_only: bool) -> Begun {
        let Some(cursor) = self.cursors.front_mut() else {
            return Begun::Later;
        };
        let (span, tag) = (cursor.span.clone(), cursor.tag.take());
        if !hash_only {
            cursor.at = cut.range.end;
        }
        if cursor.rest().is_empty() {
            self.cursors.pop_front();
        }
        let buffer = Buffer::new(reservation, self.wakes.clone());
        let read = if cut.range.is_empty() {
            buffer.finish(&self.share);
            None
        } else {
            let order = Order {
                span: span.clone(),
                range: cut.range.clone(),
                stored: tag.is_some() && span.before.stored,
                hash_only,
            };
            let (buffer, share) = (buffer.clone(), self.share.clone());
            Some(reader::start(
                &self.reads,
                order,
                buffer,
                share,
                &self.under_way,
            ))
        };
        self.queue.push_back(Piece {
            at: cut.range.start,
            span,
            cut,
            tag,
            hash_only,
            buffer,
            _read: read,
        });
        Begun::Yes
    }
}
