//! Where objects lie, and how they come to lie there: in the served folder where the key is a path in it, else in
//! the state folder, escaped.
//!
//! Invariants: nothing outside the served folder (or inside the state folder) is ever read or written through a key;
//! an object appears and vanishes by one rename or unlink, under a lock on its key that other processes honour.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use s3s::dto::ETagCondition;
use sha2::{Digest, Sha256};
use tempfile::{Builder, NamedTempFile};

use super::error::OpError;
use super::keys::{self, TEMP_PREFIX};
use super::record::{Record, Sidecars, Stamp};

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

/// What must hold of the present object for a write or a deletion to happen.
#[derive(Debug, Clone, Default)]
pub(super) struct Condition {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

impl Condition {
    fn check(&self, current: Option<&str>) -> Result<(), OpError> {
        let holds = |condition: &ETagCondition| match (condition, current) {
            (_, None) => false,
            (ETagCondition::Any, Some(_)) => true,
            (ETagCondition::ETag(wanted), Some(etag)) => wanted.value() == etag,
        };
        match (&self.if_match, &self.if_none_match) {
            (Some(_), _) if current.is_none() => Err(OpError::NoSuchKey),
            (Some(wanted), _) if !holds(wanted) => {
                Err(OpError::PreconditionFailed { header: "If-Match" })
            }
            (_, Some(barred)) if holds(barred) => Err(OpError::PreconditionFailed {
                header: "If-None-Match",
            }),
            _ => Ok(()),
        }
    }
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

    /// A file to be filled with what will become the object `key`.
    pub(super) fn temp_for(&self, key: &str) -> Result<NamedTempFile, OpError> {
        if keys::folder_path(key).is_none() {
            return NamedTempFile::new_in(&self.temp).map_err(OpError::io("make a temporary file"));
        }
        if self.is_read_only()? {
            return Err(OpError::ReadOnly);
        }
        new_shared(&self.folder_temp)
    }

    /// Makes `temp` the object `record.key`, if the condition holds. Yields the object's stamp.
    pub(super) fn commit(
        &self,
        temp: NamedTempFile,
        mut record: Record,
        condition: &Condition,
    ) -> Result<Stamp, OpError> {
        let _lock = self.lock(&record.key)?;
        let before = self.find(&record.key)?;
        condition.check(
            before
                .as_ref()
                .map(|found| self.etag(&record.key, &found.stamp))
                .as_deref(),
        )?;
        let overflow = self.objects.join(keys::escape(&record.key));
        let mut homeless = Some(temp);
        if let Some(path) = keys::folder_path(&record.key)
            && let Some(path) = self.prepare(path)?
        {
            homeless = match homeless
                .take()
                .map(|temp| self.publish(temp, &path, &mut record))
            {
                None | Some(Ok(())) => None,
                Some(Err((temp, error))) if is_absent(&error) || is_occupied(&error) => Some(temp),
                Some(Err((_, error))) => return Err(OpError::io("write the object")(error)),
            };
            if homeless.is_none() {
                // What the state folder may hold under this key is older.
                remove_escaped(&self.objects, &overflow);
            }
        }
        if let Some(temp) = homeless {
            self.publish_escaped(temp, &overflow, &mut record)?;
        }
        if let Some(found) = before
            && found.stamp != record.stamp
        {
            self.sidecars.remove(&record.key, &found.stamp);
        }
        Ok(record.stamp)
    }

    /// Removes an object and what is known of it; one that is not there is no error. Says whether there was one.
    pub(super) fn delete(&self, key: &str, condition: &Condition) -> Result<bool, OpError> {
        let _lock = self.lock(key)?;
        let mut any = false;
        // A key may have a file in the folder and an older one, hidden by it, in the state folder.
        while let Some(found) = self.find(key)? {
            if !any {
                condition.check(Some(&self.etag(key, &found.stamp)))?;
            }
            if found.path.starts_with(&self.objects) {
                remove_escaped(&self.objects, &found.path);
            } else {
                if self.is_read_only()? {
                    return Err(OpError::ReadOnly);
                }
                // Not the found path: where the name is a symbolic link, the link goes and its target stays.
                let path = self.dir.join(key);
                fs::remove_file(path)
                    .or_else(ignore_absent)
                    .map_err(OpError::io("delete the object"))?;
            }
            self.sidecars.remove(key, &found.stamp);
            any = true;
        }
        if !any {
            let current = None;
            condition.check(current)?;
        }
        Ok(any)
    }

    /// Whether writing is barred by the folder's mode. (The superuser may write there nevertheless; we do not.)
    fn is_read_only(&self) -> Result<bool, OpError> {
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

    /// Makes the folders for a file in the served folder. `None` where no file can lie there: something else does, or
    /// the way leads outside.
    fn prepare(&self, relative: &Path) -> Result<Option<PathBuf>, OpError> {
        let path = self.dir.join(relative);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_file() => {}
            // A link may be replaced only where it stood for an object.
            Ok(meta) if meta.is_symlink() => {
                if self
                    .resolve(&path)
                    .map_err(OpError::io("look up the object"))?
                    .is_none()
                {
                    return Ok(None);
                }
            }
            Ok(_) => return Ok(None),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(OpError::io("look up the object")(error)),
        }
        let Some(parent) = path.parent() else {
            return Ok(None);
        };
        // Folders are made one by one, each below a place that has been checked.
        let mut place = self.dir.clone();
        for name in parent.strip_prefix(&self.dir).unwrap_or(Path::new("")) {
            place.push(name);
            match fs::create_dir(&place) {
                Ok(()) => continue,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(OpError::io("make a folder")(error)),
            }
            match fs::canonicalize(&place) {
                Ok(real) if real.is_dir() && self.may_serve(&real) => {}
                Ok(_) => return Ok(None),
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(OpError::io("make a folder")(error)),
            }
        }
        Ok(Some(path))
    }

    /// Writes the sidecar, then renames: whoever sees the object sees its record.
    fn publish(
        &self,
        mut temp: NamedTempFile,
        path: &Path,
        record: &mut Record,
    ) -> Result<(), (NamedTempFile, io::Error)> {
        for across in [false, true] {
            if across {
                // A file system is mounted below the served folder: the rename must begin on it.
                temp = match copy_beside(temp, path) {
                    Ok(copy) => copy,
                    Err(failed) => return Err(failed),
                };
            }
            record.stamp = match temp.as_file().metadata() {
                Ok(meta) => Stamp::of(&meta),
                Err(error) => return Err((temp, error)),
            };
            if let Err(error) = self.sidecars.store(record) {
                return Err((temp, error));
            }
            match temp.persist(path) {
                Ok(_) => return Ok(()),
                Err(failed) => {
                    self.sidecars.remove(&record.key, &record.stamp);
                    if across || failed.error.kind() != io::ErrorKind::CrossesDevices {
                        return Err((failed.file, failed.error));
                    }
                    temp = failed.file;
                }
            }
        }
        Ok(())
    }

    fn publish_escaped(
        &self,
        temp: NamedTempFile,
        path: &Path,
        record: &mut Record,
    ) -> Result<(), OpError> {
        let parent = path.parent().unwrap_or(&self.objects);
        fs::create_dir_all(parent).map_err(OpError::io("make a folder"))?;
        self.publish(temp, path, record)
            .map_err(|(_, error)| OpError::io("write the object")(error))
    }
}

/// A temporary file with the mode that other programs' files have.
fn new_shared(folder: &Path) -> Result<NamedTempFile, OpError> {
    let mode = fs::Permissions::from_mode(0o666);
    Builder::new()
        .prefix(TEMP_PREFIX)
        .permissions(mode)
        .tempfile_in(folder)
        .map_err(OpError::io("make a temporary file"))
}

fn copy_beside(
    temp: NamedTempFile,
    path: &Path,
) -> Result<NamedTempFile, (NamedTempFile, io::Error)> {
    let copy = || -> io::Result<NamedTempFile> {
        let folder = path.parent().unwrap_or(path);
        let mode = temp.as_file().metadata()?.permissions();
        let mut copy = Builder::new()
            .prefix(TEMP_PREFIX)
            .permissions(mode)
            .tempfile_in(folder)?;
        io::copy(&mut File::open(temp.path())?, copy.as_file_mut())?;
        Ok(copy)
    };
    match copy() {
        Ok(copy) => Ok(copy),
        Err(error) => Err((temp, error)),
    }
}

/// Removes an escaped object's file, and the folders that held nothing else.
fn remove_escaped(objects: &Path, path: &Path) {
    if fs::remove_file(path).is_err() {
        return;
    }
    let mut folder = path.parent();
    while let Some(empty) = folder.filter(|folder| *folder != objects) {
        if fs::remove_dir(empty).is_err() {
            return;
        }
        folder = empty.parent();
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

fn is_occupied(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, IsADirectory};
    matches!(
        error.kind(),
        AlreadyExists | DirectoryNotEmpty | IsADirectory
    )
}

fn ignore_absent(error: io::Error) -> io::Result<()> {
    if is_absent(&error) {
        Ok(())
    } else {
        Err(error)
    }
}

/// Whether two folders lie on one file system, as far as their metadata tells.
pub(super) fn same_device(one: &Metadata, other: &Metadata) -> bool {
    one.dev() == other.dev()
}
