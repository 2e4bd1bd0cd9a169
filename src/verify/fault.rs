//! What can be wrong with an archive: one [`FaultKind`] a way of being wrong, each with a stable code.

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

/// The first thing that is wrong with an archive.
///
/// As JSON: `{"entry":…,"offset":…,"kind":…,"detail":…}`, `entry` and `offset` being `null` where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The entry's name as the archive has it, what is not UTF-8 replaced.
    pub entry: Option<String>,
    /// Where the record or the data starts that is wrong, in bytes from the start of the archive.
    pub offset: Option<u64>,
    /// What is wrong.
    pub kind: FaultKind,
}

/// The ways in which an archive can be wrong. Section numbers are those of APPNOTE.TXT 6.3.10.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultKind {
    /// No end record, and no local header at the start.
    #[error("this is no ZIP archive: it has no end of central directory record")]
    NotAZip,
    /// It begins like an archive, but the end is missing.
    #[error("the archive is cut off: its end of central directory record is missing or incomplete")]
    Truncated,
    /// Bytes after the end record that its comment does not account for (4.3.16).
    #[error("{bytes} bytes follow the end of the archive")]
    TrailingData {
        /// How many.
        bytes: u64,
    },
    /// Bytes before the first entry.
    #[error("{bytes} bytes precede the archive")]
    PrefixData {
        /// How many.
        bytes: u64,
    },
    /// Two end records, each of which reaches exactly to the end: readers differ in which they take.
    #[error(
        "the archive has two ends: its comment contains another end of central directory record"
    )]
    AmbiguousEnd,
    /// A number of a disk that is not the first and only one (4.4.19, 4.4.11).
    #[error("the archive claims to be one part of several")]
    MultiDisk,
    /// The Zip64 end record or its locator is missing or contradicts the rest (4.3.14, 4.3.15).
    #[error("the Zip64 end of the archive is wrong: {what}")]
    Zip64End {
        /// What about it.
        what: &'static str,
    },
    /// The directory is not where the end record says.
    #[error(
        "the central directory is said to have {len} bytes from {start} on, but must end by {limit}"
    )]
    DirectoryOutOfBounds {
        /// Its claimed offset.
        start: u64,
        /// Its claimed length in bytes.
        len: u64,
        /// Where the end records start.
        limit: u64,
    },
    /// More directory than verify reads into memory.
    #[error("the central directory has {len} bytes; at most {limit} are checked")]
    DirectoryTooLarge {
        /// Its length in bytes.
        len: u64,
        /// The bound.
        limit: u64,
    },
    /// More entries than verify keeps in memory.
    #[error("the archive has {entries} entries; at most {limit} are checked")]
    TooManyEntries {
        /// The claimed number.
        entries: u64,
        /// The bound.
        limit: u64,
    },
    /// The directory holds fewer or more entries than the end record says (4.4.22).
    #[error("the end record counts {claimed} entries, but the central directory {found}")]
    EntryCount {
        /// The claimed number.
        claimed: u64,
        /// What the directory holds, in words.
        found: Found,
    },
    /// A central header that is none (4.3.12).
    #[error("the central header is wrong: {what}")]
    BadCentralHeader {
        /// What about it.
        what: &'static str,
    },
    /// A local header that is none (4.3.7).
    #[error("the local header is wrong: {what}")]
    BadLocalHeader {
        /// What about it.
        what: &'static str,
    },
    /// An extra field that does not fit into its header (4.5).
    #[error("an extra field of the {header} header is wrong: {what}")]
    BadExtraField {
        /// Which of the two headers.
        header: Header,
        /// What about it.
        what: &'static str,
    },
    /// A Zip64 extra field that does not match the fields of its header (4.5.3).
    #[error("the {header} header and its Zip64 extra field do not match: {what}")]
    Zip64Entry {
        /// Which of the two headers.
        header: Header,
        /// What does not match.
        what: &'static str,
    },
    /// A newer version of the format than stored and deflated entries can need (4.4.3).
    #[error(
        "the {header} header asks for version {version} of the format; stored and deflated entries need 45 at most"
    )]
    UnsupportedVersion {
        /// Which of the two headers.
        header: Header,
        /// Ten times the version.
        version: u16,
    },
    /// Another method than stored and deflated (4.4.5).
    #[error(
        "the entry is compressed by method {method}, but verify checks stored and deflated entries only"
    )]
    UnsupportedMethod {
        /// The number of the method.
        method: u16,
    },
    /// An encrypted entry (bits 0, 6 and 13 of 4.4.4).
    #[error("the entry is encrypted, and verify has no keys")]
    Encrypted,
    /// General purpose bits without a meaning for a stored entry (4.4.4).
    #[error(
        "the entry has general purpose bits {flags:#06x}, which have no meaning for stored entries"
    )]
    UnsupportedFlags {
        /// All of its bits.
        flags: u16,
    },
    /// A stored entry whose two sizes differ (4.4.8, 4.4.9).
    #[error(
        "the entry is stored, but its compressed size is {compressed} and its uncompressed size {uncompressed}"
    )]
    SizesDiffer {
        /// The compressed size in bytes.
        compressed: u64,
        /// The uncompressed size in bytes.
        uncompressed: u64,
    },
    /// A name that can lead out of the folder that the archive is extracted into (4.4.17).
    #[error("the entry's name is unsafe: it {why}")]
    UnsafeName {
        /// What about it.
        why: &'static str,
    },
    /// A name that is not in the encoding that bit 11 announces (appendix D).
    #[error("the entry's name is marked as UTF-8, but is not")]
    NameEncoding,
    /// A Unicode path extra field (4.6.9) that names the entry otherwise than its header.
    #[error("the {header} header gives the entry a second name in a Unicode path field")]
    SecondName {
        /// Which of the two headers.
        header: Header,
    },
    /// A name that another entry has as well.
    #[error("another entry has the same name")]
    DuplicateName,
    /// A symbolic link, a device, or a folder with data.
    #[error("the entry is no plain file: {what}")]
    SpecialFile {
        /// What it is.
        what: &'static str,
    },
    /// The entry reaches into the next one, or into the directory.
    #[error("the entry reaches to {end}, but what follows it starts at {limit}")]
    Overlap {
        /// Where the entry ends.
        end: u64,
        /// Where the next record starts.
        limit: u64,
    },
    /// Bytes that no record accounts for.
    #[error("{bytes} bytes belong to no entry and no record")]
    Gap {
        /// How many.
        bytes: u64,
    },
    /// The local header says something else than the central one.
    #[error("the local header has {field} {local}, the central directory {central}")]
    HeadersDiffer {
        /// The field.
        field: &'static str,
        /// Its value in the local header.
        local: String,
        /// Its value in the central header.
        central: String,
    },
    /// A data descriptor that is missing or says something else than the central header (4.3.9).
    #[error("the data descriptor is wrong: {what}")]
    WrongDescriptor {
        /// What about it.
        what: &'static str,
    },
    /// Data that is said to be deflated and is not, or becomes another length (4.4.5).
    #[error("the deflated data is wrong: {what}")]
    BadDeflate {
        /// What about it.
        what: &'static str,
    },
    /// The data is not what it was when the CRC-32 was taken (4.4.7).
    #[error("the data has CRC-32 {actual:08x}, but the central directory says {expected:08x}")]
    WrongCrc32 {
        /// What the directory says.
        expected: u32,
        /// That of the data.
        actual: u32,
    },
    /// The reader library does not take the archive, or sees something else in it.
    #[error("a ZIP reader refuses the archive: {reason}")]
    ReaderRefuses {
        /// Its words.
        reason: String,
    },
}

/// One of the two headers of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The local file header (4.3.7).
    Local,
    /// The central directory header (4.3.12).
    Central,
}

/// How many entries a directory holds, as far as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Exactly so many.
    Exactly(u64),
    /// It is not long enough for more than so many.
    AtMost(u64),
    /// It goes on after so many.
    MoreThan(u64),
}

impl std::fmt::Display for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Header::Local => "local",
            Header::Central => "central",
        })
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Found::Exactly(count) => write!(f, "holds {count}"),
            Found::AtMost(count) => write!(f, "has room for {count} at most"),
            Found::MoreThan(count) => write!(f, "goes on after {count}"),
        }
    }
}

impl FaultKind {
    /// The stable name of the kind, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            FaultKind::NotAZip => "not-a-zip",
            FaultKind::Truncated => "truncated",
            FaultKind::TrailingData { .. } => "trailing-data",
            FaultKind::PrefixData { .. } => "prefix-data",
            FaultKind::AmbiguousEnd => "ambiguous-end",
            FaultKind::MultiDisk => "multi-disk",
            FaultKind::Zip64End { .. } => "zip64-end",
            FaultKind::DirectoryOutOfBounds { .. } => "directory-out-of-bounds",
            FaultKind::DirectoryTooLarge { .. } => "directory-too-large",
            FaultKind::TooManyEntries { .. } => "too-many-entries",
            FaultKind::EntryCount { .. } => "entry-count",
            FaultKind::BadCentralHeader { .. } => "bad-central-header",
            FaultKind::BadLocalHeader { .. } => "bad-local-header",
            FaultKind::BadExtraField { .. } => "bad-extra-field",
            FaultKind::Zip64Entry { .. } => "zip64-entry",
            FaultKind::UnsupportedVersion { .. } => "unsupported-version",
            FaultKind::UnsupportedMethod { .. } => "unsupported-method",
            FaultKind::Encrypted => "encrypted",
            FaultKind::UnsupportedFlags { .. } => "unsupported-flags",
            FaultKind::SizesDiffer { .. } => "sizes-differ",
            FaultKind::UnsafeName { .. } => "unsafe-name",
            FaultKind::NameEncoding => "name-encoding",
            FaultKind::SecondName { .. } => "second-name",
            FaultKind::DuplicateName => "duplicate-name",
            FaultKind::SpecialFile { .. } => "special-file",
            FaultKind::Overlap { .. } => "overlap",
            FaultKind::Gap { .. } => "gap",
            FaultKind::HeadersDiffer { .. } => "headers-differ",
            FaultKind::WrongDescriptor { .. } => "wrong-descriptor",
            FaultKind::BadDeflate { .. } => "bad-deflate",
            FaultKind::WrongCrc32 { .. } => "wrong-crc32",
            FaultKind::ReaderRefuses { .. } => "reader-refuses",
        }
    }

    /// The fault of an archive as a whole.
    pub(super) fn of_archive(self) -> Fault {
        Fault {
            entry: None,
            offset: None,
            kind: self,
        }
    }

    /// The fault of a record that belongs to no entry.
    pub(super) fn at(self, offset: u64) -> Fault {
        Fault {
            entry: None,
            offset: Some(offset),
            kind: self,
        }
    }

    /// The fault of an entry.
    pub(super) fn of_entry(self, name: &[u8], offset: u64) -> Fault {
        Fault {
            entry: Some(String::from_utf8_lossy(name).into_owned()),
            offset: Some(offset),
            kind: self,
        }
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fault = serializer.serialize_struct("Fault", 4)?;
        fault.serialize_field("entry", &self.entry)?;
        fault.serialize_field("offset", &self.offset)?;
        fault.serialize_field("kind", self.kind.code())?;
        fault.serialize_field("detail", &self.kind.to_string())?;
        fault.end()
    }
}
