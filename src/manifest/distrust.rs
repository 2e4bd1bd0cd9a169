//! Claims of the store that proved wrong: objects whose stored CRC-32 is not that of their bytes.
//!
//! Wrong checksums have been found in the field. A new link does without such a claim and hashes for itself. Each claim
//! is an object of its own, named by its digest: replicas that find out at the same time do not overwrite each other's,
//! and a listing tells all of them.

use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::stored::Row;

/// One object with a wrong checksum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Its entity tag: a later object of the same key is another one.
    pub etag: String,
}

/// What a claim is known by: 128 bits of the SHA-256 of its bucket, key and entity tag, each behind its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; 16]);

impl Claim {
    /// What it is known by.
    pub fn digest(&self) -> Digest {
        Digest::of([&self.bucket, &self.key, &self.etag])
    }

    /// The claim as it is stored, for people to read: JSON.
    pub fn write(&self) -> Bytes {
        // Serialising text into memory has no way to fail.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

impl Digest {
    fn of(parts: [&str; 3]) -> Digest {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hasher.finalize()[..16]);
        Digest(digest)
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Digest> {
        let mut digest = [0; 16];
        hex::decode_to_slice(text, &mut digest).ok()?;
        Some(Digest(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Distrusted(HashSet<Digest>);

impl Distrusted {
    /// Whether the claim of this row proved wrong before.
    pub fn has(&self, bucket: &str, row: &Row) -> bool {
        !self.0.is_empty() && self.0.contains(&Digest::of([bucket, &row.key, &row.etag]))
    }
}

impl Extend<Digest> for Distrusted {
    fn extend<I: IntoIterator<Item = Digest>>(&mut self, digests: I) {
        self.0.extend(digests);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_known_by_its_bucket_key_and_etag() {
        let claim = |bucket: &str, key: &str, etag: &str| Claim {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            etag: etag.to_owned(),
        };
        let digest = claim("bucket", "a\n\"b", "\"e\"").digest();
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(Digest::parse("nonsense"), None);
        let mut distrusted = Distrusted::default();
        distrusted.extend([digest]);
        let row = |key: &str, etag: &str| Row {
            key: key.to_owned(),
            size: 0,
            etag: etag.to_owned(),
            modified: 0,
            crc32: Some(1),
            announced: false,
            version: None,
        };
        assert!(distrusted.has("bucket", &row("a\n\"b", "\"e\"")));
        assert!(
            !distrusted.has("bucket", &row("a\n\"b", "\"f\"")),
            "another object"
        );
        assert!(!distrusted.has("bocket", &row("a\n\"b", "\"e\"")));
        assert_ne!(claim("a", "bc", "").digest(), claim("ab", "c", "").digest());
    }
}
