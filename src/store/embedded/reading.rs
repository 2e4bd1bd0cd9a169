//! The bytes of an object on their way out: read in chunks on blocking threads, one chunk ahead of the client.
//!
//! Invariants: a body delivers exactly the announced bytes of one state of the file, or ends in an error; at most two
//! chunks of it are in memory. A file that is replaced or deleted meanwhile is read on, for it is still open.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures::Stream;
use s3s::StdError;
use s3s::stream::{ByteStream, RemainingLength};
use tokio::task::{JoinHandle, spawn_blocking};

use super::disk::Disk;
use super::record::{Headers, Record, Stamp};

/// How much is read at once, in bytes.
const CHUNK: u64 = 256 << 10;

/// A file must be older than this for a CRC-32 to be recorded of it: clocks of file systems are coarse (2 s on FAT),
/// and a second write within one tick would leave the stamp as it is.
const SETTLED: Duration = Duration::from_secs(2);

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the file changed while it was read")]
    Changed,
    #[error("cannot read the file")]
    Io(#[from] io::Error),
}

/// Records the CRC-32 of a file that has none, once it has been read whole.
struct Learner {
    disk: Arc<Disk>,
    key: String,
    crc32: crc32fast::Hasher,
}

/// A file, open at the next byte.
struct Source {
    file: File,
    stamp: Stamp,
    left: u64,
    learner: Option<Learner>,
}

impl Source {
    fn read(mut self) -> Result<(Source, Bytes), ReadError> {
        let length = self.left.min(CHUNK);
        let mut chunk = Vec::with_capacity(length as usize);
        (&mut self.file).take(length).read_to_end(&mut chunk)?;
        self.left -= length;
        if let Some(learner) = &mut self.learner {
            learner.crc32.update(&chunk);
        }
        // Checked before the last bytes go out: a client with all of them takes the body for good.
        let changed = self.left == 0 && Stamp::of(&self.file.metadata()?) != self.stamp;
        if changed || chunk.len() as u64 != length {
            return Err(ReadError::Changed);
        }
        if self.left == 0 {
            self.learn();
        }
        Ok((self, chunk.into()))
    }

    fn learn(&mut self) {
        let Some(learner) = self.learner.take() else {
            return;
        };
        let modified = UNIX_EPOCH
            + Duration::from_nanos(self.stamp.modified_ns.try_into().unwrap_or_default());
        if !SystemTime::now()
            .duration_since(modified)
            .is_ok_and(|age| age > SETTLED)
        {
            return;
        }
        let record = Record {
            key: learner.key,
            stamp: self.stamp,
            etag: None,
            crc32: Some(learner.crc32.finalize()),
            composite: false,
            parts: Vec::new(),
            headers: Headers::default(),
        };
        if let Err(error) = learner.disk.sidecars.store(&record) {
            tracing::warn!(key = record.key, %error, "cannot keep the checksum of an object");
        }
    }
}

/// A body of some bytes of a file.
pub(super) struct FileBody {
    left: u64,
    reading: Option<JoinHandle<Result<(Source, Bytes), ReadError>>>,
}

impl FileBody {
    /// The bytes `range` of the file, which was opened in the state `stamp`.
    pub(super) fn new(file: File, stamp: Stamp, range: Range<u64>) -> FileBody {
        FileBody::start(file, stamp, range, None)
    }

    /// The whole file, whose CRC-32 is then recorded under `key`.
    pub(super) fn learning(file: File, stamp: Stamp, disk: Arc<Disk>, key: String) -> FileBody {
        let learner = Learner {
            disk,
            key,
            crc32: crc32fast::Hasher::new(),
        };
        FileBody::start(file, stamp, 0..stamp.size, Some(learner))
    }

    fn start(
        mut file: File,
        stamp: Stamp,
        range: Range<u64>,
        learner: Option<Learner>,
    ) -> FileBody {
        let left = range.end - range.start;
        let reading = spawn_blocking(move || {
            file.seek(SeekFrom::Start(range.start))?;
            Source {
                file,
                stamp,
                left,
                learner,
            }
            .read()
        });
        FileBody {
            left,
            reading: Some(reading),
        }
    }
}

impl Stream for FileBody {
    type Item = Result<Bytes, StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(None);
        };
        let done = ready!(Pin::new(reading).poll(cx));
        self.reading = None;
        match done {
            Ok(Ok((source, chunk))) => {
                if source.left > 0 {
                    self.reading = Some(spawn_blocking(move || source.read()));
                }
                self.left -= chunk.len() as u64;
                if chunk.is_empty() {
                    Poll::Ready(None)
                } else {
                    Poll::Ready(Some(Ok(chunk)))
                }
            }
            Ok(Err(error)) => Poll::Ready(Some(Err(error.into()))),
            Err(error) => Poll::Ready(Some(Err(error.into()))),
        }
    }
}

impl ByteStream for FileBody {
    fn remaining_length(&self) -> RemainingLength {
        RemainingLength::new_exact(usize::try_from(self.left).unwrap_or(usize::MAX))
    }
}
