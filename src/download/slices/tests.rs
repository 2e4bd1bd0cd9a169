//! Every range of a frozen archive is that slice of the whole, whatever is known of it beforehand.

use super::*;
use crate::archive::{Directory, INLINE_MAX};
use crate::download::fixture::{content, open, true_crc32};

/// What a download of the range would send, and what it would read.
fn render(open: &Arc<Open>, range: Range<u64>) -> (Vec<u8>, u64) {
    let (mut out, mut read) = (Vec::new(), 0);
    let layout = open.frozen.layout();
    for item in Slices::new(open.clone(), range.clone()) {
        let Item {
            object,
            range,
            before,
            tag,
        } = item;
        assert!(range.end <= object.size);
        read += range.end - range.start;
        let bytes = content(&object.key, object.size);
        let crc32 = crc32fast::hash(bytes);
        assert_eq!(before.computed, tag.crc32.is_none());
        if before.computed {
            assert!(object.size <= INLINE_MAX && range == (0..object.size));
        }
        let header = layout.local_header(tag.index, tag.crc32.unwrap_or(crc32));
        out.extend_from_slice(&header[tag.header]);
        out.extend_from_slice(&bytes[tag.data.start as usize..tag.data.end as usize]);
        if !tag.descriptor.is_empty() {
            let record = layout.descriptor(tag.index, crc32).unwrap();
            out.extend_from_slice(&record[tag.descriptor]);
        }
    }
    let mut directory = Directory::range(tail(layout, &range));
    while let Some(frame) = directory.next(layout, |index| true_crc32(open, index)) {
        out.extend_from_slice(&frame);
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
fn what_is_gone_on_with_is_read_whole_where_its_checksum_is_known() {
    let open = open(&[
        ("a/1.known", CHECKED_MAX, true),
        ("a/2.large", CHECKED_MAX + 1, true),
        ("a/3.described", CHECKED_MAX, false),
    ]);
    let layout = open.frozen.layout();
    let read = |index: usize, range: Range<u64>| {
        let at = layout.data_offset(index);
        let slices = Slices::new(open.clone(), at + range.start..at + range.end);
        let unchecked = slices.clone().next().unwrap();
        assert_eq!((&unchecked.tag.data, &unchecked.range), (&range, &range));
        let item = slices.checked().next().unwrap();
        assert_eq!((&item.tag.data, &item.range), (&range, &item.tag.read));
        item.range
    };
    let size = CHECKED_MAX;
    assert_eq!(read(0, 5..size), 0..size);
    assert_eq!(read(0, size - 1..size), 0..size);
    assert_eq!(
        read(0, 5..size - 1),
        5..size - 1,
        "its end is somebody else's"
    );
    assert_eq!(
        read(0, 0..size - 1),
        0..size - 1,
        "whoever goes on sees to it"
    );
    assert_eq!(read(1, 5..size + 1), 5..size + 1);
    assert_eq!(read(2, 5..size), 5..size, "nobody knows what it should be");
}

#[test]
fn only_what_a_range_does_not_pass_is_needed() {
    let open = mixed();
    let layout = open.frozen.layout();
    let data_end = |index: usize| layout.data_offset(index) + layout.size(index);
    let needs = |range: Range<u64>| -> Vec<usize> {
        let rows = Needed::by(layout, &range).rows();
        let unknown = open.unclaimed(rows);
        unknown
            .filter(|row| open.learned.get(*row).is_none())
            .collect()
    };
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
