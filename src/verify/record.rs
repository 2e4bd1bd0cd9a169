//! The records of an archive as they stand in its bytes. Section numbers are those of APPNOTE.TXT 6.3.10.
//!
//! Written apart from the records that archives are made of, so that one mistake cannot hide in both.

/// What a field of 32 bits holds when its value is in a Zip64 record instead (4.4.1.4).
pub(super) const SATURATED_32: u32 = u32::MAX;
/// What a field of 16 bits holds when its value is in the Zip64 end record instead (4.4.1.4).
pub(super) const SATURATED_16: u16 = u16::MAX;

/// General purpose bit 3: a data descriptor follows the data (4.4.4).
pub(super) const DESCRIPTOR: u16 = 1 << 3;
/// General purpose bit 11: the name is UTF-8 (4.4.4).
pub(super) const UTF_8: u16 = 1 << 11;
/// General purpose bits 0, 6 and 13: encrypted, strongly encrypted, headers masked (4.4.4).
pub(super) const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// General purpose bits 1 and 2: how hard the compression tried, which says nothing of a stored entry (4.4.4).
pub(super) const EFFORT: u16 = 0b110;

/// Stored (4.4.5).
pub(super) const STORED: u16 = 0;
/// Deflated (4.4.5).
pub(super) const DEFLATED: u16 = 8;
/// The latest version that a stored or deflated entry can need: 4.5, with Zip64 (4.4.3.2).
pub(super) const LATEST_VERSION: u16 = 45;

/// 4.3.7 Local file header, without name and extra fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalHeader {
    pub(super) version_needed: u16,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc32: u32,
    pub(super) compressed: u32,
    pub(super) uncompressed: u32,
    pub(super) name_len: u16,
    pub(super) extra_len: u16,
}

/// 4.3.12 Central directory header, without name, extra fields and comment.
#[derive(Clone, Copy, Debug)]
pub(super) struct CentralHeader {
    pub(super) made_by: u16,
    pub(super) version_needed: u16,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc32: u32,
    pub(super) compressed: u32,
    pub(super) uncompressed: u32,
    pub(super) name_len: u16,
    pub(super) extra_len: u16,
    pub(super) comment_len: u16,
    pub(super) disk: u16,
    pub(super) external: u32,
    pub(super) offset: u32,
}

/// 4.3.16 End of central directory record, without the comment.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndRecord {
    pub(super) disk: u16,
    pub(super) directory_disk: u16,
    pub(super) entries_here: u16,
    pub(super) entries: u16,
    pub(super) directory_len: u32,
    pub(super) directory_offset: u32,
    pub(super) comment_len: u16,
}

/// 4.3.15 Zip64 end of central directory locator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zip64Locator {
    pub(super) record_disk: u32,
    pub(super) record_offset: u64,
    pub(super) disks: u32,
}

/// 4.3.14 Zip64 end of central directory record, without what may extend it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zip64Record {
    /// The length of what follows this field.
    pub(super) rest_len: u64,
    pub(super) version_needed: u16,
    pub(super) disk: u32,
    pub(super) directory_disk: u32,
    pub(super) entries_here: u64,
    pub(super) entries: u64,
    pub(super) directory_len: u64,
    pub(super) directory_offset: u64,
}

impl LocalHeader {
    pub(super) const SIGNATURE: [u8; 4] = *b"PK\x03\x04";
    pub(super) const LEN: usize = 30;

    /// `None` without the signature.
    pub(super) fn parse(bytes: &[u8; Self::LEN]) -> Option<Self> {
        bytes.starts_with(&Self::SIGNATURE).then(|| Self {
            version_needed: u16_at(bytes, 4),
            flags: u16_at(bytes, 6),
            method: u16_at(bytes, 8),
            crc32: u32_at(bytes, 14),
            compressed: u32_at(bytes, 18),
            uncompressed: u32_at(bytes, 22),
            name_len: u16_at(bytes, 26),
            extra_len: u16_at(bytes, 28),
        })
    }
}

impl CentralHeader {
    pub(super) const SIGNATURE: [u8; 4] = *b"PK\x01\x02";
    pub(super) const LEN: usize = 46;

    /// `None` without the signature.
    pub(super) fn parse(bytes: &[u8; Self::LEN]) -> Option<Self> {
        bytes.starts_with(&Self::SIGNATURE).then(|| Self {
            made_by: u16_at(bytes, 4),
            version_needed: u16_at(bytes, 6),
            flags: u16_at(bytes, 8),
            method: u16_at(bytes, 10),
            crc32: u32_at(bytes, 16),
            compressed: u32_at(bytes, 20),
            uncompressed: u32_at(bytes, 24),
            name_len: u16_at(bytes, 28),
            extra_len: u16_at(bytes, 30),
            comment_len: u16_at(bytes, 32),
            disk: u16_at(bytes, 34),
            external: u32_at(bytes, 38),
            offset: u32_at(bytes, 42),
        })
    }
}

impl EndRecord {
    pub(super) const SIGNATURE: [u8; 4] = *b"PK\x05\x06";
    pub(super) const LEN: usize = 22;

    /// `None` without the signature, or where the bytes are too few.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.first_chunk()?;
        bytes.starts_with(&Self::SIGNATURE).then(|| Self {
            disk: u16_at(bytes, 4),
            directory_disk: u16_at(bytes, 6),
            entries_here: u16_at(bytes, 8),
            entries: u16_at(bytes, 10),
            directory_len: u32_at(bytes, 12),
            directory_offset: u32_at(bytes, 16),
            comment_len: u16_at(bytes, 20),
        })
    }
}

impl Zip64Locator {
    const SIGNATURE: [u8; 4] = *b"PK\x06\x07";
    pub(super) const LEN: usize = 20;

    /// `None` without the signature.
    pub(super) fn parse(bytes: &[u8; Self::LEN]) -> Option<Self> {
        bytes.starts_with(&Self::SIGNATURE).then(|| Self {
            record_disk: u32_at(bytes, 4),
            record_offset: u64_at(bytes, 8),
            disks: u32_at(bytes, 16),
        })
    }
}

impl Zip64Record {
    const SIGNATURE: [u8; 4] = *b"PK\x06\x06";
    pub(super) const LEN: usize = 56;
    /// The length of the signature and of the field that tells the rest.
    pub(super) const LEAD: u64 = 12;

    /// `None` without the signature.
    pub(super) fn parse(bytes: &[u8; Self::LEN]) -> Option<Self> {
        bytes.starts_with(&Self::SIGNATURE).then(|| Self {
            rest_len: u64_at(bytes, 4),
            version_needed: u16_at(bytes, 14),
            disk: u32_at(bytes, 16),
            directory_disk: u32_at(bytes, 20),
            entries_here: u64_at(bytes, 24),
            entries: u64_at(bytes, 32),
            directory_len: u64_at(bytes, 40),
            directory_offset: u64_at(bytes, 48),
        })
    }
}

/// The signature that a data descriptor may begin with (4.3.9.3).
pub(super) const DESCRIPTOR_SIGNATURE: [u8; 4] = *b"PK\x07\x08";

/// The number of 16 bits at an offset within the bytes.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The number of 32 bits at an offset within the bytes.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

/// The number of 64 bits at an offset within the bytes.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
