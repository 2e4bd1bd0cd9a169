//! Any range of a frozen archive: what a link's archive is sent from.
//!
//! The bytes of a range are those of the same range of the whole, on every replica and after every restart, and only
//! what the range has is read (and a small object whole, where its header needs its CRC-32). What passes whole is
//! hashed: it must be what its row claims, and becomes known where the row claims nothing.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crc32fast::Hasher;
use tracing::warn;

use super::ranged::{OrderedReads, Step, Wanted};
use super::steps::{FrozenStep, Steps, listed_in, needs};
use super::{DownloadError, Scanner};
use crate::archive::Directory;
use crate::manifest::library::TRUSTED_FOR;
use crate::manifest::{Library, LibraryError, Open};
use crate::store::Store;

/// How long a range may wait for CRC-32s before its headers go out.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two tries to ask whether a link is still there, where the store fails.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// A range of a frozen archive under way.
///
/// Once [`FrozenArchive::next`] has failed, it is broken for good. Dropped, it keeps what it has learned.
pub struct FrozenArchive {
    reads: OrderedReads<Steps>,
    open: Arc<Open>,
    library: Library,
    scanner: Scanner,
    doing: Doing,
    ready: VecDeque<Bytes>,
    /// When the link was last known to be good, and when to ask next.
    checked: Instant,
    ask_at: Instant,
}

enum Doing {
    Nothing,
    /// Bytes of an object pass; hashed where all of them do.
    Data {
        index: usize,
        hasher: Option<Hasher>,
        /// Bytes still to come.
        rest: u64,
    },
    Tail {
        directory: Directory,
        crc32s: Vec<u32>,
    },
}

impl FrozenArchive {
    /// Begins a range, which must lie within the archive and not be empty, and opens its first read. CRC-32s that it
    /// needs and will not learn by itself begin to be hashed; where no bytes of an object come first, that is waited for.
    ///
    /// # Errors
    /// [`DownloadError::Store`] where the first object is not what was frozen;
    /// [`DownloadError::ChecksumsPending`] where that takes longer than 20 s; [`DownloadError::Scan`].
    pub async fn begin(
        store: &Store,
        library: &Library,
        scanner: &Scanner,
        open: &Arc<Open>,
        range: Range<u64>,
    ) -> Result<FrozenArchive, DownloadError> {
        let needed = needs(open, &range);
        scanner.want(open, &needed).await;
        // What can be sent while others are hashed is sent.
        let first = Steps::new(open.clone(), range.clone())
            .find(|step| !matches!(step, FrozenStep::Header { .. }));
        let waits = matches!(
            first,
            Some(FrozenStep::Descriptor { .. } | FrozenStep::Tail(_))
        );
        if waits && !needed.is_empty() {
            let known = tokio::time::timeout(PATIENCE, scanner.wait(open, &needed));
            known.await.unwrap_or_else(|_| {
                Err(DownloadError::ChecksumsPending {
                    needed: needed.len(),
                    missing: open.learned.missing(&needed),
                })
            })?;
        }
        let steps = Steps::new(open.clone(), range);
        let now = Instant::now();
        let mut archive = FrozenArchive {
            reads: OrderedReads::new(store, &open.bucket, steps),
            open: open.clone(),
            library: library.clone(),
            scanner: scanner.clone(),
            doing: Doing::Nothing,
            ready: VecDeque::new(),
            checked: now,
            ask_at: now + TRUSTED_FOR,
        };
        archive.open_first_read().await?;
        Ok(archive)
    }

    /// An object that is not there any more, or is another one, is found out before the first byte goes out.
    async fn open_first_read(&mut self) -> Result<(), DownloadError> {
        while let Doing::Nothing = self.doing {
            let Some(step) = self.reads.next_step().await? else {
                break;
            };
            let reads = step.wanted().is_some();
            self.take(step).await?;
            if reads {
                break;
            }
        }
        Ok(())
    }

    /// The next frame, never empty, or `None` after the last.
    ///
    /// # Errors
    /// [`DownloadError`]; the download cannot go on then. A claim that proved wrong breaks the link for good.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DownloadError> {
        self.check().await?;
        loop {
            if let Some(frame) = self.ready.pop_front() {
                if !frame.is_empty() {
                    return Ok(Some(frame));
                }
                continue;
            }
            match &mut self.doing {
                Doing::Nothing => match self.reads.next_step().await? {
                    Some(step) => self.take(step).await?,
                    None => return Ok(None),
                },
                Doing::Data { hasher, rest, .. } => match self.reads.chunk().await? {
                    Some(chunk) => {
                        if let Some(hasher) = hasher {
                            hasher.update(&chunk);
                        }
                        *rest -= chunk.len() as u64;
                        // The last bytes go out only if all of them are what they should be: a range may end here.
                        if *rest == 0 {
                            self.end_data().await?;
                        }
                        self.ready.push_back(chunk);
                    }
                    None => self.doing = Doing::Nothing,
                },
                Doing::Tail { directory, crc32s } => {
                    match directory.next(self.open.frozen.layout(), crc32s) {
                        Some(frame) => self.ready.push_back(frame),
                        None => self.doing = Doing::Nothing,
                    }
                }
            }
        }
    }

    async fn take(&mut self, step: FrozenStep) -> Result<(), DownloadError> {
        let layout = self.open.frozen.layout();
        match step {
            FrozenStep::Header { index, crc32, cut } => {
                let header = layout.local_header(index, crc32);
                self.ready.push_back(header.slice(cut));
            }
            FrozenStep::Small {
                index,
                header,
                data,
                ..
            } => self.pass_small(index, header, data).await?,
            FrozenStep::Data { index, wanted } => {
                let Wanted { object, range } = wanted;
                self.doing = Doing::Data {
                    index,
                    rest: range.end - range.start,
                    hasher: (range == (0..object.size)).then(Hasher::new),
                };
            }
            FrozenStep::Descriptor { index, cut } => {
                let crc32 = self.crc32(index).await?;
                let descriptor = self.open.frozen.layout().descriptor(index, crc32);
                self.ready
                    .extend(descriptor.map(|descriptor| descriptor.slice(cut)));
            }
            FrozenStep::Tail(range) => {
                let listed = listed_in(&self.open, &range);
                let unknown = |index: &usize| self.open.crc32(*index).is_none();
                let missing: Vec<usize> = listed.clone().filter(unknown).collect();
                self.scanner.want(&self.open, &missing).await;
                self.scanner.wait(&self.open, &missing).await?;
                let mut crc32s = vec![0; self.open.frozen.layout().entries()];
                for index in listed {
                    crc32s[index] = self.crc32(index).await?;
                }
                self.doing = Doing::Tail {
                    directory: Directory::range(range),
                    crc32s,
                };
            }
        }
        Ok(())
    }

    /// A small object whose CRC-32 stands in its local header and is not known: all of it is read first.
    async fn pass_small(
        &mut self,
        index: usize,
        header: Range<usize>,
        data: Range<usize>,
    ) -> Result<(), DownloadError> {
        let (mut hasher, mut chunks) = (Hasher::new(), Vec::new());
        let mut at = 0;
        while let Some(chunk) = self.reads.chunk().await? {
            hasher.update(&chunk);
            // Only what the range has of it is kept.
            let cut = |offset: usize| offset.saturating_sub(at).min(chunk.len());
            chunks.push(chunk.slice(cut(data.start)..cut(data.end)));
            at += chunk.len();
        }
        let crc32 = hasher.finalize();
        self.learn(index, crc32).await?;
        let record = self.open.frozen.layout().local_header(index, crc32);
        self.ready.push_back(record.slice(header));
        self.ready.extend(chunks);
        Ok(())
    }

    async fn end_data(&mut self) -> Result<(), DownloadError> {
        let done = std::mem::replace(&mut self.doing, Doing::Nothing);
        if let Doing::Data {
            index,
            hasher: Some(hasher),
            ..
        } = done
        {
            self.learn(index, hasher.finalize()).await?;
        }
        Ok(())
    }

    /// All bytes of an object have passed.
    async fn learn(&mut self, index: usize, computed: u32) -> Result<(), DownloadError> {
        let key = || {
            self.open
                .frozen
                .row(index)
                .map_or_else(String::new, |row| row.key)
        };
        match self.open.frozen.layout().claimed_crc32(index) {
            Some(stored) if stored != computed => {
                self.library.break_link(&self.open, index).await;
                Err(DownloadError::WrongCrc32 {
                    bucket: self.open.bucket.to_string(),
                    key: key(),
                    stored,
                    computed,
                })
            }
            Some(_) => Ok(()),
            None => {
                let learned = self.open.learned.learn(index, computed);
                learned.map_err(|_| DownloadError::Unstable { key: key() })
            }
        }
    }

    /// The CRC-32 of an entry, waited for where it is still being hashed.
    async fn crc32(&self, index: usize) -> Result<u32, DownloadError> {
        loop {
            if let Some(crc32) = self.open.crc32(index) {
                return Ok(crc32);
            }
            self.scanner.want(&self.open, &[index]).await;
            self.scanner.wait(&self.open, &[index]).await?;
        }
    }

    /// Asks now and then whether the link is still there. A store that fails is given as long again.
    async fn check(&mut self) -> Result<(), DownloadError> {
        if Instant::now() < self.ask_at {
            return Ok(());
        }
        match self.library.open(self.open.id).await {
            Ok(_) => {
                self.checked = Instant::now();
                self.ask_at = self.checked + TRUSTED_FOR;
                Ok(())
            }
            Err(LibraryError::Store(error)) if self.checked.elapsed() < TRUSTED_FOR * 2 => {
                warn!(%error, id = %self.open.id, "cannot ask whether a link is still there");
                self.ask_at = Instant::now() + ASK_AGAIN;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for FrozenArchive {
    fn drop(&mut self) {
        self.scanner.keep(&self.open);
    }
}
