//! Every range of a frozen archive is that slice of the whole, whatever is known of it beforehand.

use std::sync::LazyLock;

use uuid::Uuid;

use super::*;
use crate::archive::{Directory, INLINE_MAX};
use crate::manifest::learned::Learned;
use crate::manifest::stored::Freezer;
use crate::store::Bucket;

/// The bytes of an object depend on its key and go on for as long as any test needs.
fn content(key: &str, size: u64) -> &'static [u8] {
    static CONTENTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let of = |seed: u32| (0..INLINE_MAX as u32 + 16).map(move |n| ((n * 31 + seed) >> 2) as u8);
        (0..7).map(|seed| of(seed * 999).collect()).collect()
    });
    let seed: usize = key.bytes().map(usize::from).sum();
    &CONTENTS[seed % CONTENTS.len()][..size as usize]
}

fn open(objects: &[(&str, u64, bool)]) -> Arc<Open> {
    let bucket = Bucket::new("bucket").unwrap();
    let mut freezer = Freezer::new(&bucket, "a/");
    for &(key, size, claimed) in objects {
        freezer.push(&Row {
            key: key.to_owned(),
            size,
            etag: format!("\"{key}\""),
            modified: 1_714_979_290,
            crc32: claimed.then(|| crc32fast::hash(content(key, size))),
            version: None,
        });
    }
    let frozen = freezer.finish("a.zip", 2_000_000_000, 2_000_000_000);
    Arc::new(Open {
        id: Uuid::nil(),
        bucket,
        learned: Learned::new(frozen.header().count),
        frozen,
    })
}

fn true_crc32(open: &Open, index: usize) -> u32 {
    let row = open.frozen.row(index).unwrap();
    crc32fast::hash(content(&row.key, row.size))
}

/// What a download of the range would send, and what it would read.
fn render(open: &Arc<Open>, range: Range<u64>) -> (Vec<u8>, u64) {
    let (mut out, mut read) = (Vec::new(), 0);
    let layout = open.frozen.layout();
    for step in Steps::new(open.clone(), range) {
        if let Some(Wanted { object, range }) = step.wanted() {
            assert!(range.start < range.end && range.end <= object.size);
            read += range.end - range.start;
        }
        match step {
            FrozenStep::Header { index, crc32, cut } => {
                out.extend_from_slice(&layout.local_header(index, crc32)[cut]);
            }
            FrozenStep::Small {
                index,
                header,
                data,
                wanted,
            } => {
                let bytes = content(&wanted.object.key, wanted.object.size);
                let record = layout.local_header(index, crc32fast::hash(bytes));
                out.extend_from_slice(&record[header]);
                out.extend_from_slice(&bytes[data]);
            }
            FrozenStep::Data { wanted, .. } => {
                let bytes = content(&wanted.object.key, wanted.object.size);
                out.extend_from_slice(
                    &bytes[wanted.range.start as usize..wanted.range.end as usize],
                );
            }
            FrozenStep::Descriptor { index, cut } => {
                let record = layout.descriptor(index, true_crc32(open, index)).unwrap();
                out.extend_from_slice(&record[cut]);
            }
            FrozenStep::Tail(range) => {
                let mut crc32s = vec![0xBAD; layout.entries()];
                for index in listed_in(open, &range) {
                    crc32s[index] = true_crc32(open, index);
                }
                let mut directory = Directory::range(range);
                while let Some(frame) = directory.next(layout, &crc32s) {
                    out.extend_from_slice(&frame);
                }
            }
        }
    }
    (out, read)
}

fn whole(open: &Arc<Open>) -> Vec<u8> {
    let whole = render(open, 0..u64::MAX).0;
    assert_eq!(whole.len() as u64, open.frozen.layout().len());
    whole
}

#[test]
fn every_range_of_small_archives_is_that_slice_of_the_whole() {
    for objects in [
        &[("a/one.pdf", 7, false)][..],
        &[("a/none.pdf", 0, false)],
        &[
            ("a/1", 3, false),
            ("a/2", 0, false),
            ("a/3", 5, true),
            ("a/ü", 1, false),
        ],
    ] {
        let open = open(objects);
        let whole = whole(&open);
        let length = whole.len() as u64;
        for known in [false, true] {
            if known {
                (0..objects.len()).for_each(|index| {
                    open.learned.learn(index, true_crc32(&open, index)).unwrap();
                });
            }
            for first in 0..length {
                for end in first + 1..=length {
                    let (bytes, _) = render(&open, first..end);
                    assert!(
                        bytes == whole[first as usize..end as usize],
                        "{first}..{end}"
                    );
                }
            }
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
        ("a/5.described", INLINE_MAX + 3, false),
    ])
}

/// Offsets near the borders of all parts.
fn borders(open: &Open) -> Vec<u64> {
    let layout = open.frozen.layout();
    let parts = layout.segments(0..layout.len());
    let mut at = 0;
    let starts = parts.map(|segment| {
        at += segment.len;
        at - segment.len
    });
    let near = |start: u64| [start.saturating_sub(1), start, start + 1];
    let mut offsets: Vec<u64> = starts.flat_map(near).collect();
    offsets.retain(|offset| *offset <= layout.len());
    offsets.push(layout.len());
    offsets.sort_unstable();
    offsets.dedup();
    offsets
}

#[test]
fn ranges_of_both_forms_are_slices_of_the_whole() {
    let open = mixed();
    let whole = whole(&open);
    let offsets = borders(&open);
    for (index, first) in offsets.iter().enumerate() {
        for end in &offsets[index + 1..] {
            let (bytes, read) = render(&open, *first..*end);
            assert!(
                bytes == whole[*first as usize..*end as usize],
                "{first}..{end}"
            );
            assert!(
                read <= end - first + INLINE_MAX,
                "no more than the range and a small object"
            );
        }
    }
}

#[test]
fn only_what_a_range_does_not_pass_is_needed() {
    let open = mixed();
    let layout = open.frozen.layout();
    let data_end = |index: usize| layout.data_offset(index) + layout.size(index);
    let needs = |range: Range<u64>| needs(&open, &range);
    assert!(
        needs(0..layout.len()).is_empty(),
        "a whole download learns all of it"
    );
    assert!(needs(0..5).is_empty());
    assert!(
        needs(layout.data_offset(1)..data_end(1) + 16).is_empty(),
        "it passes whole"
    );
    assert_eq!(needs(layout.data_offset(1) + 1..data_end(1) + 1), [1]);
    assert!(
        needs(layout.data_offset(1) + 1..data_end(1)).is_empty(),
        "no descriptor in it"
    );
    assert_eq!(needs(data_end(1) + 3..data_end(1) + 5), [1]);
    // The rest of the archive: what lies before is needed by the directory, but what is claimed or empty.
    assert_eq!(needs(layout.offset(4)..layout.len()), [0, 1]);
    assert_eq!(needs(layout.data_offset(4) + 1..layout.len()), [0, 1, 4]);
    assert_eq!(needs(layout.directory_offset()..layout.len()), [0, 1, 4]);
    assert!(
        needs(layout.len() - 5..layout.len()).is_empty(),
        "the end has no checksums"
    );
    assert_eq!(
        needs(layout.directory_offset()..layout.directory_offset() + 1),
        [0]
    );
    open.learned.learn(1, 5).unwrap();
    assert_eq!(needs(layout.directory_offset()..layout.len()), [0, 4]);
}
