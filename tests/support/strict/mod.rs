//! A strict reader of archives while they come: it sees every byte once, keeps none of the data, and accepts only what
//! the archive's own rules allow. Written from APPNOTE 6.3.10; it shares no code with the writer.
//!
//! An archive is refused where a record disagrees with the data, with another record or with the rules for its form:
//! entries lie side by side from the first byte to the directory, Zip64 stands exactly where it must, and nothing
//! follows the end.

mod record;

use std::error::Error;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use crc32fast::Hasher;
use futures::stream::{Stream, StreamExt};

use super::walk::Held;
use record::{Common, Record, same};

pub use record::Refused;

/// An archive that was read to its end.
#[derive(Debug)]
pub struct Strict {
    /// In the order of their headers.
    pub entries: Vec<Entry>,
    /// The length of the archive in bytes.
    pub len: u64,
    /// Whether it ends with the Zip64 record and its locator.
    pub zip64_end: bool,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The whole path.
    pub name: String,
    /// What came between the headers, hashed here.
    pub held: Held,
    /// Where its local header starts.
    pub offset: u64,
    /// The modification time of the extended timestamp, in Unix seconds.
    pub modified: i64,
    /// Whether a data descriptor follows the data.
    pub described: bool,
    /// Whether Zip64 stands in the local header.
    pub local_zip64: bool,
    /// DOS time and date, as both headers have them.
    dos: (u64, u64),
}

const LOCAL_HEADER: u64 = 0x0403_4B50;
const CENTRAL_HEADER: u64 = 0x0201_4B50;
const DESCRIPTOR: u64 = 0x0807_4B50;
const ZIP64_END: u64 = 0x0606_4B50;
const ZIP64_LOCATOR: u64 = 0x0706_4B50;
const END: u64 = 0x0605_4B50;

/// Bits of the flags, APPNOTE 4.4.4.
const DESCRIBED: u64 = 1 << 3;
const UTF_8: u64 = 1 << 11;

const MAX_32: u64 = 0xFFFF_FFFF;

/// Reads an archive from its frames.
///
/// # Errors
/// [`Refused`], with the offset of the first record that is wrong.
pub async fn read<E>(frames: impl Stream<Item = Result<Bytes, E>>) -> Result<Strict, Refused>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut archive = Archive {
        frames: pin!(frames),
        frame: Bytes::new(),
        at: 0,
    };
    let mut entries = Vec::new();
    let mut offset = 0;
    let mut signature = archive.record(4).await?.number(4)?;
    while signature == LOCAL_HEADER {
        entries.push(archive.entry(offset).await?);
        offset = archive.at;
        signature = archive.record(4).await?.number(4)?;
    }
    let directory = offset;
    for entry in &entries {
        same(offset, "a signature", CENTRAL_HEADER, signature)?;
        archive.central_header(entry).await?;
        offset = archive.at;
        signature = archive.record(4).await?.number(4)?;
    }
    let count = entries.len() as u64;
    let zip64_end = archive.end(count, directory, offset, signature).await?;
    match archive.more().await {
        Err(Refused::Short { at: len }) => Ok(Strict {
            entries,
            len,
            zip64_end,
        }),
        Err(error) => Err(error),
        Ok(()) => Err(Refused::Wrong {
            at: archive.at,
            what: "the number of bytes that follow",
            expected: 0,
            actual: archive.frame.len() as u64,
        }),
    }
}

/// The archive as far as it has come.
struct Archive<S> {
    frames: S,
    frame: Bytes,
    at: u64,
}

impl<S, E> Archive<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    /// Waits for a byte.
    async fn more(&mut self) -> Result<(), Refused> {
        let at = self.at;
        while self.frame.is_empty() {
            self.frame = match self.frames.next().await {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    let source = error.into();
                    return Err(Refused::Broken { at, source });
                }
                None => return Err(Refused::Short { at }),
            };
        }
        Ok(())
    }

    /// Some bytes of what is left of the current frame, at most `most`.
    async fn some(&mut self, most: u64) -> Result<Bytes, Refused> {
        self.more().await?;
        let len = most.min(self.frame.len() as u64);
        self.at += len;
        Ok(self.frame.split_to(len as usize))
    }

    /// The next `len` bytes, whole.
    async fn record(&mut self, len: u64) -> Result<Record, Refused> {
        let at = self.at;
        let mut fields = BytesMut::new();
        while (fields.len() as u64) < len {
            let rest = len - fields.len() as u64;
            fields.extend_from_slice(&self.some(rest).await?);
        }
        let fields = fields.freeze();
        Ok(Record { at, fields })
    }

    /// The CRC-32 of the next `len` bytes.
    async fn hash(&mut self, mut len: u64) -> Result<u32, Refused> {
        let mut hasher = Hasher::new();
        while len > 0 {
            let bytes = self.some(len).await?;
            hasher.update(&bytes);
            len -= bytes.len() as u64;
        }
        Ok(hasher.finalize())
    }

    /// Local header (4.3.7), data and descriptor (4.3.9), after the header's signature.
    async fn entry(&mut self, offset: u64) -> Result<Entry, Refused> {
        let mut header = self.record(26).await?;
        let version = header.number(2)?;
        let fields = header.common()?;
        let (name, extra) = self.name_and_extra(&fields).await?;
        let name = String::from_utf8(name.into()).map_err(|error| Refused::Name {
            at: offset,
            name: error.into_bytes().into(),
        })?;
        let described = fields.flags & DESCRIBED != 0;
        let utf_8 = if name.is_ascii() { 0 } else { UTF_8 };
        let flags = utf_8 | fields.flags & DESCRIBED;
        same(offset, "the flags", flags, fields.flags)?;
        let (zip64, modified) = extra.parse()?;
        let local_zip64 = !zip64.is_empty();
        let size = *zip64.first().unwrap_or(&fields.uncompressed);
        let due = size >= MAX_32 || described && offset >= MAX_32;
        same(offset, "Zip64 in front", due.into(), local_zip64.into())?;
        if local_zip64 {
            same(offset, "the Zip64 fields", 2, zip64.len() as u64)?;
            same(offset, "the Zip64 size", size, zip64[1])?;
        }
        let short = if local_zip64 { MAX_32 } else { size };
        same(offset, "the size", short, fields.uncompressed)?;
        same(offset, "the compressed size", short, fields.compressed)?;
        let needed = if local_zip64 { 45 } else { 20 };
        same(offset, "the version needed", needed, version)?;

        let crc32 = self.hash(size).await?;
        let in_front = if described { 0 } else { crc32.into() };
        same(offset, "the CRC-32 in front", in_front, fields.crc32)?;
        if described {
            let width = if local_zip64 { 8 } else { 4 };
            let mut descriptor = self.record(8 + 2 * width).await?;
            descriptor.expect("a descriptor's signature", 4, DESCRIPTOR)?;
            descriptor.expect("the CRC-32 behind", 4, crc32.into())?;
            descriptor.expect("the compressed size behind", width as usize, size)?;
            descriptor.expect("the size behind", width as usize, size)?;
        }
        Ok(Entry {
            name,
            held: Held { size, crc32 },
            offset,
            modified,
            described,
            local_zip64,
            dos: (fields.time, fields.date),
        })
    }

    /// Central directory header (4.3.12) of `entry`, after its signature.
    async fn central_header(&mut self, entry: &Entry) -> Result<(), Refused> {
        let size = entry.held.size;
        let saturated = [size, size, entry.offset].map(|value| value >= MAX_32);
        let zip64_due = saturated.contains(&true);
        let mut header = self.record(42).await?;
        header.expect("the version made by", 2, 0x032D)?;
        header.expect("the version needed", 2, if zip64_due { 45 } else { 20 })?;
        let fields = header.common()?;
        header.expect("the length of the comment", 2, 0)?;
        header.expect("the disk", 2, 0)?;
        header.expect("the internal attributes", 2, 0)?;
        header.expect("the external attributes", 4, 0o100_644 << 16)?;
        header.expect("the offset", 4, entry.offset.min(MAX_32))?;
        let at = header.at;
        let utf_8 = if entry.name.is_ascii() { 0 } else { UTF_8 };
        let described = if entry.described { DESCRIBED } else { 0 };
        for (what, expected, actual) in [
            ("the flags", utf_8 | described, fields.flags),
            ("the DOS time", entry.dos.0, fields.time),
            ("the DOS date", entry.dos.1, fields.date),
            ("the CRC-32", entry.held.crc32.into(), fields.crc32),
            ("the compressed size", size.min(MAX_32), fields.compressed),
            ("the size", size.min(MAX_32), fields.uncompressed),
        ] {
            same(at, what, expected, actual)?;
        }
        let (name, extra) = self.name_and_extra(&fields).await?;
        if name != entry.name {
            return Err(Refused::Name { at, name });
        }
        let (zip64, modified) = extra.parse()?;
        let values = [size, size, entry.offset].into_iter().zip(saturated);
        let values: Vec<u64> = values
            .filter(|(_, due)| *due)
            .map(|(value, _)| value)
            .collect();
        same(
            at,
            "the Zip64 fields",
            values.len() as u64,
            zip64.len() as u64,
        )?;
        for (expected, actual) in values.into_iter().zip(zip64) {
            same(at, "a Zip64 field", expected, actual)?;
        }
        same(at, "the timestamp", entry.modified as u64, modified as u64)
    }

    /// What follows the directory (4.3.14 to 4.3.16), after its first signature, which stands at `end`.
    async fn end(
        &mut self,
        count: u64,
        directory: u64,
        end: u64,
        mut signature: u64,
    ) -> Result<bool, Refused> {
        let len = end - directory;
        let zip64 = count >= 0xFFFF || len >= MAX_32 || directory >= MAX_32;
        if zip64 {
            same(end, "a signature", ZIP64_END, signature)?;
            let mut record = self.record(72).await?;
            record.expect("the length of the record", 8, 44)?;
            record.expect("the version made by", 2, 0x032D)?;
            record.expect("the version needed", 2, 45)?;
            record.expect("the disk", 4, 0)?;
            record.expect("the directory's disk", 4, 0)?;
            record.expect("the entries here", 8, count)?;
            record.expect("the entries", 8, count)?;
            record.expect("the length of the directory", 8, len)?;
            record.expect("the offset of the directory", 8, directory)?;
            record.expect("a signature", 4, ZIP64_LOCATOR)?;
            record.expect("the record's disk", 4, 0)?;
            record.expect("the offset of the record", 8, end)?;
            record.expect("the disks", 4, 1)?;
            signature = self.record(4).await?.number(4)?;
        }
        same(end, "a signature", END, signature)?;
        let mut record = self.record(18).await?;
        record.expect("the disk", 2, 0)?;
        record.expect("the directory's disk", 2, 0)?;
        record.expect("the entries here", 2, count.min(0xFFFF))?;
        record.expect("the entries", 2, count.min(0xFFFF))?;
        record.expect("the length of the directory", 4, len.min(MAX_32))?;
        record.expect("the offset of the directory", 4, directory.min(MAX_32))?;
        record.expect("the length of the comment", 2, 0)?;
        Ok(zip64)
    }

    async fn name_and_extra(&mut self, fields: &Common) -> Result<(Bytes, Record), Refused> {
        let name = self.record(fields.name_len).await?.fields;
        Ok((name, self.record(fields.extra_len).await?))
    }
}
