//! Zip64 stands exactly where it must: each limit, one below it, and at it.

use bytes::BytesMut;

use super::super::record::End;
use super::super::{Entry, INLINE_MAX};
use super::fixture::{entry, layout};
use super::reader::{ReadArchive, read_layout};

const LIMIT: u64 = 0xFFFF_FFFF;

fn read(entries: impl IntoIterator<Item = Entry>) -> ReadArchive {
    read_layout(&layout(entries))
}

/// An entry without Zip64 after which the next part starts at `end`, if it is the first.
fn filler(end: u64) -> Entry {
    let header = 30 + 1 + 9;
    entry("f", end - header, Some(0))
}

#[test]
fn sizes() {
    for crc32 in [Some(0), None] {
        for (size, zip64) in [(LIMIT - 1, false), (LIMIT, true), (LIMIT + 1, true)] {
            let archive = read([entry("a", size, crc32)]);
            let entry = &archive.entries[0];
            assert_eq!(entry.local_zip64, zip64, "{size}");
            assert_eq!(entry.central_zip64, if zip64 { 16 } else { 0 });
            let descriptor = if zip64 { 24 } else { 16 };
            assert_eq!(
                entry.descriptor,
                if crc32.is_some() { 0 } else { descriptor }
            );
            assert!(archive.zip64_end, "the directory starts beyond the limit");
        }
    }
}

#[test]
fn offsets() {
    for (offset, beyond) in [(LIMIT - 1, false), (LIMIT, true), (LIMIT + 1, true)] {
        let archive = read([filler(offset), entry("known", 5, None)]);
        let known = &archive.entries[1];
        assert_eq!(known.offset, offset);
        assert!(!known.local_zip64, "a local header has no offset");
        assert_eq!(known.central_zip64, if beyond { 8 } else { 0 });
        assert_eq!(known.local_version, 20);
        assert_eq!(known.central_version, if beyond { 45 } else { 20 });

        let archive = read([filler(offset), entry("described", INLINE_MAX + 1, None)]);
        let described = &archive.entries[1];
        assert_eq!(described.offset, offset);
        assert_eq!(described.local_zip64, beyond);
        assert_eq!(described.descriptor, if beyond { 24 } else { 16 });
        assert_eq!(described.central_zip64, if beyond { 8 } else { 0 });
        assert_eq!(described.local_version, if beyond { 45 } else { 20 });
    }
}

#[test]
fn sizes_and_offsets() {
    let archive = read([
        filler(LIMIT),
        entry("known", LIMIT, Some(1)),
        entry("described", LIMIT, None),
        entry("small", 1, None),
    ]);
    let central: Vec<usize> = archive.entries.iter().map(|e| e.central_zip64).collect();
    assert_eq!(central, [0, 24, 24, 8]);
    let local: Vec<bool> = archive.entries.iter().map(|e| e.local_zip64).collect();
    assert_eq!(local, [false, true, true, false]);
}

#[test]
fn directory_offsets() {
    assert!(!read([filler(LIMIT - 1)]).zip64_end);
    assert!(read([filler(LIMIT)]).zip64_end);
    assert!(read([filler(LIMIT + 1)]).zip64_end);
}

#[test]
fn counts() {
    let of = |count: u32| read((0..count).map(|i| entry(&format!("{i:x}"), 0, None)));
    assert!(!of(65_534).zip64_end);
    assert!(of(65_535).zip64_end);
    assert!(of(65_537).zip64_end);
}

#[test]
fn directory_lengths() {
    let tail = |directory_len| {
        let end = End {
            entries: 3,
            directory_len,
            directory_offset: 7,
        };
        let mut bytes = BytesMut::new();
        end.put(&mut bytes);
        assert_eq!(bytes.len() as u64, end.len());
        bytes
    };
    assert_eq!(tail(LIMIT - 1).len(), 22);
    let zip64 = tail(LIMIT);
    assert_eq!(zip64.len(), 98);
    // Only what overflows is saturated in the last record.
    assert_eq!(
        zip64[98 - 14..98 - 2],
        hex::decode("03000300ffffffff07000000").unwrap()
    );
    assert_eq!(zip64[56 - 16..56 - 8], LIMIT.to_le_bytes());
    assert_eq!(zip64[56 + 8..56 + 16], (LIMIT + 7).to_le_bytes());
}

#[test]
fn sizes_beyond_all_bounds_do_not_panic() {
    let layout = layout([
        entry("a", u64::MAX, Some(0)),
        entry("b", u64::MAX, None),
        entry("c", 1, None),
    ]);
    assert_eq!(layout.len(), u64::MAX);
    assert!(layout.segments(0..u64::MAX).count() > 0);
    assert!(layout.directory(&[0; 3]).count() > 0);
}
