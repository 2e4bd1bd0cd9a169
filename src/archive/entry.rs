//! One file of an archive, and which form it takes there.
//!
//! The form is a function of the row alone, never of what was learned on the way: see [`Entry::form`].

use super::name::EntryName;

/// The largest object, in bytes, that is read whole and hashed before its local header goes out.
pub const INLINE_MAX: u64 = 1 << 20;

/// One file of an archive, as its row describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path in the archive.
    pub name: EntryName,
    /// Its length in bytes.
    pub size: u64,
    /// When the object was last modified, in Unix seconds, UTC.
    pub modified: i64,
    /// The CRC-32 that the row claims; what passes is hashed all the same.
    pub crc32: Option<u32>,
}

impl Entry {
    /// Which form the entry takes where it is stored.
    pub fn form(&self) -> Form {
        Form::of(self.size, self.crc32)
    }
}

/// How an entry's CRC-32 is told.
///
/// Readers that cannot seek open stored entries only if they are [`Known`](Form::Known); hence everything whose CRC
/// can be had in time takes that form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// CRC and sizes stand in the local header, and no data descriptor follows.
    Known,
    /// Sizes stand in the local header, the CRC is zero there, and a data descriptor with signature follows.
    Described,
    /// The data is deflated on its way (method 8): CRC and sizes are zero in the local header (4.4.4), and a data
    /// descriptor with signature follows. Readers that cannot seek know by the data itself where it ends.
    Deflated,
}

impl Form {
    /// The form of a stored entry of this size whose row claims this CRC or none.
    pub(super) fn of(size: u64, crc32: Option<u32>) -> Self {
        if size <= INLINE_MAX || crc32.is_some() {
            Self::Known
        } else {
            Self::Described
        }
    }
}
