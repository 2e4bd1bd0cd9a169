//! The live archive: a prefix as it is now, one entry after the other, while the listing still runs.
//!
//! [`LiveArchive::next`] gives the archive's bytes frame by frame; chunks of objects are passed on as the store gave
//! them. What it holds is one page of the listing, at most one object of up to [`INLINE_MAX`] bytes, and what the
//! central directory needs.

use std::collections::VecDeque;

use bytes::Bytes;
use crc32fast::Hasher;

use super::DownloadError;
use super::read::PinnedRead;
use super::rows::Rows;
use crate::archive::{Directory, Entry, EntryName, INLINE_MAX, Layout};
use crate::manifest::Selection;
use crate::store::{Bucket, Object, Store};

/// An archive under way.
///
/// Once [`LiveArchive::next`] has failed, the archive is broken for good: what came before must not be taken for a
/// whole one.
pub struct LiveArchive {
    store: Store,
    bucket: Bucket,
    rows: Rows,
    layout: Layout,
    /// CRC-32 of each entry that is finished, by its index in the layout.
    crc32s: Vec<u32>,
    step: Step,
    /// Frames that are ready to go out.
    ready: VecDeque<Bytes>,
    bytes: u64,
}

enum Step {
    NextRow,
    Data(Box<Passing>),
    Directory(Directory),
    End,
}

/// An entry whose bytes pass through.
struct Passing {
    index: usize,
    read: PinnedRead,
    hasher: Hasher,
    claim: Option<u32>,
}

impl LiveArchive {
    /// Lists up to the first match. No object is read yet.
    ///
    /// # Errors
    /// [`DownloadError::NothingSelected`], [`DownloadError::Archived`], or the listing's own failure.
    pub async fn open(store: &Store, selection: &Selection) -> Result<LiveArchive, DownloadError> {
        Ok(LiveArchive {
            store: store.clone(),
            bucket: selection.bucket().clone(),
            rows: Rows::open(store, selection).await?,
            layout: Layout::new(),
            crc32s: Vec::new(),
            step: Step::NextRow,
            ready: VecDeque::new(),
            bytes: 0,
        })
    }

    /// Entries begun so far.
    pub fn entries(&self) -> usize {
        self.layout.entries()
    }

    /// Bytes of the archive given out so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next frame, never empty, or `None` after the last.
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
                Step::NextRow => match self.rows.next().await? {
                    Some((object, name)) => self.begin(object, name).await?,
                    None => self.step = Step::Directory(Directory::new()),
                },
                Step::Data(passing) => match passing.read.next().await? {
                    Some(chunk) => {
                        passing.hasher.update(&chunk);
                        self.ready.extend((!chunk.is_empty()).then_some(chunk));
                    }
                    None => self.end()?,
                },
                Step::Directory(directory) => match directory.next(&self.layout, &self.crc32s) {
                    Some(frame) => self.ready.push_back(frame),
                    None => self.step = Step::End,
                },
                Step::End => {
                    debug_assert_eq!(self.bytes, self.layout.len());
                    return Ok(None);
                }
            }
        }
    }

    async fn begin(&mut self, object: Object, name: EntryName) -> Result<(), DownloadError> {
        if object.size > INLINE_MAX {
            self.begin_large(object, name).await
        } else {
            self.pass_small(object, name).await
        }
    }

    /// A small object is read whole, so that its CRC-32 stands in its local header.
    async fn pass_small(&mut self, object: Object, name: EntryName) -> Result<(), DownloadError> {
        let (size, modified) = (object.size, object.modified);
        let mut chunks = Vec::new();
        let mut hasher = Hasher::new();
        if size > 0 {
            let mut read = PinnedRead::open(&self.store, &self.bucket, object).await?;
            let claim = read.announced_crc32().await?;
            while let Some(chunk) = read.next().await? {
                hasher.update(&chunk);
                chunks.push(chunk);
            }
            self.compare(read.object(), claim, hasher.clone().finalize())?;
        }
        let crc32 = hasher.finalize();
        let index = self.layout.push(Entry {
            name,
            size,
            modified,
            crc32: None,
        });
        self.ready.push_back(self.layout.local_header(index, crc32));
        self.ready
            .extend(chunks.into_iter().filter(|chunk| !chunk.is_empty()));
        self.crc32s.push(crc32);
        Ok(())
    }

    /// A large object has its CRC-32 in front where the store's listing announces it, and behind it otherwise.
    async fn begin_large(&mut self, object: Object, name: EntryName) -> Result<(), DownloadError> {
        let (size, modified) = (object.size, object.modified);
        let read = PinnedRead::open(&self.store, &self.bucket, object).await?;
        let claim = read.announced_crc32().await?;
        let index = self.layout.push(Entry {
            name,
            size,
            modified,
            crc32: claim,
        });
        self.ready
            .push_back(self.layout.local_header(index, claim.unwrap_or_default()));
        self.step = Step::Data(Box::new(Passing {
            index,
            read,
            hasher: Hasher::new(),
            claim,
        }));
        Ok(())
    }

    /// All bytes of a large object have passed.
    fn end(&mut self) -> Result<(), DownloadError> {
        if let Step::Data(passing) = std::mem::replace(&mut self.step, Step::NextRow) {
            let crc32 = passing.hasher.finalize();
            self.compare(passing.read.object(), passing.claim, crc32)?;
            self.ready
                .extend(self.layout.descriptor(passing.index, crc32));
            self.crc32s.push(crc32);
        }
        Ok(())
    }

    fn compare(
        &self,
        object: &Object,
        claim: Option<u32>,
        computed: u32,
    ) -> Result<(), DownloadError> {
        match claim {
            Some(stored) if stored != computed => Err(DownloadError::WrongCrc32 {
                bucket: self.bucket.to_string(),
                key: object.key.clone(),
                stored,
                computed,
            }),
            _ => Ok(()),
        }
    }
}
