//! Where objects lie: in the served folder where the key is a path in it, else in the state folder, escaped.
//!
//! Invariant: nothing outside the served folder, or inside the state folder, is ever read through a key.

use std::fs::{self, DirEntry, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::error::OpError;
use super::keys;
use super::record::{Sidecars, Stamp};

/// After this long an unfinished file belongs to no upload any more.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// How many lock files the keys share.
const LOCKS: u8 = 64;

/// The folders of a store. All calls block.
#[derive(Debug)]
pub(super) struct Disk {
    /// The served folder, without symbolic links.
    pub(super) dir: PathBuf,
    /// The state folder, where it lies inside the served one.
    pub(super) hidden: Option<PathBuf>,
    /// Objects whose keys are no path in the served folder.
    pub(super) objects: PathBuf,
    /// Uploads in parts.
    pub(super) uploads: PathBuf,
    /// Unfinished files, on the file system of the state folder.
    pub(super) temp: PathBuf,
    /// Unfinished files on the file system of the served folder.
    pub(super) folder_temp: PathBuf,
    pub(super) locks: PathBuf,
    pub(super) sidecars: Sidecars,
}

/// An object's file.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
}

impl Disk {
    /// The file of an object, if there is one.
    pub(super) fn find(&self, key: &str) -> Result<Option<Found>, OpError> {
        if let Some(path) = keys::folder_path(key)
            && let Some(found) = self
                .resolve(&self.dir.join(path))
                .map_err(OpError::io("look up the object"))?
        {
            return Ok(Some(found));
        }
        let path = self.objects.join(keys::escape(key));
        match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => Ok(Some(Found {
                path,
                stamp: Stamp::of(&meta),
            })),
            Ok(_) => Ok(None),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(OpError::io("look up the object")(error)),
        }
    }

    /// Opens an object for reading.
    pub(super) fn open(&self, key: &str) -> Result<(File, Stamp), OpError> {
        let found = self.find(key)?.ok_or(OpError::NoSuchKey)?;
        let file = match File::open(&found.path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Err(OpError::NoSuchKey),
            Err(error) => return Err(OpError::io("open the object")(error)),
        };
        // The stamp must be that of the opened file: it may have been replaced since it was found.
        let stamp = Stamp::of(&file.metadata().map_err(OpError::io("open the object"))?);
        Ok((file, stamp))
    }

    /// The ETag of an object in this state, without quotes.
    pub(super) fn etag(&self, key: &str, stamp: &Stamp) -> String {
        self.sidecars
            .load(key, stamp)
            .map_or_else(|| stamp.etag(), |record| record.etag())
    }

    /// Whether writing is barred by the folder's mode. (The superuser may write there nevertheless; we do not.)
    pub(super) fn is_read_only(&self) -> Result<bool, OpError> {
        let meta = fs::metadata(&self.dir).map_err(OpError::io("look at the served folder"))?;
        Ok(meta.permissions().readonly())
    }

    /// Holds every other writer of this key back, in all processes, until the file is dropped.
    pub(super) fn lock(&self, key: &str) -> Result<File, OpError> {
        let stripe = Sha256::digest(key)[0] % LOCKS;
        let lock = || {
            let file = File::create(self.locks.join(stripe.to_string()))?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(OpError::io("lock the key"))
    }

    /// Follows a path to a regular file, if that lies inside the folder and outside the state folder.
    pub(super) fn resolve(&self, path: &Path) -> io::Result<Option<Found>> {
        let follow = || -> io::Result<Option<Found>> {
            let path = fs::canonicalize(path)?;
            if !self.may_serve(&path) {
                return Ok(None);
            }
            let meta = fs::metadata(&path)?;
            Ok(meta.is_file().then(|| Found {
                path,
                stamp: Stamp::of(&meta),
            }))
        };
        match follow() {
            Err(error) if is_absent(&error) => Ok(None),
            other => other,
        }
    }

    /// Whether a path without symbolic links lies where objects may lie.
    pub(super) fn may_serve(&self, path: &Path) -> bool {
        path.starts_with(&self.dir)
            && !self
                .hidden
                .as_ref()
                .is_some_and(|hidden| path.starts_with(hidden))
    }
}

/// Removes an unfinished file that a process left behind when it was killed.
pub(super) fn remove_abandoned(entry: &DirEntry) {
    let age = || -> io::Result<Duration> {
        let modified = entry.metadata()?.modified()?;
        Ok(SystemTime::now()
            .duration_since(modified)
            .unwrap_or_default())
    };
    if age().is_ok_and(|age| age > ABANDONED) {
        // In a read-only folder it stays, unlisted.
        let _ = fs::remove_file(entry.path());
    }
}

/// Whether the error says that no file can be reached by this path.
pub(super) fn is_absent(error: &io::Error) -> bool {
    /// `ELOOP`, for which the standard library has no stable name.
    const TOO_MANY_LINKS: i32 = if cfg!(target_os = "linux") { 40 } else { 62 };
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    matches!(
        error.kind(),
        NotFound | NotADirectory | InvalidFilename | InvalidInput
    ) || error.raw_os_error() == Some(TOO_MANY_LINKS)
}

/// Whether two folders lie on one file system, as far as their metadata tells.
pub(super) fn same_device(one: &Metadata, other: &Metadata) -> bool {
    one.dev() == other.dev()
}
