//! The bytes of a range on their way: what is read ahead becomes frames, with headers, descriptors and directory
//! between.
//!
//! What passes whole is hashed: it must be what its row claims, and becomes known where the row claims nothing. The last
//! bytes of an object go out only if all of them are what they should be, since a range may end with them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::DownloadError;
use super::checksums::{Checksums, Scanned};
use super::slices::{Slice, Slices, tail};
use crate::archive::Directory;
use crate::manifest::Open;
use crate::read_ahead::{Event, ReadAhead, Reads, Share};

/// A range of a frozen archive under way, within one share of the memory budget.
pub struct Passage<R: Reads, C: Checksums = Scanned<R>> {
    ahead: ReadAhead<R, Slices, Slice>,
    open: Arc<Open>,
    checksums: C,
    step: Step,
    tail: Range<u64>,
    ready: VecDeque<Bytes>,
    entries: u64,
}

enum Step {
    Entries,
    Passing(Passing),
    Descriptor(Slice),
    Tail(Directory),
    End,
}

/// Bytes of an object pass.
struct Passing {
    slice: Slice,
    /// The offset in the object of the next chunk, and that of the end of what is read.
    at: u64,
    end: u64,
    /// What of the object is read and was not hashed before it passes.
    to_check: Option<Range<u64>>,
    /// Its last chunk, until that is known.
    last: Option<Bytes>,
}

impl<R: Reads, C: Checksums> Passage<R, C> {
    /// Nothing is read before the first frame is asked for.
    pub fn new(
        reads: R,
        checksums: C,
        open: &Arc<Open>,
        range: Range<u64>,
        share: Share,
    ) -> Passage<R, C> {
        let tail = tail(open.frozen.layout(), &range);
        let slices = Slices::new(open.clone(), range);
        let slices = match C::REMEMBERS {
            true => slices,
            false => slices.checked(),
        };
        Passage {
            ahead: ReadAhead::new(reads, slices, share),
            open: open.clone(),
            checksums,
            step: Step::Entries,
            tail,
            ready: VecDeque::new(),
            entries: 0,
        }
    }

    /// Entries begun so far.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The next frame, never empty, or `None` after the last.
    ///
    /// # Errors
    /// [`DownloadError`]; it cannot go on then. A claim that proved wrong breaks the link for good.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DownloadError> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(Some(frame));
            }
            match &mut self.step {
                Step::Entries | Step::Passing(_) => match self.ahead.next().await? {
                    Some(Event::Begin {
                        tag,
                        stored,
                        computed,
                    }) => self.begin(tag, stored, computed).await?,
                    Some(Event::Data(chunk)) => self.pass(chunk),
                    Some(Event::End { crc32 }) => self.end(crc32).await?,
                    None => self.step = Step::Tail(Directory::range(self.tail.clone())),
                },
                Step::Descriptor(slice) => {
                    let (index, cut) = (slice.index, slice.descriptor.clone());
                    let crc32 = self.checksums.crc32(index).await?;
                    let descriptor = self.open.frozen.layout().descriptor(index, crc32);
                    self.send(descriptor.map(|descriptor| descriptor.slice(cut)));
                    self.step = Step::Entries;
                }
                Step::Tail(directory) => {
                    let directory = directory.clone();
                    self.list(directory).await?;
                }
                Step::End => return Ok(None),
            }
        }
    }

    fn send(&mut self, frame: Option<Bytes>) {
        self.ready.extend(frame.filter(|frame| !frame.is_empty()));
    }

    async fn begin(
        &mut self,
        slice: Slice,
        stored: Option<u32>,
        computed: Option<u32>,
    ) -> Result<(), DownloadError> {
        self.entries += 1;
        let size = self.open.frozen.layout().size(slice.index);
        if let Some(computed) = computed {
            self.checksums
                .hashed(slice.index, 0..size, computed, stored)
                .await?;
        }
        if let Some(crc32) = computed.or(slice.crc32) {
            let header = self.open.frozen.layout().local_header(slice.index, crc32);
            self.send(Some(header.slice(slice.header.clone())));
        }
        let read = slice.read.clone();
        self.step = Step::Passing(Passing {
            to_check: (computed.is_none() && !read.is_empty()).then(|| read.clone()),
            at: read.start,
            end: read.end,
            slice,
            last: None,
        });
        Ok(())
    }

    fn pass(&mut self, chunk: Bytes) {
        let Step::Passing(passing) = &mut self.step else {
            return;
        };
        let (start, len) = (passing.at, chunk.len());
        passing.at += len as u64;
        // Of what is read beyond the range, to be hashed, nothing is sent.
        let cut = |offset: u64| offset.saturating_sub(start).min(len as u64) as usize;
        let data = &passing.slice.data;
        let chunk = chunk.slice(cut(data.start)..cut(data.end));
        if passing.at == passing.end {
            passing.last = Some(chunk);
        } else {
            self.send(Some(chunk));
        }
    }

    /// All bytes of a slice have come.
    async fn end(&mut self, crc32: u32) -> Result<(), DownloadError> {
        if let Step::Passing(passing) = std::mem::replace(&mut self.step, Step::Entries) {
            if let Some(range) = passing.to_check {
                let index = passing.slice.index;
                self.checksums.hashed(index, range, crc32, None).await?;
            }
            self.send(passing.last);
            if !passing.slice.descriptor.is_empty() {
                self.step = Step::Descriptor(passing.slice);
            }
        }
        Ok(())
    }

    /// Sends the next frame of the tail, once all that it tells is known.
    async fn list(&mut self, mut directory: Directory) -> Result<(), DownloadError> {
        let layout = self.open.frozen.layout();
        let mut unknown = None;
        let frame = directory.next(layout, |index| {
            self.open.crc32(index).unwrap_or_else(|| {
                unknown.get_or_insert(index);
                0
            })
        });
        match (unknown, frame) {
            (Some(index), _) => drop(self.checksums.crc32(index).await?),
            (None, Some(frame)) => {
                let frame = self.ahead.share().cover(frame).await;
                self.send(Some(frame));
                self.step = Step::Tail(directory);
            }
            (None, None) => self.step = Step::End,
        }
        Ok(())
    }
}
