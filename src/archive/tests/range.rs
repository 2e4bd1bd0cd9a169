//! Any range of an archive is that slice of the whole.

use std::ops::Range;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::{Directory, Entry, INLINE_MAX, Layout, Part, Segment};
use super::fixture::{crc32s, entry, layout, parts};

/// The segments of a range, cut out of the list of all parts.
fn expected(layout: &Layout, range: Range<u64>) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut at = 0;
    for (part, len, _) in parts(layout, &crc32s(layout)) {
        let (from, to) = (range.start.max(at), range.end.min(at + len));
        if from < to {
            segments.push(Segment {
                part,
                start: from - at,
                len: to - from,
            });
        }
        at += len;
    }
    assert_eq!(at, layout.len());
    segments
}

/// The bytes of a segment, of an archive whose data is made of the index of each entry.
fn bytes(layout: &Layout, crc32s: &[u32], segment: Segment) -> Bytes {
    let record = match segment.part {
        Part::Data(index) => vec![index as u8; layout.size(index) as usize].into(),
        Part::LocalHeader(index) => layout.local_header(index, crc32s[index]),
        Part::Descriptor(index) => layout.descriptor(index, crc32s[index]).unwrap(),
        Part::CentralHeader(index) => layout.central_header(index, crc32s[index]),
        Part::End => layout.end(),
    };
    record.slice(segment.start as usize..(segment.start + segment.len) as usize)
}

#[test]
fn every_range_of_a_small_archive() {
    let layout = layout([
        entry("a", 5, None),
        entry("empty", 0, None),
        entry("ordner/é", 3, Some(1)),
    ]);
    let crc32s = crc32s(&layout);
    let whole: Vec<u8> = parts(&layout, &crc32s)
        .into_iter()
        .flat_map(|(part, len, record)| match (part, record) {
            (Part::Data(index), _) => Bytes::from(vec![index as u8; len as usize]),
            (_, record) => record.unwrap(),
        })
        .collect();
    assert_eq!(whole.len() as u64, layout.len());
    let streamed = layout.directory(&crc32s).collect::<Vec<_>>().concat();
    assert!(whole.ends_with(&streamed));
    for start in 0..=whole.len() {
        for end in start..=whole.len() {
            let sliced: Vec<u8> = layout
                .segments(start as u64..end as u64)
                .flat_map(|segment| bytes(&layout, &crc32s, segment))
                .collect();
            assert_eq!(sliced, whole[start..end], "{start}..{end}");
        }
    }
}

#[test]
fn ranges_beyond_the_end_are_cut() {
    let layout = layout([entry("a", 5, None)]);
    let len = layout.len();
    assert_eq!(layout.segments(len..u64::MAX).next(), None);
    assert_eq!(layout.segments(5..5).next(), None);
    let last: Vec<Segment> = layout.segments(len - 1..u64::MAX).collect();
    let end = Segment {
        part: Part::End,
        start: 21,
        len: 1,
    };
    assert_eq!(last, [end]);
}

#[test]
fn every_range_of_a_small_directory() {
    let layout = layout((0..3).map(|i| entry(&format!("{i}"), i, None)));
    let crc32s = crc32s(&layout);
    let whole = layout.directory(&crc32s).collect::<Vec<_>>().concat();
    assert_eq!(whole.len() as u64, layout.len() - layout.directory_offset());
    for start in 0..=whole.len() {
        for end in start..=whole.len() + 1 {
            let mut directory = Directory::range(start as u64..end as u64);
            let mut read = Vec::new();
            while let Some(frame) = directory.next(&layout, |index| crc32s[index]) {
                assert!(!frame.is_empty());
                read.extend(frame);
            }
            assert_eq!(read, whole[start..end.min(whole.len())], "{start}..{end}");
        }
    }
}

#[test]
fn a_directory_comes_in_frames_and_goes_on_anywhere() {
    let layout = layout((0..5000).map(|i| entry(&format!("a/rather/long/name-{i}"), i, None)));
    let crc32s = crc32s(&layout);
    let frames: Vec<Bytes> = layout.directory(&crc32s).collect();
    let whole = frames.concat();
    assert_eq!(whole.len() as u64, layout.len() - layout.directory_offset());
    let (last, full) = frames.split_last().unwrap();
    assert!(full.len() > 4);
    for frame in full {
        assert!((60 << 10..=64 << 10).contains(&frame.len()));
    }
    assert!(last.len() <= (64 << 10) + 98);
    for start in (0..whole.len()).step_by(7919) {
        let mut directory = Directory::range(start as u64..start as u64 + 100_000);
        let mut read = Vec::new();
        while let Some(frame) = directory.next(&layout, |index| crc32s[index]) {
            read.extend(frame);
        }
        let end = whole.len().min(start + 100_000);
        assert!(read == whole[start..end], "{start}");
    }
}

#[test]
fn a_header_longer_than_a_frame_is_a_frame() {
    let name = "x".repeat(0xFFFF);
    let layout = layout([
        entry("a", 0, None),
        entry(&name, 0, None),
        entry("b", 0, None),
    ]);
    let frames: Vec<usize> = layout.directory(&[0; 3]).map(|frame| frame.len()).collect();
    assert_eq!(frames, [46 + 1 + 9, 46 + 0xFFFF + 9, 46 + 1 + 9 + 22]);
}

#[test]
#[should_panic(expected = "out of bounds")]
fn a_directory_without_a_crc_is_not_written() {
    let layout = layout([entry("a", 5, None)]);
    let _ = layout.directory(&[]).next();
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let size = prop_oneof![
        Just(0),
        1..100_u64,
        INLINE_MAX - 1..INLINE_MAX + 3,
        0xFFFF_FFF0..0x1_0000_0010_u64,
        0..1_u64 << 40,
    ];
    let name = "[a-zé日]{1,20}";
    (name, size, any::<i64>(), any::<Option<u32>>()).prop_map(|(name, size, modified, crc32)| {
        let mut entry = entry(&name, size, crc32);
        entry.modified = modified;
        entry
    })
}

/// Few entries of every kind, or several blocks of small ones.
fn any_layout() -> impl Strategy<Value = Layout> {
    let few = prop::collection::vec(any_entry(), 0..12);
    let many = (60..200_u64).prop_map(|n| (0..n).map(|i| entry("x", i % 3, None)).collect());
    prop_oneof![4 => few, 1 => many].prop_map(layout)
}

proptest! {
    #[test]
    fn segments_are_cuts_of_the_parts(
        layout in any_layout(),
        picks in prop::collection::vec((any::<prop::sample::Index>(), 0..5_u64), 2),
        anywhere in any::<[prop::sample::Index; 2]>(),
    ) {
        // Borders and what is near them, and any offset.
        let mut borders = vec![0];
        for (_, len, _) in parts(&layout, &crc32s(&layout)) {
            borders.push(borders[borders.len() - 1] + len);
        }
        let mut offsets: Vec<u64> = picks
            .iter()
            .map(|(index, near)| (index.get(&borders) + near).saturating_sub(2))
            .collect();
        offsets.extend(anywhere.map(|index| index.index(layout.len() as usize) as u64));
        for &start in &offsets {
            for &end in &offsets {
                let range = start.min(end)..start.max(end);
                let found: Vec<Segment> = layout.segments(range.clone()).collect();
                prop_assert_eq!(found, expected(&layout, range));
            }
        }
        let all: Vec<Segment> = layout.segments(0..layout.len()).collect();
        prop_assert_eq!(all, expected(&layout, 0..layout.len()));
    }

    #[test]
    fn archives_are_read_back(layout in any_layout()) {
        super::reader::read_layout(&layout);
    }

    #[test]
    fn a_growing_layout_has_the_same_bytes(entries in prop::collection::vec(any_entry(), 0..9)) {
        let whole = layout(entries.clone());
        let mut growing = Layout::new();
        for (index, entry) in entries.into_iter().enumerate() {
            prop_assert_eq!(growing.push(entry), index);
            prop_assert_eq!(growing.local_header(index, 9), whole.local_header(index, 9));
            prop_assert_eq!(growing.descriptor(index, 9), whole.descriptor(index, 9));
            prop_assert_eq!(growing.data_offset(index), whole.data_offset(index));
        }
        let crc32s = crc32s(&whole);
        prop_assert!(growing.directory(&crc32s).eq(whole.directory(&crc32s)));
    }
}
