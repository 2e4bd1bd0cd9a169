//! What an archive holds, and what a folder holds after extraction, in a form that can be compared.
//!
//! Files are known by size and CRC-32 of the bytes that were read back, so that contents of many gigabytes compare
//! against [`content_crc32`](super::synthetic::content::content_crc32) without a second copy.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::synthetic::object::SyntheticObject;

/// What one file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// In bytes.
    pub size: u64,
    /// Of the bytes as read.
    pub crc32: u32,
}

impl Held {
    /// What a file with these bytes holds.
    pub fn bytes(bytes: &[u8]) -> Self {
        Held {
            size: bytes.len() as u64,
            crc32: crc32fast::hash(bytes),
        }
    }

    /// What a file with this object's bytes holds.
    pub fn object(object: &SyntheticObject) -> Self {
        Held {
            size: object.size(),
            crc32: object.crc32(),
        }
    }

    /// Reads to the end.
    pub fn read(mut from: impl Read) -> io::Result<Self> {
        let mut hasher = crc32fast::Hasher::new();
        let mut size = 0;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match from.read(&mut buffer)? {
                0 => {
                    return Ok(Held {
                        size,
                        crc32: hasher.finalize(),
                    });
                }
                read => {
                    hasher.update(&buffer[..read]);
                    size += read as u64;
                }
            }
        }
    }
}

/// Files by name; `/` between the segments.
pub type Contents = BTreeMap<String, Held>;

/// The files below `folder`. Anything but files and folders, or a name that is not UTF-8, is an error.
pub fn folder(folder: &Path) -> io::Result<Contents> {
    let mut contents = Contents::new();
    descend(folder, "", &mut contents)?;
    Ok(contents)
}

fn descend(folder: &Path, prefix: &str, contents: &mut Contents) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| invalid(format!("{prefix}{name:?} is not UTF-8")))?;
        let name = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() {
            descend(&entry.path(), &format!("{name}/"), contents)?;
        } else if kind.is_file() {
            contents.insert(name, Held::read(File::open(entry.path())?)?);
        } else {
            return Err(invalid(format!("{name} is neither file nor folder")));
        }
    }
    Ok(())
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// The first differences between two sets of files, a line each; `None` where they are equal.
pub fn difference(expected: &Contents, found: &Contents) -> Option<String> {
    let missing = expected
        .iter()
        .filter(|(name, _)| !found.contains_key(*name));
    let missing = missing.map(|(name, held)| format!("missing: {name:?} {held:?}"));
    let surplus = found
        .iter()
        .filter(|(name, _)| !expected.contains_key(*name));
    let surplus = surplus.map(|(name, held)| format!("not expected: {name:?} {held:?}"));
    let other = expected.iter().filter_map(|(name, held)| {
        let found = found.get(name)?;
        (found != held).then(|| format!("{name:?}: expected {held:?}, found {found:?}"))
    });
    let lines: Vec<String> = missing.chain(surplus).chain(other).take(8).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
