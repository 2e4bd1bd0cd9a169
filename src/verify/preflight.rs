//! The end of an archive (4.3.14 to 4.3.16), checked before anything is believed that it says.
//!
//! After [`find`] the directory lies within the file and ends where the end records start, its length is bounded,
//! and the number of entries is one that it has room for.

use std::ops::Range;

use futures::io::AsyncReadExt;

use super::Stop;
use super::fault::{Fault, FaultKind, Found};
use super::record::{
    CentralHeader, EndRecord, LATEST_VERSION, LocalHeader, SATURATED_16, SATURATED_32,
    Zip64Locator, Zip64Record,
};
use super::window::Window;

/// The most bytes of central directory that are checked: 1 GiB, ten million entries with names of 50 bytes.
pub(super) const DIRECTORY_MAX: u64 = 1 << 30;

/// The most entries that are checked. Each takes some 350 bytes of memory and its name.
pub(super) const ENTRIES_MAX: u64 = 10_000_000;

/// How much of the end is fetched at once: enough for the directory of some ten thousand entries, so that a small
/// archive takes few reads.
const TAIL: u64 = 1 << 20;

/// Where the end record must start at the latest from the end: its own length and the longest comment.
const END_MAX: u64 = EndRecord::LEN as u64 + u16::MAX as u64;

/// What the end of an archive says, checked against the length of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Where the central directory lies.
    pub(super) directory: Range<u64>,
    /// How many entries it holds.
    pub(super) entries: u64,
    /// There is a Zip64 end record.
    pub(super) zip64: bool,
}

/// What the end records claim, unchecked.
struct Claim {
    /// Where the first of the end records starts.
    start: u64,
    entries: u64,
    directory_len: u64,
    directory_offset: u64,
    zip64: bool,
}

/// Finds and checks the end of the archive.
pub(super) async fn find(window: &mut Window) -> Result<End, Stop> {
    let len = window.len();
    let tail_len = len.min(END_MAX);
    window.go_ahead(len.saturating_sub(TAIL), 1);
    // Begins the window there, so that what follows finds the whole tail in it.
    window.fill(&mut [0; 1][..usize::from(len > 0)]).await?;
    window.go(len - tail_len);
    let mut tail = Vec::new();
    window.read_to_end(&mut tail).await?;

    let Some((at, record)) = last_record(&tail)? else {
        return Err(missing(window).await?.into());
    };
    let at = len - tail_len + at as u64;
    if record.disk != 0 && record.disk != SATURATED_16 || record.entries != record.entries_here {
        return Err(FaultKind::MultiDisk.at(at).into());
    }
    let claim = match locator(window, at).await? {
        Some(locator) => zip64_claim(window, at, &record, locator).await?,
        None if record.directory_offset == SATURATED_32 || record.directory_len == SATURATED_32 => {
            return Err(zip64("a field is saturated, but there is no locator", at));
        }
        None if record.disk != 0 || record.directory_disk != 0 => {
            return Err(FaultKind::MultiDisk.at(at).into());
        }
        None => Claim {
            start: at,
            entries: record.entries.into(),
            directory_len: record.directory_len.into(),
            directory_offset: record.directory_offset.into(),
            zip64: false,
        },
    };
    check(window, claim).await
}

/// The last end record in the tail, where it and its comment end exactly at the end of the archive.
///
/// Readers search for it from the back or from the front; an archive in which that makes a difference is faulty.
fn last_record(tail: &[u8]) -> Result<Option<(usize, EndRecord)>, Fault> {
    let mut found = None;
    let starts = tail
        .windows(EndRecord::SIGNATURE.len())
        .enumerate()
        .filter(|(_, bytes)| **bytes == EndRecord::SIGNATURE)
        .map(|(at, _)| at)
        .rev();
    for at in starts {
        let reaches = EndRecord::parse(&tail[at..]).map(|record| {
            let end = at + EndRecord::LEN + usize::from(record.comment_len);
            (record, end)
        });
        match (&found, reaches) {
            (None, Some((record, end))) if end == tail.len() => found = Some((at, record)),
            (None, Some((_, end))) if end < tail.len() => {
                let bytes = (tail.len() - end) as u64;
                return Err(FaultKind::TrailingData { bytes }.of_archive());
            }
            (None, _) => return Err(FaultKind::Truncated.of_archive()),
            (Some(_), Some((_, end))) if end == tail.len() => {
                return Err(FaultKind::AmbiguousEnd.of_archive());
            }
            (Some(_), _) => {}
        }
    }
    Ok(found)
}

/// What it means that there is no end record.
async fn missing(window: &mut Window) -> Result<Fault, Stop> {
    let mut start = [0; LocalHeader::SIGNATURE.len()];
    if window.len() < start.len() as u64 {
        return Ok(FaultKind::NotAZip.of_archive());
    }
    window.go(0);
    window.fill(&mut start).await?;
    Ok(if start == LocalHeader::SIGNATURE {
        FaultKind::Truncated.of_archive()
    } else {
        FaultKind::NotAZip.of_archive()
    })
}

/// The locator right before the end record, if there is one.
async fn locator(window: &mut Window, end_record: u64) -> Result<Option<Zip64Locator>, Stop> {
    let Some(at) = end_record.checked_sub(Zip64Locator::LEN as u64) else {
        return Ok(None);
    };
    let mut bytes = [0; Zip64Locator::LEN];
    window.go(at);
    window.fill(&mut bytes).await?;
    Ok(Zip64Locator::parse(&bytes))
}

/// What the Zip64 end record says. The end record must say the same wherever it is not saturated.
async fn zip64_claim(
    window: &mut Window,
    at: u64,
    end: &EndRecord,
    locator: Zip64Locator,
) -> Result<Claim, Stop> {
    let locator_at = at - Zip64Locator::LEN as u64;
    if locator.record_disk != 0 || locator.disks > 1 {
        return Err(FaultKind::MultiDisk.at(locator_at).into());
    }
    let start = locator.record_offset;
    let fits = start
        .checked_add(Zip64Record::LEN as u64)
        .is_some_and(|end| end <= locator_at);
    if !fits {
        return Err(zip64("its locator points elsewhere", locator_at));
    }
    let mut bytes = [0; Zip64Record::LEN];
    window.go(start);
    window.fill(&mut bytes).await?;
    let record = Zip64Record::parse(&bytes)
        .ok_or_else(|| zip64("it is not where its locator says", start))?;
    if (start + Zip64Record::LEAD).checked_add(record.rest_len) != Some(locator_at) {
        return Err(zip64("it does not end where its locator starts", start));
    }
    if record.version_needed > LATEST_VERSION {
        return Err(zip64(
            "it asks for a version that stored and deflated entries cannot need",
            start,
        ));
    }
    if record.disk != 0 || record.directory_disk != 0 || record.entries != record.entries_here {
        return Err(FaultKind::MultiDisk.at(start).into());
    }
    let agree_16 = |short: u16, long: u64| short == SATURATED_16 || u64::from(short) == long;
    let agree_32 = |short: u32, long: u64| short == SATURATED_32 || u64::from(short) == long;
    if !agree_16(end.disk, 0)
        || !agree_16(end.directory_disk, 0)
        || !agree_16(end.entries, record.entries)
        || !agree_32(end.directory_len, record.directory_len)
        || !agree_32(end.directory_offset, record.directory_offset)
    {
        return Err(zip64("it says something else than the end record", start));
    }
    Ok(Claim {
        start,
        entries: record.entries,
        directory_len: record.directory_len,
        directory_offset: record.directory_offset,
        zip64: true,
    })
}

/// Holds a claim against the length of the file and the bounds of this reader.
async fn check(window: &mut Window, claim: Claim) -> Result<End, Stop> {
    let (start, len, limit) = (claim.directory_offset, claim.directory_len, claim.start);
    let end = match start.checked_add(len) {
        Some(end) if end <= limit => end,
        _ => {
            return Err(FaultKind::DirectoryOutOfBounds { start, len, limit }
                .at(claim.start)
                .into());
        }
    };
    if end < limit {
        // Where something stands before an archive, all its offsets are short by that.
        let bytes = limit - end;
        return Err(if begins_directory(window, limit - len, len).await? {
            FaultKind::PrefixData { bytes }.at(0).into()
        } else {
            FaultKind::Gap { bytes }.at(end).into()
        });
    }
    if len > DIRECTORY_MAX {
        let limit = DIRECTORY_MAX;
        return Err(FaultKind::DirectoryTooLarge { len, limit }.at(start).into());
    }
    let room = len / CentralHeader::LEN as u64;
    if claim.entries > room {
        let (claimed, found) = (claim.entries, Found::AtMost(room));
        return Err(FaultKind::EntryCount { claimed, found }
            .at(claim.start)
            .into());
    }
    if claim.entries > ENTRIES_MAX {
        let (entries, limit) = (claim.entries, ENTRIES_MAX);
        return Err(FaultKind::TooManyEntries { entries, limit }
            .at(claim.start)
            .into());
    }
    Ok(End {
        directory: start..end,
        entries: claim.entries,
        zip64: claim.zip64,
    })
}

/// Does a directory of that length start here?
async fn begins_directory(window: &mut Window, at: u64, len: u64) -> Result<bool, Stop> {
    if len == 0 {
        return Ok(true);
    }
    let mut bytes = [0; CentralHeader::SIGNATURE.len()];
    window.go(at);
    window.fill(&mut bytes).await?;
    Ok(bytes == CentralHeader::SIGNATURE)
}

fn zip64(what: &'static str, at: u64) -> Stop {
    FaultKind::Zip64End { what }.at(at).into()
}
