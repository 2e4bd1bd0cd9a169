//! The frames of an archive as the stream that an answer's body is made of.

use bytes::Bytes;
use futures::stream::{self, Stream};

use super::record::Details;
use crate::download::{DownloadError, FrozenArchive, LiveArchive};

/// An archive that is made while it is sent.
pub(super) trait Archive: Send {
    /// The next frame, or `None` after the last.
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, DownloadError>> + Send;

    /// Entries begun so far.
    fn entries(&self) -> u64;
}

impl Archive for LiveArchive {
    async fn next(&mut self) -> Result<Option<Bytes>, DownloadError> {
        LiveArchive::next(self).await
    }

    fn entries(&self) -> u64 {
        LiveArchive::entries(self) as u64
    }
}

impl Archive for FrozenArchive {
    async fn next(&mut self) -> Result<Option<Bytes>, DownloadError> {
        FrozenArchive::next(self).await
    }

    fn entries(&self) -> u64 {
        FrozenArchive::entries(self)
    }
}

/// The archive's frames behind the `first`, which is there already; polled only when the socket takes more.
pub(super) fn frames<A: Archive>(
    first: Option<Bytes>,
    archive: A,
    details: Details,
) -> impl Stream<Item = Result<Bytes, DownloadError>> {
    stream::try_unfold(
        (first, Box::new(archive), details),
        |(first, mut archive, details)| async move {
            let frame = match first {
                Some(frame) => Some(frame),
                None => archive.next().await?,
            };
            details.entries(archive.entries());
            Ok(frame.map(|frame| (frame, (None, archive, details))))
        },
    )
}
