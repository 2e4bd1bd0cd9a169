//! 4.3.9 Data descriptor.

use bytes::BufMut;

use super::{Placed, zip64};

/// 4.3.9 Data descriptor, with the signature that 4.3.9.3 recommends.
pub(crate) struct Descriptor<'a> {
    /// The entry that it follows.
    pub(crate) entry: &'a Placed<'a>,
    /// The CRC-32 of the data.
    pub(crate) crc32: u32,
}

impl Descriptor<'_> {
    const SIGNATURE: u32 = 0x0807_4B50;

    /// The length in bytes: sizes have 8 bytes each where the local header has Zip64 (4.3.9.2).
    pub(crate) fn len(entry: &Placed<'_>) -> u64 {
        if entry.is_zip64() { 24 } else { 16 }
    }

    pub(crate) fn put(&self, out: &mut impl BufMut) {
        out.put_u32_le(Self::SIGNATURE);
        out.put_u32_le(self.crc32);
        if self.entry.is_zip64() {
            out.put_u64_le(self.entry.data_len()); // compressed
            out.put_u64_le(self.entry.size); // uncompressed
        } else {
            out.put_u32_le(zip64::saturate_32(self.entry.data_len())); // compressed
            out.put_u32_le(zip64::saturate_32(self.entry.size)); // uncompressed
        }
    }
}
