//! Live archives with deflated entries: whole, the same each time, and with nothing left in the books.

use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::archive::Method;
use crate::download::LiveArchive;
use crate::manifest::Selection;
use crate::read_ahead::MemoryBudget;
use crate::store::embedded::{BUCKET, EmbeddedStore};
use crate::store::{Bucket, Store, StoreOptions};
use crate::verify::{Source, check};

const MIB: usize = 1 << 20;

struct Place {
    dir: TempDir,
    _state: TempDir,
    store: Store,
}

impl Place {
    fn of(files: &[(&str, Vec<u8>)]) -> Place {
        let (dir, state) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let embedded = EmbeddedStore::open(dir.path(), state.path()).unwrap();
        Place {
            store: Store::embedded(&embedded, &StoreOptions::default()),
            dir,
            _state: state,
        }
    }

    /// The archive, and the most memory that was charged for it at once.
    async fn archive(&self, memory: usize, reads: usize) -> (Vec<u8>, usize) {
        let budget = MemoryBudget::new(memory);
        let bucket = Bucket::new(BUCKET).unwrap();
        let all = Selection::new(bucket, "", &["*".to_owned()]).unwrap();
        let opened = LiveArchive::open(&self.store, &budget, &all, Method::Deflate).await;
        let mut archive = opened.unwrap().at_most(reads);
        let mut bytes = Vec::new();
        while let Some(frame) = archive.next().await.unwrap() {
            assert!(!frame.is_empty());
            bytes.extend_from_slice(&frame);
        }
        drop(archive);
        assert_eq!((budget.held(), budget.downloads()), (0, 0));
        (bytes, budget.peak())
    }
}

/// Lines that are alike and never the same.
fn lines(bytes: usize) -> Vec<u8> {
    let lines = (0_u64..).map(|n| format!("{n},{},row of a table\n", n * n % 9973));
    let mut text = Vec::with_capacity(bytes + 64);
    for line in lines {
        if text.len() >= bytes {
            break;
        }
        text.extend(line.into_bytes());
    }
    text.truncate(bytes);
    text
}

/// Bytes that cannot be deflated.
fn noise(bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    (0..bytes).map(|_| random.u8(..)).collect()
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a.csv", lines(3 * BLOCK + 1000)),
        ("b.txt", lines(BLOCK)),
        ("c.txt", lines(BLOCK + 1)),
        ("d.txt", Vec::new()),
        ("e.xml", lines(1)),
        ("f.json", noise(2 * BLOCK + 7)),
        ("g.pdf", lines(1000)),
        ("h.pdf", lines(2 * MIB)),
        ("i.txt", lines(5 * MIB)),
    ]
}

async fn report(archive: &[u8], folder: &Path) -> crate::verify::Report {
    let path = folder.join("a.zip");
    std::fs::write(&path, archive).unwrap();
    let source = Source::file(&path).await.unwrap();
    check(source, "a.zip", &mut |_| {}).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_archive_is_whole_and_the_same_whatever_the_memory() {
    let place = Place::of(&files());
    let (archive, _) = place.archive(256 * MIB, 64).await;
    for (memory, reads) in [(256 * MIB, 64), (256 * MIB, 1), (4 * MIB, 64)] {
        assert!(place.archive(memory, reads).await.0 == archive, "{memory}");
    }
    let report = report(&archive, place._state.path()).await;
    assert_eq!(report.fault, None);
    assert_eq!(report.entries, 9);
    let all: usize = files().iter().map(|(_, content)| content.len()).sum();
    assert_eq!(report.bytes, all as u64);
    // Those that are deflated, and the large one without a checksum.
    assert_eq!(report.descriptors, 7);
    let stored: usize = [5, 6, 7]
        .iter()
        .map(|&at: &usize| files()[at].1.len())
        .sum();
    let text = all - stored;
    assert!(archive.len() < stored + text / 2, "{}", archive.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_being_deflated_is_charged() {
    let place = Place::of(&[("a.txt", lines(8 * MIB))]);
    let (_, peak) = place.archive(4 * MIB, 64).await;
    assert!(peak >= 2 * BLOCK + TABLES, "{peak}");
    assert!(peak <= 5 * MIB, "{peak}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_is_replaced_ends_it() {
    let place = Place::of(&[("a.txt", lines(2 * MIB)), ("b.txt", lines(10))]);
    let budget = MemoryBudget::new(64 * MIB);
    let bucket = Bucket::new(BUCKET).unwrap();
    let all = Selection::new(bucket, "", &["*".to_owned()]).unwrap();
    let opened = LiveArchive::open(&place.store, &budget, &all, Method::Deflate).await;
    let mut archive = opened.unwrap();
    // The listing is behind it; what it read ahead is not.
    std::fs::write(place.dir.path().join("a.txt"), lines(2 * MIB - 1)).unwrap();
    let failed = loop {
        match archive.next().await {
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    assert!(
        matches!(failed, Some(DownloadError::Store(_))),
        "{failed:?}"
    );
}
