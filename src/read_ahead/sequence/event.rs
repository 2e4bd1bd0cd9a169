//! What comes out of a sequence, and why it cannot go on.

use bytes::Bytes;

use crate::store::StoreError;

/// What comes out, for each item: one [`Event::Begin`], its bytes, one [`Event::End`].
#[derive(Debug, PartialEq, Eq)]
pub enum Event<T> {
    /// The next item.
    Begin {
        /// The caller's own.
        tag: T,
        /// The CRC-32 of the item's range, if it was to be computed beforehand.
        computed: Option<u32>,
        /// The stored CRC-32, if it was asked for and is there.
        stored: Option<u32>,
    },
    /// The next bytes of the item, never none. They hold their part of the budget until they are dropped.
    Data(Bytes),
    /// All bytes of the item have come.
    End {
        /// The CRC-32 of the bytes that were passed on.
        crc32: u32,
    },
}

/// Why the sequence cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReadAheadError<E> {
    /// The items' source failed.
    #[error(transparent)]
    Source(E),
    /// A read failed for good.
    #[error(transparent)]
    Store(StoreError),
    /// An object that was read twice gave other bytes the second time, under one ETag.
    #[error("{} changed while it was read", key.escape_default())]
    Unstable {
        /// The object's key.
        key: String,
        /// The CRC-32 of the first time.
        first: u32,
        /// The CRC-32 of the second time.
        second: u32,
    },
}
