//! An open manifest, and what was learned of its rows.

use uuid::Uuid;

use crate::manifest::learned::Learned;
use crate::manifest::stored::Frozen;
use crate::read_ahead::{Kept, Overloaded};
use crate::store::Bucket;

/// A stored manifest, opened. It is shared by all who use it.
#[derive(Debug)]
pub struct Open {
    /// Its id.
    pub id: Uuid,
    /// The bucket of its objects.
    pub bucket: Bucket,
    /// Its rows and their archive.
    pub frozen: Frozen,
    /// CRC-32s that its rows do not claim.
    pub learned: Learned,
    /// The memory that it takes, where that is counted.
    kept: Option<Kept>,
}

impl Open {
    /// A manifest of which nothing is learned yet.
    pub fn new(id: Uuid, bucket: Bucket, frozen: Frozen) -> Open {
        Open {
            id,
            bucket,
            learned: Learned::new(frozen.header().count),
            frozen,
            kept: None,
        }
    }

    /// The same, with the memory that it takes counted as `kept` for as long as it is open.
    ///
    /// # Errors
    /// [`Overloaded`] where it takes more, and that cannot be had.
    pub fn within(mut self, mut kept: Kept) -> Result<Open, Overloaded> {
        kept.resize(self.frozen.heap_bytes() + self.learned.heap_bytes())?;
        self.kept = Some(kept);
        Ok(self)
    }

    /// The bytes of memory that are counted for it.
    pub fn weight(&self) -> usize {
        self.kept.as_ref().map_or(0, Kept::bytes)
    }

    /// The key of a row, for messages.
    pub fn key(&self, index: usize) -> String {
        let row = self.frozen.row(index);
        row.map_or_else(String::new, |row| row.key)
    }

    /// Those of some rows that have a CRC-32 which is not claimed, and so has to be learned.
    pub fn unclaimed<I: Iterator<Item = usize>>(&self, rows: I) -> impl Iterator<Item = usize> {
        let layout = self.frozen.layout();
        rows.filter(|row| layout.claimed_crc32(*row).is_none() && layout.size(*row) > 0)
    }

    /// The CRC-32 of a row: claimed, learned, or that of nothing.
    pub fn crc32(&self, index: usize) -> Option<u32> {
        let layout = self.frozen.layout();
        layout
            .claimed_crc32(index)
            .or_else(|| (layout.size(index) == 0).then_some(0))
            .or_else(|| self.learned.get(index))
    }
}
