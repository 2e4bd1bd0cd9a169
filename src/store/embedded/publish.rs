//! How objects come to lie where they lie, and vanish: one rename or one unlink each.
//!
//! Invariants: a write happens under a lock on its key that other processes honour, and only if its condition holds
//! then; whoever sees an object sees its record; nothing outside the served folder is written through a key.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use s3s::dto::ETagCondition;
use tempfile::{Builder, NamedTempFile};

use super::disk::{Disk, is_absent};
use super::error::OpError;
use super::keys::{self, TEMP_PREFIX};
use super::record::{Record, Stamp};

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
                remove_escaped(&self.objects, &overflow)
                    .map_err(OpError::io("replace the object"))?;
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
                remove_escaped(&self.objects, &found.path)
                    .map_err(OpError::io("delete the object"))?;
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
            condition.check(None)?;
        }
        Ok(any)
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
                temp = copy_beside(temp, path)?;
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
fn remove_escaped(objects: &Path, path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(ignore_absent)?;
    let mut folder = path.parent();
    while let Some(empty) = folder.filter(|folder| *folder != objects) {
        if fs::remove_dir(empty).is_err() {
            break;
        }
        folder = empty.parent();
    }
    Ok(())
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
