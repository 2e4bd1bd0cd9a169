//! One object of the synthetic store: its content, and what the store says about it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use md5::{Digest, Md5};

use super::content::Content;

/// When objects were last modified unless a test says otherwise: 2024-05-06T07:08:10Z.
pub const LAST_MODIFIED: i64 = 1_714_979_290;

/// The CRC-32 that the store knows of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// None.
    Unknown,
    /// That of the whole object, and right.
    FullObject,
    /// One of the whole object, as claimed; tests make it wrong.
    Claimed(u32),
    /// Those of the parts, each `part_size` bytes but the last.
    Composite { part_size: u64 },
}

/// Whether an archived object can be read, as a listing's `RestoreStatus` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// Being restored: not readable yet.
    InProgress,
    /// A restored copy is there.
    Done,
}

/// One object.
#[derive(Clone, Debug)]
pub struct SyntheticObject {
    pub key: String,
    pub content: Content,
    /// Unix seconds.
    pub last_modified: i64,
    /// Without quotes.
    pub etag: String,
    pub checksum: Checksum,
    /// `STANDARD` where it is `None`.
    pub storage_class: Option<&'static str>,
    pub restore: Option<Restore>,
    /// The archive tier of Intelligent-Tiering that it lies in, which listings do not tell.
    pub archive_tier: Option<&'static str>,
}

impl SyntheticObject {
    /// An object of `size` bytes that are a function of its key, without checksum.
    pub fn new(key: impl Into<String>, size: u64) -> Self {
        Self::version(key, size, 0)
    }

    /// Another version of [`SyntheticObject::new`]: other bytes, another ETag.
    pub fn version(key: impl Into<String>, size: u64, version: u32) -> Self {
        let key = key.into();
        let content = Content::pattern(&key, size, version);
        let etag = hex::encode(Md5::digest(format!("{key} {size} {version}")));
        Self::with_content(key, content, etag)
    }

    /// An object of `size` zero bytes, without checksum.
    pub fn zeros(key: impl Into<String>, size: u64) -> Self {
        let key = key.into();
        let etag = hex::encode(Md5::digest(format!("{key} {size} zeros")));
        Self::with_content(key, Content::Zeros { size }, etag)
    }

    /// An object that holds `bytes`.
    pub fn of(key: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let etag = hex::encode(Md5::digest(&bytes));
        Self::with_content(key.into(), Content::Bytes(bytes), etag)
    }

    fn with_content(key: String, content: Content, etag: String) -> Self {
        SyntheticObject {
            key,
            content,
            last_modified: LAST_MODIFIED,
            etag,
            checksum: Checksum::Unknown,
            storage_class: None,
            restore: None,
            archive_tier: None,
        }
    }

    /// With this checksum.
    pub fn checksum(self, checksum: Checksum) -> Self {
        SyntheticObject { checksum, ..self }
    }

    /// Last modified at `unix` seconds.
    pub fn modified(self, unix: i64) -> Self {
        SyntheticObject {
            last_modified: unix,
            ..self
        }
    }

    /// In the storage class `class`, with what the listing says about a restored copy.
    pub fn archived(self, class: &'static str, restore: Option<Restore>) -> Self {
        SyntheticObject {
            storage_class: Some(class),
            restore,
            ..self
        }
    }

    /// In an archive tier of Intelligent-Tiering.
    pub fn tiered(self, tier: &'static str) -> Self {
        SyntheticObject {
            storage_class: Some("INTELLIGENT_TIERING"),
            archive_tier: Some(tier),
            ..self
        }
    }

    /// Whether a GET is refused because no readable copy is there.
    pub fn is_unreadable(&self) -> bool {
        self.archive_tier.is_some()
            || matches!(self.storage_class, Some("GLACIER" | "DEEP_ARCHIVE"))
                && self.restore != Some(Restore::Done)
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        self.content.size()
    }

    /// The true CRC-32 of the bytes, whatever the store says.
    pub fn crc32(&self) -> u32 {
        self.content.crc32(0..self.size())
    }

    /// The sizes and CRCs of the parts; one part where the checksum is not composite.
    pub fn parts(&self) -> Vec<(u64, u32)> {
        let size = self.size();
        let part_size = match self.checksum {
            Checksum::Composite { part_size } => part_size,
            _ => size.max(1),
        };
        let starts = (0..size.div_ceil(part_size)).map(|part| part * part_size);
        starts
            .map(|start| {
                let range = start..size.min(start + part_size);
                (range.end - range.start, self.content.crc32(range))
            })
            .collect()
    }

    /// The values of `x-amz-checksum-crc32` and `x-amz-checksum-type`.
    pub fn checksum_headers(&self) -> Option<(String, &'static str)> {
        match self.checksum {
            Checksum::Unknown => None,
            Checksum::FullObject => Some((encode(self.crc32()), "FULL_OBJECT")),
            Checksum::Claimed(crc32) => Some((encode(crc32), "FULL_OBJECT")),
            Checksum::Composite { .. } => {
                let parts = self.parts();
                let mut hasher = crc32fast::Hasher::new();
                parts
                    .iter()
                    .for_each(|(_, crc32)| hasher.update(&crc32.to_be_bytes()));
                Some((
                    format!("{}-{}", encode(hasher.finalize()), parts.len()),
                    "COMPOSITE",
                ))
            }
        }
    }
}

/// A CRC-32 as S3 writes it: base64 of its big-endian bytes.
pub fn encode(crc32: u32) -> String {
    BASE64_STANDARD.encode(crc32.to_be_bytes())
}
