//! The end of an archive, in frames: central directory headers (4.3.12) and what follows them, never built whole.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::layout::Layout;

/// The length that a frame does not exceed unless a single header does: large enough for a socket to be busy with.
const FRAME: usize = 64 * 1024;

/// A place in the tail of an archive, which is its central directory and its end, and how far to go.
///
/// It borrows nothing, so that a download can own it beside its layout and go on whenever it is asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// What is still to come, from the start of the directory.
    rest: Range<u64>,
}

impl Directory {
    /// The whole tail.
    pub fn new() -> Self {
        Self::range(0..u64::MAX)
    }

    /// A range of the tail's bytes, counted from [`Layout::directory_offset`]. What is beyond the end is ignored.
    pub fn range(range: Range<u64>) -> Self {
        Self { rest: range }
    }

    /// The next frame of about 64 KiB; `None` after the last one.
    ///
    /// The layout must be the same each time, with nothing pushed in between. `crc32` is asked for the CRC-32 of each
    /// entry whose header the frame touches.
    pub fn next(&mut self, layout: &Layout, mut crc32: impl FnMut(usize) -> u32) -> Option<Bytes> {
        let end_record = layout.end_record();
        let headers = layout.directory_len();
        let end = self.rest.end.min(headers.saturating_add(end_record.len()));
        let start = self.rest.start;
        if start >= end {
            return None;
        }

        let (mut index, frame_start) = match layout.central_at(start) {
            Some(header) if start < headers => header,
            _ => (layout.entries(), headers),
        };
        // Whole records, of which what lies before and after the range is cut off at last.
        let capacity = usize::try_from(end - frame_start).map_or(FRAME, |len| len.min(FRAME));
        let mut frame = BytesMut::with_capacity(capacity);
        let mut at = frame_start;
        while index < layout.entries() && at < end {
            let len = layout.central_len(index);
            if !frame.is_empty() && frame.len() as u64 + len > FRAME as u64 {
                break;
            }
            layout.put_central_header(index, crc32(index), &mut frame);
            at += len;
            index += 1;
        }
        if index == layout.entries() && at < end {
            end_record.put(&mut frame);
            at += end_record.len();
        }

        self.rest.start = at.min(end);
        // Both are within the frame, whose length is a usize.
        let cut = (start - frame_start) as usize..(self.rest.start - frame_start) as usize;
        Some(frame.freeze().slice(cut))
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self::new()
    }
}
