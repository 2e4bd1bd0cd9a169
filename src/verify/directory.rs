//! The central directory (4.3.12), header by header: what each says by itself.

use super::Stop;
use super::extra::{Extent, Extra};
use super::fault::{FaultKind, Found, Header};
use super::names::unsafe_because;
use super::preflight::End;
use super::record::{
    CentralHeader, DEFLATED, DESCRIPTOR, EFFORT, ENCRYPTED, LATEST_VERSION, STORED, UTF_8,
};
use super::window::Window;

/// What is kept of a central header. The name is with the reader library.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    /// Where the local header starts.
    pub(super) offset: u64,
    /// The length of the data.
    pub(super) size: u64,
    /// Its length as it stands in the archive: the same where it is stored.
    pub(super) compressed: u64,
    /// The CRC-32 of the data.
    pub(super) crc32: u32,
    /// Its place in the directory.
    pub(super) index: u32,
    /// The general purpose bits.
    pub(super) flags: u16,
    /// Stored or deflated.
    pub(super) method: u16,
    /// The header has a Zip64 field.
    pub(super) zip64: bool,
}

/// Reads the directory and checks that its headers fill it exactly.
pub(super) async fn read(window: &mut Window, end: &End) -> Result<Vec<Listed>, Stop> {
    let mut listed = Vec::new();
    let mut at = end.directory.start;
    // Name, extra fields and comment of one header: each less than 64 KiB.
    let mut tail = Vec::new();
    window.go(at);
    while at < end.directory.end {
        let count = listed.len() as u64;
        let room = end.directory.end - at;
        let bad = |what| FaultKind::BadCentralHeader { what }.at(at);
        if room < CentralHeader::LEN as u64 {
            return Err(bad("it reaches beyond the directory").into());
        }
        let mut fixed = [0; CentralHeader::LEN];
        window.fill(&mut fixed).await?;
        let header = CentralHeader::parse(&fixed).ok_or_else(|| bad("it has no signature"))?;
        if count == end.entries {
            let (claimed, found) = (end.entries, Found::MoreThan(count));
            return Err(FaultKind::EntryCount { claimed, found }.at(at).into());
        }
        let tail_len = usize::from(header.name_len)
            + usize::from(header.extra_len)
            + usize::from(header.comment_len);
        let len = (CentralHeader::LEN + tail_len) as u64;
        if len > room {
            return Err(bad("it reaches beyond the directory").into());
        }
        tail.resize(tail_len, 0);
        window.fill(&mut tail).await?;
        let (name, rest) = tail.split_at(header.name_len.into());
        let extra = &rest[..header.extra_len.into()];
        let index = u32::try_from(count).map_err(|_| bad("there are too many before it"))?;
        let entry = check(&header, name, extra, index).map_err(|kind| kind.of_entry(name, at))?;
        listed.push(entry);
        at += len;
    }
    if listed.len() as u64 != end.entries {
        let (claimed, found) = (end.entries, Found::Exactly(listed.len() as u64));
        return Err(FaultKind::EntryCount { claimed, found }
            .at(end.directory.start)
            .into());
    }
    Ok(listed)
}

/// Checks one header by itself.
fn check(
    header: &CentralHeader,
    name: &[u8],
    extra: &[u8],
    index: u32,
) -> Result<Listed, FaultKind> {
    if let Some(why) = unsafe_because(name) {
        return Err(FaultKind::UnsafeName { why });
    }
    if header.flags & UTF_8 != 0 && std::str::from_utf8(name).is_err() {
        return Err(FaultKind::NameEncoding);
    }
    if header.flags & ENCRYPTED != 0 {
        return Err(FaultKind::Encrypted);
    }
    if !matches!(header.method, STORED | DEFLATED) {
        let method = header.method;
        return Err(FaultKind::UnsupportedMethod { method });
    }
    if header.flags & !(DESCRIPTOR | UTF_8 | EFFORT) != 0 {
        let flags = header.flags;
        return Err(FaultKind::UnsupportedFlags { flags });
    }
    if header.version_needed > LATEST_VERSION {
        return Err(FaultKind::UnsupportedVersion {
            header: Header::Central,
            version: header.version_needed,
        });
    }
    if header.disk != 0 {
        return Err(FaultKind::MultiDisk);
    }
    let extra = Extra::parse(extra, Header::Central)?;
    if extra.renames(name) {
        return Err(FaultKind::SecondName {
            header: Header::Central,
        });
    }
    let Extent {
        compressed,
        uncompressed,
        offset,
        zip64,
    } = extra.central_extent(header.compressed, header.uncompressed, header.offset)?;
    if header.method == STORED && compressed != uncompressed {
        return Err(FaultKind::SizesDiffer {
            compressed,
            uncompressed,
        });
    }
    check_type(header, name, uncompressed)?;
    Ok(Listed {
        offset,
        size: uncompressed,
        compressed,
        crc32: header.crc32,
        index,
        flags: header.flags,
        method: header.method,
        zip64,
    })
}

/// Is it a plain file, or a folder without data? A symbolic link would be another way out of the folder of extraction.
fn check_type(header: &CentralHeader, name: &[u8], size: u64) -> Result<(), FaultKind> {
    const UNIX: u16 = 3;
    const MACOS: u16 = 19;
    const TYPE: u32 = 0o170_000;
    let special = |what| Err(FaultKind::SpecialFile { what });
    let is_folder = name.ends_with(b"/");
    if is_folder && size > 0 {
        return special("a folder with data");
    }
    if !matches!(header.made_by >> 8, UNIX | MACOS) {
        return Ok(());
    }
    match (header.external >> 16) & TYPE {
        0 | 0o100_000 => Ok(()),
        0o040_000 if is_folder => Ok(()),
        0o040_000 => special("a folder whose name does not end like one"),
        0o120_000 => special("a symbolic link"),
        _ => special("a device, a pipe or the like"),
    }
}
