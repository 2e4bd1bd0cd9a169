//! Finds all objects below a prefix: a walk over the served folder, and one over the escaped objects.
//!
//! Invariant: only folders that can hold keys of the prefix are entered, and nothing outside the served folder is.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::disk::{Disk, is_absent, remove_abandoned};
use super::error::OpError;
use super::keys::{self, TEMP_PREFIX};
use super::record::Stamp;

/// How many symbolic links to folders the way to a listed file may pass: folders that link to one another would
/// otherwise multiply.
const MAX_LINKS: usize = 2;

/// S3's limit for a key, in bytes.
const MAX_KEY: usize = 1024;

/// The objects whose keys start with `prefix`, in the order of their keys' bytes. Blocks.
pub(super) fn walk(disk: &Disk, prefix: &str) -> Result<Vec<(Box<str>, Stamp)>, OpError> {
    // A folder that is gone, or not mounted, must not read as an empty one.
    fs::metadata(&disk.dir).map_err(|source| OpError::Unlistable {
        below: String::new(),
        source,
    })?;
    let mut rows = Vec::new();
    let (base, filter) = prefix
        .rsplit_once('/')
        .map_or(("", prefix), |(base, filter)| (base, filter));
    let start = if prefix.contains('/') {
        // A prefix such as `a//b` or `../a` is no path: only escaped objects can have it.
        keys::folder_path(base).map(|base| (disk.dir.join(base), format!("{}/", base.display())))
    } else {
        Some((disk.dir.clone(), String::new()))
    };
    if let Some((path, base)) = start {
        walk_folder(disk, path, base, filter, &mut rows)?;
    }
    walk_escaped(&disk.objects, prefix, &mut rows)?;
    // Stable: where a key is in both places, the one in the folder comes first, and it is the one that is served.
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    rows.dedup_by(|(later, _), (earlier, _)| later == earlier);
    Ok(rows)
}

/// A folder to be read: where it really is, its keys' common start, and the places where links were followed to it.
struct Folder {
    path: PathBuf,
    base: String,
    links: Arc<Vec<PathBuf>>,
}

fn walk_folder(
    disk: &Disk,
    path: PathBuf,
    base: String,
    filter: &str,
    rows: &mut Vec<(Box<str>, Stamp)>,
) -> Result<(), OpError> {
    let unlistable = |below: &str| {
        let below = below.to_owned();
        move |source| OpError::Unlistable { below, source }
    };
    let path = match fs::canonicalize(&path) {
        Ok(path) if disk.may_serve(&path) => path,
        Ok(_) => return Ok(()),
        Err(error) if is_absent(&error) => return Ok(()),
        Err(error) => return Err(unlistable(&base)(error)),
    };
    let top = base.len();
    let mut pending = vec![Folder {
        path,
        base,
        links: Arc::default(),
    }];
    while let Some(folder) = pending.pop() {
        let entries = match fs::read_dir(&folder.path) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => continue,
            // The one folder that every ext4 file system has and nobody may read.
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied
                    && folder.base == "lost+found/" =>
            {
                continue;
            }
            Err(error) => return Err(unlistable(&folder.base)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(unlistable(&folder.base))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                warn_once(&entry.path(), Passed::NotUtf8);
                continue;
            };
            if folder.base.len() == top && !name.starts_with(filter) {
                continue;
            }
            let visited = visit(disk, &folder, &entry, name);
            match visited {
                Ok(Some(Visited::Object(key, stamp))) => rows.push((key, stamp)),
                Ok(Some(Visited::Folder(below))) => pending.push(below),
                Ok(None) => {}
                // It was there a moment ago.
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(unlistable(&folder.base)(error)),
            }
        }
    }
    Ok(())
}

enum Visited {
    Object(Box<str>, Stamp),
    Folder(Folder),
}

fn visit(
    disk: &Disk,
    folder: &Folder,
    entry: &DirEntry,
    name: &str,
) -> io::Result<Option<Visited>> {
    if name.starts_with(TEMP_PREFIX) {
        remove_abandoned(entry);
        return Ok(None);
    }
    let key = format!("{}{name}", folder.base);
    let kind = entry.file_type()?;
    if kind.is_file() {
        return Ok(object(entry, key, Stamp::of(&entry.metadata()?)));
    }
    let (path, links) = if kind.is_symlink() {
        let target = fs::canonicalize(entry.path())?;
        let meta = fs::metadata(&target)?;
        if !disk.may_serve(&target) {
            warn_once(&entry.path(), Passed::LeadsOut);
            return Ok(None);
        }
        if meta.is_file() {
            return Ok(object(entry, key, Stamp::of(&meta)));
        }
        let goes_round = folder.path.starts_with(&target)
            || folder.links.iter().any(|place| place.starts_with(&target));
        // What it leads to is listed where it stands.
        if goes_round {
            return Ok(None);
        }
        if !meta.is_dir() {
            warn_once(&entry.path(), Passed::NoFile);
            return Ok(None);
        }
        if folder.links.len() >= MAX_LINKS {
            warn_once(&entry.path(), Passed::ManyLinks);
            return Ok(None);
        }
        let mut links = folder.links.as_ref().clone();
        links.push(folder.path.clone());
        (target, Arc::new(links))
    } else if kind.is_dir() {
        (entry.path(), Arc::clone(&folder.links))
    } else {
        warn_once(&entry.path(), Passed::NoFile);
        return Ok(None);
    };
    let base = key + "/";
    if keys::is_own(&base) || !disk.may_serve(&path) {
        return Ok(None);
    }
    Ok(Some(Visited::Folder(Folder { path, base, links })))
}

fn object(entry: &DirEntry, key: String, stamp: Stamp) -> Option<Visited> {
    if key.len() > MAX_KEY {
        warn_once(&entry.path(), Passed::LongPath);
        return None;
    }
    (!keys::is_own(&key)).then(|| Visited::Object(key.into(), stamp))
}

/// Why something in the folder is passed over.
#[derive(Clone, Copy)]
enum Passed {
    NotUtf8,
    LongPath,
    LeadsOut,
    ManyLinks,
    NoFile,
}

/// Once for each reason.
fn warn_once(path: &Path, passed: Passed) {
    static WARNED: [AtomicBool; 5] = [const { AtomicBool::new(false) }; 5];
    let why = match passed {
        Passed::NotUtf8 => "its name is not UTF-8",
        Passed::LongPath => "its path is longer than 1,024 bytes",
        Passed::LeadsOut => "it is a symbolic link that leads out of the folder",
        Passed::ManyLinks => "it is a symbolic link behind two others",
        Passed::NoFile => "it is neither a file nor a folder",
    };
    if !WARNED[passed as usize].swap(true, Ordering::Relaxed) {
        tracing::warn!(path = %path.display(), why, "not served; others like it are passed over in silence");
    }
}

fn walk_escaped(
    objects: &Path,
    prefix: &str,
    rows: &mut Vec<(Box<str>, Stamp)>,
) -> Result<(), OpError> {
    let failed = |source| OpError::Io {
        doing: "list the escaped objects",
        source,
    };
    let mut pending = vec![(objects.to_owned(), String::new())];
    while let Some((folder, text)) = pending.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some((part, end)) = name.to_str().and_then(keys::unescape_name) else {
                continue;
            };
            let text = format!("{text}{part}");
            if !end {
                pending.push((entry.path(), text));
                continue;
            }
            let Some(key) = keys::unescape(&text).filter(|key| key.starts_with(prefix)) else {
                continue;
            };
            match entry.metadata() {
                Ok(meta) if meta.is_file() => rows.push((key.into(), Stamp::of(&meta))),
                Ok(_) => {}
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
    Ok(())
}
