//! Blocks of memory that bodies are read into, used again and again.
//!
//! The allocator gives memory of this size back to the system as soon as it is free, and every page of it costs a fault
//! when it is asked for again: a quarter of all the work on a large object. A block that has just left through the
//! client's socket is moreover still in the processor's cache when the next bytes are read into it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// Room for the head of an answer, in bytes, beside the body's first bytes.
pub(super) const HEAD_ROOM: usize = 1024;

/// The lengths of blocks, in bytes, shortest first. An object of 64 KiB comes in one, and so in one frame and mostly in one
/// read. Of a large object long blocks carry more with each call to the system: that saves a seventh to a quarter of all
/// the work on it, against blocks of 64 KiB. Longer ones than this leave the processor's cache.
const LENGTHS: [usize; 4] = [
    64 * 1024 + HEAD_ROOM,
    128 * 1024 + HEAD_ROOM,
    256 * 1024 + HEAD_ROOM,
    512 * 1024 + HEAD_ROOM,
];

/// The length of the longest block, in bytes.
pub(super) const BLOCK: usize = LENGTHS[LENGTHS.len() - 1];

/// Free blocks of all lengths that are kept, in bytes. Whoever reads takes one at a time, so that few are free for longer.
const KEPT: usize = 2 * 1024 * 1024;

/// Blocks to read into. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks(Arc<Mutex<Free>>);

#[derive(Debug, Default)]
struct Free {
    /// Of each length.
    blocks: [Vec<BytesMut>; LENGTHS.len()],
    /// How long they are together, in bytes.
    bytes: usize,
}

/// Bytes in a block, which is free again when the last of its bytes are dropped.
struct Lent {
    bytes: Bytes,
    blocks: Blocks,
}

impl Blocks {
    /// Memory for `length` bytes, but at most a block of the greatest length that they fill.
    pub(super) fn take(&self, length: usize) -> BytesMut {
        let Some(which) = LENGTHS.iter().rposition(|&long| long <= length) else {
            return BytesMut::with_capacity(length);
        };
        self.free()
            .take(which)
            .unwrap_or_else(|| BytesMut::with_capacity(LENGTHS[which]))
    }

    /// Passes on what was read into a block. Nothing is copied.
    pub(super) fn lend(&self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Lent {
            bytes,
            blocks: self.clone(),
        })
    }

    /// Takes back what nobody else uses any more.
    fn give_back(&self, bytes: Bytes) {
        let Ok(mut block) = bytes.try_into_mut() else {
            return;
        };
        block.clear();
        // It is a block only if that much can be had of it without asking for memory.
        if let Some(which) = LENGTHS.iter().rposition(|&long| block.try_reclaim(long)) {
            self.free().put(which, block);
        }
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Free {
    fn take(&mut self, which: usize) -> Option<BytesMut> {
        let block = self.blocks[which].pop()?;
        self.bytes -= LENGTHS[which];
        Some(block)
    }

    /// Keeps a block. Where there are too many, those of other lengths go first, which were not asked for of late.
    fn put(&mut self, which: usize, block: BytesMut) {
        self.blocks[which].push(block);
        self.bytes += LENGTHS[which];
        while self.bytes > KEPT {
            let other =
                (0..LENGTHS.len()).find(|&other| other != which && !self.blocks[other].is_empty());
            self.take(other.unwrap_or(which));
        }
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.blocks.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_used_again_when_all_of_it_is_free() {
        let blocks = Blocks::default();
        let mut block = blocks.take(BLOCK);
        block.resize(BLOCK, 1);
        let place = block.as_ptr();
        let (first, second) = (
            blocks.lend(block.split_to(100).freeze()),
            blocks.lend(block.freeze()),
        );
        let part = second.slice(5..10);
        drop((first, second));
        assert_eq!(blocks.free().bytes, 0, "a part of it is still in use");
        assert_eq!(part[..], [1; 5]);
        drop(part);
        assert_eq!(blocks.free().bytes, BLOCK);
        let again = blocks.take(BLOCK);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        assert!(again.capacity() >= BLOCK);
    }

    #[test]
    fn only_whole_blocks_are_kept_and_not_too_many() {
        let blocks = Blocks::default();
        let mut small = blocks.take(10);
        small.extend_from_slice(b"0123456789");
        drop(blocks.lend(small.freeze()));
        assert_eq!(blocks.free().bytes, 0);
        // Of those of other lengths as many go as are too many.
        for (which, length) in LENGTHS.into_iter().enumerate() {
            let many: Vec<_> = (0..2 * KEPT / length)
                .map(|_| {
                    // What does not fill the next length gets this one.
                    let mut block = blocks.take(length + length / 2);
                    block.resize(10, 0);
                    blocks.lend(block.freeze())
                })
                .collect();
            drop(many);
            let free = blocks.free();
            assert_eq!(free.blocks[which].len(), KEPT / length);
            assert_eq!(free.bytes, KEPT / length * length);
        }
    }
}
