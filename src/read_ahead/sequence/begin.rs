//! Where reads begin: as many pieces at once as the window and the share allow.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::stream::Stream;

use super::{Piece, ReadAhead, ReadAheadError};
use crate::read_ahead::budget::Reservation;
use crate::read_ahead::buffer::Buffer;
use crate::read_ahead::piece::{Cursor, Cut, Item};
use crate::read_ahead::reader::{self, Order};
use crate::read_ahead::reads::Reads;
use crate::read_ahead::window::SMALLEST_PIECE;

/// What each read at once needs a share to reach, in bytes: its connection's own buffers, which grow to some 400 kB and
/// stay, are not charged to anybody.
const REACH_PER_READ: usize = 512 * 1024;

/// The most pieces begun and not passed on; it bounds what objects without bytes can pile up.
const MOST_PIECES: usize = 1024;

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
    /// Begins as many reads as the window and the share allow; `true` where there is nothing more to read.
    pub(super) fn fill(&mut self, cx: &mut Context<'_>) -> Result<bool, ReadAheadError<E>> {
        loop {
            let reach = self.share.reach(self.window.wanted());
            let most = (reach / REACH_PER_READ).clamp(1, self.most_reads);
            let busy = self.traffic.under_way() >= most;
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
            match self.begin(cx, reach) {
                Begun::Yes => {}
                Begun::Later => return Ok(false),
            }
        }
    }

    /// Begins to read the next piece, if there is room for it within `reach`.
    fn begin(&mut self, cx: &mut Context<'_>, reach: usize) -> Begun {
        let Some(cursor) = self.cursors.front() else {
            return Begun::Later;
        };
        let cut = cursor.cut(&self.window, reach);
        if cut.range.is_empty() {
            return self.push(cut, None, false);
        }
        let is_head = self.queue.is_empty();
        let charge = cut.charge();
        let used = self.share.used();
        if !is_head && !self.window.admits(used, charge) {
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
        let buffer = Buffer::new(reservation, self.taker.clone());
        let read = if cut.range.is_empty() {
            buffer.finish(&self.share);
            None
        } else {
            let order = Order {
                span: span.clone(),
                range: cut.range.clone(),
                stored: tag.is_some() && span.before.stored,
                hash_only,
                whole: cut.whole,
            };
            let (buffer, share) = (buffer.clone(), self.share.clone());
            Some(reader::start(
                &self.reads,
                order,
                buffer,
                share,
                &self.traffic,
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
