//! Packages over the embedded store: byte for byte the link's archive, whatever happens on the way.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use tempfile::TempDir;

use super::*;
use crate::download::{DownloadError, FrozenArchive};
use crate::job::progress::Shown;
use crate::job::{Keep, Method, Target, Unsaved, Verify};
use crate::manifest::library::StateKey;
use crate::manifest::stored::{Freezer, Row};
use crate::manifest::{Library, LibraryError, StateSpace};
use crate::store::embedded::{BUCKET, EmbeddedStore};
use crate::store::resumable::Nature;
use crate::store::upload::MIN_PART;
use crate::store::{AllowedBuckets, Bucket, StoreErrorKind, StoreOptions};

mod kept;
mod resumed;
mod written;

const MIB: usize = 1 << 20;
const KEY: &str = "out/archive.zip";

/// Keeps the last checkpoint.
#[derive(Default)]
struct Kept {
    last: Mutex<Option<Checkpoint>>,
}

#[async_trait]
impl Keep for Kept {
    async fn save(&self, checkpoint: &Checkpoint) -> Result<(), Unsaved> {
        *self.last.lock().unwrap() = Some(checkpoint.clone());
        Ok(())
    }
}

struct Place {
    means: Means,
    library: Library,
    dir: TempDir,
}

/// Bytes that are nowhere the same.
fn content(seed: u8, length: usize) -> Vec<u8> {
    let mut state = u32::from(seed) + 1;
    let next = move |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(next).collect()
}

fn bucket() -> Bucket {
    Bucket::new(BUCKET).unwrap()
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("files")).unwrap();
        let embedded =
            EmbeddedStore::open(&dir.path().join("files"), &dir.path().join("state")).unwrap();
        let store = Store::embedded(&embedded, &StoreOptions::default());
        let budget = MemoryBudget::new(64 << 20);
        let space = StateSpace {
            bucket: bucket(),
            prefix: ".sheaf/".to_owned(),
        };
        Place {
            library: Library::new(&store, space, &budget),
            means: Means {
                store,
                budget,
                allowed: AllowedBuckets::default(),
            },
            dir,
        }
    }

    /// Freezes objects of these lengths. Those that claim have a CRC-32 in their rows.
    async fn frozen(&self, objects: &[(usize, bool)]) -> Order {
        let mut freezer = Freezer::new(&bucket(), "in/");
        for (index, &(length, claims)) in objects.iter().enumerate() {
            let key = format!("in/{index:03}.pdf");
            let body = content(index as u8, length);
            let crc32 = claims.then(|| crc32fast::hash(&body));
            let store = &self.means.store;
            let body = Bytes::from(body);
            store
                .put(&bucket(), &key, "application/pdf", body)
                .await
                .unwrap();
            let object = store.head(&bucket(), &key).await.unwrap().unwrap().object;
            freezer.push(&Row {
                key,
                size: object.size,
                etag: object.etag,
                modified: object.modified,
                crc32,
                announced: false,
                version: None,
            });
        }
        let manifest = self.library.put(&freezer.finish("in.zip", 0, 1)).await;
        Order {
            manifest: manifest.unwrap(),
            state: StateSpace {
                bucket: bucket(),
                prefix: ".sheaf/".to_owned(),
            },
            target: Target {
                bucket: bucket(),
                key: KEY.to_owned(),
            },
            method: Method::Stream,
            verify: Verify::Sample,
            replace: false,
        }
    }

    /// The same rows as another link, of which nothing was learned yet.
    async fn frozen_again(&self, order: &Order) -> Order {
        let open = self.library.open(order.manifest).await.unwrap();
        let mut freezer = Freezer::new(&bucket(), "in/");
        for row in (0..).map_while(|index| open.frozen.row(index)) {
            freezer.push(&row);
        }
        let manifest = self.library.put(&freezer.finish("in.zip", 0, 1)).await;
        Order {
            manifest: manifest.unwrap(),
            ..order.clone()
        }
    }

    /// The archive as its link gives it.
    async fn streamed(&self, order: &Order) -> Vec<u8> {
        let open = self.library.open(order.manifest).await.unwrap();
        let reads = BucketReads::new(&self.means.store, &bucket());
        let scanner = Scanner::new(&self.library);
        let range = 0..open.frozen.layout().len();
        let mut archive = FrozenArchive::begin(reads, &scanner, &open, range)
            .await
            .unwrap();
        let mut bytes = Vec::new();
        while let Some(frame) = archive.next().await.unwrap() {
            bytes.extend_from_slice(&frame);
        }
        bytes
    }

    /// Writes something of somebody else's to the target.
    async fn write(&self, bytes: &[u8]) {
        let (store, body) = (&self.means.store, Bytes::copy_from_slice(bytes));
        store.put(&bucket(), KEY, "text/plain", body).await.unwrap();
    }

    /// Writes these bytes to the target as a job would that packages this order, and returns their entity tag.
    async fn written_for(&self, order: &Order, bytes: &[u8]) -> String {
        let open = self.library.open(order.manifest).await.unwrap();
        let nature = Nature {
            content_type: "application/zip",
            disposition: "attachment",
            mark: (begin::MARK, begin::mark_of(&open)),
        };
        let store = &self.means.store;
        let upload = store.begin_resumable(&bucket(), KEY, nature).await.unwrap();
        let (sender, body) = tokio::sync::mpsc::channel(1);
        sender.try_send(Bytes::copy_from_slice(bytes)).unwrap();
        drop(sender);
        let part = upload.send(1, bytes.len() as u64, body).await.unwrap();
        upload.complete(&[part]).await.unwrap()
    }

    /// When the object was written.
    async fn modified(&self, key: &str) -> std::time::SystemTime {
        let file = self.dir.path().join("files").join(key);
        std::fs::metadata(file).unwrap().modified().unwrap()
    }

    async fn object(&self, key: &str) -> Option<Vec<u8>> {
        let store = &self.means.store;
        match store.read_whole(&bucket(), key, None, 1 << 30).await {
            Ok(whole) => Some(whole.unwrap().bytes.to_vec()),
            Err(error) if matches!(error.kind, StoreErrorKind::NoSuchKey) => None,
            Err(error) => panic!("{error}"),
        }
    }

    async fn nothing_is_left(&self) {
        for key in [KEY.to_owned(), format!("{KEY}.sheaf-probe")] {
            let uploads = self.means.store.uploads_of(&bucket(), &key).await.unwrap();
            assert!(uploads.is_empty(), "{uploads:?}");
        }
        assert!(self.object(&format!("{KEY}.sheaf-probe")).await.is_none());
        let folder = self.library_space().packaging();
        let pages = self.means.store.list(&bucket(), &folder);
        let notes: Vec<_> = pages.try_concat().await.unwrap();
        assert!(notes.is_empty(), "{notes:?}");
    }

    fn library_space(&self) -> StateSpace {
        StateSpace {
            bucket: bucket(),
            prefix: ".sheaf/".to_owned(),
        }
    }
}

fn desk() -> (Desk, Arc<Kept>) {
    let kept = Arc::new(Kept::default());
    (Desk::new(kept.clone()), kept)
}

fn desk_that_is_cancelled() -> Desk {
    let (desk, _) = desk();
    desk.cancel.cancel();
    desk
}

/// Waits until a job is so far.
async fn until(desk: &Desk, is_there: impl Fn(&Shown) -> bool) {
    while !is_there(&desk.progress.shown()) {
        tokio::task::yield_now().await;
    }
}

/// The smallest parts that there can be.
fn small_parts() -> Option<Checkpoint> {
    Some(Checkpoint {
        part_size: MIN_PART as u64,
        ..Checkpoint::default()
    })
}

/// A little of everything: small and large objects, empty ones, such that claim and such that do not.
const MIXED: &[(usize, bool)] = &[
    (100_000, false),
    (13 * MIB, false),
    (0, false),
    (12 * MIB + 7, true),
    (3 * MIB, true),
    (700_000, false),
    (2 * MIB, false),
    (21 * MIB, true),
    (6 * MIB, false),
];

/// Runs a job until so many bytes are on their way, and stops it by `stop`.
async fn stopped(
    place: &Place,
    order: &Order,
    checkpoint: Option<Checkpoint>,
    at: u64,
    stop: fn(&Desk),
) -> (Result<Packaged, Failure>, Option<Checkpoint>) {
    let (desk, kept) = desk();
    let watched = desk.clone();
    let watching = tokio::spawn(async move {
        loop {
            if watched.progress.shown().bytes >= at {
                return stop(&watched);
            }
            tokio::task::yield_now().await;
        }
    });
    let outcome = package(&place.means, order, checkpoint, &desk).await;
    watching.abort();
    let last = kept.last.lock().unwrap().clone();
    (outcome, last)
}
