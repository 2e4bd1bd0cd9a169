//! Deflated entries: what their records say, and where Zip64 stands in them.

use super::super::{Form, Layout};
use super::fixture::entry;

const LIMIT: u64 = 0xFFFF_FFFF;

/// The first size whose deflated data could be too long for 32 bits.
const COULD_BE: u64 = 3_817_748_650;

/// An archive of one entry with this size, and so many bytes once it is deflated, at the offset where `before` ends.
fn one(before: Option<u64>, size: u64, deflated: u64) -> (Layout, usize) {
    let mut layout = Layout::new();
    if let Some(end) = before {
        layout.push(entry("f", end - 40, Some(0)));
    }
    let index = layout.push_deflated(entry("a.txt", size, None));
    layout.deflated(deflated);
    (layout, index)
}

fn short(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn longer(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn records_of_a_small_one() {
    let (layout, index) = one(None, 1000, 300);
    assert_eq!(
        (layout.form(index), layout.size(index)),
        (Form::Deflated, 1000)
    );
    let local = layout.local_header(index, 7);
    // Version needed, bit 3, method 8; no CRC-32, no sizes.
    assert_eq!(
        [short(&local, 4), short(&local, 6), short(&local, 8)],
        [20, 8, 8]
    );
    assert_eq!(local[14..26], [0; 12]);
    assert_eq!(local.len(), 30 + 5 + 9);
    let descriptor = layout.descriptor(index, 7).unwrap();
    assert_eq!(descriptor.len(), 16);
    assert_eq!([4, 8, 12].map(|at| long(&descriptor, at)), [7, 300, 1000]);
    let central = layout.central_header(index, 7);
    assert_eq!([short(&central, 8), short(&central, 10)], [8, 8]);
    assert_eq!([16, 20, 24].map(|at| long(&central, at)), [7, 300, 1000]);
    assert_eq!(layout.directory_offset(), (local.len() + 300 + 16) as u64);
    assert_eq!(
        layout.len(),
        layout.directory_offset() + central.len() as u64 + 22
    );
}

#[test]
fn zip64_stands_where_it_could_be_needed() {
    for (before, size, zip64) in [
        (None, COULD_BE - 1, false),
        (None, COULD_BE, true),
        (None, LIMIT, true),
        (Some(LIMIT - 1), 10, false),
        (Some(LIMIT), 10, true),
    ] {
        let (layout, index) = one(before, size, 5);
        let local = layout.local_header(index, 7);
        assert_eq!(local.len() == 44 + 20, zip64, "{before:?} {size}");
        if zip64 {
            assert_eq!(short(&local, 4), 45);
            assert_eq!([long(&local, 18), long(&local, 22)], [u32::MAX; 2]);
            let field = 30 + 5;
            assert_eq!([short(&local, field), short(&local, field + 2)], [1, 16]);
            // Neither size is known.
            assert_eq!(local[field + 4..field + 20], [0; 16]);
        }
        let descriptor = layout.descriptor(index, 7).unwrap();
        assert_eq!(descriptor.len(), if zip64 { 24 } else { 16 });
        if zip64 {
            assert_eq!([longer(&descriptor, 8), longer(&descriptor, 16)], [5, size]);
        }
    }
}

#[test]
fn the_directory_has_exactly_what_is_saturated() {
    for (before, size, deflated, field) in [
        (None, LIMIT - 1, 5, &[][..]),
        (None, LIMIT, 5, &[LIMIT]),
        (None, LIMIT, LIMIT + 1, &[LIMIT, LIMIT + 1]),
        (None, LIMIT - 1, LIMIT, &[LIMIT]),
        (Some(LIMIT), 9, 5, &[LIMIT]),
        (Some(LIMIT), LIMIT + 2, 5, &[LIMIT + 2, LIMIT]),
    ] {
        let (layout, index) = one(before, size, deflated);
        let central = layout.central_header(index, 7);
        let len = match field.len() {
            0 => 0,
            values => 4 + 8 * values,
        };
        assert_eq!(central.len(), 46 + 5 + len + 9, "{size} {deflated}");
        for (at, value) in field.iter().enumerate() {
            assert_eq!(longer(&central, 51 + 4 + 8 * at), *value);
        }
    }
}

#[test]
fn entries_around_them_are_where_they_should_be() {
    let mut layout = Layout::new();
    for index in 0..200_u64 {
        match index % 3 {
            0 => drop(layout.push(entry("s", index, None))),
            _ => {
                layout.push_deflated(entry("d", 1000, None));
                layout.deflated(index);
            }
        }
    }
    let mut at = 0;
    for index in 0..layout.entries() {
        assert_eq!(layout.offset(index), at);
        at += layout.local_header(index, 0).len() as u64 + index as u64;
        at += layout
            .descriptor(index, 0)
            .map_or(0, |descriptor| descriptor.len() as u64);
    }
    assert_eq!(layout.directory_offset(), at);
    let crc32s = vec![0; layout.entries()];
    let tail: usize = layout.directory(&crc32s).map(|frame| frame.len()).sum();
    assert_eq!(layout.len(), at + tail as u64);
}
