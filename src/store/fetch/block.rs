//! Blocks of memory that bodies are read into, used again and again.
//!
//! The allocator gives memory of this size back to the system as soon as it is free, and every page of it costs a fault
//! when it is asked for again: a quarter of all the work on a large object. A block that has just left through the
//! client's socket is moreover still in the processor's cache when the next bytes are read into it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// Room for the head of an answer, in bytes, beside the body's first bytes.
pub(super) const HEAD_ROOM: usize = 1024;

/// The length of a block, in bytes: an object of 64 KiB comes in one, and so in one frame and mostly in one read.
pub(super) const BLOCK: usize = 64 * 1024 + HEAD_ROOM;

/// Free blocks that are kept. Whoever reads takes one at a time, so that few are free for longer.
const KEPT: usize = 32;

/// Blocks to read into. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks(Arc<Mutex<Vec<BytesMut>>>);

/// Bytes in a block, which is free again when the last of its bytes are dropped.
struct Lent {
    bytes: Bytes,
    blocks: Blocks,
}

impl Blocks {
    /// Memory for `length` bytes, but at most a block.
    pub(super) fn take(&self, length: usize) -> BytesMut {
        if length < BLOCK {
            return BytesMut::with_capacity(length);
        }
        let free = self.free().pop();
        free.unwrap_or_else(|| BytesMut::with_capacity(BLOCK))
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
        if block.try_reclaim(BLOCK) {
            let mut free = self.free();
            if free.len() < KEPT {
                free.push(block);
            }
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<BytesMut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert!(blocks.free().is_empty(), "a part of it is still in use");
        assert_eq!(part[..], [1; 5]);
        drop(part);
        assert_eq!(blocks.free().len(), 1);
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
        assert!(blocks.free().is_empty());
        let many: Vec<_> = (0..2 * KEPT)
            .map(|_| {
                let mut block = blocks.take(BLOCK);
                block.resize(10, 0);
                blocks.lend(block.freeze())
            })
            .collect();
        drop(many);
        assert_eq!(blocks.free().len(), KEPT);
    }
}
