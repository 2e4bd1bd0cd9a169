//! Archives that are sound.

use std::io::Write;

use flate2::Compression;
use proptest::prelude::*;

use super::made::{archive, archive_zip64, described, entries, entry, with_extras};
use super::{report, verdict};
use crate::archive::{Entry, Form, INLINE_MAX, Layout, Namer};

#[test]
fn a_sound_archive_is_counted() {
    let bytes = archive(&entries());
    let report = report(&bytes);
    assert_eq!(report.fault, None);
    assert_eq!((report.entries, report.descriptors), (5, 2));
    assert_eq!(report.bytes, 14 + 31 + 35 + 23);
    assert_eq!(report.length, bytes.len() as u64);
    assert!(report.zip64, "the local header of the fifth entry has it");
}

#[test]
fn an_archive_without_entries_is_sound() {
    for bytes in [archive(&[]), archive_zip64(&[])] {
        let report = report(&bytes);
        assert_eq!((report.fault, report.entries), (None, 0));
    }
}

#[test]
fn zip64_is_reported() {
    let entries = [entry("a", b"a")];
    assert!(!report(&archive(&entries)).zip64);
    assert!(report(&archive_zip64(&entries)).zip64);
    assert_eq!(verdict(&archive_zip64(&entries)), "sound");
}

#[test]
fn entries_may_be_listed_in_another_order() {
    let mut reversed = entries();
    let bytes = archive(&reversed);
    let start = u32::from_le_bytes(bytes[bytes.len() - 6..][..4].try_into().unwrap()) as usize;
    // The directory's headers once more, from behind, with the offsets that they have.
    let mut rest = &bytes[start..bytes.len() - 22];
    for entry in &mut reversed {
        let (central, after) = rest.split_at(entry.central.len());
        entry.central = central.to_vec();
        rest = after;
    }
    let directory: Vec<u8> = reversed
        .iter()
        .rev()
        .flat_map(|entry| entry.central.clone())
        .collect();
    let bytes = [&bytes[..start], &directory, &bytes[bytes.len() - 22..]].concat();
    assert_eq!(verdict(&bytes), "sound");
}

#[test]
fn what_other_writers_do_is_sound() {
    // No signature before the descriptor, and zeros in the local header.
    let mut bare = described("a", b"aaaa");
    bare.descriptor.drain(..4);
    bare.local[18..26].fill(0);
    // A folder, by name and by attributes.
    let mut folder = entry("d/", b"");
    folder.central[38..42].copy_from_slice(&u32::to_le_bytes(0o040_755 << 16));
    // No type of file at all, and no system that would have one.
    let mut untyped = entry("e", b"e");
    untyped.central[38..42].fill(0);
    let mut dos = entry("f", b"f");
    dos.central[5] = 0;
    dos.central[41] = 0xA1;
    // A Unicode path that is the name.
    let mut path = b"up\x06\x00\x01".to_vec();
    path.extend(u32::to_le_bytes(crc32fast::hash(b"g")));
    path.push(b'g');
    let unicode = with_extras("g", b"g", &path, &path);
    assert_eq!(
        verdict(&archive(&[bare, folder, untyped, dos, unicode])),
        "sound"
    );
}

#[test]
fn a_comment_is_sound() {
    let mut bytes = archive(&entries());
    let at = bytes.len() - 2;
    bytes[at] = 5;
    bytes.extend(b"PK\x05\x07!");
    assert_eq!(verdict(&bytes), "sound");
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// An archive as sheaf lays it out.
fn laid_out(objects: &[(String, Vec<u8>, Form)]) -> Vec<u8> {
    let mut layout = Layout::new();
    let mut namer = Namer::new("");
    let mut bytes = Vec::new();
    let mut crc32s = Vec::new();
    for (key, data, form) in objects {
        let crc32 = crc32fast::hash(data);
        let entry = Entry {
            name: namer.name(key),
            size: data.len() as u64,
            modified: 1_700_000_000,
            crc32: (*form == Form::Known).then_some(crc32),
        };
        let deflated = (*form == Form::Deflated).then(|| deflate(data));
        let index = match &deflated {
            None => layout.push(entry),
            Some(deflated) => {
                let index = layout.push_deflated(entry);
                layout.deflated(deflated.len() as u64);
                index
            }
        };
        crc32s.push(crc32);
        bytes.extend(layout.local_header(index, crc32));
        bytes.extend(deflated.as_ref().unwrap_or(data));
        bytes.extend(layout.descriptor(index, crc32).unwrap_or_default());
    }
    for frame in layout.directory(&crc32s) {
        bytes.extend(frame);
    }
    bytes
}

#[test]
fn a_large_entry_of_sheaf_has_a_descriptor() {
    let large = vec![7; INLINE_MAX as usize + 1];
    let objects = [
        ("a.pdf".to_owned(), large.clone(), Form::Described),
        ("b.pdf".to_owned(), large, Form::Known),
        ("c.pdf".to_owned(), vec![1], Form::Described),
    ];
    let report = report(&laid_out(&objects));
    assert_eq!(
        (report.fault, report.entries, report.descriptors),
        (None, 3, 1)
    );
}

/// Deflated data that is not what its sizes say, in each of the ways.
#[test]
fn deflated_data_must_be_exactly_what_is_said_of_it() {
    let text = b"text text text text text text text".to_vec();
    let sound = laid_out(&[("a.txt".to_owned(), text.clone(), Form::Deflated)]);
    assert_eq!(verdict(&sound), "sound");
    let len = deflate(&text).len();
    let data = 30 + 5 + 9;
    let (descriptor, central) = (data + len, data + len + 16);
    // Sizes in the descriptor and in the directory.
    let said = |bytes: &mut Vec<u8>, compressed: i8, size: i8| {
        for at in [descriptor + 8, central + 20] {
            bytes[at] = bytes[at].wrapping_add_signed(compressed);
            bytes[at + 4] = bytes[at + 4].wrapping_add_signed(size);
        }
    };
    for (size, fault) in [(1, "bad-deflate"), (-1, "bad-deflate"), (0, "sound")] {
        let mut bytes = sound.clone();
        said(&mut bytes, 0, size);
        assert_eq!(verdict(&bytes), fault, "{size}");
    }
    // One byte more than deflate ends with, and one less.
    let mut longer = sound.clone();
    said(&mut longer, 1, 0);
    longer.insert(descriptor, 0);
    let end = longer.len() - 6;
    longer[end] += 1;
    assert_eq!(verdict(&longer), "bad-deflate");
    let mut shorter = sound.clone();
    said(&mut shorter, -1, 0);
    shorter.remove(descriptor - 1);
    let end = shorter.len() - 6;
    shorter[end] -= 1;
    assert_eq!(verdict(&shorter), "bad-deflate");
    let mut other = sound.clone();
    other[data] |= 6;
    assert_eq!(verdict(&other), "bad-deflate", "no such kind of block");
    for at in [descriptor + 4, central + 16] {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        assert_ne!(verdict(&bytes), "sound");
    }
}

/// Much of nothing in little: it is inflated to its first byte too many, and no further.
#[test]
fn what_inflates_to_more_than_it_says_is_not_inflated_on() {
    let zeros = vec![0; 64 << 20];
    let mut bytes = laid_out(&[("a.txt".to_owned(), zeros, Form::Deflated)]);
    let len = bytes.len();
    let central = u32::from_le_bytes(bytes[len - 6..len - 2].try_into().unwrap()) as usize;
    for at in [central - 4, central + 24] {
        bytes[at..at + 4].copy_from_slice(&1000_u32.to_le_bytes());
    }
    let mut seen = 0;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.zip");
    std::fs::write(&path, &bytes).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let report = runtime.block_on(async {
        let source = crate::verify::Source::file(&path).await.unwrap();
        let mut progress = |at: u64| seen = at;
        crate::verify::check(source, "", &mut progress)
            .await
            .unwrap()
    });
    assert_eq!(report.fault.unwrap().kind.code(), "bad-deflate");
    assert_eq!(seen, 0, "not one buffer was inflated to its end");
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![
        Just(Form::Known),
        Just(Form::Described),
        Just(Form::Deflated)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_sheaf_makes_is_sound(
        objects in prop::collection::btree_map("\\PC{1,40}", (prop::collection::vec(any::<u8>(), 0..300), form()), 0..20)
    ) {
        let objects: Vec<_> = objects.into_iter().map(|(key, (data, form))| (key, data, form)).collect();
        let report = report(&laid_out(&objects));
        prop_assert_eq!(report.fault, None);
        prop_assert_eq!(report.entries, objects.len() as u64);
    }
}
