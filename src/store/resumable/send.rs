//! Parts whose bytes pass through this process, as they come.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::{ResumableUpload, StoredPart, as_number};
use crate::store::StoreError;

/// How long a store may take to answer once it has all bytes of a part.
const ANSWERING: Duration = Duration::from_secs(5 * 60);

impl ResumableUpload {
    /// Sends a part of `size` bytes, which come through `bytes`. Where they end early, the part is not taken.
    ///
    /// # Errors
    /// As the store says; the upload is still there then.
    pub async fn send(
        &self,
        number: usize,
        size: u64,
        bytes: mpsc::Receiver<Bytes>,
    ) -> Result<StoredPart, StoreError> {
        const SEND: &str = "UploadPart";
        let (all_sent, sent) = tokio::sync::oneshot::channel();
        let body = Incoming {
            bytes,
            left: size,
            all_sent: Some(all_sent),
        };
        let sending = self
            .store
            .sender
            .upload_part()
            .bucket(self.bucket.as_str())
            .key(&self.key)
            .upload_id(&self.id)
            .part_number(as_number(number))
            .content_length(i64::try_from(size).unwrap_or(i64::MAX))
            .set_request_payer(self.store.payer.clone())
            .body(ByteStream::new(SdkBody::from_body_1_x(body)))
            .customize()
            // The hash of what is still to come cannot be signed.
            .disable_payload_signing()
            .send();
        let answer = tokio::select! {
            answer = sending => answer,
            () = too_long(sent) => return Err(self.silent(SEND)),
        };
        let answer = answer.map_err(|error| self.refused(SEND, error))?;
        self.taken(SEND, number, size, answer.e_tag)
    }
}

/// Waits until the store has had all bytes, and for an answer as long again as it may take. A body that is given up
/// before its end is not waited for.
async fn too_long(sent: tokio::sync::oneshot::Receiver<()>) {
    match sent.await {
        Ok(()) => tokio::time::sleep(ANSWERING).await,
        Err(_) => std::future::pending().await,
    }
}

/// The bytes of a part, as they come.
#[derive(Debug)]
struct Incoming {
    bytes: mpsc::Receiver<Bytes>,
    left: u64,
    all_sent: Option<tokio::sync::oneshot::Sender<()>>,
}

/// Whoever makes the bytes of a part gave up.
#[derive(Debug, thiserror::Error)]
#[error("the part's bytes ended {left} bytes early")]
struct Short {
    left: u64,
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Short;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Short>>> {
        let bytes = match self.left {
            0 => None,
            _ => ready!(self.bytes.poll_recv(cx)),
        };
        Poll::Ready(match bytes {
            Some(bytes) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                if self.left == 0 {
                    // That nobody waits any more is no loss.
                    let _ = self.all_sent.take().map(|all_sent| all_sent.send(()));
                }
                Some(Ok(Frame::data(bytes)))
            }
            None if self.left == 0 => None,
            None => Some(Err(Short { left: self.left })),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
