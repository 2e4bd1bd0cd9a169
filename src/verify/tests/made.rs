//! Archives made byte by byte, from records that a test can spoil before they are put together.

/// The records of one entry. The offset in the central header is set when the archive is put together.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) local: Vec<u8>,
    pub(super) data: Vec<u8>,
    pub(super) descriptor: Vec<u8>,
    pub(super) central: Vec<u8>,
}

/// Where the name starts in a local header, and so what stands before it ends.
pub(super) const LOCAL_NAME: usize = 30;
/// The same in a central header.
pub(super) const CENTRAL_NAME: usize = 46;

/// An extended timestamp: modification time only.
const TIMESTAMP: [u8; 9] = *b"UT\x05\x00\x01\x78\x56\x34\x12";

/// An entry whose CRC-32 and size stand in its local header.
pub(super) fn entry(name: &str, data: &[u8]) -> Entry {
    with_extras(name, data, &TIMESTAMP, &TIMESTAMP)
}

/// An entry with these extra fields in its local and in its central header.
pub(super) fn with_extras(
    name: &str,
    data: &[u8],
    local_extra: &[u8],
    central_extra: &[u8],
) -> Entry {
    let (crc32, size) = (crc32fast::hash(data), data.len() as u32);
    let flags = if name.is_ascii() { 0 } else { 1 << 11 };
    // Version needed, flags, method, time, date, CRC-32, both sizes, length of the name.
    let mut common = Vec::new();
    for short in [20, flags, 0, 0x6000, 0x5A21] {
        common.extend(u16::to_le_bytes(short));
    }
    for long in [crc32, size, size] {
        common.extend(u32::to_le_bytes(long));
    }
    common.extend(u16::to_le_bytes(name.len() as u16));

    let mut local = b"PK\x03\x04".to_vec();
    local.extend(&common);
    local.extend(u16::to_le_bytes(local_extra.len() as u16));
    local.extend(name.as_bytes());
    local.extend(local_extra);

    let mut central = b"PK\x01\x02".to_vec();
    central.extend(u16::to_le_bytes(3 << 8 | 45));
    central.extend(&common);
    for short in [central_extra.len() as u16, 0, 0, 0] {
        central.extend(u16::to_le_bytes(short));
    }
    central.extend(u32::to_le_bytes(0o100_644 << 16));
    central.extend([0; 4]);
    central.extend(name.as_bytes());
    central.extend(central_extra);
    Entry {
        local,
        data: data.to_vec(),
        descriptor: Vec::new(),
        central,
    }
}

/// An entry with a data descriptor: no CRC-32 in the local header, but the sizes.
pub(super) fn described(name: &str, data: &[u8]) -> Entry {
    let mut entry = entry(name, data);
    entry.local[6] |= 8;
    entry.central[8] |= 8;
    entry.local[14..18].fill(0);
    entry.descriptor = b"PK\x07\x08".to_vec();
    entry.descriptor.extend(&entry.central[16..28]);
    entry
}

/// The same with Zip64 in the local header, and so with long sizes in the descriptor.
pub(super) fn described_zip64(name: &str, data: &[u8]) -> Entry {
    let mut entry = described(name, data);
    let size = u64::to_le_bytes(data.len() as u64);
    let zip64 = [&[1, 0, 16, 0][..], &size, &size].concat();
    entry.local[4] = 45;
    entry.local[18..26].fill(0xFF);
    entry.local[28] += zip64.len() as u8;
    let extra = LOCAL_NAME + name.len();
    entry.local.splice(extra..extra, zip64);
    entry.descriptor.truncate(8);
    entry.descriptor.extend(size);
    entry.descriptor.extend(size);
    entry
}

/// An archive that ends without Zip64.
pub(super) fn archive(entries: &[Entry]) -> Vec<u8> {
    let (mut archive, start) = body(entries);
    let len = archive.len() - start;
    archive.extend(end(entries.len() as u16, len as u32, start as u32));
    archive
}

/// An archive that ends with Zip64, every field of the end record being saturated.
pub(super) fn archive_zip64(entries: &[Entry]) -> Vec<u8> {
    let (mut archive, start) = body(entries);
    let len = (archive.len() - start) as u64;
    archive.extend(zip64_end(entries.len() as u64, len, start as u64));
    archive.extend(end(u16::MAX, u32::MAX, u32::MAX));
    archive
}

/// The end record, without a comment.
pub(super) fn end(entries: u16, directory_len: u32, directory_offset: u32) -> Vec<u8> {
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend(u16::to_le_bytes(entries));
    end.extend(u16::to_le_bytes(entries));
    end.extend(u32::to_le_bytes(directory_len));
    end.extend(u32::to_le_bytes(directory_offset));
    end.extend([0; 2]);
    end
}

/// The Zip64 end record and its locator, right behind the directory.
pub(super) fn zip64_end(entries: u64, directory_len: u64, directory_offset: u64) -> Vec<u8> {
    let mut end = b"PK\x06\x06".to_vec();
    end.extend(u64::to_le_bytes(44));
    end.extend([45, 3, 45, 0]);
    end.extend([0; 8]);
    for long in [entries, entries, directory_len, directory_offset] {
        end.extend(u64::to_le_bytes(long));
    }
    end.extend(b"PK\x06\x07\0\0\0\0");
    end.extend(u64::to_le_bytes(directory_offset + directory_len));
    end.extend([1, 0, 0, 0]);
    end
}

/// Entries and directory, and where the directory starts.
fn body(entries: &[Entry]) -> (Vec<u8>, usize) {
    let mut archive = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let mut central = entry.central.clone();
        // An offset that a test has set stays.
        if central[42..46] == [0; 4] {
            central[42..46].copy_from_slice(&u32::to_le_bytes(archive.len() as u32));
        }
        directory.extend(central);
        archive.extend(&entry.local);
        archive.extend(&entry.data);
        archive.extend(&entry.descriptor);
    }
    let start = archive.len();
    archive.extend(directory);
    (archive, start)
}

/// A sound archive with an entry of every form, 13 to 40 bytes each.
pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry("a.pdf", b"The first file"),
        described("d/b.pdf", b"The second one has a descriptor"),
        entry("empty", b""),
        entry("ü.pdf", b"The name of the fourth is not ASCII"),
        described_zip64("z.pdf", b"And the fifth has Zip64"),
    ]
}
