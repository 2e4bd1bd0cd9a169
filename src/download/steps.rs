//! A range of a frozen archive as a sequence of steps, each with what it reads. Pure but for what was learned so far.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::ranged::{Step, Wanted};
use crate::archive::{Form, Part, Segment};
use crate::manifest::Open;
use crate::manifest::stored::Row;

/// Rows that are looked up at once.
const ROWS: usize = 64;

/// What makes the next bytes of the range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrozenStep {
    /// Bytes of a local header that needs no CRC-32, or whose CRC-32 is known.
    Header {
        /// The entry.
        index: usize,
        /// The CRC-32 in the header.
        crc32: u32,
        /// Which of the header's bytes.
        cut: Range<usize>,
    },
    /// A small object that is read whole, because its local header tells its CRC-32 and nobody knows it.
    Small {
        /// The entry.
        index: usize,
        /// Which of the header's bytes.
        header: Range<usize>,
        /// Which of the object's bytes.
        data: Range<usize>,
        /// The whole object.
        wanted: Wanted,
    },
    /// Bytes of an object.
    Data {
        /// The entry.
        index: usize,
        /// Which.
        wanted: Wanted,
    },
    /// Bytes of a data descriptor.
    Descriptor {
        /// The entry.
        index: usize,
        /// Which of its bytes.
        cut: Range<usize>,
    },
    /// Bytes of the central directory and the end, counted from where the directory begins.
    Tail(Range<u64>),
}

impl Step for FrozenStep {
    fn wanted(&self) -> Option<&Wanted> {
        match self {
            FrozenStep::Small { wanted, .. } | FrozenStep::Data { wanted, .. } => Some(wanted),
            _ => None,
        }
    }
}

/// The steps of a range, in order.
#[derive(Clone, Debug)]
pub struct Steps {
    open: Arc<Open>,
    rest: Range<u64>,
    /// Rows that were looked up, and the number of the first.
    rows: Vec<Row>,
    first_row: usize,
}

impl Steps {
    /// The steps of a range of the archive's bytes.
    pub fn new(open: Arc<Open>, range: Range<u64>) -> Steps {
        Steps {
            open,
            rest: range,
            rows: Vec::new(),
            first_row: 0,
        }
    }

    fn row(&mut self, index: usize) -> Option<Row> {
        let known = self.first_row..self.first_row + self.rows.len();
        if !known.contains(&index) {
            self.rows = self.open.frozen.rows(index).take(ROWS).collect();
            self.first_row = index;
        }
        self.rows.get(index - self.first_row).cloned()
    }

    fn take(&mut self) -> Option<Segment> {
        let segment = self.open.frozen.layout().first_segment(self.rest.clone())?;
        self.rest.start += segment.len;
        Some(segment)
    }

    fn header(&mut self, index: usize, cut: Range<usize>) -> Option<FrozenStep> {
        let layout = self.open.frozen.layout();
        let crc32 = match layout.form(index) {
            // The field is zero there.
            Form::Described => Some(0),
            Form::Known => self.open.crc32(index),
        };
        if let Some(crc32) = crc32 {
            return Some(FrozenStep::Header { index, crc32, cut });
        }
        let object = self.row(index)?.object();
        let next = self.open.frozen.layout().first_segment(self.rest.clone());
        let data = match next {
            Some(segment) if segment.part == Part::Data(index) => {
                self.rest.start += segment.len;
                span(&segment)
            }
            _ => 0..0,
        };
        Some(FrozenStep::Small {
            index,
            header: cut,
            data,
            wanted: Wanted {
                range: 0..object.size,
                object,
            },
        })
    }
}

impl Iterator for Steps {
    type Item = FrozenStep;

    fn next(&mut self) -> Option<FrozenStep> {
        let segment = self.take()?;
        match segment.part {
            Part::LocalHeader(index) => self.header(index, span(&segment)),
            Part::Data(index) => Some(FrozenStep::Data {
                index,
                wanted: Wanted {
                    object: self.row(index)?.object(),
                    range: segment.start..segment.start + segment.len,
                },
            }),
            Part::Descriptor(index) => Some(FrozenStep::Descriptor {
                index,
                cut: span(&segment),
            }),
            Part::CentralHeader(_) | Part::End => {
                let layout = self.open.frozen.layout();
                let directory = layout.directory_offset();
                // The segment was taken already, and all that follows belongs to the tail too.
                let start = self.rest.start - segment.len - directory;
                let end = self.rest.end.min(layout.len()) - directory;
                self.rest.start = self.rest.end;
                Some(FrozenStep::Tail(start..end))
            }
        }
    }
}

/// The bytes of a segment within its part. Records, and objects that are read whole, fit in memory.
fn span(segment: &Segment) -> Range<usize> {
    segment.start as usize..(segment.start + segment.len) as usize
}

/// The entries whose central headers a range of the tail touches.
pub fn listed_in(open: &Open, tail: &Range<u64>) -> Range<usize> {
    let layout = open.frozen.layout();
    let directory = layout.directory_offset();
    let entry_at = |at: u64| match layout.first_segment(directory + at..directory + at + 1) {
        Some(Segment {
            part: Part::CentralHeader(index),
            ..
        }) => index,
        _ => layout.entries(),
    };
    if tail.is_empty() {
        return 0..0;
    }
    let last = entry_at(tail.end - 1);
    entry_at(tail.start)..layout.entries().min(last.saturating_add(1))
}

/// The entries whose CRC-32 a range needs, that nobody knows, and that do not become known on the way: those of which
/// the range does not have all the data.
pub fn needs(open: &Open, range: &Range<u64>) -> Vec<usize> {
    let layout = open.frozen.layout();
    let end = range.end.min(layout.len());
    let passes = |index: usize| layout.data_offset(index) >= range.start;
    let mut needed = BTreeSet::new();
    // Only the entry in which the range begins can have its descriptor in it, but not all of its data.
    let first = layout
        .first_segment(range.clone())
        .map(|segment| segment.part);
    if let Some(Part::Data(index) | Part::Descriptor(index)) = first {
        let data_end = layout.data_offset(index).saturating_add(layout.size(index));
        let described = layout.form(index) == Form::Described && end > data_end;
        if described && !passes(index) && open.crc32(index).is_none() {
            needed.insert(index);
        }
    }
    let directory = layout.directory_offset();
    let tail = range.start.saturating_sub(directory)..end.saturating_sub(directory);
    let listed = listed_in(open, &tail);
    let unknown = listed.filter(|&index| !passes(index) && open.crc32(index).is_none());
    needed.extend(unknown);
    needed.into_iter().collect()
}

#[cfg(test)]
mod tests;
