//! 4.3.14 to 4.3.16: what stands after the last central header.

use bytes::BufMut;

use super::{VERSION_MADE_BY, zip64};

/// The end of an archive: the Zip64 end record and its locator where they are due, then the end record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// The number of entries.
    pub(crate) entries: u64,
    /// The length of all central headers in bytes.
    pub(crate) directory_len: u64,
    /// Where the first central header starts, from the start of the archive.
    pub(crate) directory_offset: u64,
}

impl End {
    fn is_zip64(&self) -> bool {
        zip64::at_end(self.entries, self.directory_len, self.directory_offset)
    }

    /// The length in bytes.
    pub(crate) fn len(&self) -> u64 {
        if self.is_zip64() {
            Zip64Record::LEN + Zip64Locator::LEN + EndRecord::LEN
        } else {
            EndRecord::LEN
        }
    }

    pub(crate) fn put(&self, out: &mut impl BufMut) {
        if self.is_zip64() {
            Zip64Record(self).put(out);
            Zip64Locator(self).put(out);
        }
        EndRecord(self).put(out);
    }
}

/// 4.3.14 Zip64 end of central directory record.
struct Zip64Record<'a>(&'a End);

impl Zip64Record<'_> {
    const SIGNATURE: u32 = 0x0606_4B50;
    const LEN: u64 = 56;

    fn put(&self, out: &mut impl BufMut) {
        out.put_u32_le(Self::SIGNATURE);
        out.put_u64_le(Self::LEN - 12); // without signature and this field (4.3.14.1)
        out.put_u16_le(VERSION_MADE_BY);
        out.put_u16_le(zip64::VERSION);
        out.put_u32_le(0); // this disk
        out.put_u32_le(0); // the directory's disk
        out.put_u64_le(self.0.entries); // on this disk
        out.put_u64_le(self.0.entries);
        out.put_u64_le(self.0.directory_len);
        out.put_u64_le(self.0.directory_offset);
    }
}

/// 4.3.15 Zip64 end of central directory locator.
struct Zip64Locator<'a>(&'a End);

impl Zip64Locator<'_> {
    const SIGNATURE: u32 = 0x0706_4B50;
    const LEN: u64 = 20;

    fn put(&self, out: &mut impl BufMut) {
        out.put_u32_le(Self::SIGNATURE);
        out.put_u32_le(0); // the disk of the Zip64 end record
        out.put_u64_le(self.0.directory_offset.saturating_add(self.0.directory_len));
        out.put_u32_le(1); // disks
    }
}

/// 4.3.16 End of central directory record.
struct EndRecord<'a>(&'a End);

impl EndRecord<'_> {
    const SIGNATURE: u32 = 0x0605_4B50;
    const LEN: u64 = 22;

    fn put(&self, out: &mut impl BufMut) {
        let entries = zip64::saturate_16(self.0.entries);
        out.put_u32_le(Self::SIGNATURE);
        out.put_u16_le(0); // this disk
        out.put_u16_le(0); // the directory's disk
        out.put_u16_le(entries); // on this disk
        out.put_u16_le(entries);
        out.put_u32_le(zip64::saturate_32(self.0.directory_len));
        out.put_u32_le(zip64::saturate_32(self.0.directory_offset));
        out.put_u16_le(0); // comment length
    }
}
