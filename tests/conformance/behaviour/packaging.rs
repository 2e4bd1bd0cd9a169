//! Archives that are written into a bucket: parts that are streamed, parts that the store copies, nothing left behind.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::TryStreamExt;
use sheaf::download::{FrozenArchive, Scanner};
use sheaf::job::package::trace::take_back;
use sheaf::job::{
    Checkpoint, Desk, Failure, Keep, Means, Method, Order, Packaged, Unsaved, Verify, package,
};
use sheaf::manifest::stored::{Freezer, Row};
use sheaf::manifest::{Library, StateSpace};
use sheaf::read_ahead::{BucketReads, MemoryBudget};
use sheaf::store::AllowedBuckets;
use sheaf::store::upload::MIN_PART;

use crate::target::Target;

const MIB: usize = 1 << 20;

/// Lengths of objects, and whether their rows claim a CRC-32.
const OBJECTS: &[(usize, bool)] = &[
    (70_000, false),
    (13 * MIB, true),
    (12 * MIB + 1, false),
    (11 * MIB, true),
    (0, true),
];

/// Keeps the last checkpoint.
#[derive(Default)]
struct Kept(Mutex<Option<Checkpoint>>);

#[async_trait::async_trait]
impl Keep for Kept {
    async fn save(&self, checkpoint: &Checkpoint) -> Result<(), Unsaved> {
        *self.0.lock().unwrap() = Some(checkpoint.clone());
        Ok(())
    }
}

fn means(target: &Target) -> Means {
    Means {
        store: target.store.clone(),
        budget: MemoryBudget::new(64 << 20),
        allowed: AllowedBuckets::default(),
    }
}

/// Freezes the objects, to be packaged.
async fn frozen(target: &Target, method: Method) -> (Library, Order) {
    let prefix = target.key("in/");
    let mut freezer = Freezer::new(&target.bucket, &prefix);
    for (index, &(length, claims)) in OBJECTS.iter().enumerate() {
        let content: Vec<u8> = (0..length)
            .map(|at| (at ^ (at >> 9) ^ (index * 29)) as u8)
            .collect();
        let crc32 = claims.then(|| crc32fast::hash(&content));
        // A name that must be encoded where it is copied from.
        let object = target.row_of(&format!("in/{index} ü+&.pdf"), content).await;
        freezer.push(&Row {
            key: object.key,
            size: object.size,
            etag: object.etag,
            modified: object.modified,
            crc32,
            announced: false,
            version: None,
        });
    }
    let state = StateSpace {
        bucket: target.bucket.clone(),
        prefix: target.key("state/"),
    };
    let library = Library::new(&target.store, state.clone(), &means(target).budget);
    let manifest = library.put(&freezer.finish("in.zip", 0, 1)).await.unwrap();
    let order = Order {
        manifest,
        state,
        target: sheaf::job::Target {
            bucket: target.bucket.clone(),
            key: target.key("out ü.zip"),
        },
        method,
        verify: Verify::Full,
        replace: false,
    };
    (library, order)
}

async fn packaged(target: &Target, order: &Order, desk: &Desk) -> Result<Packaged, Failure> {
    let small_parts = Checkpoint {
        part_size: MIN_PART as u64,
        ..Checkpoint::default()
    };
    package(&means(target), order, Some(small_parts), desk).await
}

/// The archive as its link gives it.
async fn streamed(target: &Target, library: &Library, order: &Order) -> Vec<u8> {
    let open = library.open(order.manifest).await.unwrap();
    let reads = BucketReads::new(&target.store, &target.bucket);
    let range = 0..open.frozen.layout().len();
    let archive = FrozenArchive::begin(reads, &Scanner::new(library), &open, range).await;
    let mut archive = archive.unwrap();
    let mut bytes = Vec::new();
    while let Some(frame) = archive.next().await.unwrap() {
        bytes.extend_from_slice(&frame);
    }
    bytes
}

async fn nothing_is_left(target: &Target, order: &Order) {
    let (bucket, key) = (&order.target.bucket, &order.target.key);
    let uploads = target.store.uploads_of(bucket, key).await.unwrap();
    assert!(uploads.is_empty(), "{uploads:?}");
    let notes = target.store.list(bucket, &order.state.packaging());
    assert_eq!(notes.try_concat().await.unwrap(), []);
}

async fn written(target: &Target, method: Method) {
    let (library, order) = frozen(target, method).await;
    let desk = Desk::new(Arc::new(Kept::default()));
    let done = packaged(target, &order, &desk).await.unwrap();
    assert_eq!(done.method, method);
    assert_eq!(done.copied > 0, method == Method::Copy, "{done:?}");
    let archive = target.row("out ü.zip").await;
    let bytes = target.read(&archive).await.unwrap();
    assert!(bytes == streamed(target, &library, &order).await);
    nothing_is_left(target, &order).await;
}

pub async fn an_archive_is_streamed_into_the_bucket(target: &Target) {
    written(target, Method::Stream).await;
}

pub async fn an_archive_is_copied_within_the_store(target: &Target) {
    written(target, Method::Copy).await;
}

pub async fn an_upload_is_found_again(target: &Target) {
    let (_, order) = frozen(target, Method::Stream).await;
    let nature = sheaf::store::resumable::Nature {
        content_type: "application/zip",
        disposition: "attachment",
        mark: ("sheaf-archive", "x"),
    };
    let (bucket, key) = (&order.target.bucket, &order.target.key);
    let begun = target.store.begin_resumable(bucket, key, nature).await;
    let begun = begun.unwrap();
    let (sender, bytes) = tokio::sync::mpsc::channel(1);
    sender.send(Bytes::from_static(b"part")).await.unwrap();
    let sent = begun.send(2, 4, bytes).await.unwrap();
    assert_eq!(begun.parts().await.unwrap(), [sent]);
    let found = target.store.uploads_of(bucket, key).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|upload| upload.id()).collect();
    assert_eq!(ids, [begun.id()]);
    take_back(&target.store, &order.target).await.unwrap();
    let gone = begun.parts().await.unwrap_err();
    assert!(
        matches!(gone.kind, sheaf::store::StoreErrorKind::NoSuchUpload),
        "{gone}"
    );
    begun.abort().await.expect("what is gone is no error");
}

pub async fn a_changed_object_is_not_packaged(target: &Target) {
    for method in [Method::Stream, Method::Copy] {
        let (_, order) = frozen(target, method).await;
        let changed = target.row_of("in/3 ü+&.pdf", vec![7; 11 * MIB]).await;
        let desk = Desk::new(Arc::new(Kept::default()));
        let failure = packaged(target, &order, &desk).await.unwrap_err();
        assert_eq!(failure.key(), Some(changed.key.as_str()), "{failure}");
        assert!(!failure.can_pass(), "{failure}");
        nothing_is_left(target, &order).await;
    }
}
