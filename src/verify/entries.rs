//! One entry of an archive: local header, data and descriptor, held against its central header.
//!
//! Stored data is read and hashed by the reader library, deflated data here (`inflate.rs`); local header and descriptor are read here, because it does not
//! look at what they say.

#![allow(
    deprecated,
    reason = "the reader that takes the place of `read::seek` in async_zip 0.0.19 fails on a Zip64 field without sizes"
)]

use async_zip::base::read::seek::ZipFileReader;
use futures::io::AsyncReadExt;

use super::Stop;
use super::directory::Listed;
use super::extra::Extra;
use super::fault::{FaultKind, Header};
use super::inflate::inflate;
use super::record::{
    DEFLATED, DESCRIPTOR, DESCRIPTOR_SIGNATURE, LATEST_VERSION, LocalHeader, u32_at, u64_at,
};
use super::window::Window;

/// How much of an entry is wanted in one window: its local header is read here and again by the reader library.
const AHEAD: usize = 4096;

/// Checks entries, one at a time.
pub(super) struct EntryCheck<'a> {
    reader: &'a mut ZipFileReader<Window>,
    buffer: Vec<u8>,
}

/// What a sound entry turned out to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sound {
    /// One of its headers has Zip64.
    pub(super) zip64: bool,
    /// A data descriptor follows the data.
    pub(super) descriptor: bool,
}

/// The local header of an entry, as far as the rest depends on it.
struct Local {
    data_offset: u64,
    zip64: bool,
}

impl<'a> EntryCheck<'a> {
    pub(super) fn new(reader: &'a mut ZipFileReader<Window>) -> Self {
        EntryCheck {
            reader,
            buffer: vec![0; 64 * 1024],
        }
    }

    /// Checks an entry that must end at `limit`, where the next record starts.
    pub(super) async fn check(
        &mut self,
        entry: &Listed,
        limit: u64,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Sound, Stop> {
        // The directory was found to be the same in both readers.
        let name = match self.reader.file().entries().get(entry.index as usize) {
            Some(stored) => stored.filename().as_bytes().to_vec(),
            None => Vec::new(),
        };
        let local = self.local(entry, &name, limit).await?;
        if entry.method == DEFLATED {
            let window = self.reader.inner_mut();
            inflate(window, entry, &name, local.data_offset, progress).await?;
        } else {
            self.data(entry, &name, local.data_offset, progress).await?;
        }
        if entry.flags & DESCRIPTOR != 0 {
            let at = local.data_offset + entry.compressed;
            let window = self.reader.inner_mut();
            // At most 24 bytes: `local` has seen to that.
            let mut descriptor = vec![0; (limit - at) as usize];
            window.go(at);
            window.fill(&mut descriptor).await?;
            check_descriptor(&descriptor, entry, local.zip64).map_err(|what| {
                let kind = FaultKind::WrongDescriptor { what };
                kind.of_entry(&name, at)
            })?;
        }
        Ok(Sound {
            zip64: local.zip64 || entry.zip64,
            descriptor: entry.flags & DESCRIPTOR != 0,
        })
    }

    /// Reads the local header and checks that header, data and descriptor fill the room up to `limit`.
    async fn local(&mut self, entry: &Listed, name: &[u8], limit: u64) -> Result<Local, Stop> {
        let fails = |kind: FaultKind| kind.of_entry(name, entry.offset);
        let window = self.reader.inner_mut();
        window.go_ahead(entry.offset, AHEAD);
        let mut fixed = [0; LocalHeader::LEN];
        window.fill(&mut fixed).await?;
        let header = LocalHeader::parse(&fixed).ok_or_else(|| {
            let what = "it has no signature";
            fails(FaultKind::BadLocalHeader { what })
        })?;
        let tail_len = usize::from(header.name_len) + usize::from(header.extra_len);
        let data_offset = entry.offset + (LocalHeader::LEN + tail_len) as u64;
        let end = data_offset.saturating_add(entry.compressed);
        if end > limit {
            return Err(fails(FaultKind::Overlap { end, limit }).into());
        }
        let mut tail = vec![0; tail_len];
        window.fill(&mut tail).await?;
        let (local_name, extra) = tail.split_at(header.name_len.into());
        let zip64 = compare(&header, local_name, extra, entry, name).map_err(fails)?;
        let room = limit - end;
        if entry.flags & DESCRIPTOR == 0 {
            if room > 0 {
                return Err(FaultKind::Gap { bytes: room }.of_entry(name, end).into());
            }
        } else if room != descriptor_len(zip64) && room != descriptor_len(zip64) - 4 {
            let what = "it is not as long as the local header makes it";
            return Err(FaultKind::WrongDescriptor { what }
                .of_entry(name, end)
                .into());
        }
        Ok(Local { data_offset, zip64 })
    }

    /// Reads the data through the reader library and compares its length and CRC-32.
    async fn data(
        &mut self,
        entry: &Listed,
        name: &[u8],
        data_offset: u64,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Stop> {
        let stop = |error| Stop::from_reader(error, name, entry.offset);
        let mut data = self
            .reader
            .reader_without_entry(entry.index as usize)
            .await
            .map_err(stop)?;
        let mut at = data_offset;
        loop {
            match data.read(&mut self.buffer).await? {
                0 => break,
                count => at += count as u64,
            }
            progress(at);
        }
        if at != data_offset + entry.size {
            return Err(FaultKind::Truncated.of_entry(name, at).into());
        }
        let (expected, actual) = (entry.crc32, data.compute_hash());
        if expected != actual {
            return Err(FaultKind::WrongCrc32 { expected, actual }
                .of_entry(name, data_offset)
                .into());
        }
        Ok(())
    }
}

/// Holds a local header against the central one. Is there a Zip64 field in it?
fn compare(
    header: &LocalHeader,
    local_name: &[u8],
    extra: &[u8],
    entry: &Listed,
    name: &[u8],
) -> Result<bool, FaultKind> {
    let same = |field: &'static str, local: u64, central: u64| {
        let differ = || differ(field, local.to_string(), central.to_string());
        (local == central).then_some(()).ok_or_else(differ)
    };
    if local_name != name {
        let text = |name| format!("{:?}", String::from_utf8_lossy(name));
        return Err(differ("the name", text(local_name), text(name)));
    }
    same("the method", header.method.into(), entry.method.into())?;
    same("the bits", header.flags.into(), entry.flags.into())?;
    if header.version_needed > LATEST_VERSION {
        return Err(FaultKind::UnsupportedVersion {
            header: Header::Local,
            version: header.version_needed,
        });
    }
    let extra = Extra::parse(extra, Header::Local)?;
    if extra.renames(local_name) {
        return Err(FaultKind::SecondName {
            header: Header::Local,
        });
    }
    let extent = extra.local_extent(header.compressed, header.uncompressed)?;
    // Where a descriptor follows, what was not known in time is zero (4.4.4): the CRC-32, or that and both sizes.
    let described = entry.flags & DESCRIPTOR != 0;
    if !(described && extent.compressed == 0 && extent.uncompressed == 0) {
        same("the compressed size", extent.compressed, entry.compressed)?;
        same("the uncompressed size", extent.uncompressed, entry.size)?;
    }
    if !(described && header.crc32 == 0) && header.crc32 != entry.crc32 {
        let text = |crc32| format!("{crc32:08x}");
        return Err(differ("the CRC-32", text(header.crc32), text(entry.crc32)));
    }
    Ok(extent.zip64)
}

fn differ(field: &'static str, local: String, central: String) -> FaultKind {
    FaultKind::HeadersDiffer {
        field,
        local,
        central,
    }
}

/// The length of a descriptor with its signature: sizes have 8 bytes each with Zip64 (4.3.9.2).
fn descriptor_len(zip64: bool) -> u64 {
    if zip64 { 24 } else { 16 }
}

/// Checks a descriptor of the right length, with or without its signature (4.3.9.3).
fn check_descriptor(descriptor: &[u8], entry: &Listed, zip64: bool) -> Result<(), &'static str> {
    let fields = if descriptor.len() as u64 == descriptor_len(zip64) {
        descriptor
            .strip_prefix(&DESCRIPTOR_SIGNATURE)
            .ok_or("it has no signature")?
    } else {
        descriptor
    };
    let (compressed, uncompressed) = if zip64 {
        (u64_at(fields, 4), u64_at(fields, 12))
    } else {
        (u32_at(fields, 4).into(), u32_at(fields, 8).into())
    };
    if u32_at(fields, 0) != entry.crc32 {
        Err("it has another CRC-32 than the central directory")
    } else if compressed != entry.compressed || uncompressed != entry.size {
        Err("it has another size than the central directory")
    } else {
        Ok(())
    }
}
