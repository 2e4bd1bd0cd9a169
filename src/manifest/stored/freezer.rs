//! Freezing: rows become a stored manifest.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::names::Names;
use super::{BLOCK, Frozen, Header, Row, Terms, wire};
use crate::archive::Layout;
use crate::store::Bucket;

/// Takes rows in the order of their keys' bytes, and makes a [`Frozen`] manifest of them.
#[derive(Debug)]
pub struct Freezer {
    bucket: Bucket,
    prefix: String,
    names: Names,
    layout: Layout,
    rows: Vec<u8>,
    /// Where each block begins in `rows`.
    blocks: Vec<usize>,
    before: String,
    newest: i64,
}

impl Freezer {
    /// Begins without rows. Names lose `prefix` up to its last `/`.
    pub fn new(bucket: &Bucket, prefix: &str) -> Freezer {
        Freezer {
            bucket: bucket.clone(),
            prefix: prefix.to_owned(),
            names: Names::new(prefix),
            layout: Layout::new(),
            rows: Vec::new(),
            blocks: Vec::new(),
            before: String::new(),
            newest: i64::MIN,
        }
    }

    /// Rows so far.
    pub fn count(&self) -> usize {
        self.layout.entries()
    }

    /// Takes a row, whose key must come after the one before in the order of bytes.
    ///
    /// # Panics
    /// If it does not.
    pub fn push(&mut self, row: &Row) {
        let index = self.count();
        assert!(
            index == 0 || self.before < row.key,
            "rows come in the order of their keys"
        );
        if index.is_multiple_of(BLOCK) {
            self.blocks.push(self.rows.len());
            self.before.clear();
        }
        wire::put_row(row, &self.before, &mut self.rows);
        let entry = self
            .names
            .entry(&row.key, row.size, row.modified, row.crc32);
        self.layout.push(entry);
        self.newest = self.newest.max(row.modified);
        self.before.clone_from(&row.key);
    }

    /// The manifest, saved under `filename`, frozen at `created` for a link that ends at `expires` (Unix seconds), which
    /// everybody may have who holds it.
    pub fn finish(self, filename: &str, created: i64, expires: u64) -> Frozen {
        self.finish_with(filename, created, expires, Terms::default())
    }

    /// The same for a link with these terms.
    pub fn finish_with(self, filename: &str, created: i64, expires: u64, terms: Terms) -> Frozen {
        let header = Header {
            etag: self.etag(),
            bucket: self.bucket.to_string(),
            prefix: self.prefix,
            filename: filename.to_owned(),
            created,
            expires,
            count: self.layout.entries(),
            newest: self.newest,
            archive_len: self.layout.len(),
            names_crc32: self.names.crc32(),
            broken: None,
            passphrase: terms.passphrase,
            max_downloads: terms.max_downloads,
        };
        let (file, start) = write(&header, &self.rows);
        Frozen {
            blocks: self.blocks.iter().map(|at| at + start).collect(),
            layout: self.layout,
            header,
            file,
        }
    }

    /// Everything that the archive's bytes follow from: the rows, their names, and where the objects are. The length
    /// stands for the rules by which the layout is made.
    fn etag(&self) -> String {
        let mut hasher = Sha256::new();
        for text in [self.bucket.as_str(), &self.prefix] {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        }
        hasher.update(self.layout.len().to_le_bytes());
        hasher.update(self.names.crc32().to_le_bytes());
        hasher.update(&self.rows);
        format!("\"{}\"", hex::encode(&hasher.finalize()[..16]))
    }
}

impl Frozen {
    /// What is stored in the place of a manifest whose object `key` has another CRC-32 than its row claims.
    pub fn broken(&self, key: &str) -> Bytes {
        let header = Header {
            count: 0,
            broken: Some(key.to_owned()),
            ..self.header().clone()
        };
        write(&header, &[]).0
    }
}

/// The file, and where its rows begin.
fn write(header: &Header, rows: &[u8]) -> (Bytes, usize) {
    let magic = header.magic();
    // Serialising text and numbers into memory has no way to fail.
    let header = serde_json::to_vec(header).unwrap_or_default();
    let start = magic.len() + 4 + header.len();
    let mut file = Vec::with_capacity(start + rows.len() + 4);
    file.extend_from_slice(&magic);
    file.extend_from_slice(&(header.len() as u32).to_le_bytes());
    file.extend_from_slice(&header);
    file.extend_from_slice(rows);
    let crc32 = crc32fast::hash(&file);
    file.extend_from_slice(&crc32.to_le_bytes());
    (file.into(), start)
}
