//! What is to be read: items in the order of the archive, and the place up to which they were cut into pieces.

use std::ops::Range;
use std::sync::Arc;

use super::window::Window;
use crate::store::Object;

/// The least that a read is charged with, in bytes: what a request costs beside the bytes it brings.
const READ_COST: u64 = 16 * 1024;

/// A range of one object, with what has to be known before its first byte is passed on.
///
/// A range without bytes is never asked for: an empty object's row says all that its entry needs, and an archive shows
/// it as it was listed, whatever has become of it since.
///
/// `T` is the caller's own, and comes back with [`Event::Begin`](super::Event::Begin).
#[derive(Clone, Debug)]
pub struct Item<T> {
    /// The object, as it was listed.
    pub object: Object,
    /// Which of its bytes; none at all is possible.
    pub range: Range<u64>,
    /// What has to be known beforehand.
    pub before: Before,
    /// The caller's own.
    pub tag: T,
}

/// What has to be known before the first byte of an item is passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// The CRC-32 of the range, computed. For short ranges only: they are kept in memory, or read twice.
    pub computed: bool,
    /// The CRC-32 of the whole object that the store keeps, if it keeps one.
    pub stored: bool,
}

/// The part of an [`Item`] that its pieces share.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) object: Object,
    pub(super) range: Range<u64>,
    pub(super) before: Before,
}

/// An item that is cut up to a place.
#[derive(Debug)]
pub(super) struct Cursor<T> {
    pub(super) span: Arc<Span>,
    /// The next byte to be read, as an offset in the object.
    pub(super) at: u64,
    /// There until a piece has taken it along: what the item begins with is not known before that.
    pub(super) tag: Option<T>,
}

/// What to read next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) range: Range<u64>,
    /// It is the whole item, and cannot be passed on before all of it has come.
    pub(super) whole: bool,
}

impl<T> Cursor<T> {
    /// The start of an item.
    pub(super) fn new(item: Item<T>) -> Cursor<T> {
        Cursor {
            at: item.range.start,
            span: Arc::new(Span {
                object: item.object,
                range: item.range,
                before: item.before,
            }),
            tag: Some(item.tag),
        }
    }

    /// The bytes still to be cut.
    pub(super) fn rest(&self) -> Range<u64> {
        self.at..self.span.range.end
    }

    /// The next piece, where the share could cover `reach` bytes.
    pub(super) fn cut(&self, window: &Window, reach: usize) -> Cut {
        let rest = self.rest();
        let whole = self.tag.is_some() && self.span.before.computed;
        let end = if whole {
            rest.end
        } else {
            rest.end.min(rest.start.saturating_add(window.piece(reach)))
        };
        Cut {
            range: rest.start..end,
            whole,
        }
    }
}

impl Cut {
    /// What its read is charged with while it is under way, in bytes.
    pub(super) fn charge(&self) -> usize {
        let bytes = self.range.end - self.range.start;
        usize::try_from(bytes.max(READ_COST)).unwrap_or(usize::MAX)
    }
}
