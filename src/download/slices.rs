//! A range of a frozen archive as what it has of each entry and of the tail. Pure but for what was learned so far.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::stream::Stream;

use super::DownloadError;
use crate::archive::{Form, INLINE_MAX, Layout, Part, Segment};
use crate::manifest::Open;
use crate::manifest::stored::Row;
use crate::read_ahead::{Before, Item};

/// Rows that are looked up at once.
const ROWS: usize = 64;

/// The largest object that is read from its beginning for a range that begins in its middle, in bytes. Whoever goes on with
/// a download asks for such a range, and the first bytes may have been wrong: that was not known when the connection broke.
/// It costs the store as much for each such range, so it ends somewhere; of larger objects unzipping tells.
const CHECKED_MAX: u64 = 16 << 20;

/// What a range has of one entry. Each part may be empty, but not all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The entry.
    pub index: usize,
    /// Which bytes of its local header.
    pub header: Range<usize>,
    /// The CRC-32 in its local header; `None` where the object is read whole before anything of it goes out.
    pub crc32: Option<u32>,
    /// Which bytes of its object.
    pub data: Range<u64>,
    /// Which bytes of its object are read.
    pub read: Range<u64>,
    /// Which bytes of its data descriptor.
    pub descriptor: Range<usize>,
}

/// The slices of a range, in order, each with what is read for it: the range's own bytes; or a small object whole where
/// its local header tells its CRC-32 and nobody knows it, or where the range has only a part of it: what is read whole
/// can be held against a CRC-32.
#[derive(Clone, Debug)]
pub struct Slices {
    open: Arc<Open>,
    range: Range<u64>,
    is_checked: bool,
    next: usize,
    /// Rows that were looked up, and the number of the first.
    rows: Vec<Row>,
    first_row: usize,
}

impl Slices {
    /// The slices of a range of the archive's bytes. What it has of the tail is not among them.
    pub fn new(open: Arc<Open>, range: Range<u64>) -> Slices {
        let next = entry_at(open.frozen.layout(), range.start);
        Slices {
            open,
            range,
            is_checked: false,
            next,
            rows: Vec::new(),
            first_row: 0,
        }
    }

    /// The same, where an object that is not too large and whose CRC-32 is known is read whole, too, if the range has its
    /// last bytes and not its first ones.
    #[must_use]
    pub fn checked(self) -> Slices {
        Slices {
            is_checked: true,
            ..self
        }
    }

    /// Whether the range goes on in the middle of an object to its end, and can be held against what is known of it.
    fn goes_on(&self, slice: &Slice) -> bool {
        let layout = self.open.frozen.layout();
        let size = layout.size(slice.index);
        let is_end = slice.data.start > 0 && slice.data.end == size;
        is_end && size <= CHECKED_MAX && layout.claimed_crc32(slice.index).is_some()
    }

    fn row(&mut self, index: usize) -> Option<Row> {
        let known = self.first_row..self.first_row + self.rows.len();
        if !known.contains(&index) {
            self.rows = self.open.frozen.rows(index).take(ROWS).collect();
            self.first_row = index;
        }
        self.rows.get(index - self.first_row).cloned()
    }
}

impl Iterator for Slices {
    type Item = Item<Slice>;

    fn next(&mut self) -> Option<Item<Slice>> {
        let index = self.next;
        let mut slice = slice(&self.open, index, &self.range)?;
        let object = self.row(index)?.object();
        self.next += 1;
        let computed = slice.crc32.is_none();
        if computed || (self.is_checked && self.goes_on(&slice)) {
            slice.read = 0..object.size;
        }
        Some(Item {
            range: slice.read.clone(),
            before: Before {
                computed,
                stored: computed && object.has_crc32,
            },
            object,
            tag: slice,
        })
    }
}

impl Stream for Slices {
    type Item = Result<Item<Slice>, DownloadError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.next().map(Ok))
    }
}

/// What a range has of an entry, if it has something of it.
fn slice(open: &Open, index: usize, range: &Range<u64>) -> Option<Slice> {
    let layout = open.frozen.layout();
    if index >= layout.entries() || layout.offset(index) >= range.end {
        return None;
    }
    let data = layout.data_offset(index);
    let data_end = data.saturating_add(layout.size(index));
    let end = if index + 1 < layout.entries() {
        layout.offset(index + 1)
    } else {
        layout.directory_offset()
    };
    let header = within(range, layout.offset(index)..data);
    let crc32 = match layout.form(index) {
        // The field is zero there.
        Form::Described | Form::Deflated => Some(0),
        Form::Known => open.crc32(index),
    };
    let size = layout.size(index);
    let part = within(range, data..data_end);
    let is_cut = !part.is_empty() && part != (0..size) && size <= INLINE_MAX;
    // Where no header is needed, neither is what stands in it.
    let crc32 = crc32.or_else(|| (header.is_empty() && part.is_empty()).then_some(0));
    Some(Slice {
        index,
        read: part.clone(),
        crc32: crc32.filter(|_| !is_cut),
        header: in_memory(header),
        data: part,
        descriptor: in_memory(within(range, data_end..end)),
    })
}

/// The bytes of a part that a range has, counted from where the part begins.
fn within(range: &Range<u64>, part: Range<u64>) -> Range<u64> {
    let start = range.start.max(part.start);
    let end = range.end.min(part.end);
    if start < end {
        start - part.start..end - part.start
    } else {
        0..0
    }
}

/// Records fit in memory.
fn in_memory(bytes: Range<u64>) -> Range<usize> {
    bytes.start as usize..bytes.end as usize
}

/// The entry that an offset lies in, or the number of entries where it lies behind all of them.
fn entry_at(layout: &Layout, at: u64) -> usize {
    match layout.first_segment(at..at.saturating_add(1)) {
        Some(Segment {
            part: Part::LocalHeader(index) | Part::Data(index) | Part::Descriptor(index),
            ..
        }) => index,
        _ => layout.entries(),
    }
}

/// What a range has of the tail, counted from where the central directory begins.
pub fn tail(layout: &Layout, range: &Range<u64>) -> Range<u64> {
    within(range, layout.directory_offset()..layout.len())
}

/// The entries whose central headers a range of the tail touches.
fn listed_in(layout: &Layout, tail: &Range<u64>) -> Range<usize> {
    let directory = layout.directory_offset();
    let listed = |at: u64| match layout.first_segment(directory + at..directory + at + 1) {
        Some(Segment {
            part: Part::CentralHeader(index),
            ..
        }) => index,
        _ => layout.entries(),
    };
    if tail.is_empty() {
        return 0..0;
    }
    let last = listed(tail.end - 1);
    listed(tail.start)..layout.entries().min(last.saturating_add(1))
}

/// The entries whose CRC-32 a range needs and that do not become known on the way: those of which it does not have all
/// the data. Some may be known already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needed {
    /// For the descriptor of the entry that the range begins in.
    pub described: Option<usize>,
    /// For the central directory.
    pub listed: Range<usize>,
}

impl Needed {
    /// What a range needs.
    pub fn by(layout: &Layout, range: &Range<u64>) -> Needed {
        let first = entry_at(layout, range.start);
        let mut needed = Needed::default();
        let mut before = first;
        if first < layout.entries() && layout.data_offset(first) < range.start {
            let data_end = layout.data_offset(first).saturating_add(layout.size(first));
            // A small object that the range has something of is read whole.
            if layout.size(first) > INLINE_MAX || data_end <= range.start {
                before += 1;
            }
            let described = layout.form(first) == Form::Described && range.end > data_end;
            needed.described = described.then_some(first);
        }
        let listed = listed_in(layout, &tail(layout, range));
        needed.listed = listed.start.min(before)..listed.end.min(before);
        needed
    }

    /// All of them, in order, each once.
    pub fn rows(&self) -> impl Iterator<Item = usize> + Clone + use<> {
        let listed = self.listed.clone();
        let described = self.described.filter(|row| !listed.contains(row));
        // The entry that a range begins in comes behind all others that it needs.
        listed.chain(described)
    }
}

#[cfg(test)]
mod tests;
