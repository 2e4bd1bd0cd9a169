//! An object of unknown length, written as it comes: one PutObject while everything fits into one part, else a multipart
//! upload.
//!
//! Memory stays flat: the part that fills up and the parts under way, [`PARTS_UNDER_WAY`] at the most. Nothing is visible
//! before [`PartWriter::finish`]; a writer that is given up with [`PartWriter::abort`], or dropped, leaves nothing behind.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::upload::{MAX_PARTS, Part};
use super::{Bucket, Store, StoreError, StoreErrorKind, Upload};

/// Every part but the last has this many bytes, unless the writer was made for larger ones. Some stores insist on parts
/// of one size.
pub const PART: usize = 8 << 20;

/// Parts on their way to the store at once. Two keep the connection busy while the next part fills up.
pub const PARTS_UNDER_WAY: usize = 2;

/// Why an object could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The store refused a request.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// More than 10,000 parts.
    #[error("the object outgrew the {limit} bytes that one multipart upload can hold")]
    TooLarge {
        /// The most that can be written, in bytes.
        limit: u64,
    },
}

/// Writes one object.
#[derive(Debug)]
pub struct PartWriter {
    store: Store,
    bucket: Bucket,
    key: String,
    content_type: &'static str,
    part: usize,
    is_new: bool,
    filling: Vec<u8>,
    // Dropped before `upload`, so that no part is being sent any more when the upload is aborted.
    under_way: FuturesUnordered<AbortOnDropHandle<Result<Part, StoreError>>>,
    sent: Vec<Part>,
    begun: usize,
    /// Bytes of all parts together.
    size: u64,
    upload: Option<Upload>,
}

impl PartWriter {
    /// A writer that has not asked the store for anything yet.
    pub fn new(
        store: &Store,
        bucket: &Bucket,
        key: &str,
        content_type: &'static str,
    ) -> PartWriter {
        PartWriter {
            store: store.clone(),
            bucket: bucket.clone(),
            key: key.to_owned(),
            content_type,
            part: PART,
            is_new: false,
            filling: Vec::new(),
            under_way: FuturesUnordered::new(),
            sent: Vec::new(),
            begun: 0,
            size: 0,
            upload: None,
        }
    }

    /// A writer whose parts are large enough for an object of `bytes` bytes.
    pub fn for_bytes(mut self, bytes: u64) -> PartWriter {
        let needed = bytes.div_ceil(MAX_PARTS as u64);
        self.part = usize::try_from(needed).map_or(usize::MAX, |needed| needed.max(PART));
        self
    }

    /// A writer for a key that nobody else has: what stands there afterwards is the object, whatever the store answered.
    #[must_use]
    pub fn is_new(mut self) -> PartWriter {
        self.is_new = true;
        self
    }

    /// The part that fills up. Append to it, then call [`PartWriter::pass_on`].
    pub fn filling(&mut self) -> &mut Vec<u8> {
        &mut self.filling
    }

    /// Sends what is full, waiting only where [`PARTS_UNDER_WAY`] parts are on their way already.
    ///
    /// # Errors
    /// [`WriteError::TooLarge`] beyond 10,000 parts; else as the store says, of this or of an earlier part.
    pub async fn pass_on(&mut self) -> Result<(), WriteError> {
        while self.filling.len() > self.part {
            let mut rest = self.filling.split_off(self.part);
            rest.reserve_exact(self.part.min(PART));
            let part = std::mem::replace(&mut self.filling, rest);
            self.send(part.into()).await?;
        }
        Ok(())
    }

    /// Sends the rest and makes the object visible. A caller who goes away meanwhile takes the object along, if it is
    /// [new](PartWriter::is_new).
    ///
    /// # Errors
    /// As [`PartWriter::pass_on`]. Nothing is visible then, and an upload that was begun is aborted.
    pub async fn finish(self) -> Result<(), WriteError> {
        if !self.is_new {
            return self.put_together().await;
        }
        Ending::of(self).ended().await
    }

    async fn put_together(mut self) -> Result<(), WriteError> {
        if self.upload.is_none() && self.filling.len() <= self.part {
            let body = Bytes::from(std::mem::take(&mut self.filling));
            let size = body.len() as u64;
            let put = self
                .store
                .put(&self.bucket, &self.key, self.content_type, body);
            return match put.await {
                Err(error) if !self.stands(&error, size).await => Err(error.into()),
                _ => Ok(()),
            };
        }
        let written = match self.send_rest().await {
            Ok(()) => self.complete().await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            self.abort().await;
        }
        written
    }

    async fn complete(&mut self) -> Result<(), WriteError> {
        let (sent, size) = (std::mem::take(&mut self.sent), self.size);
        let Some(upload) = &mut self.upload else {
            return Ok(());
        };
        match upload.complete(sent).await {
            Err(error) if !self.stands(&error, size).await => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Whether the object is there, although the answer says otherwise or did not come.
    async fn stands(&self, error: &StoreError, size: u64) -> bool {
        // Asked again, a store that has completed an upload knows of none.
        let gone = matches!(error.kind, StoreErrorKind::NoSuchUpload);
        if !self.is_new || !(gone || error.kind.may_have_been_done()) {
            return false;
        }
        let found = self.store.head(&self.bucket, &self.key).await;
        matches!(found, Ok(Some(headed)) if headed.object.size == size)
    }

    /// Gives the object up. When this returns, nothing is left of it in the store.
    pub async fn abort(mut self) {
        for part in &self.under_way {
            part.abort();
        }
        while self.under_way.next().await.is_some() {}
        if let Some(upload) = self.upload.take() {
            upload.abort().await;
        }
    }

    async fn send_rest(&mut self) -> Result<(), WriteError> {
        self.pass_on().await?;
        let rest = std::mem::take(&mut self.filling);
        if !rest.is_empty() {
            self.send(rest.into()).await?;
        }
        while !self.under_way.is_empty() {
            self.one_arrives().await?;
        }
        Ok(())
    }

    async fn send(&mut self, part: Bytes) -> Result<(), WriteError> {
        if self.begun == MAX_PARTS {
            let limit = MAX_PARTS as u64 * self.part as u64;
            return Err(WriteError::TooLarge { limit });
        }
        while self.under_way.len() >= PARTS_UNDER_WAY {
            self.one_arrives().await?;
        }
        let upload = match self.upload.take() {
            Some(upload) => upload,
            None => self.begin().await?,
        };
        self.begun += 1;
        self.size += part.len() as u64;
        // A task of its own: the part travels while the caller fills the next one.
        let sending = tokio::spawn(upload.part(self.begun, part));
        self.upload = Some(upload);
        self.under_way.push(AbortOnDropHandle::new(sending));
        Ok(())
    }

    /// A caller who goes away while the store's answer is awaited would never learn the id of the upload. In a task the
    /// answer is awaited all the same, and the upload aborts itself when nobody takes it.
    async fn begin(&self) -> Result<Upload, StoreError> {
        let (store, bucket, key) = (self.store.clone(), self.bucket.clone(), self.key.clone());
        let content_type = self.content_type;
        let begun =
            tokio::spawn(async move { store.begin_upload(&bucket, &key, content_type).await });
        joined(begun.await)
    }

    async fn one_arrives(&mut self) -> Result<(), WriteError> {
        if let Some(part) = self.under_way.next().await {
            self.sent.push(joined(part)?);
        }
        Ok(())
    }
}

/// The end of a new object, in a task of its own: whoever waits for it may go away, but does not leave the object behind.
#[derive(Debug)]
struct Ending {
    store: Store,
    bucket: Bucket,
    key: String,
    task: Option<JoinHandle<Result<(), WriteError>>>,
}

impl Ending {
    fn of(writer: PartWriter) -> Ending {
        Ending {
            store: writer.store.clone(),
            bucket: writer.bucket.clone(),
            key: writer.key.clone(),
            task: Some(tokio::spawn(writer.put_together())),
        }
    }

    async fn ended(mut self) -> Result<(), WriteError> {
        let Some(task) = &mut self.task else {
            return Ok(());
        };
        let ended = task.await;
        self.task = None;
        joined(ended)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let (Some(task), Ok(runtime)) = (self.task.take(), Handle::try_current()) else {
            return;
        };
        let (store, bucket) = (self.store.clone(), self.bucket.clone());
        let key = std::mem::take(&mut self.key);
        runtime.spawn(async move {
            if let Ok(Ok(())) = task.await
                && let Err(error) = store.delete(&bucket, &key).await
            {
                tracing::warn!(%error, "an object that nobody was told of is left");
            }
        });
    }
}

/// What a task gave. Its panic goes on here; nothing of ours cancels a task that is still awaited.
pub(crate) fn joined<T>(outcome: Result<T, tokio::task::JoinError>) -> T {
    match outcome {
        Ok(value) => value,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => unreachable!("an awaited task was cancelled: {error}"),
    }
}
