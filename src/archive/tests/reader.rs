//! A strict reader of archives, written from APPNOTE alone: it shares no code with the writer, and it accepts only
//! what the archive's rules allow. And async_zip as another opinion.

use async_zip::base::read1::seek::ZipArchiveReader;
use bytes::{Buf, Bytes};
use futures::io::{AsyncReadExt, Cursor};

use super::super::{INLINE_MAX, Layout};
use super::fixture::{Sparse, crc32s, entry, layout};

/// What the records of one entry say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReadEntry {
    pub(super) name: String,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) crc32: u32,
    pub(super) modified: i32,
    pub(super) local_version: u16,
    pub(super) central_version: u16,
    pub(super) local_zip64: bool,
    /// The length of the Zip64 extra field's data in the central header; 0 without one.
    pub(super) central_zip64: usize,
    /// The length of the descriptor; 0 without one.
    pub(super) descriptor: u64,
}

/// What the whole says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ReadArchive {
    pub(super) entries: Vec<ReadEntry>,
    pub(super) zip64_end: bool,
}

/// Reads an archive from its end, and asserts that its entries lie side by side from the first byte to the directory.
pub(super) fn read(archive: &Sparse) -> ReadArchive {
    let len = archive.len;
    let mut end = archive.read(len - 22..len);
    assert_eq!(end.get_u32_le(), 0x0605_4B50);
    assert_eq!((end.get_u16_le(), end.get_u16_le()), (0, 0), "one disk");
    let here = end.get_u16_le();
    assert_eq!(end.get_u16_le(), here);
    let (mut count, mut size, mut offset) = (
        u64::from(here),
        u64::from(end.get_u32_le()),
        u64::from(end.get_u32_le()),
    );
    assert_eq!(end.get_u16_le(), 0, "no comment");

    let zip64_end = count == 0xFFFF || size == 0xFFFF_FFFF || offset == 0xFFFF_FFFF;
    let mut directory_end = len - 22;
    if zip64_end {
        let mut locator = archive.read(len - 42..len - 22);
        assert_eq!(locator.get_u32_le(), 0x0706_4B50);
        assert_eq!(locator.get_u32_le(), 0);
        assert_eq!(locator.get_u64_le(), len - 98);
        assert_eq!(locator.get_u32_le(), 1);
        let mut record = archive.read(len - 98..len - 42);
        assert_eq!(record.get_u32_le(), 0x0606_4B50);
        assert_eq!(record.get_u64_le(), 44);
        assert_eq!(record.get_u16_le(), 0x032D);
        assert_eq!(record.get_u16_le(), 45);
        assert_eq!((record.get_u32_le(), record.get_u32_le()), (0, 0));
        let (count64, here64) = (record.get_u64_le(), record.get_u64_le());
        let (size64, offset64) = (record.get_u64_le(), record.get_u64_le());
        assert_eq!(here64, count64);
        assert_eq!(count, count64.min(0xFFFF));
        assert_eq!(size, size64.min(0xFFFF_FFFF));
        assert_eq!(offset, offset64.min(0xFFFF_FFFF));
        assert!(
            count64 >= 0xFFFF || size64 >= 0xFFFF_FFFF || offset64 >= 0xFFFF_FFFF,
            "Zip64 without need"
        );
        (count, size, offset) = (count64, size64, offset64);
        directory_end = len - 98;
    }
    assert_eq!(offset + size, directory_end, "the directory ends here");

    let mut directory = archive.read(offset..directory_end);
    let mut next = 0;
    let mut entries = Vec::new();
    for _ in 0..count {
        let entry = read_central(&mut directory, archive, next);
        next = entry.1;
        entries.push(entry.0);
    }
    assert!(directory.is_empty());
    assert_eq!(next, offset, "the directory follows the last entry");
    ReadArchive { entries, zip64_end }
}

/// The fields that both headers have in the same order, from the flags to the sizes.
#[derive(Debug, PartialEq, Eq)]
struct Common {
    flags: u16,
    method: u16,
    time: u16,
    date: u16,
    crc32: u32,
    compressed: u32,
    uncompressed: u32,
    name_len: usize,
    extra_len: usize,
}

fn common(from: &mut Bytes) -> Common {
    Common {
        flags: from.get_u16_le(),
        method: from.get_u16_le(),
        time: from.get_u16_le(),
        date: from.get_u16_le(),
        crc32: from.get_u32_le(),
        compressed: from.get_u32_le(),
        uncompressed: from.get_u32_le(),
        name_len: from.get_u16_le().into(),
        extra_len: from.get_u16_le().into(),
    }
}

/// The Zip64 values and the timestamp; nothing else may be there, and in this order.
fn extra(mut from: Bytes) -> (Vec<u64>, i32) {
    let mut zip64 = Vec::new();
    let mut tag = from.get_u16_le();
    if tag == 0x0001 {
        let mut data = from.get_u16_le();
        assert_ne!(data, 0);
        while data > 0 {
            zip64.push(from.get_u64_le());
            data -= 8;
        }
        tag = from.get_u16_le();
    }
    assert_eq!(tag, 0x5455);
    assert_eq!((from.get_u16_le(), from.get_u8()), (5, 1));
    let modified = from.get_i32_le();
    assert!(from.is_empty(), "more extra fields");
    (zip64, modified)
}

fn read_central(directory: &mut Bytes, archive: &Sparse, expected: u64) -> (ReadEntry, u64) {
    assert_eq!(directory.get_u32_le(), 0x0201_4B50);
    assert_eq!(directory.get_u16_le(), 0x032D, "made on Unix");
    let central_version = directory.get_u16_le();
    let central = common(directory);
    assert_eq!(directory.get_u16_le(), 0, "no comment");
    assert_eq!(directory.get_u16_le(), 0, "one disk");
    assert_eq!(directory.get_u16_le(), 0, "no internal attributes");
    assert_eq!(directory.get_u32_le(), 0x81A4_0000, "a file of mode 0644");
    let mut offset = u64::from(directory.get_u32_le());
    let name = directory.split_to(central.name_len);
    let (zip64, modified) = extra(directory.split_to(central.extra_len));
    assert_eq!(central.compressed, central.uncompressed);
    let mut values = zip64.iter().copied();
    let mut size = u64::from(central.uncompressed);
    if central.uncompressed == u32::MAX {
        size = values.next().expect("the uncompressed size");
        assert_eq!(values.next(), Some(size), "the compressed size");
    }
    if offset == 0xFFFF_FFFF {
        offset = values.next().expect("the offset");
    }
    assert_eq!(values.next(), None, "a value that no field asks for");
    assert_eq!(central_version, if zip64.is_empty() { 20 } else { 45 });
    assert_eq!(offset, expected, "entries lie side by side");

    let mut local = archive.read(offset..offset + 30);
    assert_eq!(local.get_u32_le(), 0x0403_4B50);
    let local_version = local.get_u16_le();
    let local = common(&mut local);
    let name_start = offset + 30;
    let extra_start = name_start + local.name_len as u64;
    let data_start = extra_start + local.extra_len as u64;
    assert_eq!(archive.read(name_start..extra_start), name);
    let (local_zip64, local_modified) = extra(archive.read(extra_start..data_start));
    assert_eq!(local_modified, modified);
    assert_eq!(
        (local.flags, local.method, local.time, local.date),
        (central.flags, 0, central.time, central.date)
    );
    assert_eq!(local_version, if local_zip64.is_empty() { 20 } else { 45 });
    let local_sizes = [local.compressed, local.uncompressed];
    if local_zip64.is_empty() {
        assert_eq!(local_sizes.map(u64::from), [size; 2]);
        assert_ne!(local.compressed, u32::MAX);
    } else {
        assert_eq!(local_zip64, [size; 2]);
        assert_eq!(local_sizes, [u32::MAX; 2]);
    }

    let mut end = data_start + size;
    let mut descriptor_len = 0;
    if local.flags & 1 << 3 == 0 {
        assert_eq!(local.crc32, central.crc32);
    } else {
        assert_eq!(local.crc32, 0);
        descriptor_len = if local_zip64.is_empty() { 16 } else { 24 };
        let mut descriptor = archive.read(end..end + descriptor_len);
        end += descriptor_len;
        assert_eq!(descriptor.get_u32_le(), 0x0807_4B50);
        assert_eq!(descriptor.get_u32_le(), central.crc32);
        while descriptor.has_remaining() {
            let told = descriptor.get_uint_le(descriptor_len as usize / 2 - 4);
            assert_eq!(told, size);
        }
    }
    let name = String::from_utf8(name.into()).expect("names are UTF-8");
    assert_eq!(local.flags & !(1 << 3 | 1 << 11), 0, "unknown flags");
    assert_eq!(local.flags & 1 << 11 != 0, !name.is_ascii());
    let entry = ReadEntry {
        name,
        offset,
        size,
        crc32: central.crc32,
        modified,
        local_version,
        central_version,
        local_zip64: !local_zip64.is_empty(),
        central_zip64: zip64.len() * 8,
        descriptor: descriptor_len,
    };
    (entry, end)
}

/// Reads the archive back and asserts that the layout told the truth about all that it told.
pub(super) fn read_layout(layout: &Layout) -> ReadArchive {
    let crc32s = crc32s(layout);
    let sparse = Sparse::new(layout, &crc32s);
    assert_eq!(sparse.len, layout.len());
    let archive = read(&sparse);
    assert_eq!(archive.entries.len(), layout.entries());
    for (index, entry) in archive.entries.iter().enumerate() {
        assert_eq!(entry.name, layout.name(index));
        assert_eq!(entry.size, layout.size(index));
        assert_eq!(entry.offset, layout.offset(index));
        assert_eq!(entry.crc32, crc32s[index]);
    }
    archive
}

#[test]
fn an_empty_archive_is_only_its_end() {
    let archive = read_layout(&Layout::new());
    assert!(archive.entries.is_empty() && !archive.zip64_end);
    assert_eq!(Layout::new().len(), 22);
}

#[test]
fn forms_differ_in_descriptor_only() {
    let archive = read_layout(&layout([
        entry("empty", 0, None),
        entry("inline", INLINE_MAX, None),
        entry("described", INLINE_MAX + 1, None),
        entry("claimed", INLINE_MAX + 1, Some(7)),
        entry("Zoë/日本.pdf", 1, None),
    ]));
    let descriptors: Vec<u64> = archive.entries.iter().map(|e| e.descriptor).collect();
    assert_eq!(descriptors, [0, 0, 16, 0, 0]);
    assert!(archive.entries.iter().all(|e| !e.local_zip64));
}

#[test]
fn async_zip_reads_names_data_and_crcs() {
    let contents = [
        ("a.txt", b"hi\n".to_vec()),
        ("leer", Vec::new()),
        ("Zoë/日本.pdf", vec![7; 1000]),
        ("large.bin", vec![9; INLINE_MAX as usize + 1]),
    ];
    let layout = layout(
        contents
            .iter()
            .map(|(name, data)| entry(name, data.len() as u64, None)),
    );
    let crc32s: Vec<u32> = contents
        .iter()
        .map(|(_, data)| crc32fast::hash(data))
        .collect();
    let mut archive = Vec::new();
    for (index, (_, data)) in contents.iter().enumerate() {
        archive.extend(layout.local_header(index, crc32s[index]));
        archive.extend(data);
        archive.extend(layout.descriptor(index, crc32s[index]).unwrap_or_default());
    }
    archive.extend(layout.directory(&crc32s).flatten());
    assert_eq!(archive.len() as u64, layout.len());

    futures::executor::block_on(async {
        let mut reader = ZipArchiveReader::open(Cursor::new(archive)).await.unwrap();
        assert_eq!(reader.cdrs().len(), contents.len());
        for (index, (name, data)) in contents.iter().enumerate() {
            let stored = reader.cdrs()[index].insecure_file_name.as_str().unwrap();
            assert_eq!(stored, *name);
            let mut file = reader.file(index).await.unwrap();
            let mut read = Vec::new();
            // Fails if the CRC is another than the central directory says.
            file.read_to_end(&mut read).await.unwrap();
            assert!(read == *data, "{name}");
        }
    });
}
