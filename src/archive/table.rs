//! What is kept in memory for each entry: 40 bytes and the name, and nothing is ever moved.
//!
//! Rows stand in blocks of [`BLOCK`], the names of a block in one string. A block knows where its first central
//! header starts; those of its other rows follow by adding up. So every question about an offset is a binary search
//! over blocks, and a look at one block.

use super::entry::Entry;
use super::placed::Placed;

/// The number of rows in a block: few enough to walk, enough that what a block costs is nothing to each.
const BLOCK: usize = 64;

/// The rows of an archive, in order, each at its offset.
#[derive(Debug, Default)]
pub(super) struct Table {
    blocks: Vec<Block>,
    rows: usize,
}

#[derive(Debug)]
struct Block {
    /// The names, one after the other.
    names: String,
    rows: Vec<Row>,
    /// The lengths of deflated data, by the index of the row in the block.
    deflated: Vec<(u8, u64)>,
    /// Where the central header of the first row starts, from the start of the directory.
    central_offset: u64,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    size: u64,
    offset: u64,
    modified: i64,
    crc32: Option<u32>,
    /// Where its name ends in the names of its block.
    name_end: u32,
}

impl Table {
    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Appends an entry whose local header starts at `offset`, its central header at `central_offset` of the
    /// directory. Neither may be below what was given before.
    pub(super) fn push(&mut self, entry: &Entry, offset: u64, central_offset: u64) {
        if self.rows.is_multiple_of(BLOCK) {
            if let Some(full) = self.blocks.last_mut() {
                full.names.shrink_to_fit();
            }
            self.blocks.push(Block {
                names: String::new(),
                rows: Vec::with_capacity(BLOCK),
                deflated: Vec::new(),
                central_offset,
            });
        }
        let Some(block) = self.blocks.last_mut() else {
            unreachable!("a block was pushed for the first row");
        };
        block.names.push_str(entry.name.as_str());
        block.rows.push(Row {
            size: entry.size,
            offset,
            modified: entry.modified,
            crc32: entry.crc32,
            // A name has less than 2¹⁶ bytes, and a block 2⁶ names.
            name_end: block.names.len() as u32,
        });
        self.rows += 1;
    }

    /// The data of the last row is deflated, and has so many bytes then. What was said before is replaced.
    pub(super) fn deflate_last(&mut self, bytes: u64) {
        let Some(block) = self.blocks.last_mut() else {
            return;
        };
        // A block has 2⁶ rows.
        let last = (block.rows.len() - 1) as u8;
        block.deflated.pop_if(|(row, _)| *row == last);
        block.deflated.push((last, bytes));
    }

    /// The row of this index. Panics if there is none.
    pub(super) fn row(&self, index: usize) -> Placed<'_> {
        self.blocks[index / BLOCK].row(index % BLOCK)
    }

    /// The index of the last row whose local header starts at or before `offset`, if there is a row.
    pub(super) fn row_at(&self, offset: u64) -> Option<usize> {
        let after = self
            .blocks
            .partition_point(|block| block.rows[0].offset <= offset);
        let block = after.checked_sub(1)?;
        let rows = &self.blocks[block].rows;
        let row = rows.partition_point(|row| row.offset <= offset) - 1;
        Some(block * BLOCK + row)
    }

    /// The last row whose central header starts at or before `offset`, counted from the start of the directory, and
    /// where that header starts.
    pub(super) fn central_at(&self, offset: u64) -> Option<(usize, u64)> {
        let after = self
            .blocks
            .partition_point(|block| block.central_offset <= offset);
        let index = after.checked_sub(1)?;
        let block = &self.blocks[index];
        let mut start = block.central_offset;
        let mut row = 0;
        while row + 1 < block.rows.len() {
            let end = start + block.row(row).central_len();
            if end > offset {
                break;
            }
            start = end;
            row += 1;
        }
        Some((index * BLOCK + row, start))
    }

    /// The bytes that are kept on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        // Blocks are alike but for their names, and these are trimmed: the sum is near what it would be if counted.
        let blocks = self.blocks.capacity() * size_of::<Block>();
        let rows = self.blocks.len() * BLOCK * size_of::<Row>();
        let names: usize = self.blocks.iter().map(|block| block.names.capacity()).sum();
        let deflated = |block: &Block| block.deflated.capacity() * size_of::<(u8, u64)>();
        blocks + rows + names + self.blocks.iter().map(deflated).sum::<usize>()
    }
}

impl Block {
    fn row(&self, index: usize) -> Placed<'_> {
        let row = &self.rows[index];
        let name_start = match index.checked_sub(1) {
            Some(before) => self.rows[before].name_end as usize,
            None => 0,
        };
        let deflated = self
            .deflated
            .binary_search_by_key(&index, |&(row, _)| row.into());
        Placed {
            name: &self.names[name_start..row.name_end as usize],
            size: row.size,
            modified: row.modified,
            crc32: row.crc32,
            offset: row.offset,
            deflated: deflated.ok().map(|found| self.deflated[found].1),
        }
    }
}
