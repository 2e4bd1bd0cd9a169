//! A body of known length: it knows when it has ended, and is an error where it would end early.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::stream::BoxStream;
use http_body::{Body, Frame, SizeHint};

use crate::download::DownloadError;

/// Why a body of known length is not sent to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExactError {
    /// The archive failed.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// What came is not as long as was promised. That is a mistake of ours.
    #[error("the archive is {0} bytes off its length")]
    Length(u64),
}

/// Frames that must come to a length. The server learns from it when the last byte was handed over, without asking for
/// another frame.
pub struct Exact {
    frames: BoxStream<'static, Result<Bytes, DownloadError>>,
    rest: u64,
}

impl Exact {
    /// Frames that come to `length` bytes.
    pub fn new(
        frames: impl Stream<Item = Result<Bytes, DownloadError>> + Send + 'static,
        length: u64,
    ) -> Exact {
        Exact {
            frames: Box::pin(frames),
            rest: length,
        }
    }
}

impl Body for Exact {
    type Data = Bytes;
    type Error = ExactError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ExactError>>> {
        if self.rest == 0 {
            return Poll::Ready(None);
        }
        let polled = match self.frames.as_mut().poll_next(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(polled) => polled,
        };
        Poll::Ready(Some(match polled {
            Some(Ok(frame)) => match self.rest.checked_sub(frame.len() as u64) {
                Some(rest) => {
                    self.rest = rest;
                    if rest == 0 {
                        // The download ends now, and not when the connection does.
                        self.frames = Box::pin(futures::stream::empty());
                    }
                    Ok(Frame::data(frame))
                }
                None => Err(ExactError::Length(frame.len() as u64 - self.rest)),
            },
            Some(Err(error)) => Err(error.into()),
            None => Err(ExactError::Length(self.rest)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.rest == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::BodyExt;

    use super::*;

    async fn read(frames: &[&'static str], length: u64) -> Result<Bytes, ExactError> {
        let frames: Vec<_> = frames
            .iter()
            .map(|frame| Ok(Bytes::from_static(frame.as_bytes())))
            .collect();
        let body = Exact::new(stream::iter(frames), length);
        Ok(body.collect().await?.to_bytes())
    }

    #[tokio::test]
    async fn what_is_too_short_or_too_long_fails() {
        assert_eq!(read(&["ab", "c"], 3).await.unwrap(), "abc");
        assert!(matches!(read(&["ab"], 3).await, Err(ExactError::Length(1))));
        assert!(matches!(
            read(&["abcd"], 3).await,
            Err(ExactError::Length(1))
        ));
    }

    #[tokio::test]
    async fn its_end_is_known_with_the_last_frame() {
        let mut body = Exact::new(stream::iter([Ok(Bytes::from_static(b"abc"))]), 3);
        assert!(!body.is_end_stream());
        body.frame().await.unwrap().unwrap();
        assert!(body.is_end_stream());
    }
}
