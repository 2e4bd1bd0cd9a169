//! Rows as bytes: numbers of variable length, keys by what they share with the key before, ETags without their hex.

use super::{Row, StoredError};

/// The longest text in a row, in bytes: far beyond what a key, an ETag or a version id ever has.
const LONGEST_TEXT: u64 = 1 << 16;

const HAS_CRC32: u8 = 1;
const HAS_VERSION: u8 = 1 << 1;
/// The ETag is an MD5 in quotes.
const MD5: u8 = 1 << 2;
/// The ETag is an MD5, a hyphen and a number, in quotes: that of a multipart upload.
const MD5_OF_PARTS: u8 = 1 << 3;
/// The store has a CRC-32 that does not stand here.
const ANNOUNCED: u8 = 1 << 4;
const KNOWN_FLAGS: u8 = HAS_CRC32 | HAS_VERSION | MD5 | MD5_OF_PARTS | ANNOUNCED;

/// Appends a row. `before` is the key of the row before it in the same block, else empty.
pub(super) fn put_row(row: &Row, before: &str, out: &mut Vec<u8>) {
    let etag = Etag::of(&row.etag);
    let mut flags = match etag {
        Etag::Md5(_) => MD5,
        Etag::Parts(..) => MD5_OF_PARTS,
        Etag::Text => 0,
    };
    flags |= if row.crc32.is_some() { HAS_CRC32 } else { 0 };
    flags |= if row.announced { ANNOUNCED } else { 0 };
    flags |= if row.version.is_some() {
        HAS_VERSION
    } else {
        0
    };
    out.push(flags);
    let pairs = row.key.bytes().zip(before.bytes());
    let shared = pairs.take_while(|(a, b)| a == b).count();
    put_number(shared as u64, out);
    put_text(&row.key.as_bytes()[shared..], out);
    put_number(row.size, out);
    // Times before 1970 are as short as those after.
    put_number(((row.modified << 1) ^ (row.modified >> 63)) as u64, out);
    match etag {
        Etag::Md5(md5) => out.extend_from_slice(&md5),
        Etag::Parts(md5, parts) => {
            out.extend_from_slice(&md5);
            put_number(parts, out);
        }
        Etag::Text => put_text(row.etag.as_bytes(), out),
    }
    if let Some(crc32) = row.crc32 {
        out.extend_from_slice(&crc32.to_le_bytes());
    }
    if let Some(version) = &row.version {
        put_text(version.as_bytes(), out);
    }
}

/// What an ETag can be written as.
enum Etag {
    Md5([u8; 16]),
    Parts([u8; 16], u64),
    Text,
}

impl Etag {
    fn of(etag: &str) -> Etag {
        let inner = etag
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        let Some(inner) = inner else {
            return Etag::Text;
        };
        let (digest, parts) = match inner.split_once('-') {
            Some((digest, parts)) => (digest, Some(parts)),
            None => (inner, None),
        };
        let mut md5 = [0; 16];
        if hex::decode_to_slice(digest, &mut md5).is_err() {
            return Etag::Text;
        }
        let written = match parts {
            None => Etag::Md5(md5),
            Some(parts) => Etag::Parts(md5, parts.parse().unwrap_or_default()),
        };
        // Upper-case digits, leading zeros and plus signs do not come back as they were.
        if written.text().as_deref() == Some(etag) {
            written
        } else {
            Etag::Text
        }
    }

    fn text(&self) -> Option<String> {
        match self {
            Etag::Md5(md5) => Some(format!("\"{}\"", hex::encode(md5))),
            Etag::Parts(md5, parts) => Some(format!("\"{}-{parts}\"", hex::encode(md5))),
            Etag::Text => None,
        }
    }
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_text(text: &[u8], out: &mut Vec<u8>) {
    put_number(text.len() as u64, out);
    out.extend_from_slice(text);
}

/// A row as it stands in the file; its key is in the reader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    pub(super) size: u64,
    pub(super) modified: i64,
    pub(super) crc32: Option<u32>,
    announced: bool,
    etag: RawEtag<'a>,
    version: Option<&'a str>,
}

#[derive(Clone, Copy, Debug)]
enum RawEtag<'a> {
    Digest([u8; 16], Option<u64>),
    Text(&'a str),
}

impl Raw<'_> {
    /// The row with this key.
    pub(super) fn row(self, key: &str) -> Row {
        Row {
            key: key.to_owned(),
            size: self.size,
            etag: match self.etag {
                RawEtag::Digest(md5, None) => format!("\"{}\"", hex::encode(md5)),
                RawEtag::Digest(md5, Some(parts)) => format!("\"{}-{parts}\"", hex::encode(md5)),
                RawEtag::Text(text) => text.to_owned(),
            },
            modified: self.modified,
            crc32: self.crc32,
            announced: self.announced,
            version: self.version.map(str::to_owned),
        }
    }
}

/// A place in the rows. Whatever bytes it is led over, it neither panics nor takes more memory than they have.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The key of the row that was read last, if there was one.
    key: Vec<u8>,
    started: bool,
}

impl<'a> Reader<'a> {
    /// A reader that stands at the start of a block.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Reader<'a> {
        Reader {
            bytes,
            at,
            key: Vec::new(),
            started: false,
        }
    }

    /// Where the next row begins.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The key of the row that was read last.
    pub(super) fn key(&self) -> &str {
        // Checked when it was read.
        std::str::from_utf8(&self.key).unwrap_or_default()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number().filter(|length| *length <= LONGEST_TEXT)?;
        self.take(length as usize)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// The next row, whose key has to follow the one that was read last. The first row of a block shares nothing with
    /// the key before it.
    ///
    /// # Errors
    /// [`StoredError::Row`], without its number.
    pub(super) fn row(&mut self, starts_block: bool) -> Result<Raw<'a>, StoredError> {
        self.try_row(starts_block)
            .ok_or(StoredError::Row { index: 0 })
    }

    fn try_row(&mut self, starts_block: bool) -> Option<Raw<'a>> {
        let [flags] = self.array()?;
        if flags & !KNOWN_FLAGS != 0 {
            return None;
        }
        let shared = usize::try_from(self.number()?).ok()?;
        if starts_block && shared > 0 {
            return None;
        }
        let rest = self.bytes()?;
        let follows = rest > self.key.get(shared..)? || !self.started;
        self.started = true;
        self.key.truncate(shared);
        self.key.extend_from_slice(rest);
        if !follows || self.key.len() as u64 > LONGEST_TEXT {
            return None;
        }
        std::str::from_utf8(&self.key).ok()?;
        let size = self.number()?;
        let modified = self.number()?;
        let etag = match flags & (MD5 | MD5_OF_PARTS) {
            0 => RawEtag::Text(self.text()?),
            MD5 => RawEtag::Digest(self.array()?, None),
            MD5_OF_PARTS => RawEtag::Digest(self.array()?, Some(self.number()?)),
            _ => return None,
        };
        let crc32 = match flags & HAS_CRC32 {
            0 => None,
            _ => Some(u32::from_le_bytes(self.array()?)),
        };
        let version = match flags & HAS_VERSION {
            0 => None,
            _ => Some(self.text()?),
        };
        Some(Raw {
            size,
            modified: (modified >> 1) as i64 ^ -((modified & 1) as i64),
            crc32,
            announced: flags & ANNOUNCED != 0,
            etag,
            version,
        })
    }
}
