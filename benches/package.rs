//! How fast archives are packaged: every byte streamed through, and large objects copied within the store, beside the
//! store's own copy of the same bytes (UploadPartCopy of the whole objects, nothing between them).
//!
//! Over the embedded store in this process, and over Garage where `SHEAF_TEST_STORES` names it. `--quick` takes less, and
//! checks that both archives are the one of the link. Verification is not part of the time but for its sample.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use sheaf::download::{FrozenArchive, Scanner};
use sheaf::job::{Checkpoint, Desk, Keep, Means, Method, Order, Target, Unsaved, Verify, package};
use sheaf::manifest::stored::{Freezer, Row};
use sheaf::manifest::{Library, StateSpace};
use sheaf::read_ahead::{BucketReads, MemoryBudget};
use sheaf::store::embedded::{self, EmbeddedStore};
use sheaf::store::resumable::Nature;
use sheaf::store::{AllowedBuckets, Bucket, Identity, Object, PartWriter, Store, StoreOptions};

#[allow(dead_code, reason = "benches share it, and each uses a part")]
mod rig;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

use rig::MIB;
use support::stores::{self, ExternalStore, Software};

/// Keeps nothing.
struct Nowhere;

#[async_trait]
impl Keep for Nowhere {
    async fn save(&self, _: &Checkpoint) -> Result<(), Unsaved> {
        Ok(())
    }
}

fn main() -> Result<()> {
    let Some(quick) = rig::other_part()? else {
        return Ok(());
    };
    let (objects, size) = if quick {
        (3, 24 * MIB)
    } else {
        (16, 128 * MIB)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("files"))?;
        let folder = EmbeddedStore::open(&dir.path().join("files"), &dir.path().join("state"))?;
        let store = Store::embedded(&folder, &StoreOptions::default());
        run("embedded", &store, embedded::BUCKET, objects, size, quick).await?;
        if let Some(garage) = ExternalStore::start(Software::Garage).await {
            let options = StoreOptions {
                endpoint: Some(garage.endpoint.clone()),
                region: Some("us-east-1".to_owned()),
                identity: Identity::Keys(garage.credentials.clone()),
                ..StoreOptions::default()
            };
            let store = Store::connect(&options).await?;
            run("Garage", &store, stores::BUCKET, objects, size, quick).await?;
        }
        Ok(())
    })
}

/// Writes the objects, and freezes them.
async fn frozen(
    store: &Store,
    bucket: &Bucket,
    objects: u64,
    size: u64,
) -> Result<(Freezer, Vec<Object>)> {
    let mut freezer = Freezer::new(bucket, "in/");
    let mut rows = Vec::new();
    let mut state = 1u64;
    for index in 0..objects {
        let key = format!("in/{index:03}.pdf");
        let mut writer = PartWriter::new(store, bucket, &key, "application/pdf");
        let mut hasher = crc32fast::Hasher::new();
        for _ in 0..size / MIB {
            let words = (0..MIB / 8).flat_map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                state.to_le_bytes()
            });
            let piece: Vec<u8> = words.collect();
            hasher.update(&piece);
            writer.filling().extend_from_slice(&piece);
            writer.pass_on().await?;
        }
        writer.finish().await?;
        let headed = store.head(bucket, &key).await?;
        let object = headed
            .ok_or_else(|| anyhow::anyhow!("{key} is not there"))?
            .object;
        freezer.push(&Row {
            key,
            size: object.size,
            etag: object.etag.clone(),
            modified: object.modified,
            crc32: Some(hasher.finalize()),
            announced: false,
            version: None,
        });
        rows.push(object);
    }
    Ok((freezer, rows))
}

async fn run(
    name: &str,
    store: &Store,
    bucket: &str,
    objects: u64,
    size: u64,
    checked: bool,
) -> Result<()> {
    let bucket = Bucket::new(bucket)?;
    let (freezer, rows) = frozen(store, &bucket, objects, size).await?;
    let state = StateSpace {
        bucket: bucket.clone(),
        prefix: ".sheaf/".to_owned(),
    };
    let means = Means {
        store: store.clone(),
        budget: MemoryBudget::new(64 << 20),
        allowed: AllowedBuckets::default(),
    };
    let library = Library::new(store, state.clone(), &means.budget);
    let manifest = library.put(&freezer.finish("in.zip", 0, 1)).await?;
    let bytes = objects * size;
    println!("{name}: {objects} objects of {} MiB", size / MIB);
    let copied = copy(store, &bucket, &rows).await?;
    print("the store's own copy", bytes, copied, copied);
    for (what, method) in [("streamed", Method::Stream), ("copied", Method::Copy)] {
        let key = format!("{what}.zip");
        let order = Order {
            manifest,
            state: state.clone(),
            target: Target {
                bucket: bucket.clone(),
                key: key.clone(),
            },
            method,
            verify: Verify::Sample,
            replace: true,
        };
        let begun = Instant::now();
        let desk = Desk::new(Arc::new(Nowhere));
        let packaged = package(&means, &order, None, &desk).await?;
        print(what, bytes, begun.elapsed(), copied);
        ensure!(packaged.method == method, "{packaged:?}");
        if checked {
            let open = library.open(manifest).await?;
            let reads = BucketReads::new(store, &bucket);
            let range = 0..open.frozen.layout().len();
            let mut link =
                FrozenArchive::begin(reads, &Scanner::new(&library), &open, range).await?;
            let whole = store.read_whole(&bucket, &key, None, 1 << 30).await?;
            let mut rest = whole.map(|whole| whole.bytes).unwrap_or_else(Bytes::new);
            while let Some(frame) = link.next().await? {
                ensure!(
                    rest.len() >= frame.len() && rest.split_to(frame.len()) == frame,
                    "{what} differs"
                );
            }
            ensure!(rest.is_empty(), "{what} is longer");
        }
        store.delete(&bucket, &key).await?;
    }
    Ok(())
}

/// Has the store copy all objects into one.
async fn copy(store: &Store, bucket: &Bucket, rows: &[Object]) -> Result<Duration> {
    let nature = Nature {
        content_type: "application/octet-stream",
        disposition: "attachment",
        mark: ("bench", "1"),
    };
    let begun = Instant::now();
    let upload = store.begin_resumable(bucket, "copy.bin", nature).await?;
    let numbered = rows.iter().enumerate();
    let copies = numbered.map(|(index, row)| upload.copy(index + 1, bucket, row, 0..row.size));
    let parts = futures::future::try_join_all(copies).await?;
    upload.complete(&parts).await?;
    let took = begun.elapsed();
    store.delete(bucket, "copy.bin").await?;
    Ok(took)
}

fn print(what: &str, bytes: u64, took: Duration, copied: Duration) {
    let rate = bytes as f64 / 1e6 / took.as_secs_f64();
    let (seconds, share) = (
        took.as_secs_f64(),
        copied.as_secs_f64() / took.as_secs_f64(),
    );
    println!("  {what:<22} {seconds:7.2} s {rate:7.0} MB/s   {share:.2} of the copy's rate");
}
