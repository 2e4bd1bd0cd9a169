//! Archives for tests: whole ones in memory, and sparse ones whose data is imagined.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use super::super::{Entry, EntryName, Layout, Part};

/// 2024-02-29T13:37:59Z.
pub(super) const LEAP_DAY: i64 = 1_709_213_879;

pub(super) fn entry(name: &str, size: u64, crc32: Option<u32>) -> Entry {
    Entry {
        name: EntryName::new(name),
        size,
        modified: LEAP_DAY,
        crc32,
    }
}

pub(super) fn layout(entries: impl IntoIterator<Item = Entry>) -> Layout {
    let mut layout = Layout::new();
    for entry in entries {
        layout.push(entry);
    }
    layout
}

/// A CRC-32 for each entry, unlike those of the others.
pub(super) fn crc32s(layout: &Layout) -> Vec<u32> {
    (0..layout.entries() as u32)
        .map(|index| 0xC0DE_0000 ^ index)
        .collect()
}

/// The parts of an archive in order, each with its length and, unless it is data, its bytes: put together one after
/// the other, as a download writes them.
pub(super) fn parts(layout: &Layout, crc32s: &[u32]) -> Vec<(Part, u64, Option<Bytes>)> {
    let mut parts = Vec::new();
    let mut record = |part, bytes: Bytes| parts.push((part, bytes.len() as u64, Some(bytes)));
    let mut data = Vec::new();
    for (index, &crc32) in crc32s.iter().enumerate() {
        record(Part::LocalHeader(index), layout.local_header(index, crc32));
        data.push((Part::Data(index), layout.size(index), None));
        if let Some(bytes) = layout.descriptor(index, crc32) {
            record(Part::Descriptor(index), bytes);
        }
    }
    for (index, &crc32) in crc32s.iter().enumerate() {
        record(
            Part::CentralHeader(index),
            layout.central_header(index, crc32),
        );
    }
    record(Part::End, layout.end());
    for (index, data) in data.into_iter().enumerate() {
        let header = parts
            .iter()
            .position(|(part, ..)| *part == Part::LocalHeader(index))
            .expect("every entry has a local header");
        parts.insert(header + 1, data);
    }
    parts
}

/// An archive whose records are there and whose data is not.
pub(super) struct Sparse {
    records: BTreeMap<u64, Bytes>,
    pub(super) len: u64,
}

impl Sparse {
    pub(super) fn new(layout: &Layout, crc32s: &[u32]) -> Self {
        let mut sparse = Self {
            records: BTreeMap::new(),
            len: 0,
        };
        for (index, &crc32) in crc32s.iter().enumerate() {
            sparse.push(layout.local_header(index, crc32));
            sparse.len += layout.size(index);
            if let Some(descriptor) = layout.descriptor(index, crc32) {
                sparse.push(descriptor);
            }
        }
        let tail: Vec<Bytes> = layout.directory(crc32s).collect();
        sparse.push(tail.concat().into());
        sparse
    }

    fn push(&mut self, bytes: Bytes) {
        let len = bytes.len() as u64;
        self.records.insert(self.len, bytes);
        self.len += len;
    }

    /// The bytes of a range, which must lie in one record.
    pub(super) fn read(&self, range: Range<u64>) -> Bytes {
        let (start, record) = self
            .records
            .range(..=range.start)
            .next_back()
            .expect("a record before the range");
        let (from, to) = (range.start - start, range.end - start);
        assert!(to <= record.len() as u64, "{range:?} is not in one record");
        record.slice(from as usize..to as usize)
    }
}
