//! Hashing objects whose CRC-32 nobody knows, for ranges that need it and do not pass the object.
//!
//! One scan a manifest, whoever asks; it reads what is wanted in the order of the rows, keeps no bytes, and writes what
//! it has learned beside the manifest now and then. It ends when nothing is wanted any more, or nobody asks again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crc32fast::Hasher;
use futures::{StreamExt, stream};
use tokio::sync::{Mutex, Semaphore};

use super::DownloadError;
use super::ranged::RangeRead;
use crate::manifest::{Library, Open};
use crate::store::{Store, StoreError};

/// Objects that are hashed at once for one manifest.
const AT_ONCE: usize = 16;

/// Objects that are hashed at once in the whole process.
const AT_ONCE_IN_ALL: usize = 32;

/// How often what was learned is written while a scan goes on.
const CHECKPOINT: Duration = Duration::from_secs(10);

/// How long what was learned may wait for more to be written with it.
const GATHER: Duration = Duration::from_millis(500);

/// Begins scans, and waits for what they find. Clones share their bounds.
#[derive(Clone, Debug)]
pub struct Scanner {
    store: Store,
    library: Library,
    places: Arc<Semaphore>,
}

impl Scanner {
    /// Nothing is scanned yet.
    pub fn new(store: &Store, library: &Library) -> Scanner {
        Scanner {
            store: store.clone(),
            library: library.clone(),
            places: Arc::new(Semaphore::new(AT_ONCE_IN_ALL)),
        }
    }

    /// Sees to it that rows become known: from the sidecar, else by hashing in the background.
    pub async fn want(&self, open: &Arc<Open>, rows: &[usize]) {
        if rows.is_empty() {
            return;
        }
        self.library.load_learned(open).await;
        if open.learned.want(rows.iter().copied()) {
            tokio::spawn(self.clone().scan(open.clone()));
        }
    }

    /// Waits until all rows are known.
    ///
    /// # Errors
    /// [`DownloadError::Scan`] where one could not be hashed.
    pub async fn wait(&self, open: &Arc<Open>, rows: &[usize]) -> Result<(), DownloadError> {
        let mut changes = open.learned.subscribe();
        let mut at = 0;
        loop {
            changes.mark_unchanged();
            while at < rows.len() && open.crc32(rows[at]).is_some() {
                at += 1;
            }
            if at == rows.len() {
                return Ok(());
            }
            if let Some(error) = open.learned.failure() {
                return Err(DownloadError::Scan(error));
            }
            // It ends only with the manifest, which is borrowed here.
            let _ = changes.changed().await;
        }
    }

    /// Writes what was learned, soon, unless somebody is about to anyway.
    pub fn keep(&self, open: &Arc<Open>) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (Ok(runtime), true) = (runtime, open.learned.begin_writing()) {
            let (library, open) = (self.library.clone(), open.clone());
            runtime.spawn(async move {
                tokio::time::sleep(GATHER).await;
                library.keep_learned(&open).await;
            });
        }
    }

    async fn scan(self, open: Arc<Open>) {
        let written = Mutex::new(Instant::now());
        let (this, open, written) = (&self, &open, &written);
        loop {
            let wanted = stream::iter(std::iter::from_fn(|| open.learned.next_wanted()));
            wanted
                .for_each_concurrent(AT_ONCE, |index| async move {
                    let Ok(_place) = this.places.acquire().await else {
                        return;
                    };
                    match this.hash(open, index).await {
                        // Hashed twice with two results: it is unknown again, and its next reader tells.
                        Ok(crc32) => drop(open.learned.learn(index, crc32)),
                        Err(error) => open.learned.fail(index, error),
                    }
                    let mut written = written.lock().await;
                    if written.elapsed() > CHECKPOINT {
                        this.library.keep_learned(open).await;
                        *written = Instant::now();
                    }
                })
                .await;
            if open.learned.stop() {
                break;
            }
        }
        this.library.keep_learned(open).await;
    }

    async fn hash(&self, open: &Open, index: usize) -> Result<u32, StoreError> {
        let mut hasher = Hasher::new();
        if let Some(row) = open.frozen.row(index).filter(|row| row.size > 0) {
            let range = 0..row.size;
            let mut read = RangeRead::open(&self.store, &open.bucket, row.object(), range).await?;
            while let Some(chunk) = read.next().await? {
                hasher.update(&chunk);
            }
        }
        Ok(hasher.finalize())
    }
}
