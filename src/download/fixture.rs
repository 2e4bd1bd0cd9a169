//! Objects for tests of frozen archives: their bytes follow from their keys, and are read from memory.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use uuid::Uuid;

use crate::archive::INLINE_MAX;
use crate::manifest::Open;
use crate::manifest::stored::{Freezer, Row};
use crate::read_ahead::{ReadBody, Reads};
use crate::store::{Bucket, Object, StoreError};

/// The most bytes that an object has which is read.
const MOST: u64 = INLINE_MAX + 16;

/// The bytes of an object depend on its key and go on for as long as any test needs.
pub fn content(key: &str, size: u64) -> &'static [u8] {
    static CONTENTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
        let of = |seed: u32| (0..MOST as u32).map(move |n| ((n * 31 + seed) >> 2) as u8);
        (0..7).map(|seed| of(seed * 999).collect()).collect()
    });
    let seed: usize = key.bytes().map(usize::from).sum();
    &CONTENTS[seed % CONTENTS.len()][..size as usize]
}

/// A frozen manifest of objects, each with its size and whether its CRC-32 is claimed. One that is too large to be read has
/// no bytes, and the claim is of none.
pub fn open(objects: &[(&str, u64, bool)]) -> Arc<Open> {
    let bucket = Bucket::new("bucket").unwrap();
    let mut freezer = Freezer::new(&bucket, "a/");
    for &(key, size, claimed) in objects {
        freezer.push(&Row {
            key: key.to_owned(),
            size,
            etag: format!("\"{key}\""),
            modified: 1_714_979_290,
            crc32: claimed.then(|| match size <= MOST {
                true => crc32fast::hash(content(key, size)),
                false => 0,
            }),
            announced: false,
            version: None,
        });
    }
    let frozen = freezer.finish("a.zip", 2_000_000_000, 2_000_000_000);
    Arc::new(Open::new(Uuid::new_v4(), bucket, frozen))
}

/// The CRC-32 of an entry's bytes.
pub fn true_crc32(open: &Open, index: usize) -> u32 {
    let row = open.frozen.row(index).unwrap();
    crc32fast::hash(content(&row.key, row.size))
}

/// Reads the objects, and counts the bytes that are asked for.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    read: Arc<AtomicU64>,
}

impl Memory {
    /// The bytes that were asked for so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl Reads for Memory {
    type Body = Chunks;

    async fn get(&self, object: &Object, range: Range<u64>, _: bool) -> Result<Chunks, StoreError> {
        self.read
            .fetch_add(range.end - range.start, Ordering::Relaxed);
        let bytes = content(&object.key, object.size);
        Ok(Chunks(&bytes[range.start as usize..range.end as usize]))
    }

    async fn stored_crc32(&self, _: &Object) -> Result<Option<u32>, StoreError> {
        Ok(None)
    }
}

/// The bytes of one read, in chunks of odd lengths.
pub struct Chunks(&'static [u8]);

impl ReadBody for Chunks {
    fn crc32(&self) -> Option<u32> {
        None
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let len = self.0.len().min(70_001).min(2 + self.0.len() / 2);
        let (chunk, rest) = self.0.split_at(len);
        self.0 = rest;
        Ok((!chunk.is_empty()).then_some(Bytes::from_static(chunk)))
    }
}
