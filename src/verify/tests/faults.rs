//! Every kind of fault, by an archive that has it.

use std::collections::BTreeSet;

use super::made::{
    Entry, archive, archive_zip64, described, described_zip64, end, entries, entry, with_extras,
    zip64_end,
};
use super::{report, verdict};

/// A sound archive with one entry spoilt.
fn spoilt(index: usize, spoil: impl FnOnce(&mut Entry)) -> Vec<u8> {
    let mut entries = entries();
    spoil(&mut entries[index]);
    archive(&entries)
}

/// A sound archive with its last bytes spoilt, whose number is counted from behind.
fn end_spoilt(mut bytes: Vec<u8>, spoils: &[(usize, u8)]) -> Vec<u8> {
    let len = bytes.len();
    for (from_behind, value) in spoils {
        bytes[len - from_behind] = *value;
    }
    bytes
}

/// Both headers of an entry changed alike: an offset in the local header, and the same field 2 further in the central.
fn both(entry: &mut Entry, at: usize, value: u8) {
    entry.local[at] = value;
    entry.central[at + 2] = value;
}

/// An archive of one entry with this name.
fn named(name: &str) -> Vec<u8> {
    archive(&[entry(name, b"data")])
}

fn zip64_extra(values: &[u64]) -> Vec<u8> {
    let mut field = vec![1, 0, 8 * values.len() as u8, 0];
    field.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    field
}

fn ends() -> Vec<(&'static str, Vec<u8>)> {
    let plain = || archive(&entries());
    let zip64 = || archive_zip64(&entries());
    vec![
        (
            "not-a-zip",
            b"<html>503 Service Unavailable</html>".to_vec(),
        ),
        ("not-a-zip", vec![]),
        ("not-a-zip", vec![0; 100_000]),
        ("truncated", plain()[..500].to_vec()),
        ("truncated", end_spoilt(plain(), &[(1, 1)])),
        ("truncated", [plain(), vec![0; 70_000]].concat()),
        ("trailing-data", [plain(), vec![0]].concat()),
        ("trailing-data", [plain(), b"PK".to_vec()].concat()),
        ("prefix-data", [b"#!/bin/sh\n".to_vec(), plain()].concat()),
        (
            "prefix-data",
            [b"#!/bin/sh\n".to_vec(), archive(&[])].concat(),
        ),
        ("prefix-data", [archive(&entries()[..1]), plain()].concat()),
        // The offsets right, but something before the first entry.
        (
            "prefix-data",
            spoilt(0, |first| {
                first.central[42] = 3;
                first.local.splice(0..0, *b"abc");
            }),
        ),
        ("ambiguous-end", {
            let inner = end(0, 0, 0);
            let mut bytes = end_spoilt(plain(), &[(2, inner.len() as u8)]);
            bytes.extend(inner);
            bytes
        }),
        ("multi-disk", end_spoilt(plain(), &[(18, 1)])),
        ("multi-disk", end_spoilt(plain(), &[(16, 1)])),
        ("multi-disk", end_spoilt(plain(), &[(14, 1)])),
        ("multi-disk", end_spoilt(zip64(), &[(22 + 16, 1)])),
        ("multi-disk", end_spoilt(zip64(), &[(22 + 4, 2)])),
        ("multi-disk", end_spoilt(zip64(), &[(22 + 20 + 40, 1)])),
        ("multi-disk", end_spoilt(zip64(), &[(22 + 20 + 32, 1)])),
        ("multi-disk", spoilt(1, |entry| entry.central[34] = 1)),
        // Saturated, but without Zip64.
        (
            "zip64-end",
            end_spoilt(plain(), &[(6, 0xFF), (5, 0xFF), (4, 0xFF), (3, 0xFF)]),
        ),
        ("zip64-end", end_spoilt(zip64(), &[(22 + 12, 0xFF)])), // another place
        ("zip64-end", end_spoilt(zip64(), &[(22 + 12, 0)])),
        ("zip64-end", end_spoilt(zip64(), &[(22 + 20 + 56, 0)])), // no signature
        ("zip64-end", end_spoilt(zip64(), &[(22 + 20 + 52, 43)])), // another length
        ("zip64-end", end_spoilt(zip64(), &[(22 + 20 + 42, 46)])), // a later version
        (
            "zip64-end",
            end_spoilt(zip64(), &[(14, 9), (13, 0), (12, 9), (11, 0)]),
        ), // 9 here, 5 there
        ("directory-out-of-bounds", end_spoilt(plain(), &[(9, 9)])),
        ("directory-out-of-bounds", end_spoilt(plain(), &[(5, 9)])),
        ("entry-count", end_spoilt(plain(), &[(14, 4), (12, 4)])),
        ("entry-count", end_spoilt(plain(), &[(14, 6), (12, 6)])),
        ("entry-count", end_spoilt(plain(), &[(13, 1), (11, 1)])),
        (
            "entry-count",
            end_spoilt(zip64(), &[(22 + 20 + 32, 4), (22 + 20 + 24, 4)]),
        ),
        ("gap", {
            // Between the directory and its end.
            let bytes = plain();
            let at = bytes.len() - 22;
            [&bytes[..at], b"something", &bytes[at..]].concat()
        }),
    ]
}

fn names() -> Vec<(&'static str, Vec<u8>)> {
    let renamed = |path: &[u8]| {
        let crc32 = crc32fast::hash(b"a").to_le_bytes();
        [&b"up"[..], &[5 + path.len() as u8, 0, 1], &crc32, path].concat()
    };
    let of_type = |mode: u32| {
        spoilt(0, |entry| {
            entry.central[38..42].copy_from_slice(&(mode << 16).to_le_bytes())
        })
    };
    let mut cases: Vec<_> = [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "\\\\host\\x",
        "a\\x",
        "C:\\x",
        "c:x",
        "",
        "a\0.pdf",
    ]
    .into_iter()
    .map(|name| ("unsafe-name", named(name)))
    .collect();
    cases.extend([
        (
            "duplicate-name",
            archive(&[entry("a", b"1"), entry("b", b"2"), entry("a", b"3")]),
        ),
        (
            "name-encoding",
            spoilt(0, |entry| {
                both(entry, 7, 8);
                entry.local[30] = 0xFF;
                entry.central[46] = 0xFF;
            }),
        ),
        (
            "second-name",
            archive(&[with_extras("a", b"", &[], &renamed(b"../b"))]),
        ),
        (
            "second-name",
            archive(&[with_extras("a", b"", &renamed(b"b"), &[])]),
        ),
        ("special-file", of_type(0o120_777)),
        ("special-file", of_type(0o020_644)),
        ("special-file", of_type(0o040_755)),
        ("special-file", named("a/")),
    ]);
    cases
}

fn headers() -> Vec<(&'static str, Vec<u8>)> {
    let saturate = |entry: &mut Entry| {
        entry.local[18..26].fill(0xFF);
        entry.central[20..28].fill(0xFF);
    };
    let saturated = |local: &[u64], central: &[u64]| {
        let mut entry = with_extras("a", b"abc", &zip64_extra(local), &zip64_extra(central));
        saturate(&mut entry);
        archive(&[entry])
    };
    vec![
        ("sound", saturated(&[3, 3], &[3, 3])),
        ("zip64-entry", saturated(&[3, 3], &[3])),
        ("zip64-entry", saturated(&[3], &[3, 3])),
        ("zip64-entry", saturated(&[3, 3], &[3, 3, 0])),
        ("zip64-entry", spoilt(0, saturate)),
        (
            "zip64-entry",
            archive(&[with_extras("a", b"abc", &[], &zip64_extra(&[3, 3]))]),
        ),
        (
            "zip64-entry",
            archive(&[with_extras("a", b"abc", &zip64_extra(&[3, 3]), &[])]),
        ),
        (
            "zip64-entry",
            spoilt(0, |entry| entry.local[18..22].fill(0xFF)),
        ),
        ("headers-differ", saturated(&[3, 4], &[3, 3])),
        ("sizes-differ", saturated(&[3, 3], &[3, 4])),
        (
            "overlap",
            saturated(&[u64::MAX, u64::MAX], &[u64::MAX, u64::MAX]),
        ),
        (
            "bad-central-header",
            spoilt(2, |entry| entry.central[0] = b'Q'),
        ),
        (
            "bad-central-header",
            spoilt(4, |entry| entry.central[28] = 255),
        ),
        (
            "bad-central-header",
            spoilt(4, |entry| entry.central[33] = 1),
        ),
        ("bad-local-header", spoilt(2, |entry| entry.local[3] = 5)),
        (
            "bad-extra-field",
            spoilt(0, |entry| entry.central[46 + 5 + 2] = 6),
        ),
        (
            "bad-extra-field",
            spoilt(0, |entry| entry.local[30 + 5 + 2] = 6),
        ),
        (
            "bad-extra-field",
            spoilt(0, |entry| entry.local[30 + 5 + 2] = 4),
        ),
        (
            "bad-extra-field",
            archive(&[with_extras("a", b"", &[], &zip64_extra(&[]).repeat(2))]),
        ),
        (
            "unsupported-version",
            spoilt(0, |entry| entry.central[6] = 46),
        ),
        (
            "unsupported-version",
            spoilt(0, |entry| entry.local[4] = 51),
        ),
        ("unsupported-method", spoilt(0, |entry| both(entry, 8, 9))),
        ("bad-deflate", spoilt(0, |entry| both(entry, 8, 8))),
        ("unsupported-method", spoilt(0, |entry| both(entry, 8, 99))),
        ("encrypted", spoilt(0, |entry| both(entry, 6, 1))),
        ("encrypted", spoilt(0, |entry| both(entry, 6, 0x41))),
        ("unsupported-flags", spoilt(0, |entry| both(entry, 6, 0x20))),
        ("sizes-differ", spoilt(0, |entry| entry.central[20] = 13)),
        ("sizes-differ", spoilt(0, |entry| entry.central[24] = 13)),
        ("headers-differ", spoilt(0, |entry| entry.local[30] = b'A')),
        ("headers-differ", spoilt(0, |entry| entry.local[6] = 8)),
        ("headers-differ", spoilt(0, |entry| entry.local[7] = 8)),
        ("headers-differ", spoilt(0, |entry| entry.local[8] = 8)),
        ("headers-differ", spoilt(0, |entry| entry.local[14] ^= 1)),
        ("headers-differ", spoilt(0, |entry| entry.local[18] = 0)),
        ("headers-differ", spoilt(0, |entry| entry.local[22] = 15)),
        ("headers-differ", spoilt(1, |entry| entry.local[14] = 1)),
        ("headers-differ", spoilt(1, |entry| entry.local[18] = 30)),
    ]
}

fn data() -> Vec<(&'static str, Vec<u8>)> {
    // Both headers lie alike about the length of the data.
    let resized = |index: usize, by: i8| {
        spoilt(index, |entry| {
            for at in [18, 22] {
                both(entry, at, entry.local[at].wrapping_add_signed(by));
            }
        })
    };
    let in_descriptor = |at: usize| spoilt(1, |entry| entry.descriptor[at] ^= 1);
    vec![
        ("wrong-crc32", spoilt(0, |entry| entry.data[3] ^= 0x10)),
        ("wrong-crc32", spoilt(1, |entry| entry.data[30] ^= 0x01)),
        ("wrong-crc32", spoilt(2, |entry| both(entry, 14, 1))),
        ("overlap", resized(0, 1)),
        ("overlap", resized(0, 100)),
        ("gap", resized(0, -1)),
        ("gap", spoilt(3, |entry| entry.data.push(0))),
        ("gap", spoilt(3, |entry| entry.descriptor = vec![0; 16])),
        ("overlap", spoilt(3, |entry| entry.data.truncate(1))),
        ("overlap", spoilt(3, |entry| entry.local[28] += 12)),
        ("wrong-descriptor", resized(1, 1)),
        ("wrong-descriptor", spoilt(1, |entry| entry.data.push(0))),
        (
            "wrong-descriptor",
            spoilt(1, |entry| entry.descriptor.clear()),
        ),
        ("wrong-descriptor", in_descriptor(0)),
        ("wrong-descriptor", in_descriptor(4)),
        ("wrong-descriptor", in_descriptor(8)),
        ("wrong-descriptor", in_descriptor(12)),
        // Short sizes where the local header has Zip64, and long ones where it has not.
        (
            "wrong-descriptor",
            spoilt(4, |entry| entry.descriptor.truncate(16)),
        ),
        ("wrong-descriptor", {
            let mut entry = described("z", b"abc");
            entry.descriptor = described_zip64("z", b"abc").descriptor;
            archive(&[entry])
        }),
        // A Unicode comment without room for its checksum: the reader library insists.
        (
            "reader-refuses",
            archive(&[with_extras("a", b"", &[], b"uc\x01\x00\x01\0\0\0\0")]),
        ),
    ]
}

#[test]
fn every_fault_is_told_by_its_kind() {
    let mut wrong = Vec::new();
    for (group, cases) in [
        ("end", ends()),
        ("name", names()),
        ("header", headers()),
        ("data", data()),
    ] {
        for (number, (expected, bytes)) in cases.iter().enumerate() {
            if verdict(bytes) != *expected {
                wrong.push((group, number, *expected, report(bytes).fault));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_kind_of_fault_is_without_an_archive() {
    let mut seen: BTreeSet<_> = [ends(), names(), headers(), data()]
        .concat()
        .into_iter()
        .map(|(code, _)| code)
        .collect();
    seen.remove("sound");
    // Those need a large file: see `bombs`.
    seen.extend(["directory-too-large", "too-many-entries"]);
    let all = include_str!("../fault.rs").matches(" => \"").count();
    let headers = 2;
    assert_eq!(seen.len(), all - headers, "{seen:?}");
}

#[test]
fn a_directory_of_zeros_is_no_directory() {
    let mut bytes = vec![0; 46 * 3];
    bytes.extend(zip64_end(3, 138, 0));
    bytes.extend(end(3, 138, 0));
    assert_eq!(verdict(&bytes), "bad-central-header");
}
