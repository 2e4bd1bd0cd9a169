//! Hashing objects whose CRC-32 nobody knows, for ranges that need it and do not pass the object.
//!
//! One scan a manifest, whoever asks. It reads ahead like a download, within a share of the memory budget, takes what is
//! wanted in the order of the rows, keeps no bytes, and writes what it has learned beside the manifest now and then. It
//! ends when nothing is wanted any more, or nobody waits or asks again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::Stream;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::DownloadError;
use crate::archive::INLINE_MAX;
use crate::manifest::learned::HashError;
use crate::manifest::{Library, Open};
use crate::read_ahead::{Before, Event, Item, Overloaded, ReadAhead, ReadAheadError, Reads, Share};

/// Reads under way at once for one manifest.
const READS: usize = 8;

/// Scans at once in the whole process; others wait for their turn.
const SCANS: usize = 16;

/// How often a scan without memory asks for it, and for how long.
const ADMISSION: (Duration, u32) = (Duration::from_millis(500), 40);

/// How often what was learned is written while a scan goes on.
const CHECKPOINT: Duration = Duration::from_secs(10);

/// How long what was learned may wait for more to be written with it.
const GATHER: Duration = Duration::from_millis(500);

/// Begins scans, and waits for what they find. Clones share their bounds.
#[derive(Clone, Debug)]
pub struct Scanner {
    library: Library,
    places: Arc<Semaphore>,
}

impl Scanner {
    /// Nothing is scanned yet.
    pub fn new(library: &Library) -> Scanner {
        Scanner {
            library: library.clone(),
            places: Arc::new(Semaphore::new(SCANS)),
        }
    }

    /// Where the manifests are, and what is learned of them.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Sees to it that rows become known: from the sidecar, else by hashing in the background.
    pub async fn want<R: Reads>(
        &self,
        reads: &R,
        open: &Arc<Open>,
        rows: impl Iterator<Item = usize> + Clone,
    ) {
        if open.learned.missing(open.unclaimed(rows.clone())) == 0 {
            return;
        }
        self.library.load_learned(open).await;
        if open.learned.want(open.unclaimed(rows)) {
            tokio::spawn(self.clone().scan(reads.clone(), open.clone()));
        }
    }

    /// Waits until all rows are known.
    ///
    /// # Errors
    /// [`DownloadError::Scan`] where one could not be hashed.
    pub async fn wait(
        &self,
        open: &Open,
        rows: impl Iterator<Item = usize>,
    ) -> Result<(), DownloadError> {
        let _interest = open.learned.interest();
        let mut changes = open.learned.subscribe();
        for row in open.unclaimed(rows) {
            loop {
                changes.mark_unchanged();
                if open.learned.get(row).is_some() {
                    break;
                }
                if let Some(error) = open.learned.failure(row) {
                    return Err(DownloadError::Scan(error));
                }
                // It ends only with the manifest, which is borrowed here.
                let _ = changes.changed().await;
            }
        }
        Ok(())
    }

    /// All bytes of an object were hashed: they must be what its row claims, or what the store said when it sent them
    /// (`stored`), and become known where the row claims nothing.
    ///
    /// # Errors
    /// [`DownloadError::WrongCrc32`] and [`DownloadError::Unstable`]; the link is broken for good then.
    pub async fn learn(
        &self,
        open: &Open,
        index: usize,
        computed: u32,
        stored: Option<u32>,
    ) -> Result<(), DownloadError> {
        let claimed = open.frozen.layout().claimed_crc32(index);
        if let Some(stored) = claimed.or(stored)
            && stored != computed
        {
            self.library.disprove(open, index).await;
            return Err(DownloadError::WrongCrc32 {
                bucket: open.bucket.to_string(),
                key: open.key(index),
                stored,
                computed,
            });
        }
        if claimed.is_some() {
            return Ok(());
        }
        match open.learned.learn(index, computed) {
            Ok(()) => Ok(()),
            Err(unsteady) => {
                if unsteady.again {
                    self.library.break_link(open, index).await;
                }
                Err(DownloadError::Unstable {
                    key: open.key(index),
                })
            }
        }
    }

    /// Writes what was learned, soon, unless somebody is about to anyway.
    pub fn keep(&self, open: &Arc<Open>) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (Ok(runtime), true) = (runtime, open.learned.begin_gathering()) {
            let (library, open) = (self.library.clone(), open.clone());
            runtime.spawn(async move {
                tokio::time::sleep(GATHER).await;
                library.keep_learned(&open).await;
            });
        }
    }

    async fn scan<R: Reads>(self, reads: R, open: Arc<Open>) {
        // Nobody closes the semaphore.
        let _place = self.places.acquire().await.ok();
        let share = self.admission().await;
        let mut written = Instant::now();
        loop {
            let hashed = match &share {
                Ok(share) => self.hash(&reads, &open, share, &mut written).await,
                Err(overloaded) => Err(HashError::Overloaded(*overloaded)),
            };
            if let Err(error) = hashed {
                open.learned.fail(error);
            }
            if open.learned.stop() {
                break;
            }
        }
        drop(share);
        self.library.keep_learned(&open).await;
    }

    /// Waits for memory, but not for ever: who waits for the scan may hold what it waits for.
    async fn admission(&self) -> Result<Share, Overloaded> {
        let (pause, tries) = ADMISSION;
        for _ in 1..tries {
            if let Ok(share) = self.library.budget().admit() {
                return Ok(share);
            }
            tokio::time::sleep(pause).await;
        }
        self.library.budget().admit()
    }

    /// Hashes until nothing is wanted, or the row that comes next cannot be hashed.
    async fn hash<R: Reads>(
        &self,
        reads: &R,
        open: &Arc<Open>,
        share: &Share,
        written: &mut Instant,
    ) -> Result<(), HashError> {
        let wanted = Wanted(open.clone());
        let mut ahead = ReadAhead::new(reads.clone(), wanted, share.clone()).at_most(READS);
        let mut sent_along = None;
        while let Some(event) = ahead.next().await.map_err(failure)? {
            let crc32 = match event {
                Event::Begin { stored, .. } => {
                    sent_along = stored;
                    continue;
                }
                Event::Data(_) => continue,
                Event::End { crc32 } => crc32,
            };
            if let (Some(stored), Some(row)) = (sent_along.take(), open.learned.hashing())
                && stored != crc32
            {
                self.library.disprove(open, row).await;
                return Err(HashError::WrongCrc32 {
                    key: open.key(row),
                    stored,
                    computed: crc32,
                });
            }
            if let (Err(unsteady), Some(row)) = (open.learned.hashed(crc32), open.learned.hashing())
            {
                if unsteady.again {
                    self.library.break_link(open, row).await;
                }
                return Err(HashError::Unstable { key: open.key(row) });
            }
            if written.elapsed() > CHECKPOINT {
                self.library.keep_learned(open).await;
                *written = Instant::now();
            }
        }
        Ok(())
    }
}

fn failure(error: ReadAheadError<HashError>) -> HashError {
    match error {
        ReadAheadError::Source(error) => error,
        ReadAheadError::Store(error) => HashError::Store(error),
        ReadAheadError::Unstable { key, .. } => HashError::Unstable { key },
    }
}

/// The objects that are wanted, each whole.
struct Wanted(Arc<Open>);

impl Stream for Wanted {
    type Item = Result<Item<()>, HashError>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Open {
            frozen, learned, ..
        } = &*self.0;
        let row = learned.next_wanted().and_then(|row| frozen.row(row));
        Poll::Ready(row.map(|row| {
            let object = row.object();
            let is_small = object.size <= INLINE_MAX;
            Ok(Item {
                range: 0..object.size,
                before: Before {
                    computed: is_small,
                    stored: is_small && object.has_crc32,
                },
                object,
                tag: (),
            })
        }))
    }
}
