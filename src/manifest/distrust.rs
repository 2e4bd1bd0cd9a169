//! Claims of the store that proved wrong: objects whose stored CRC-32 is not that of their bytes.
//!
//! Wrong checksums have been found in the field. A new link does without such a claim and hashes for itself.

use std::collections::HashSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::stored::Row;

/// The most claims that are remembered; the oldest go first.
const MOST: usize = 10_000;

/// One object with a wrong checksum.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// Its bucket.
    pub bucket: String,
    /// Its key.
    pub key: String,
    /// Its entity tag: a later object of the same key is another one.
    pub etag: String,
}

/// All of them, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Distrusted {
    claims: Vec<Claim>,
    known: HashSet<Claim>,
}

impl Distrusted {
    /// The largest list, in bytes.
    pub const LARGEST: usize = 32 << 20;

    /// Reads a list, one claim in JSON a line. Lines that are no claims are left out.
    pub fn read(lines: &[u8]) -> Distrusted {
        let claims = lines
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok());
        claims.fold(Distrusted::default(), Distrusted::with)
    }

    /// With one claim more.
    pub fn with(mut self, claim: Claim) -> Distrusted {
        if self.known.insert(claim.clone()) {
            self.claims.push(claim);
        }
        self
    }

    /// The list as it is stored.
    pub fn write(&self) -> Bytes {
        let mut out = Vec::new();
        let oldest = self.claims.len().saturating_sub(MOST);
        for claim in &self.claims[oldest..] {
            // Serialising text into memory has no way to fail.
            if serde_json::to_writer(&mut out, claim).is_ok() {
                out.push(b'\n');
            }
        }
        out.into()
    }

    /// Whether the claim of this row proved wrong before.
    pub fn has(&self, bucket: &str, row: &Row) -> bool {
        !self.known.is_empty()
            && self.known.contains(&Claim {
                bucket: bucket.to_owned(),
                key: row.key.clone(),
                etag: row.etag.clone(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(key: &str) -> Claim {
        Claim {
            bucket: "bucket".to_owned(),
            key: key.to_owned(),
            etag: "\"e\"".to_owned(),
        }
    }

    #[test]
    fn claims_read_back_once_each() {
        let list = ["a\n\"b", "c", "c"].map(claim);
        let list = list
            .into_iter()
            .fold(Distrusted::default(), Distrusted::with);
        let mut lines = list.write().to_vec();
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 2);
        lines.extend_from_slice(b"nonsense\n");
        let read = Distrusted::read(&lines);
        let row = |key: &str, etag: &str| Row {
            key: key.to_owned(),
            size: 0,
            etag: etag.to_owned(),
            modified: 0,
            crc32: Some(1),
            version: None,
        };
        assert!(read.has("bucket", &row("a\n\"b", "\"e\"")));
        assert!(!read.has("bucket", &row("c", "\"f\"")), "another object");
        assert!(!read.has("bocket", &row("c", "\"e\"")));
    }
}
