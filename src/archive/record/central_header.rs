//! 4.3.12 Central directory header.

use bytes::BufMut;

use super::super::time::{DosTime, ExtendedTimestamp};
use super::{Placed, VERSION_MADE_BY, method, version_needed, zip64};

/// 4.3.12 Central directory header ("central directory structure: file header").
pub(crate) struct CentralHeader<'a> {
    /// The entry that it lists.
    pub(crate) entry: &'a Placed<'a>,
    /// The CRC-32 of the data.
    pub(crate) crc32: u32,
}

impl CentralHeader<'_> {
    const SIGNATURE: u32 = 0x0201_4B50;
    /// The length without name, extra fields and comment.
    const FIXED_LEN: u64 = 46;
    /// A regular file that its owner may write and everybody may read, as Unix has it in the upper half (4.4.15).
    const ATTRIBUTES: u32 = 0o100_644 << 16;

    fn zip64_len(entry: &Placed<'_>) -> u16 {
        zip64::central_len(entry.size, entry.data_len(), entry.offset)
    }

    fn extra_len(entry: &Placed<'_>) -> u16 {
        Self::zip64_len(entry) + ExtendedTimestamp::LEN
    }

    /// The length in bytes.
    pub(crate) fn len(entry: &Placed<'_>) -> u64 {
        Self::FIXED_LEN + u64::from(entry.name_len()) + u64::from(Self::extra_len(entry))
    }

    pub(crate) fn put(&self, out: &mut impl BufMut) {
        let entry = self.entry;
        let is_zip64 = Self::zip64_len(entry) > 0;
        let modified = DosTime::from_unix(entry.modified);
        out.put_u32_le(Self::SIGNATURE);
        out.put_u16_le(VERSION_MADE_BY);
        out.put_u16_le(version_needed(is_zip64));
        out.put_u16_le(entry.flags());
        out.put_u16_le(method(entry));
        out.put_u16_le(modified.time);
        out.put_u16_le(modified.date);
        out.put_u32_le(self.crc32);
        out.put_u32_le(zip64::saturate_32(entry.data_len())); // compressed
        out.put_u32_le(zip64::saturate_32(entry.size)); // uncompressed
        out.put_u16_le(entry.name_len());
        out.put_u16_le(Self::extra_len(entry));
        out.put_u16_le(0); // comment length
        out.put_u16_le(0); // disk number
        out.put_u16_le(0); // internal attributes
        out.put_u32_le(Self::ATTRIBUTES);
        out.put_u32_le(zip64::saturate_32(entry.offset));
        out.put_slice(entry.name.as_bytes());
        zip64::put_central(entry.size, entry.data_len(), entry.offset, out);
        ExtendedTimestamp::from_unix(entry.modified).put(out);
    }
}
