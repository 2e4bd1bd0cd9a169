//! The live archive: a prefix as it is now, one entry after the other, while the listing still runs.
//!
//! [`LiveArchive::next`] gives the archive's bytes frame by frame; chunks of objects are passed on as the store gave
//! them, read ahead by [`ReadAhead`]. Beside what is read ahead it holds what the central directory needs, which is
//! charged to the memory budget as the download's records.
//!
//! Asked for [`Method::Deflate`], it has text deflated on its way ([`Deflating`]); all else stands in it as ever.

use std::collections::VecDeque;
use std::pin::pin;
use std::task::Poll;

use bytes::{Bytes, BytesMut};

use super::DownloadError;
use super::deflate::Deflating;
use super::rows::{Row, Rows};
use crate::archive::{Directory, Entry, INLINE_MAX, Layout, Method};
use crate::manifest::Selection;
use crate::read_ahead::{BucketReads, Event, MemoryBudget, ReadAhead};
use crate::store::{Bucket, Store};

/// After how many entries the records are charged anew.
const ENTRIES_PER_CHARGE: usize = 256;

/// By how much what is being deflated may differ from what was charged for it, in bytes.
const UNCHARGED: usize = 64 * 1024;

/// Headers and descriptors that follow each other go out together, in frames of about so many bytes. Of entries without
/// bytes each frame has some two hundred, and costs the socket as much as that of a single one.
const GATHERED: usize = 16 * 1024;

/// An archive under way.
///
/// Once [`LiveArchive::next`] has failed, the archive is broken for good: what came before must not be taken for a
/// whole one.
pub struct LiveArchive {
    bucket: Bucket,
    ahead: Deflating<BucketReads, Rows>,
    layout: Layout,
    /// CRC-32 of each entry that is finished, by its index in the layout.
    crc32s: Vec<u32>,
    step: Step,
    /// Headers and descriptors that go out before anything else does.
    records: BytesMut,
    /// Frames that are ready to go out.
    ready: VecDeque<Bytes>,
    bytes: u64,
    /// What was charged for what is being deflated.
    charged: usize,
}

enum Step {
    Entries,
    Passing(Passing),
    Directory(Directory),
    End,
}

/// An entry whose bytes pass through.
struct Passing {
    index: usize,
    key: String,
    stored: Option<u32>,
    /// How many bytes have come of it, where it is deflated.
    deflated: Option<u64>,
}

impl LiveArchive {
    /// Lets the download in and lists up to the first match. No object is read yet.
    ///
    /// # Errors
    /// [`DownloadError::Overloaded`], [`DownloadError::NothingSelected`], [`DownloadError::Archived`], or the listing's
    /// own failure.
    pub async fn open(
        store: &Store,
        budget: &MemoryBudget,
        selection: &Selection,
        method: Method,
    ) -> Result<LiveArchive, DownloadError> {
        let share = budget.admit()?;
        let rows = Rows::open(store, selection, method, budget).await?;
        share.record(rows.heap_bytes());
        Ok(LiveArchive {
            bucket: selection.bucket().clone(),
            ahead: Deflating::new(ReadAhead::new(
                BucketReads::new(store, selection.bucket()),
                rows,
                share,
            )),
            layout: Layout::new(),
            crc32s: Vec::new(),
            step: Step::Entries,
            records: BytesMut::new(),
            ready: VecDeque::new(),
            bytes: 0,
            charged: 0,
        })
    }

    /// The same archive, read with at most `reads` under way at once.
    #[must_use]
    pub fn at_most(self, reads: usize) -> LiveArchive {
        LiveArchive {
            ahead: self.ahead.at_most(reads),
            ..self
        }
    }

    /// Entries begun so far.
    pub fn entries(&self) -> usize {
        self.layout.entries()
    }

    /// Bytes of the archive given out so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next frame, never empty, or `None` after the last. It holds its part of the memory budget until it is
    /// dropped.
    ///
    /// # Errors
    /// [`DownloadError`]; the archive cannot go on then.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DownloadError> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                self.bytes += frame.len() as u64;
                return Ok(Some(frame));
            }
            match &mut self.step {
                Step::Entries | Step::Passing(_) => match self.event().await {
                    None => self.send_records(),
                    Some(event) => match event? {
                        Some(Event::Begin {
                            tag,
                            stored,
                            computed,
                        }) => self.begin(tag, stored, computed)?,
                        Some(Event::Data(chunk)) => self.pass(chunk),
                        Some(Event::End { crc32 }) => self.end(crc32)?,
                        None => {
                            self.send_records();
                            self.record();
                            self.step = Step::Directory(Directory::new());
                        }
                    },
                },
                Step::Directory(directory) => {
                    match directory.next(&self.layout, |index| self.crc32s[index]) {
                        Some(frame) => {
                            let frame = self.ahead.share().cover(frame).await;
                            self.ready.push_back(frame);
                        }
                        None => self.step = Step::End,
                    }
                }
                Step::End => {
                    debug_assert_eq!(self.bytes, self.layout.len());
                    return Ok(None);
                }
            }
        }
    }

    /// What comes next of what is read ahead; `None` where records are to go out first: there are many, or nothing has
    /// come yet.
    async fn event(&mut self) -> Option<Result<Option<Event<Row>>, DownloadError>> {
        let some = !self.records.is_empty();
        if self.records.len() >= GATHERED {
            return None;
        }
        let mut next = pin!(self.ahead.next());
        std::future::poll_fn(|cx| match next.as_mut().poll(cx) {
            Poll::Pending if some => Poll::Ready(None),
            polled => polled.map(Some),
        })
        .await
    }

    /// Has the headers and descriptors that were gathered go out.
    fn send_records(&mut self) {
        if !self.records.is_empty() {
            self.ready.push_back(self.records.split().freeze());
        }
    }

    /// A small object has its computed CRC-32 in front, a large one the stored one, where the listing announced it.
    fn begin(
        &mut self,
        row: Row,
        stored: Option<u32>,
        computed: Option<u32>,
    ) -> Result<(), DownloadError> {
        if let Some(computed) = computed {
            self.compare(&row.key, stored, computed)?;
        }
        let entry = Entry {
            name: row.name,
            size: row.size,
            modified: row.modified,
            crc32: stored.filter(|_| row.size > INLINE_MAX),
        };
        let index = match row.deflated {
            true => self.layout.push_deflated(entry),
            false => self.layout.push(entry),
        };
        let crc32 = computed.or(stored).unwrap_or_default();
        self.layout
            .put_local_header(index, crc32, &mut self.records);
        self.step = Step::Passing(Passing {
            index,
            key: row.key,
            stored,
            deflated: row.deflated.then_some(0),
        });
        if index.is_multiple_of(ENTRIES_PER_CHARGE) {
            self.record();
        }
        Ok(())
    }

    fn pass(&mut self, chunk: Bytes) {
        self.send_records();
        if let Step::Passing(Passing {
            deflated: Some(bytes),
            ..
        }) = &mut self.step
        {
            *bytes += chunk.len() as u64;
        }
        if self.ahead.heap_bytes().abs_diff(self.charged) >= UNCHARGED {
            self.record();
        }
        self.ready.push_back(chunk);
    }

    /// All bytes of an entry have passed.
    fn end(&mut self, computed: u32) -> Result<(), DownloadError> {
        if let Step::Passing(passing) = std::mem::replace(&mut self.step, Step::Entries) {
            self.compare(&passing.key, passing.stored, computed)?;
            if let Some(bytes) = passing.deflated {
                self.layout.deflated(bytes);
            }
            self.layout
                .put_descriptor(passing.index, computed, &mut self.records);
            self.crc32s.push(computed);
        }
        Ok(())
    }

    fn compare(&self, key: &str, stored: Option<u32>, computed: u32) -> Result<(), DownloadError> {
        match stored {
            Some(stored) if stored != computed => Err(DownloadError::WrongCrc32 {
                bucket: self.bucket.to_string(),
                key: key.to_owned(),
                stored,
                computed,
            }),
            _ => Ok(()),
        }
    }

    /// Charges what is kept for each entry.
    fn record(&mut self) {
        let crc32s = self.crc32s.capacity() * size_of::<u32>();
        self.charged = self.ahead.heap_bytes();
        let records = self.layout.heap_bytes() + self.ahead.source().heap_bytes() + crc32s;
        let records = records + self.charged;
        self.ahead.share().record(records);
    }
}
