//! Where every byte of an archive comes from.
//!
//! The parts of an archive stand in this order, without a gap: for each entry its local header, its data and, if it
//! is [`Described`](Form::Described), its descriptor; then a central header for each entry; then the end. The length
//! of each follows from the entries alone. The invariant: the segments of a range, each taken from its part, are the
//! bytes of that range.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::directory::Directory;
use super::entry::{Entry, Form};
use super::record::{CentralHeader, Descriptor, End, LocalHeader};
use super::table::Table;

/// Where every byte of an archive comes from.
///
/// Of a deflated entry the length is not known before its data has passed: only archives that are made on their way have
/// such entries ([`Layout::push_deflated`]), and their data are the deflated bytes.
///
/// It grows entry by entry while an archive is on its way, or all at once: the same entries give the same bytes.
/// An entry's local header and data never move once it is pushed. It keeps 41 bytes for each entry, and the name.
///
/// An archive cannot have 2⁶⁴ bytes or more. Sizes that add up to that are no error here: offsets stay at `u64::MAX`,
/// and an archive of such a length fails for want of data long before.
///
/// Methods that take the index of an entry panic if there is no such entry.
#[derive(Debug, Default)]
pub struct Layout {
    table: Table,
    /// Where the next local header goes, and the directory if nothing follows.
    directory_offset: u64,
    directory_len: u64,
}

/// A part of an archive. Numbers are indexes of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// What [`Layout::local_header`] gives.
    LocalHeader(usize),
    /// The bytes of the object.
    Data(usize),
    /// What [`Layout::descriptor`] gives.
    Descriptor(usize),
    /// What [`Layout::central_header`] gives; many at a time are better read through a [`Directory`].
    CentralHeader(usize),
    /// What [`Layout::end`] gives.
    End,
}

/// A run of bytes within one part. It is never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    /// The part that the bytes come from.
    pub part: Part,
    /// Where the bytes start, from the start of the part.
    pub start: u64,
    /// The number of bytes.
    pub len: u64,
}

impl Layout {
    /// An archive without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an entry and returns its index. Its local header starts where the entry before it ends.
    pub fn push(&mut self, entry: Entry) -> usize {
        let index = self.place(&entry);
        self.close(index);
        index
    }

    /// Appends an entry whose data is deflated on its way, and returns its index. Its local header is known at once; all
    /// the rest once [`Layout::deflated`] says how long the data has become, which must be before anything else is pushed.
    pub fn push_deflated(&mut self, entry: Entry) -> usize {
        let index = self.place(&entry);
        self.table.deflate_last(0);
        self.close(index);
        index
    }

    /// Says how many bytes the data of the last entry, which was pushed to be deflated, has so.
    pub fn deflated(&mut self, bytes: u64) {
        let Some(last) = self.entries().checked_sub(1) else {
            return;
        };
        debug_assert_eq!(self.form(last), Form::Deflated);
        self.directory_len -= self.table.row(last).central_len();
        self.table.deflate_last(bytes);
        self.close(last);
    }

    fn place(&mut self, entry: &Entry) -> usize {
        let index = self.table.len();
        self.table
            .push(entry, self.directory_offset, self.directory_len);
        index
    }

    fn close(&mut self, last: usize) {
        let placed = self.table.row(last);
        self.directory_offset = placed.end();
        self.directory_len += placed.central_len();
    }

    /// The number of entries.
    pub fn entries(&self) -> usize {
        self.table.len()
    }

    /// The path of an entry.
    pub fn name(&self, index: usize) -> &str {
        self.table.row(index).name
    }

    /// The length of an entry's data in bytes, before it is deflated.
    pub fn size(&self, index: usize) -> u64 {
        self.table.row(index).size
    }

    /// The form of an entry.
    pub fn form(&self, index: usize) -> Form {
        self.table.row(index).form()
    }

    /// The CRC-32 that the entry's row claims.
    pub fn claimed_crc32(&self, index: usize) -> Option<u32> {
        self.table.row(index).crc32
    }

    /// Where an entry's local header starts, from the start of the archive.
    pub fn offset(&self, index: usize) -> u64 {
        self.table.row(index).offset
    }

    /// Where an entry's data starts, from the start of the archive.
    pub fn data_offset(&self, index: usize) -> u64 {
        self.table.row(index).data_offset()
    }

    /// Where the central directory starts, from the start of the archive: the end of what is pushed so far.
    pub fn directory_offset(&self) -> u64 {
        self.directory_offset
    }

    /// The exact length of the whole archive in bytes, directory and end included. No CRC is needed to know it.
    #[allow(clippy::len_without_is_empty, reason = "no archive has zero bytes")]
    pub fn len(&self) -> u64 {
        self.directory_end().saturating_add(self.end_record().len())
    }

    /// The bytes that the layout keeps on the heap, for a memory budget to count.
    pub fn heap_bytes(&self) -> usize {
        self.table.heap_bytes()
    }

    /// An entry's local header. Only a [`Known`](Form::Known) entry's has the CRC-32 in it.
    pub fn local_header(&self, index: usize, crc32: u32) -> Bytes {
        let mut out = BytesMut::new();
        self.put_local_header(index, crc32, &mut out);
        out.freeze()
    }

    /// Writes an entry's local header behind what is in `out`.
    pub fn put_local_header(&self, index: usize, crc32: u32, out: &mut BytesMut) {
        let entry = &self.table.row(index);
        out.reserve(LocalHeader::len(entry) as usize);
        LocalHeader { entry, crc32 }.put(out);
    }

    /// An entry's data descriptor; `None` for a [`Known`](Form::Known) entry.
    pub fn descriptor(&self, index: usize, crc32: u32) -> Option<Bytes> {
        let mut out = BytesMut::new();
        self.put_descriptor(index, crc32, &mut out);
        (!out.is_empty()).then(|| out.freeze())
    }

    /// Writes an entry's data descriptor, if it has one, behind what is in `out`.
    pub fn put_descriptor(&self, index: usize, crc32: u32, out: &mut BytesMut) {
        let entry = &self.table.row(index);
        if entry.form() != Form::Known {
            out.reserve(Descriptor::len(entry) as usize);
            Descriptor { entry, crc32 }.put(out);
        }
    }

    /// An entry's header in the central directory.
    pub fn central_header(&self, index: usize, crc32: u32) -> Bytes {
        let entry = &self.table.row(index);
        let mut out = BytesMut::with_capacity(CentralHeader::len(entry) as usize);
        CentralHeader { entry, crc32 }.put(&mut out);
        out.freeze()
    }

    /// What stands after the last central header.
    pub fn end(&self) -> Bytes {
        let end = self.end_record();
        let mut out = BytesMut::with_capacity(end.len() as usize);
        end.put(&mut out);
        out.freeze()
    }

    /// The central directory and the end in frames of about 64 KiB, made as they are asked for.
    ///
    /// `crc32s` holds the CRC-32 of each entry; fewer make the iterator panic. See [`Directory`] for a form that
    /// borrows nothing.
    pub fn directory<'a>(&'a self, crc32s: &'a [u32]) -> impl Iterator<Item = Bytes> + 'a {
        let mut directory = Directory::new();
        std::iter::from_fn(move || directory.next(self, |index| crc32s[index]))
    }

    /// The segments of a range of the archive's bytes, in order and without a gap. What is beyond the end is ignored.
    pub fn segments(&self, range: Range<u64>) -> Segments<'_> {
        Segments {
            layout: self,
            rest: range,
        }
    }

    /// The first segment of a range of the archive's bytes, found in logarithmic time; `None` for a range that is
    /// empty or begins beyond the end.
    ///
    /// Who owns the layout and wants to go on later adds the segment's length to the start of the range.
    pub fn first_segment(&self, range: Range<u64>) -> Option<Segment> {
        let at = range.start;
        let end = range.end.min(self.len());
        if at >= end {
            return None;
        }
        let (part, part_start, part_end) = self.part_at(at);
        Some(Segment {
            part,
            start: at - part_start,
            len: part_end.min(end) - at,
        })
    }

    /// The part that an offset below [`Layout::len`] lies in, where it starts and where it ends.
    fn part_at(&self, at: u64) -> (Part, u64, u64) {
        if at < self.directory_offset
            && let Some(index) = self.table.row_at(at)
        {
            let entry = self.table.row(index);
            let (data, data_end) = (entry.data_offset(), entry.data_end());
            return if at < data {
                (Part::LocalHeader(index), entry.offset, data)
            } else if at < data_end {
                (Part::Data(index), data, data_end)
            } else {
                (Part::Descriptor(index), data_end, entry.end())
            };
        }
        if at < self.directory_end()
            && let Some((index, start)) = self.central_at(at - self.directory_offset)
        {
            let start = self.directory_offset + start;
            let end = start.saturating_add(self.table.row(index).central_len());
            return (Part::CentralHeader(index), start, end);
        }
        (Part::End, self.directory_end(), self.len())
    }

    /// The length of all central headers in bytes.
    pub(super) fn directory_len(&self) -> u64 {
        self.directory_len
    }

    /// The entry whose central header an offset of the directory lies in, and where that header starts there.
    pub(super) fn central_at(&self, offset: u64) -> Option<(usize, u64)> {
        self.table.central_at(offset)
    }

    /// Writes an entry's central header behind what is in `out`.
    pub(super) fn put_central_header(&self, index: usize, crc32: u32, out: &mut BytesMut) {
        let entry = &self.table.row(index);
        CentralHeader { entry, crc32 }.put(out);
    }

    /// The length of an entry's central header.
    pub(super) fn central_len(&self, index: usize) -> u64 {
        self.table.row(index).central_len()
    }

    /// What the end says.
    pub(super) fn end_record(&self) -> End {
        End {
            entries: self.entries() as u64,
            directory_len: self.directory_len,
            directory_offset: self.directory_offset,
        }
    }

    fn directory_end(&self) -> u64 {
        self.directory_offset.saturating_add(self.directory_len)
    }
}

/// The segments of a range of an archive's bytes: what [`Layout::segments`] returns.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    layout: &'a Layout,
    rest: Range<u64>,
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        let segment = self.layout.first_segment(self.rest.clone())?;
        self.rest.start += segment.len;
        Some(segment)
    }
}
