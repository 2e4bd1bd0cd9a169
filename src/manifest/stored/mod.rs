//! A frozen manifest as it is stored, and as it is kept in memory: the rows of one archive, for good.
//!
//! The file: [`MAGIC`], the length of the header (4 bytes, little-endian), the header in JSON, the rows, and a CRC-32 of
//! all that (4 bytes, little-endian). Rows stand in the order of their keys' bytes, in blocks of 64; within a
//! block a key is written as what it does not share with the one before. So a row is found by its number without
//! reading those before it, and a million of them are opened once and then looked up.
//!
//! The same rows give the same bytes, but for the header's times. What is opened is checked whole: the checksum, the
//! order of keys, and that names and lengths come out as when it was frozen. Nothing that stands in such a file can
//! make opening it panic, or take more memory than a small multiple of its length.

mod freezer;
mod names;
mod wire;

use std::num::NonZeroU32;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use freezer::Freezer;

use super::passphrase::PassphraseHash;
use crate::archive::Layout;
use crate::store::Object;
use names::Names;
use wire::{Raw, Reader};

/// The first bytes of a stored manifest; the last of them is the version of the format.
pub const MAGIC: [u8; 8] = *b"sheafm\0\x01";

/// The same for a manifest that not everybody may have: a version of sheaf that knows nothing of passphrases and numbers
/// of downloads must not take it for one that everybody may.
pub const MAGIC_GUARDED: [u8; 8] = *b"sheafm\0\x02";

/// The media type of a stored manifest.
pub const CONTENT_TYPE: &str = "application/octet-stream";

/// The largest file that is opened, in bytes: some ten million rows.
pub const LARGEST: usize = 1 << 30;

/// Rows in a block: few enough to walk, enough that what a block costs is nothing to each.
const BLOCK: usize = 64;

const LARGEST_HEADER: usize = 1 << 16;

const BEFORE_HEADER: usize = MAGIC.len() + 4;

/// The header is to be found within so many bytes of the start.
pub const HEADER_WITHIN: usize = BEFORE_HEADER + LARGEST_HEADER;

/// One object of an archive, as it was when it was frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The whole key.
    pub key: String,
    /// Length in bytes.
    pub size: u64,
    /// The entity tag, in the quotes that the store gave it.
    pub etag: String,
    /// Last-Modified, Unix seconds.
    pub modified: i64,
    /// The CRC-32 that the store claims.
    pub crc32: Option<u32>,
    /// The store has a CRC-32 of the whole object that the row does not tell. That of a small object comes with its
    /// bytes, which are held against it; asking for it when the row is frozen would be a request more for each.
    pub announced: bool,
    /// The version of the object in a versioned bucket.
    pub version: Option<String>,
}

impl Row {
    /// The object, as it is to be read.
    pub fn object(self) -> Object {
        Object {
            key: self.key,
            size: self.size,
            etag: self.etag,
            modified: self.modified,
            has_crc32: self.crc32.is_some() || self.announced,
            has_part_crc32s: false,
            version_id: self.version,
            may_be_archived: false,
            archived: false,
        }
    }
}

/// What a stored manifest says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The bucket of the objects.
    pub bucket: String,
    /// The prefix of the selection, which names depend on.
    pub prefix: String,
    /// The name under which the archive is saved.
    pub filename: String,
    /// When it was frozen, in Unix seconds.
    pub created: i64,
    /// When its link ends, in Unix seconds.
    pub expires: u64,
    /// Rows.
    pub count: usize,
    /// The time of the newest row, in Unix seconds.
    pub newest: i64,
    /// The length of the archive in bytes.
    pub archive_len: u64,
    /// CRC-32 of all entry names, each followed by a zero byte. Should names ever come out otherwise, the archive must
    /// not be served as the same.
    pub names_crc32: u32,
    /// The entity tag of the archive, in quotes.
    pub etag: String,
    /// The key of an object whose claimed CRC-32 proved wrong. Such a manifest has no rows, and no archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// What is kept of the passphrase that the link asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<PassphraseHash>,
    /// How often the archive may be downloaded whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_downloads: Option<NonZeroU32>,
}

/// What a link asks of those who hold it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// What is kept of its passphrase.
    pub passphrase: Option<PassphraseHash>,
    /// How often its archive may be downloaded whole.
    pub max_downloads: Option<NonZeroU32>,
}

impl Header {
    /// The first bytes of its file.
    fn magic(&self) -> [u8; 8] {
        match (&self.passphrase, self.max_downloads) {
            (None, None) => MAGIC,
            _ => MAGIC_GUARDED,
        }
    }
}

/// The rest of a file behind its magic.
fn behind_magic(file: &[u8]) -> Option<&[u8]> {
    file.strip_prefix(&MAGIC)
        .or_else(|| file.strip_prefix(&MAGIC_GUARDED))
}

/// Why a file is no stored manifest that can be used.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// It begins otherwise.
    #[error("the file is no stored manifest, or one of another version of sheaf")]
    Magic,
    /// It was cut short or altered.
    #[error(
        "the stored manifest is damaged: its checksum is {found:08x} instead of {expected:08x}"
    )]
    Checksum {
        /// What stands in the file.
        expected: u32,
        /// What its bytes give.
        found: u32,
    },
    /// The header does not parse.
    #[error("the header of the stored manifest is malformed")]
    Header(#[source] serde_json::Error),
    /// A row does not parse, or its key does not follow the one before.
    #[error("row {index} of the stored manifest is malformed")]
    Row {
        /// Its number, from 0 on.
        index: usize,
    },
    /// More or fewer rows than the header says.
    #[error("the stored manifest has other rows than its header says")]
    Count,
    /// This program would make another archive of the rows than the one that frozen them.
    #[error(
        "the stored manifest was made by another version of sheaf, whose archive has other names or another length"
    )]
    OtherArchive,
}

/// A frozen manifest, opened.
///
/// Its archive is a function of its rows, so this is all that a replica need know to send any byte of it.
#[derive(Debug)]
pub struct Frozen {
    header: Header,
    /// The whole file.
    file: Bytes,
    /// Where each block begins in it.
    blocks: Vec<usize>,
    layout: Layout,
}

impl Frozen {
    /// Opens a stored manifest and checks all of it.
    ///
    /// # Errors
    /// [`StoredError`] says what is wrong with it.
    pub fn open(file: Bytes) -> Result<Frozen, StoredError> {
        let (header, start) = read_header(&file)?;
        // Read_header has seen that there are that many bytes.
        let end = file.len() - 4;
        let mut frozen = Frozen {
            blocks: Vec::new(),
            layout: Layout::new(),
            header,
            file,
        };
        let mut names = Names::new(&frozen.header.prefix);
        let mut reader = Reader::new(&frozen.file[..end], start);
        for index in 0..frozen.header.count {
            let starts_block = index.is_multiple_of(BLOCK);
            if starts_block {
                frozen.blocks.push(reader.at());
            }
            let row = reader.row(starts_block);
            let row = row.map_err(|_| StoredError::Row { index })?;
            let entry = names.entry(reader.key(), row.size, row.modified, row.crc32);
            frozen.layout.push(entry);
        }
        if reader.at() != end {
            return Err(StoredError::Count);
        }
        let header = &frozen.header;
        let same = names.crc32() == header.names_crc32 && frozen.layout.len() == header.archive_len;
        if header.broken.is_none() && !same {
            return Err(StoredError::OtherArchive);
        }
        Ok(frozen)
    }

    /// What it says about itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The file as it is stored.
    pub fn file(&self) -> &Bytes {
        &self.file
    }

    /// The archive.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// When the archive was last modified, in Unix seconds: the time of its newest row, but never a time that was still
    /// to come when it was frozen.
    pub fn modified(&self) -> i64 {
        self.header.newest.min(self.header.created)
    }

    /// The row of this number, from 0 on.
    pub fn row(&self, index: usize) -> Option<Row> {
        self.rows(index).next()
    }

    /// The rows from this number on.
    pub fn rows(&self, from: usize) -> Rows<'_> {
        let block = from / BLOCK;
        let start = self.blocks.get(block).copied();
        let end = self.file.len() - 4;
        let mut rows = Rows {
            reader: Reader::new(&self.file[..end], start.unwrap_or_default()),
            index: block * BLOCK,
            count: start.map_or(0, |_| self.header.count),
        };
        while rows.index < from && rows.raw().is_some() {}
        rows
    }

    /// The bytes that are kept on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.file.len() + self.blocks.capacity() * size_of::<usize>() + self.layout.heap_bytes()
    }
}

/// Rows in order: what [`Frozen::rows`] returns.
#[derive(Clone, Debug)]
pub struct Rows<'a> {
    reader: Reader<'a>,
    index: usize,
    count: usize,
}

impl<'a> Rows<'a> {
    fn raw(&mut self) -> Option<Raw<'a>> {
        if self.index >= self.count {
            return None;
        }
        // Every row was read when the file was opened.
        let raw = self.reader.row(self.index.is_multiple_of(BLOCK)).ok()?;
        self.index += 1;
        Some(raw)
    }
}

impl Iterator for Rows<'_> {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let raw = self.raw()?;
        Some(raw.row(self.reader.key()))
    }
}

/// The header at the start of a stored manifest; unchecked, since the rest need not be there.
pub fn peek(start: &[u8]) -> Option<Header> {
    let (length, rest) = behind_magic(start)?.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    serde_json::from_slice(rest.get(..length)?).ok()
}

/// Checks the frame of a file: its magic, its checksum, its header. Returns where the rows begin.
fn read_header(file: &Bytes) -> Result<(Header, usize), StoredError> {
    let number = |at: usize| {
        let bytes = file.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_le_bytes).ok_or(StoredError::Magic)
    };
    if behind_magic(file).is_none() || file.len() < BEFORE_HEADER + 4 {
        return Err(StoredError::Magic);
    }
    let end = file.len() - 4;
    let (expected, found) = (number(end)?, crc32fast::hash(&file[..end]));
    if expected != found {
        return Err(StoredError::Checksum { expected, found });
    }
    let length = number(MAGIC.len())? as usize;
    let start = BEFORE_HEADER + length;
    if length > LARGEST_HEADER || start > end {
        return Err(StoredError::Count);
    }
    let header =
        serde_json::from_slice(&file[BEFORE_HEADER..start]).map_err(StoredError::Header)?;
    Ok((header, start))
}

#[cfg(test)]
mod tests;
