//! What S3 knows of an object beyond its file: ETag, checksum, part sizes, headers. Kept as sidecars, small JSON files
//! in the state folder.
//!
//! Invariant: a sidecar is named by a hash of the key *and* the file's [`Stamp`], so it can never be taken for that
//! of another or a later file, and it may be written before the file that it describes appears.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use time::OffsetDateTime;

/// How many sidecars a process remembers for its listings.
const REMEMBERED: usize = 1 << 20;

/// What identifies one state of one file: it changes whenever the file is replaced or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Length in bytes.
    pub(super) size: u64,
    /// Modification time, nanoseconds since 1970.
    pub(super) modified_ns: i64,
    /// The file's number in its file system.
    pub(super) inode: u64,
}

impl Stamp {
    pub(super) fn of(meta: &Metadata) -> Stamp {
        let modified_ns = meta
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(meta.mtime_nsec());
        Stamp {
            size: meta.len(),
            modified_ns,
            inode: meta.ino(),
        }
    }

    /// The ETag of a file that was not written through S3. Forty digits: clients take 32 for an MD5.
    pub(super) fn etag(&self) -> String {
        let mut hash = Sha256::new();
        self.feed(&mut hash);
        hex::encode(&hash.finalize()[..20])
    }

    /// The modification time in whole seconds, as S3 has it, between 1970 and 9999.
    pub(super) fn modified(&self) -> OffsetDateTime {
        let seconds = self.modified_ns.div_euclid(1_000_000_000).max(0);
        OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    fn feed(&self, hash: &mut Sha256) {
        hash.update(self.size.to_le_bytes());
        hash.update(self.modified_ns.to_le_bytes());
        hash.update(self.inode.to_le_bytes());
    }
}

/// Headers that the client gave with an object and gets back with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Headers {
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    /// User metadata (`x-amz-meta-…`).
    pub(super) metadata: BTreeMap<String, String>,
}

/// One part of an object that was uploaded in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartRecord {
    pub(super) number: i32,
    pub(super) size: u64,
    pub(super) crc32: u32,
}

/// The content of a sidecar.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) key: String,
    pub(super) stamp: Stamp,
    /// `None` for a file that was dropped in: its ETag follows from its stamp.
    pub(super) etag: Option<String>,
    /// The CRC-32 of the whole object, or, where `composite`, of its parts' CRCs.
    pub(super) crc32: Option<u32>,
    pub(super) composite: bool,
    pub(super) parts: Vec<PartRecord>,
    pub(super) headers: Headers,
}

impl Record {
    /// The object's ETag, without quotes.
    pub(super) fn etag(&self) -> String {
        self.etag.clone().unwrap_or_else(|| self.stamp.etag())
    }
}

/// What a listing says of an object.
#[derive(Debug, Clone)]
pub(super) struct Brief {
    pub(super) etag: Option<Box<str>>,
    /// A checksum that came with the object, not one that was learned by reading a file dropped in: a listing must
    /// not change because somebody read an object.
    pub(super) has_crc32: bool,
    pub(super) composite: bool,
}

impl From<&Record> for Brief {
    fn from(record: &Record) -> Brief {
        Brief {
            etag: record.etag.as_deref().map(Box::from),
            has_crc32: record.crc32.is_some() && record.etag.is_some(),
            composite: record.composite,
        }
    }
}

type Id = [u8; 16];

/// The folder of sidecars. All calls block.
#[derive(Debug)]
pub(super) struct Sidecars {
    root: PathBuf,
    temp: PathBuf,
    /// Sidecars seen by this process. An entry cannot go stale: what it says of a stamp never changes.
    briefs: Mutex<HashMap<Id, Brief>>,
}

impl Sidecars {
    /// `temp` must be on the same file system as `root`.
    pub(super) fn new(root: PathBuf, temp: PathBuf) -> Sidecars {
        Sidecars {
            root,
            temp,
            briefs: Mutex::default(),
        }
    }

    /// The record of this key in this state, if there is one.
    pub(super) fn load(&self, key: &str, stamp: &Stamp) -> Option<Record> {
        let path = self.path(&id(key, stamp));
        let bytes = fs::read(&path).ok()?;
        match serde_json::from_slice::<Record>(&bytes) {
            Ok(record) if record.key == key && record.stamp == *stamp => Some(record),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "ignoring a sidecar that cannot be read");
                None
            }
        }
    }

    /// What a listing says of this key in this state; read from disk at most once where there is a sidecar.
    pub(super) fn brief(&self, key: &str, stamp: &Stamp) -> Option<Brief> {
        let id = id(key, stamp);
        if let Some(brief) = self.briefs().get(&id) {
            return Some(brief.clone());
        }
        let brief = Brief::from(&self.load(key, stamp)?);
        self.remember(id, brief.clone());
        Some(brief)
    }

    /// Writes a sidecar, in place of one for the same key and state.
    pub(super) fn store(&self, record: &Record) -> io::Result<()> {
        let id = id(&record.key, &record.stamp);
        let path = self.path(&id);
        write_atomically(&self.temp, &path, &serde_json::to_vec(record)?)?;
        self.remember(id, Brief::from(record));
        Ok(())
    }

    /// Forgets a sidecar; one that is not there is no error.
    pub(super) fn remove(&self, key: &str, stamp: &Stamp) {
        let id = id(key, stamp);
        self.briefs().remove(&id);
        // One that stays behind describes a state that is gone, and so is never read.
        let _ = fs::remove_file(self.path(&id));
    }

    fn remember(&self, id: Id, brief: Brief) {
        let mut briefs = self.briefs();
        if briefs.len() >= REMEMBERED {
            briefs.clear();
        }
        briefs.insert(id, brief);
    }

    fn briefs(&self) -> std::sync::MutexGuard<'_, HashMap<Id, Brief>> {
        self.briefs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, id: &Id) -> PathBuf {
        let name = hex::encode(id);
        self.root.join(&name[..2]).join(format!("{name}.json"))
    }
}

/// Writes a file by way of `temp`, making its folder where needed: readers see all of it or nothing.
pub(super) fn write_atomically(temp: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(temp)?;
    file.write_all(bytes)?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    file.persist(path)?;
    Ok(())
}

fn id(key: &str, stamp: &Stamp) -> Id {
    let mut hash = Sha256::new();
    stamp.feed(&mut hash);
    hash.update(key.as_bytes());
    let mut id = Id::default();
    id.copy_from_slice(&hash.finalize()[..16]);
    id
}
