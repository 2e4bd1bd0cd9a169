//! Which parts an archive is uploaded in: pure, and a function of the layout and two numbers, so that every attempt and
//! every worker has the same plan.
//!
//! The parts lie one behind the other, without a gap, and keep S3's limits: 5 MiB to 5 GiB each, the last one apart,
//! and at most 10,000 of them.
//! Source: [multipart upload limits](https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
//!
//! Copied within the store are ranges of large objects. Between two of them stands a *bridge* of bytes that pass through
//! the worker: what stands between the two in the archive, and as much of the head of the second as makes 5 MiB.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::archive::Layout;
use crate::store::upload::{MAX_PARTS, MIN_PART};

/// The length of parts, in bytes, where nothing asks for larger ones.
pub const PART: u64 = 10 << 20;

/// The smallest part but for the last.
const LEAST: u64 = MIN_PART as u64;

/// The largest part, and the largest range that is copied in one request.
const LARGEST: u64 = 5 << 30;

/// The most that fits into one upload.
pub const MOST: u64 = LARGEST * MAX_PARTS as u64;

/// An archive as the parts of an upload. The first has the number 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    parts: Vec<Part>,
    part_size: u64,
}

/// A part of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which bytes of the archive.
    pub range: Range<u64>,
    /// Where they come from.
    pub source: Source,
}

/// Where the bytes of a part come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// They pass through the worker.
    Stream,
    /// The store copies them.
    Copy {
        /// The row of the object.
        row: usize,
        /// Which of its bytes.
        range: Range<u64>,
    },
}

/// The length of parts of an archive of `length` bytes: `least`, or as much as 10,000 parts need, in whole mebibytes.
/// `None` where it does not fit into one upload.
pub fn part_size(length: u64, least: u64) -> Option<u64> {
    const MIB: u64 = 1 << 20;
    let needed = length.div_ceil(MAX_PARTS as u64).div_ceil(MIB) * MIB;
    let size = needed.max(least).max(LEAST);
    (size <= LARGEST && length <= MOST).then_some(size)
}

impl Plan {
    /// Every byte passes through the worker, in parts of one length, as some stores insist on.
    pub fn streamed(layout: &Layout, part_size: u64) -> Plan {
        let length = layout.len();
        let starts = (0..length.div_ceil(part_size)).map(|part| part * part_size);
        let parts = starts.map(|start| Part {
            range: start..length.min(start + part_size),
            source: Source::Stream,
        });
        Plan {
            parts: parts.collect(),
            part_size,
        }
    }

    /// Large objects are copied, as many of them as the number of parts allows, and the larger the sooner; only those
    /// whose rows claim a CRC-32, since nobody hashes what is copied. `None` where nothing can be.
    pub fn copied(layout: &Layout, part_size: u64) -> Option<Plan> {
        let mut largest: Vec<usize> = (0..layout.entries())
            .filter(|&row| layout.claimed_crc32(row).is_some() && layout.size(row) > LEAST)
            .collect();
        // The first of equals.
        largest.sort_by_key(|&row| (std::cmp::Reverse(layout.size(row)), row));
        // Each takes a part, and one for its bridge.
        largest.truncate((MAX_PARTS - 1) / 2);
        let mut bridge = part_size.max(2 * LEAST);
        loop {
            if largest.is_empty() {
                return None;
            }
            let chosen: BTreeSet<usize> = largest.iter().copied().collect();
            let parts = bridged(layout, &chosen, bridge);
            if parts.len() <= MAX_PARTS {
                let plan = Plan { parts, part_size };
                return (plan.copied_bytes() > 0).then_some(plan);
            }
            let streamed = parts.iter().filter(|part| part.source == Source::Stream);
            if streamed.count() > MAX_PARTS / 2 && bridge * 2 <= LARGEST {
                bridge *= 2;
            } else {
                largest.truncate(largest.len() * 3 / 4);
            }
        }
    }

    /// The parts, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// A part by its number, from 1 on.
    pub fn part(&self, number: usize) -> Option<&Part> {
        self.parts.get(number.checked_sub(1)?)
    }

    /// The length of parts that it was made with, in bytes.
    pub fn part_size(&self) -> u64 {
        self.part_size
    }

    /// The bytes that the store copies.
    pub fn copied_bytes(&self) -> u64 {
        let copied = self.parts.iter().filter(|part| part.is_copied());
        copied.map(Part::len).sum()
    }

    /// Rows of which the store copies a range.
    pub fn copied_rows(&self) -> BTreeSet<usize> {
        let rows = self.parts.iter().filter_map(|part| match part.source {
            Source::Copy { row, .. } => Some(row),
            Source::Stream => None,
        });
        rows.collect()
    }
}

impl Part {
    /// Its length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "no part is empty")]
    pub fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Whether the store copies it.
    pub fn is_copied(&self) -> bool {
        self.source != Source::Stream
    }
}

fn bridged(layout: &Layout, chosen: &BTreeSet<usize>, bridge: u64) -> Vec<Part> {
    let (mut parts, mut at) = (Vec::new(), 0);
    for &row in chosen {
        let data = layout.data_offset(row);
        let end = data + layout.size(row);
        // The head of the object makes the bridge long enough.
        let cut = data.max(at + LEAST);
        if end.saturating_sub(cut) < LEAST {
            continue;
        }
        parts.extend(pieces(at..cut, bridge).map(|range| Part {
            range,
            source: Source::Stream,
        }));
        parts.extend(pieces(cut..end, LARGEST).map(|range| Part {
            source: Source::Copy {
                row,
                range: range.start - data..range.end - data,
            },
            range,
        }));
        at = end;
    }
    parts.extend(pieces(at..layout.len(), bridge).map(|range| Part {
        range,
        source: Source::Stream,
    }));
    parts
}

/// A range in as few pieces as `most` allows, all of about the same length: at least half of `most`, if there are
/// several.
fn pieces(range: Range<u64>, most: u64) -> impl Iterator<Item = Range<u64>> {
    let length = range.end - range.start;
    let count = length.div_ceil(most);
    let border = move |piece: u64| {
        range.start + (u128::from(length) * u128::from(piece) / u128::from(count.max(1))) as u64
    };
    (0..count).map(move |piece| border(piece)..border(piece + 1))
}

#[cfg(test)]
mod tests;
