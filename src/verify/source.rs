//! Where an archive is read from: a file, a URL or an object, each pinned to what it was when it was opened.
//!
//! [`Source::read`] gives exactly the bytes of a range, or an error. What breaks on the way is asked for again from
//! the byte where it broke; what has changed meanwhile is never mixed with what it was.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, SeekFrom};
use tokio::sync::Mutex;
use url::Url;

use super::remote::{RemoteError, RemoteFile};
use crate::store::{Bucket, Object, Patience, Store, StoreError, StoreErrorKind};

/// Breaks in a row that end a read; see [`Patience`].
const TRIES: u32 = 6;

/// An archive that can be read in ranges.
#[derive(Debug)]
pub struct Source(Kind);

#[derive(Debug)]
enum Kind {
    File(LocalFile),
    Remote(Box<RemoteFile>),
    Object(StoredObject),
    #[cfg(test)]
    Memory(super::tests::Memory),
}

#[derive(Debug)]
struct LocalFile {
    path: PathBuf,
    file: Mutex<File>,
    len: u64,
    /// When it was last written to, where the file system tells.
    modified: Option<SystemTime>,
}

#[derive(Debug)]
struct StoredObject {
    store: Store,
    bucket: Bucket,
    object: Object,
}

/// Why a source cannot be read. The archive itself may be sound.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be opened or read.
    #[error("{} cannot be read", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A folder, a pipe or a device, which has no ranges to read.
    #[error("{} is no regular file", path.display())]
    NotAFile {
        /// Its path.
        path: PathBuf,
    },
    /// The file is not what it was when it was opened.
    #[error("{} changed while it was read", path.display())]
    Changed {
        /// Its path.
        path: PathBuf,
    },
    /// The server of a URL.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The object store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Source {
    /// Opens a file of this machine.
    ///
    /// # Errors
    /// [`SourceError::File`] where it is not there, [`SourceError::NotAFile`] where it is no regular file.
    pub async fn file(path: &Path) -> Result<Source, SourceError> {
        let fails = |error| SourceError::File {
            path: path.to_owned(),
            error,
        };
        // Asked before it is opened: opening a pipe waits for its other end.
        let metadata = tokio::fs::metadata(path).await.map_err(fails)?;
        if !metadata.is_file() {
            return Err(SourceError::NotAFile {
                path: path.to_owned(),
            });
        }
        let file = File::open(path).await.map_err(fails)?;
        let metadata = file.metadata().await.map_err(fails)?;
        Ok(Source(Kind::File(LocalFile {
            path: path.to_owned(),
            file: Mutex::new(file),
            len: metadata.len(),
            modified: metadata.modified().ok(),
        })))
    }

    /// Opens an `http` or `https` URL whose server answers ranges. Certificates of `ca_file` (PEM) are trusted beside the
    /// system's, and the environment's proxies are heeded.
    ///
    /// # Errors
    /// [`RemoteError`]; [`RemoteError::NoRanges`] where the server sends all or nothing.
    pub async fn url(url: Url, ca_file: Option<&Path>) -> Result<Source, SourceError> {
        let file = RemoteFile::open(url, ca_file).await?;
        Ok(Source(Kind::Remote(Box::new(file))))
    }

    /// Opens an object of a store.
    ///
    /// # Errors
    /// [`StoreError`] as the store says.
    pub async fn object(store: &Store, bucket: &Bucket, key: &str) -> Result<Source, SourceError> {
        let headed = store.head(bucket, key).await?;
        let missing =
            || StoreError::new("HeadObject", bucket, Some(key), StoreErrorKind::NoSuchKey);
        Ok(Source(Kind::Object(StoredObject {
            object: headed.ok_or_else(missing)?.object,
            store: store.clone(),
            bucket: bucket.clone(),
        })))
    }

    /// An archive in memory, which can count its reads and break them.
    #[cfg(test)]
    pub(super) fn memory(memory: super::tests::Memory) -> Source {
        Source(Kind::Memory(memory))
    }

    /// The length in bytes.
    #[allow(clippy::len_without_is_empty, reason = "nothing asks")]
    pub fn len(&self) -> u64 {
        match &self.0 {
            Kind::File(file) => file.len,
            Kind::Remote(file) => file.len(),
            Kind::Object(object) => object.object.size,
            #[cfg(test)]
            Kind::Memory(memory) => memory.len(),
        }
    }

    /// The entity tag that an object had when it was opened.
    pub fn etag(&self) -> Option<&str> {
        match &self.0 {
            Kind::Object(object) => Some(&object.object.etag),
            _ => None,
        }
    }

    /// Reads a range that lies within the source, into a buffer whose contents are replaced.
    ///
    /// # Errors
    /// [`SourceError`]; what can pass is tried six times before.
    pub async fn read(
        &self,
        range: Range<u64>,
        mut buffer: Vec<u8>,
    ) -> Result<Vec<u8>, SourceError> {
        buffer.clear();
        // A window at the most, and not twice that, which growing would come to.
        buffer.reserve_exact(usize::try_from(range.end - range.start).unwrap_or_default());
        let mut patience = Patience::new(TRIES);
        loop {
            let received = buffer.len();
            let rest = range.start + received as u64..range.end;
            if rest.is_empty() {
                return Ok(buffer);
            }
            let Err(error) = self.append(rest, &mut buffer).await else {
                continue;
            };
            patience.came(buffer.len() - received);
            if !error.can_pass() {
                return Err(error);
            }
            let Some(pause) = patience.pause() else {
                return Err(error);
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// One attempt at a range that is not empty: all of it on success, and never more than it.
    async fn append(&self, range: Range<u64>, buffer: &mut Vec<u8>) -> Result<(), SourceError> {
        match &self.0 {
            Kind::File(file) => file.append(range, buffer).await,
            Kind::Remote(file) => Ok(file.append(range, buffer).await?),
            Kind::Object(object) => Ok(object.append(range, buffer).await?),
            #[cfg(test)]
            Kind::Memory(memory) => memory.append(range, buffer),
        }
    }
}

impl LocalFile {
    async fn append(&self, range: Range<u64>, buffer: &mut Vec<u8>) -> Result<(), SourceError> {
        let fails = |error| SourceError::File {
            path: self.path.clone(),
            error,
        };
        let mut file = self.file.lock().await;
        file.seek(SeekFrom::Start(range.start))
            .await
            .map_err(fails)?;
        let asked = range.end - range.start;
        let got = (&mut *file)
            .take(asked)
            .read_to_end(buffer)
            .await
            .map_err(fails)? as u64;
        let now = file.metadata().await.map_err(fails)?;
        if got < asked || now.len() != self.len || now.modified().ok() != self.modified {
            return Err(SourceError::Changed {
                path: self.path.clone(),
            });
        }
        Ok(())
    }
}

impl StoredObject {
    async fn append(&self, range: Range<u64>, buffer: &mut Vec<u8>) -> Result<(), StoreError> {
        let mut body = self
            .store
            .get(&self.bucket, &self.object, range, false)
            .await?;
        while let Some(chunk) = body.next().await? {
            buffer.extend_from_slice(&chunk);
        }
        Ok(())
    }
}

impl SourceError {
    /// May the same read succeed a little later?
    fn can_pass(&self) -> bool {
        match self {
            SourceError::File { .. }
            | SourceError::NotAFile { .. }
            | SourceError::Changed { .. } => false,
            SourceError::Remote(error) => error.can_pass(),
            SourceError::Store(error) => error.kind.can_pass(),
        }
    }
}
