//! Packages over the embedded store: byte for byte the link's archive, whatever happens on the way.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use tempfile::TempDir;

use super::*;
use crate::download::{DownloadError, FrozenArchive};
use crate::job::{Keep, Method, Target, Unsaved, Verify};
use crate::manifest::library::StateKey;
use crate::manifest::stored::{Freezer, Row};
use crate::manifest::{Library, StateSpace};
use crate::store::embedded::{BUCKET, EmbeddedStore};
use crate::store::upload::MIN_PART;
use crate::store::{Bucket, StoreErrorKind, StoreOptions};

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
            means: Means { store, budget },
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_is_packaged_as_its_link_gives_it() {
    let place = Place::new();
    let order = place.frozen(MIXED).await;
    let (desk, kept) = desk();
    let packaged = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap();
    let expected = place.streamed(&order).await;
    assert!(place.object(KEY).await.unwrap() == expected);
    assert_eq!(packaged.bytes, expected.len() as u64);
    assert_eq!(packaged.method, Method::Stream);
    assert_eq!((packaged.entries, packaged.copied), (9, 0));
    let shown = desk.progress.shown();
    assert_eq!(shown.parts, shown.parts_total);
    assert_eq!(
        (shown.bytes, shown.bytes_total),
        (packaged.bytes, packaged.bytes)
    );
    let last = kept.last.lock().unwrap().clone().unwrap();
    assert_eq!(last.done, [(1, last.parts)]);
    assert!(
        last.fragments.is_empty(),
        "put together, all of them: {last:?}"
    );
    place.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_objects_are_copied_within_the_store() {
    let place = Place::new();
    let order = Order {
        method: Method::Copy,
        ..place.frozen(MIXED).await
    };
    let (desk, _) = desk();
    let packaged = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap();
    assert!(place.object(KEY).await.unwrap() == place.streamed(&order).await);
    assert_eq!(packaged.method, Method::Copy);
    assert!(packaged.copied > 20 * MIB as u64, "{packaged:?}");
    assert_eq!(desk.progress.shown().copied, packaged.copied);
    place.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_little_is_streamed_unless_copying_is_asked_for() {
    let place = Place::new();
    let order = Order {
        method: Method::Auto,
        ..place.frozen(&[(13 * MIB, true), (100, true)]).await
    };
    let (desk, _) = desk();
    let packaged = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap();
    assert_eq!(packaged.method, Method::Stream);
    assert_eq!(packaged.note, desk.progress.shown().note);
    assert!(packaged.note.unwrap().contains("64 MiB"));
    let order = Order {
        method: Method::Copy,
        target: Target {
            bucket: bucket(),
            key: "other.zip".to_owned(),
        },
        ..place.frozen(&[(MIB, true)]).await
    };
    let failure = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::CannotCopy { .. }), "{failure}");
    place.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_is_found_and_what_is_another_object_is_not_touched() {
    let place = Place::new();
    let order = place.frozen(&[(MIB, true), (2 * MIB, false)]).await;
    let (desk, _) = desk();
    let first = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap();
    let again = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap();
    assert_eq!(first.etag, again.etag);
    assert!(again.note.unwrap().contains("already"));
    let (written, whole) = (place.modified(KEY).await, place.streamed(&order).await);
    let same = place.frozen_again(&order).await;
    let again = package(&place.means, &same, small_parts(), &desk)
        .await
        .unwrap();
    assert_eq!(first.etag, again.etag);
    assert_eq!(
        again.verified, 2,
        "nobody remembers a CRC-32, so all is read"
    );
    let cancelled = desk_that_is_cancelled();
    let failure = package(&place.means, &same, small_parts(), &cancelled)
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::Cancelled));
    assert_eq!(place.modified(KEY).await, written, "it is let be");
    let other = place.frozen(&[(MIB, true), (5, true)]).await;
    let failure = package(&place.means, &other, small_parts(), &desk)
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::Exists(_)) && !failure.can_pass());
    assert!(place.object(KEY).await.unwrap() == whole);
    let replacing = Order {
        replace: true,
        ..other
    };
    package(&place.means, &replacing, small_parts(), &desk)
        .await
        .unwrap();
    assert!(place.object(KEY).await.unwrap() == place.streamed(&replacing).await);
    place.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_object_ends_the_job_by_name() {
    let place = Place::new();
    for method in [Method::Stream, Method::Copy] {
        let order = Order {
            method,
            ..place.frozen(&[(13 * MIB, true), (14 * MIB, true)]).await
        };
        let changed = Bytes::from(content(9, 14 * MIB));
        let store = &place.means.store;
        store
            .put(&bucket(), "in/001.pdf", "application/pdf", changed)
            .await
            .unwrap();
        let (desk, _) = desk();
        let failure = package(&place.means, &order, small_parts(), &desk)
            .await
            .unwrap_err();
        assert_eq!(failure.key(), Some("in/001.pdf"), "{failure}");
        assert!(!failure.can_pass());
        assert!(place.object(KEY).await.is_none());
        place.nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_claim_of_an_object_in_several_parts_ends_the_job() {
    let place = Place::new();
    let honest = place.frozen(&[(13 * MIB, true)]).await;
    let open = place.library.open(honest.manifest).await.unwrap();
    let mut freezer = Freezer::new(&bucket(), "in/");
    freezer.push(&Row {
        crc32: Some(7),
        ..open.frozen.row(0).unwrap()
    });
    let manifest = place
        .library
        .put(&freezer.finish("in.zip", 0, 1))
        .await
        .unwrap();
    let (desk, _) = desk();
    let order = Order { manifest, ..honest };
    let failure = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap_err();
    assert!(
        matches!(
            &failure,
            Failure::Archive(DownloadError::WrongCrc32 { stored: 7, .. })
        ),
        "{failure}"
    );
    assert!(place.object(KEY).await.is_none());
    place.nothing_is_left().await;
}

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_goes_on_from_its_parts() {
    let place = Place::new();
    let order = place.frozen(MIXED).await;
    let length = place.streamed(&order).await.len() as u64;
    // As another process would, which has learned nothing.
    let place = Place {
        library: Library::new(
            &place.means.store,
            place.library_space(),
            &place.means.budget,
        ),
        ..place
    };
    let (mut checkpoint, mut paused) = (small_parts(), 0);
    let packaged = loop {
        let at = (paused + 1) * length / 4;
        let (outcome, last) =
            stopped(&place, &order, checkpoint, at, |desk| desk.pause.cancel()).await;
        match outcome {
            Ok(packaged) => break packaged,
            Err(Failure::Paused) => paused += 1,
            Err(failure) => panic!("{failure}"),
        }
        checkpoint = last;
        let upload = checkpoint.as_ref().and_then(|last| last.upload.clone());
        assert!(upload.is_some(), "the upload is kept");
    };
    assert!(paused > 0);
    assert_eq!(packaged.bytes, length);
    assert!(place.object(KEY).await.unwrap() == place.streamed(&order).await);
    place.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_leaves_nothing() {
    let place = Place::new();
    let order = place.frozen(MIXED).await;
    for at in [0, 6 * MIB as u64, 30 * MIB as u64] {
        let (outcome, _) = stopped(&place, &order, small_parts(), at, |desk| {
            desk.cancel.cancel()
        })
        .await;
        assert!(matches!(outcome, Err(Failure::Cancelled)), "{outcome:?}");
        assert!(place.object(KEY).await.is_none());
        place.nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_was_lost_while_it_was_begun_is_taken_back() {
    let place = Place::new();
    let order = place.frozen(&[(MIB, false)]).await;
    let open = place.library.open(order.manifest).await.unwrap();
    let nature = crate::store::resumable::Nature {
        content_type: "application/zip",
        disposition: "attachment",
        mark: ("sheaf-archive", "x"),
    };
    place
        .means
        .store
        .begin_resumable(&bucket(), KEY, nature)
        .await
        .unwrap();
    let checkpoint = Checkpoint {
        archive: open.frozen.header().etag.clone(),
        part_size: MIN_PART as u64,
        ..Checkpoint::default()
    };
    let (desk, _) = desk();
    package(&place.means, &order, Some(checkpoint), &desk)
        .await
        .unwrap();
    place.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_workers_do_the_parts_of_one_job() {
    let place = Place::new();
    for method in [Method::Stream, Method::Copy] {
        let order = Order {
            method,
            replace: true,
            ..place.frozen(MIXED).await
        };
        let (desk, _) = desk();
        let mut checkpoint = prepare(&place.means, &order, small_parts(), &desk)
            .await
            .unwrap();
        let half = checkpoint.parts / 2;
        let groups = [1..=half, half + 1..=checkpoint.parts].map(|numbers| {
            let (means, order, checkpoint) =
                (place.means.clone(), order.clone(), checkpoint.clone());
            async move {
                let (desk, _) = self::desk();
                package_parts(&means, &order, checkpoint, numbers, &desk)
                    .await
                    .unwrap()
            }
        });
        let [first, second] = groups;
        let (first, second) = tokio::join!(first, second);
        assert!(
            first.done.iter().all(|&(_, last)| last <= half),
            "{first:?}"
        );
        assert!(
            second.done.iter().all(|&(first, _)| first > half),
            "{second:?}"
        );
        // As another process would, which finds no sidecar.
        let sidecar = order.state.key(StateKey::Crc32s(order.manifest));
        place.means.store.delete(&bucket(), &sidecar).await.unwrap();
        checkpoint.take_in(&first);
        checkpoint.take_in(&second);
        package(&place.means, &order, Some(checkpoint), &desk)
            .await
            .unwrap();
        assert!(place.object(KEY).await.unwrap() == place.streamed(&order).await);
        place.nothing_is_left().await;
        place.means.store.delete(&bucket(), KEY).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_found_when_it_is_read_back() {
    let place = Place::new();
    let order = place.frozen(&[(3 * MIB, true), (100, true)]).await;
    let (desk, _) = desk();
    package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap();
    let length = place.streamed(&order).await.len();
    // In the data, in the directory.
    for at in [MIB, length - 60] {
        let path = place.dir.path().join("files").join(KEY);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= 1;
        let etag = "";
        let open = place.library.open(order.manifest).await.unwrap();
        place
            .means
            .store
            .put(&bucket(), KEY, "application/zip", bytes.clone().into())
            .await
            .unwrap();
        let standing = verify::Standing::found(&open);
        for how in [Verify::Sample, Verify::Full] {
            place
                .means
                .store
                .put(&bucket(), KEY, "application/zip", bytes.clone().into())
                .await
                .unwrap();
            let order = Order {
                verify: how,
                ..order.clone()
            };
            let failure = verify::verify(&place.means, &order, &standing, etag, &desk)
                .await
                .unwrap_err();
            assert!(matches!(failure, Failure::Unsound { .. }), "{failure}");
            assert!(place.object(KEY).await.is_none(), "it is removed");
        }
        bytes[at] ^= 1;
        place
            .means
            .store
            .put(&bucket(), KEY, "application/zip", bytes.into())
            .await
            .unwrap();
        verify::verify(&place.means, &order, &standing, etag, &desk)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_takes_back_what_nobody_remembers() {
    let place = Place::new();
    let order = place.frozen(MIXED).await;
    let at = 6 * MIB as u64;
    let (outcome, _) = stopped(&place, &order, small_parts(), at, |desk| {
        desk.pause.cancel();
    })
    .await;
    assert!(matches!(outcome, Err(Failure::Paused)), "{outcome:?}");
    let (store, space) = (&place.means.store, place.library_space());
    let swept = trace::sweep(store, &space).await.unwrap();
    assert_eq!(swept, trace::SweptPackages::default(), "its link is alive");
    let package = Target {
        bucket: bucket(),
        key: space.key(StateKey::Package(order.manifest)),
    };
    let body = Bytes::from_static(b"archive");
    store
        .put(&bucket(), &package.key, "application/zip", body)
        .await
        .unwrap();
    let link = space.key(StateKey::Link(order.manifest));
    store.delete(&bucket(), &link).await.unwrap();
    let swept = trace::sweep(store, &space).await.unwrap();
    assert_eq!((swept.uploads, swept.packages), (1, 1));
    assert!(place.object(&package.key).await.is_none());
    place.nothing_is_left().await;
}
