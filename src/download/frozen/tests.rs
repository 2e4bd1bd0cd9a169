//! Every range of a frozen archive, as it is read ahead, is that slice of the whole.

use tempfile::TempDir;

use super::*;
use crate::archive::INLINE_MAX;
use crate::download::fixture::{Memory, content, open, true_crc32};
use crate::manifest::{Library, StateSpace};
use crate::read_ahead::MemoryBudget;
use crate::store::embedded::{BUCKET, EmbeddedStore};
use crate::store::{Bucket, Store, StoreOptions};

const MIB: usize = 1 << 20;

/// Where learned checksums are kept; the objects themselves are elsewhere.
struct Place {
    scanner: Scanner,
    budget: MemoryBudget,
    _dir: TempDir,
}

impl Place {
    fn with(budget: usize) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let embedded = EmbeddedStore::open(dir.path(), &dir.path().join("state")).unwrap();
        let store = Store::embedded(&embedded, &StoreOptions::default());
        let space = StateSpace {
            bucket: Bucket::new(BUCKET).unwrap(),
            prefix: ".sheaf/".to_owned(),
        };
        let budget = MemoryBudget::new(budget);
        let library = Library::new(&store, space, &budget).trusting(Duration::from_secs(3600));
        Place {
            scanner: Scanner::new(&library),
            budget,
            _dir: dir,
        }
    }

    async fn read(
        &self,
        reads: &Memory,
        open: &Arc<Open>,
        range: Range<u64>,
    ) -> Result<Vec<u8>, DownloadError> {
        // Its link is in no store, and is not asked for.
        let share = self.budget.admit()?;
        let needed = Needed::by(open.frozen.layout(), &range);
        self.scanner.want(reads, open, needed.rows()).await;
        let mut passage = Passage::new(
            reads.clone(),
            Scanned::new(reads.clone(), &self.scanner, open),
            open,
            range,
            share,
        );
        let mut out = Vec::new();
        while let Some(frame) = passage.next().await? {
            assert!(!frame.is_empty());
            out.extend_from_slice(&frame);
        }
        Ok(out)
    }

    async fn whole(&self, open: &Arc<Open>) -> Vec<u8> {
        let length = open.frozen.layout().len();
        let whole = self.read(&Memory::default(), open, 0..length).await;
        let whole = whole.unwrap();
        assert_eq!(whole.len() as u64, length);
        whole
    }
}

fn again(open: &Arc<Open>) -> Arc<Open> {
    let file = open.frozen.file().clone();
    let frozen = crate::manifest::stored::Frozen::open(file).unwrap();
    Arc::new(Open::new(uuid::Uuid::new_v4(), open.bucket.clone(), frozen))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_range_of_a_small_archive_is_that_slice_of_the_whole() {
    let place = Place::with(4 * MIB);
    for objects in [
        &[("a/1", 7, false)][..],
        &[("a/1", 0, false)],
        &[("a/1", 1, false), ("a/2", 2, true)],
    ] {
        let open = open(objects);
        let whole = place.whole(&open).await;
        let length = whole.len() as u64;
        for first in 0..length {
            for end in first + 1..=length {
                let bytes = place.read(&Memory::default(), &open, first..end).await;
                let slice = &whole[first as usize..end as usize];
                assert!(bytes.unwrap() == slice, "{first}..{end}");
            }
        }
    }
    assert_eq!((place.budget.held(), place.budget.downloads()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_of_which_nothing_is_known_is_that_slice_of_the_whole() {
    let place = Place::with(4 * MIB);
    let open = open(&[("a/1", 2, false), ("a/2", 3, false)]);
    let whole = place.whole(&open).await;
    let length = whole.len() as u64;
    for first in 0..length {
        let end = length - first % 30;
        if first < end {
            let bytes = place
                .read(&Memory::default(), &again(&open), first..end)
                .await;
            let slice = &whole[first as usize..end as usize];
            assert!(bytes.unwrap() == slice, "{first}..{end}");
        }
    }
}

/// Both forms of large entries between small ones.
fn mixed() -> Arc<Open> {
    open(&[
        ("a/1", 9, false),
        ("a/2.described", INLINE_MAX + 1, false),
        ("a/3", 0, false),
        ("a/4.known", INLINE_MAX + 7, true),
        ("a/5", INLINE_MAX, false),
        ("a/6.described", INLINE_MAX + 3, false),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_of_all_forms_are_slices_of_the_whole_and_read_no_more() {
    // As little memory as there can be: small objects that are hashed first are read twice.
    let place = Place::with(4 * MIB);
    let open = mixed();
    let layout = open.frozen.layout();
    let whole = place.whole(&open).await;
    let mut offsets = vec![0, layout.directory_offset(), layout.len() - 1];
    for index in 0..layout.entries() {
        let data = layout.data_offset(index);
        let end = data + layout.size(index);
        offsets.extend([layout.offset(index), data, data + 1, end - 1, end, end + 1]);
    }
    for &first in &offsets {
        for end in [first + 1, first + 40, first + 70_000, first + 2_500_000] {
            let (open, end) = (again(&open), end.min(layout.len()));
            let reads = Memory::default();
            let bytes = place.read(&reads, &open, first..end).await.unwrap();
            let slice = &whole[first as usize..end as usize];
            assert!(bytes == slice, "{first}..{end}");
            let hashed = Needed::by(layout, &(first..end)).rows();
            let hashed: u64 = open.unclaimed(hashed).map(|row| layout.size(row)).sum();
            let most = end - first + hashed + 2 * INLINE_MAX;
            assert!(reads.read() <= most, "{} for {first}..{end}", reads.read());
        }
    }
    assert!(place.budget.peak() <= 4 * MIB);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_whole_is_learned_and_need_not_be_hashed() {
    let place = Place::with(64 * MIB);
    let open = mixed();
    let reads = Memory::default();
    let length = open.frozen.layout().len();
    place.read(&reads, &open, 0..length).await.unwrap();
    let sizes = (0..open.frozen.layout().entries()).map(|row| open.frozen.layout().size(row));
    assert_eq!(reads.read(), sizes.sum::<u64>(), "each byte once");
    for row in 0..open.frozen.layout().entries() {
        assert_eq!(open.crc32(row), Some(true_crc32(&open, row)), "{row}");
    }
    let before = reads.read();
    place
        .read(&reads, &open, length - 300..length)
        .await
        .unwrap();
    assert_eq!(reads.read(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_not_what_was_learned_do_not_go_out_whole() {
    let place = Place::with(64 * MIB);
    let open = mixed();
    let layout = open.frozen.layout();
    open.learned.learn(0, 1).unwrap();
    let data = layout.data_offset(0)..layout.data_offset(0) + layout.size(0);
    let failed = place.read(&Memory::default(), &open, data.clone()).await;
    assert!(matches!(failed, Err(DownloadError::Unstable { key }) if key == "a/1"));
    let bytes = place.read(&Memory::default(), &open, data).await.unwrap();
    assert_eq!(bytes, content("a/1", 9), "one of the two was at fault");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scans_of_many_ranges_are_one() {
    let place = Place::with(8 * MIB);
    let open = mixed();
    let layout = open.frozen.layout();
    let reads = Memory::default();
    let tails = (0..8).map(|n| layout.directory_offset() + n..layout.len());
    let ranges = tails.map(|tail| place.read(&reads, &open, tail));
    futures::future::try_join_all(ranges).await.unwrap();
    let unclaimed = open.unclaimed(0..6).map(|row| layout.size(row));
    assert_eq!(reads.read(), unclaimed.sum::<u64>());
    assert!(place.budget.peak() <= 8 * MIB);
}

#[tokio::test(start_paused = true)]
async fn without_memory_a_range_is_refused_and_a_scan_gives_up() {
    let place = Place::with(4 * MIB);
    let open = mixed();
    let mut shares = Vec::new();
    while let Ok(share) = place.budget.admit() {
        shares.push(share);
    }
    let refused = place.read(&Memory::default(), &open, 0..100).await;
    assert!(matches!(refused, Err(DownloadError::Overloaded(_))));
    // Enough for the range, and not for the scan that it needs.
    shares.pop();
    let length = open.frozen.layout().len();
    let tail = length - 200..length;
    let failed = place.read(&Memory::default(), &open, tail).await;
    assert!(matches!(failed, Err(DownloadError::Scan(_))));
}
