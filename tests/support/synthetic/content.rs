//! The bytes of synthetic objects: a function of key and offset.
//!
//! Every pattern object shows the same block of pseudo-random bytes over and over, each key starting elsewhere in it.
//! The block is a prime number of bytes long. Pieces at distances of powers of two therefore differ, and a reader that
//! swaps or repeats pieces is found out.

use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;
use crc32fast::Hasher;

/// The length of the repeated block: the first prime above 1 MiB.
const PERIOD: u64 = 1_048_583;

/// The longest slice that [`Content::slice`] returns.
pub const CHUNK: u64 = 64 * 1024;

/// One period and a chunk more, so that every slice is contiguous.
static BLOCK: LazyLock<Bytes> = LazyLock::new(|| {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut block = Vec::with_capacity((PERIOD + CHUNK) as usize);
    while (block.len() as u64) < PERIOD {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        block.extend_from_slice(&state.to_le_bytes());
    }
    block.truncate(PERIOD as usize);
    block.extend_from_within(..CHUNK as usize);
    Bytes::from(block)
});

/// A chunk of zero bytes.
pub static ZEROS: [u8; CHUNK as usize] = [0; CHUNK as usize];

/// What an object holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// The repeated block, from `start` on.
    Pattern {
        /// Where in the block the object begins.
        start: u64,
        /// The object's size in bytes.
        size: u64,
    },
    /// Nothing but zero bytes, so that a file system need not keep them.
    Zeros {
        /// The object's size in bytes.
        size: u64,
    },
    /// Bytes that a test brought, or a client uploaded.
    Bytes(Bytes),
}

impl Content {
    /// The content that the object `key` of `size` bytes has, in its `version`.
    pub fn pattern(key: &str, size: u64, version: u32) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(key.as_bytes());
        hasher.update(&version.to_le_bytes());
        let start = (u64::from(hasher.finalize()) * 2_654_435_761) % PERIOD;
        Content::Pattern { start, size }
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Content::Pattern { size, .. } | Content::Zeros { size } => *size,
            Content::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// Up to [`CHUNK`] bytes of `range`, from its start, without copying.
    pub fn slice(&self, range: Range<u64>) -> Bytes {
        let length = (range.end - range.start).min(CHUNK) as usize;
        let (source, start) = match self {
            Content::Pattern { start, .. } => (&*BLOCK, (start + range.start) % PERIOD),
            Content::Zeros { .. } => return Bytes::from_static(&ZEROS[..length]),
            Content::Bytes(bytes) => (bytes, range.start),
        };
        source.slice(start as usize..start as usize + length)
    }

    /// The CRC-32 of `range`. Of a pattern or of zeros at most three blocks are hashed, however long the range is.
    pub fn crc32(&self, range: Range<u64>) -> u32 {
        let length = range.end - range.start;
        if matches!(self, Content::Bytes(_)) || length <= PERIOD {
            return self.hash(range).finalize();
        }
        let mut power = self.hash(range.start..range.start + PERIOD);
        let mut repeats = length / PERIOD;
        let mut total = Hasher::new();
        while repeats > 0 {
            if repeats % 2 == 1 {
                total.combine(&power);
            }
            power.combine(&power.clone());
            repeats /= 2;
        }
        total.combine(&self.hash(range.start..range.start + length % PERIOD));
        total.finalize()
    }

    /// Hashes `range` byte by byte.
    fn hash(&self, mut range: Range<u64>) -> Hasher {
        let mut hasher = Hasher::new();
        while range.start < range.end {
            let slice = self.slice(range.clone());
            hasher.update(&slice);
            range.start += slice.len() as u64;
        }
        hasher
    }
}

/// The CRC-32 of the synthetic object `key` of `size` bytes, in its first version.
pub fn content_crc32(key: &str, size: u64) -> u32 {
    Content::pattern(key, size, 0).crc32(0..size)
}

/// The bytes of the synthetic object `key` of `size` bytes, in its first version. For sizes that fit into memory.
pub fn content_bytes(key: &str, size: u64) -> Vec<u8> {
    let content = Content::pattern(key, size, 0);
    let mut bytes = Vec::with_capacity(size as usize);
    while (bytes.len() as u64) < size {
        bytes.extend_from_slice(&content.slice(bytes.len() as u64..size));
    }
    bytes
}
