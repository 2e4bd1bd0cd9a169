//! 4.3.7 Local file header.

use bytes::BufMut;

use super::super::entry::Form;
use super::super::time::{DosTime, ExtendedTimestamp};
use super::{Placed, method, version_needed, zip64};

/// 4.3.7 Local file header.
pub(crate) struct LocalHeader<'a> {
    /// The entry that it announces.
    pub(crate) entry: &'a Placed<'a>,
    /// The CRC-32 of the data; not written where a descriptor tells it.
    pub(crate) crc32: u32,
}

impl LocalHeader<'_> {
    const SIGNATURE: u32 = 0x0403_4B50;
    /// The length without name and extra fields.
    const FIXED_LEN: u64 = 30;

    fn extra_len(entry: &Placed<'_>) -> u16 {
        let zip64 = if entry.is_zip64() {
            zip64::LOCAL_LEN
        } else {
            0
        };
        zip64 + ExtendedTimestamp::LEN
    }

    /// The length in bytes.
    pub(crate) fn len(entry: &Placed<'_>) -> u64 {
        Self::FIXED_LEN + u64::from(entry.name_len()) + u64::from(Self::extra_len(entry))
    }

    pub(crate) fn put(&self, out: &mut impl BufMut) {
        let entry = self.entry;
        let is_zip64 = entry.is_zip64();
        let modified = DosTime::from_unix(entry.modified);
        // A descriptor may follow only if the CRC is zero here (4.4.4); the sizes of a stored entry are real all the
        // same, because more readers open the archive then. A deflated one has zeros, as everybody writes them.
        let (crc32, real) = match entry.form() {
            Form::Known => (self.crc32, entry.size),
            Form::Described => (0, entry.size),
            Form::Deflated => (0, 0),
        };
        let size = if is_zip64 {
            zip64::SATURATED_32
        } else {
            zip64::saturate_32(real)
        };
        out.put_u32_le(Self::SIGNATURE);
        out.put_u16_le(version_needed(is_zip64));
        out.put_u16_le(entry.flags());
        out.put_u16_le(method(entry));
        out.put_u16_le(modified.time);
        out.put_u16_le(modified.date);
        out.put_u32_le(crc32);
        out.put_u32_le(size); // compressed
        out.put_u32_le(size); // uncompressed
        out.put_u16_le(entry.name_len());
        out.put_u16_le(Self::extra_len(entry));
        out.put_slice(entry.name.as_bytes());
        if is_zip64 {
            zip64::put_local(real, out);
        }
        ExtendedTimestamp::from_unix(entry.modified).put(out);
    }
}
