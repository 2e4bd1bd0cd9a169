//! Reading archives back: is every entry there, is it what the archive says, and is there nothing else?
//!
//! ```text
//! Source ─ Window ─┬─ preflight: the end records, before anything is believed
//!   file           ├─ directory: each central header by itself
//!   URL            ├─ async_zip: the directory and the data once more, with eyes of its own
//!   object         └─ entries: local header, data, CRC-32, descriptor, against the central header
//! ```
//!
//! Entries are checked in the order of their offsets, and each must end exactly where the next one starts: nothing
//! overlaps (so that no archive takes longer than its length, and what that can inflate to: at most a thousand times as
//! much, of which nothing is kept) and no byte is left out. Deflated data must end where its compressed size says, and
//! inflating stops at the first byte beyond its size.
//! What is not compared is what cannot do harm: times, permissions, comments, extra fields without a meaning here,
//! and the version that an archive was made by.
//!
//! Memory is one window, and what is kept of the directory (some 350 bytes an entry and its name). Nothing is
//! allocated because an archive says so: claims are first held against the length of the file and stated bounds.
//!
//! | file | owns |
//! |---|---|
//! | `source.rs` | files, URLs and objects, read in ranges |
//! | `remote.rs` | URLs over HTTP |
//! | `remote/redirect.rs` | which URLs are asked, and where redirects may lead |
//! | `remote/error.rs` | how that fails |
//! | `content_range.rs` | the Content-Range header |
//! | `window.rs` | one run of bytes in memory, as a reader that can seek |
//! | `record.rs` | the records of an archive |
//! | `extra.rs` | extra fields, Zip64 among them |
//! | `preflight.rs` | the end of an archive |
//! | `directory.rs` | the central directory |
//! | `names.rs` | unsafe and repeated names |
//! | `entries.rs` | one entry |
//! | `inflate.rs` | the data of a deflated one |
//! | `fault.rs` | what can be wrong |

#![allow(
    deprecated,
    reason = "the reader that takes the place of `read::seek` in async_zip 0.0.19 fails on a Zip64 field without sizes"
)]

mod content_range;
mod directory;
mod entries;
mod extra;
mod fault;
mod inflate;
mod names;
mod preflight;
mod record;
mod remote;
mod source;
mod window;

#[cfg(test)]
mod tests;

use std::io;

use async_zip::base::read::seek::ZipFileReader;
use async_zip::error::ZipError;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use directory::Listed;
use entries::EntryCheck;
pub use fault::{Fault, FaultKind, Found, Header};
use preflight::End;
use record::LocalHeader;
pub use remote::RemoteError;
pub use source::{Source, SourceError};
use window::Window;

/// The window over a source, in bytes: large enough for a remote read to be worth its way.
const WINDOW: usize = 8 << 20;

/// What was found. As JSON it is one object with `ok`, the counts, and `fault` where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What was read, as it was named.
    pub source: String,
    /// Entries found sound. After a fault: those before it.
    pub entries: u64,
    /// The bytes of their data.
    pub bytes: u64,
    /// The length of the archive in bytes.
    pub length: u64,
    /// There is Zip64 somewhere: at the end, or with an entry found sound.
    pub zip64: bool,
    /// Entries found sound that have a data descriptor.
    pub descriptors: u64,
    /// The first fault.
    pub fault: Option<Fault>,
}

impl Report {
    /// Is the archive sound?
    pub fn is_ok(&self) -> bool {
        self.fault.is_none()
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 8)?;
        report.serialize_field("ok", &self.is_ok())?;
        report.serialize_field("source", &self.source)?;
        report.serialize_field("entries", &self.entries)?;
        report.serialize_field("bytes", &self.bytes)?;
        report.serialize_field("length", &self.length)?;
        report.serialize_field("zip64", &self.zip64)?;
        report.serialize_field("descriptors", &self.descriptors)?;
        match &self.fault {
            Some(fault) => report.serialize_field("fault", fault)?,
            None => report.skip_field("fault")?,
        }
        report.end()
    }
}

/// Reads an archive back. `name` is what the report calls it; `progress` hears up to which byte it has come.
///
/// What is wrong with the archive is in the report; an error means that it could not be read.
///
/// # Errors
/// [`SourceError`] where the source fails or changes on the way.
pub async fn check(
    source: Source,
    name: &str,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Report, SourceError> {
    check_through(source, WINDOW, name, progress).await
}

async fn check_through(
    source: Source,
    window: usize,
    name: &str,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<Report, SourceError> {
    let mut report = Report {
        source: name.to_owned(),
        entries: 0,
        bytes: 0,
        length: source.len(),
        zip64: false,
        descriptors: 0,
        fault: None,
    };
    match read_through(Window::new(source, window), &mut report, progress).await {
        Ok(()) => {}
        Err(Stop::Fault(fault)) => report.fault = Some(*fault),
        Err(Stop::Source(error)) => return Err(error),
    }
    Ok(report)
}

/// Reads the directory of an archive back, and none of its data: the fault in it, if there is one. It must list so many
/// entries.
///
/// # Errors
/// [`SourceError`] where the source fails or changes on the way.
pub async fn list(source: Source, entries: u64) -> Result<Option<Fault>, SourceError> {
    match directory_of(Window::new(source, WINDOW)).await {
        Ok((listed, _, end)) if listed.len() as u64 != entries => {
            let (claimed, found) = (entries, Found::Exactly(listed.len() as u64));
            let kind = FaultKind::EntryCount { claimed, found };
            Ok(Some(kind.at(end.directory.start)))
        }
        Ok(_) => Ok(None),
        Err(Stop::Fault(fault)) => Ok(Some(*fault)),
        Err(Stop::Source(error)) => Err(error),
    }
}

/// The entries in the order of their offsets, as both readers see them.
async fn directory_of(
    mut window: Window,
) -> Result<(Vec<Listed>, ZipFileReader<Window>, End), Stop> {
    let end = preflight::find(&mut window).await?;
    let mut listed = directory::read(&mut window, &end).await?;
    let reader = ZipFileReader::new(window)
        .await
        .map_err(|error| Stop::from_reader(error, b"", end.directory.start))?;
    compare_directories(&listed, &reader)?;
    listed.sort_unstable_by_key(|entry| entry.offset);
    check_extents(&listed, &end, &reader)?;
    Ok((listed, reader, end))
}

async fn read_through(
    window: Window,
    report: &mut Report,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<(), Stop> {
    let (listed, mut reader, end) = directory_of(window).await?;
    report.zip64 = end.zip64;
    let limits = listed.iter().skip(1).map(|next| next.offset);
    let limits = limits.chain([end.directory.start]);
    let mut entries = EntryCheck::new(&mut reader);
    for (entry, limit) in listed.iter().zip(limits) {
        let sound = entries.check(entry, limit, progress).await?;
        report.entries += 1;
        report.bytes += entry.size;
        report.zip64 |= sound.zip64;
        report.descriptors += u64::from(sound.descriptor);
        progress(limit);
    }
    progress(report.length);
    Ok(())
}

/// The reader library must see the same entries, and no name twice.
fn compare_directories(listed: &[Listed], reader: &ZipFileReader<Window>) -> Result<(), Stop> {
    let seen = reader.file().entries();
    let same = |(ours, theirs): (&Listed, &async_zip::StoredZipEntry)| {
        ours.offset == theirs.header_offset()
            && ours.crc32 == theirs.crc32()
            && theirs.compressed_size() == ours.compressed
            && theirs.uncompressed_size() == ours.size
    };
    if seen.len() != listed.len() || !listed.iter().zip(seen).all(same) {
        let reason = "it finds other entries in the central directory".to_owned();
        return Err(FaultKind::ReaderRefuses { reason }.of_archive().into());
    }
    match names::duplicate(listed.len(), |index| seen[index].filename().as_bytes()) {
        Some(index) => Err(FaultKind::DuplicateName
            .of_entry(seen[index].filename().as_bytes(), listed[index].offset)
            .into()),
        None => Ok(()),
    }
}

/// Entries must not overlap, by the least that each of them takes. Known before any data is read, this bounds the
/// time that an archive can cost.
fn check_extents(sorted: &[Listed], end: &End, reader: &ZipFileReader<Window>) -> Result<(), Stop> {
    let first = sorted
        .first()
        .map_or(end.directory.start, |entry| entry.offset);
    if first > 0 && first <= end.directory.start {
        return Err(FaultKind::PrefixData { bytes: first }.at(0).into());
    }
    for (at, entry) in sorted.iter().enumerate() {
        let limit = sorted
            .get(at + 1)
            .map_or(end.directory.start, |next| next.offset);
        let name = reader.file().entries()[entry.index as usize]
            .filename()
            .as_bytes();
        let least = (LocalHeader::LEN + name.len()) as u64;
        let end = entry
            .offset
            .saturating_add(least)
            .saturating_add(entry.compressed);
        if end > limit {
            return Err(FaultKind::Overlap { end, limit }
                .of_entry(name, entry.offset)
                .into());
        }
    }
    Ok(())
}

/// Why checking does not go on.
#[derive(Debug)]
enum Stop {
    /// The archive is faulty.
    Fault(Box<Fault>),
    /// The source cannot be read.
    Source(SourceError),
}

impl Stop {
    /// What the reader library says: a failure of the source that passed through it, or its own opinion.
    fn from_reader(error: ZipError, name: &[u8], offset: u64) -> Stop {
        match error {
            ZipError::UpstreamReadError(error) => error.into(),
            error => {
                let reason = error.to_string();
                let mut fault = FaultKind::ReaderRefuses { reason }.of_entry(name, offset);
                fault.entry = fault.entry.filter(|name| !name.is_empty());
                fault.into()
            }
        }
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(Box::new(fault))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        match error.downcast::<SourceError>() {
            Ok(error) => Stop::Source(error),
            // The window itself fails at the end of the source only.
            Err(_) => FaultKind::Truncated.of_archive().into(),
        }
    }
}
