//! Any one byte of a sound archive may become any other, and any end may be missing: either that is found, or it can
//! do no harm.

use std::ops::Range;

use proptest::prelude::*;

use super::made::{
    CENTRAL_NAME, Entry, LOCAL_NAME, archive, archive_zip64, described, described_zip64, entries,
    entry,
};
use super::{report, verdict};

/// Where a byte may change unnoticed, because no reader takes the data or the name from it.
fn harmless(entries: &[Entry]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut at = 0;
    for entry in entries {
        let local = |range: Range<usize>| at + range.start..at + range.end;
        ranges.extend([
            local(4..6),   // version needed, as long as it is at most 4.5
            local(10..14), // time and date
            local(entry.local.len() - 9..entry.local.len()), // the timestamp, or another field in its room
        ]);
        at += entry.local.len() + entry.data.len() + entry.descriptor.len();
    }
    for entry in entries {
        let central = |range: Range<usize>| at + range.start..at + range.end;
        ranges.extend([
            central(4..6),   // version made by: only which system the attributes are of
            central(6..8),   // version needed
            central(12..16), // time and date
            central(36..38), // internal attributes: is it text?
            central(38..42), // external attributes, as long as they are those of a file
            central(entry.central.len() - 9..entry.central.len()),
        ]);
        at += entry.central.len();
    }
    ranges
}

fn every_change_is_found(harmless: &[Range<usize>], bytes: &[u8]) {
    let sound = report(bytes);
    assert_eq!(sound.fault, None);
    let mut bytes = bytes.to_vec();
    for at in 0..bytes.len() {
        let original = bytes[at];
        for flip in 1..=255 {
            bytes[at] = original ^ flip;
            let report = report(&bytes);
            if report.is_ok() {
                assert!(
                    harmless.iter().any(|range| range.contains(&at)),
                    "byte {at} may become {:#04x} instead of {original:#04x}",
                    bytes[at]
                );
                assert_eq!((report.entries, report.bytes), (sound.entries, sound.bytes));
            }
        }
        bytes[at] = original;
    }
}

#[test]
fn any_changed_byte_is_found() {
    let entries = [entry("a", b"plain"), described("b", b"described")];
    every_change_is_found(&harmless(&entries), &archive(&entries));
}

#[test]
fn any_changed_byte_is_found_with_zip64() {
    let entries = [described_zip64("z", b"Zip64")];
    let bytes = archive_zip64(&entries);
    let record = bytes.len() - 22 - 20 - 56;
    assert_eq!(bytes[record..][..4], *b"PK\x06\x06");
    let disks = bytes.len() - 22 - 4;
    let mut harmless = harmless(&entries);
    harmless.push(record + 12..record + 16); // version made by, version needed
    harmless.push(disks..disks + 1); // one disk or, as some writers count, none
    every_change_is_found(&harmless, &bytes);
}

#[test]
fn names_and_sizes_are_in_no_harmless_place() {
    let entries = entries();
    let harmless = harmless(&entries);
    let free = |at: usize| !harmless.iter().any(|range| range.contains(&at));
    assert!((LOCAL_NAME..LOCAL_NAME + 5).all(free));
    let directory = entries
        .iter()
        .map(|e| e.local.len() + e.data.len() + e.descriptor.len());
    let central = directory.sum::<usize>();
    assert!(
        (16..32)
            .chain(CENTRAL_NAME..CENTRAL_NAME + 5)
            .all(|at| free(central + at))
    );
}

#[test]
fn an_archive_cut_anywhere_is_found() {
    for bytes in [archive(&entries()), archive_zip64(&entries()), archive(&[])] {
        for len in 0..bytes.len() {
            // Less than a signature could be anything.
            let expected = if len < 4 { "not-a-zip" } else { "truncated" };
            assert_eq!(
                verdict(&bytes[..len]),
                expected,
                "{len} of {} bytes",
                bytes.len()
            );
        }
    }
}

#[test]
fn an_archive_with_a_byte_missing_or_doubled_is_found() {
    let bytes = archive(&entries());
    for at in 0..bytes.len() {
        let missing = [&bytes[..at], &bytes[at + 1..]].concat();
        assert_ne!(verdict(&missing), "sound", "without byte {at}");
        let doubled = [&bytes[..=at], &bytes[at..]].concat();
        assert_ne!(verdict(&doubled), "sound", "with byte {at} twice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is done to an archive, it is judged: no overflow, no panic, no read beyond the end.
    #[test]
    fn any_damage_is_survived(
        zip64 in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![Just(0), Just(0xFF), any::<u8>()], 1..9usize), 1..6),
    ) {
        let mut bytes = if zip64 { archive_zip64(&entries()) } else { archive(&entries()) };
        for (at, value, count) in damage {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + count);
            bytes[at..end].fill(value);
        }
        let report = report(&bytes);
        prop_assert!(report.bytes <= bytes.len() as u64);
    }
}
