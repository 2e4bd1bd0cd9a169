//! The names of rows, and a checksum of all of them.

use crc32fast::Hasher;

use crate::archive::{Entry, Namer};

/// How many bytes of names are hashed at once.
const AT_ONCE: usize = 16 * 1024;

/// Names rows, and remembers their names in a checksum: that of each name with a zero byte behind it.
#[derive(Debug)]
pub(super) struct Names {
    namer: Namer,
    crc32: Hasher,
    /// Names that are still to be hashed: one at a time they would take thrice as long.
    unhashed: Vec<u8>,
}

impl Names {
    /// Names without the prefix, up to its last `/`.
    pub(super) fn new(prefix: &str) -> Names {
        Names {
            namer: Namer::new(prefix),
            crc32: Hasher::new(),
            unhashed: Vec::new(),
        }
    }

    /// The entry of the row with this key, which comes after all others.
    pub(super) fn entry(
        &mut self,
        key: &str,
        size: u64,
        modified: i64,
        crc32: Option<u32>,
    ) -> Entry {
        let name = self.namer.name(key);
        self.unhashed.extend_from_slice(name.as_str().as_bytes());
        self.unhashed.push(0);
        if self.unhashed.len() >= AT_ONCE {
            self.crc32.update(&self.unhashed);
            self.unhashed.clear();
        }
        Entry {
            name,
            size,
            modified,
            crc32,
        }
    }

    /// The checksum of all names so far.
    pub(super) fn crc32(&self) -> u32 {
        let mut crc32 = self.crc32.clone();
        crc32.update(&self.unhashed);
        crc32.finalize()
    }
}
