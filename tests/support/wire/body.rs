//! Bodies on their way through: of requests, and of answers up to the byte where the harm strikes.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{Broken, What};
use crate::support::cut::Cut;

/// A byte every so often is this many of them.
const TRICKLE: usize = 1 << 10;

/// The body of a request, which breaks off or is garbled at a byte.
pub(super) struct HarmedRequest {
    pub(super) body: Incoming,
    pub(super) passed: u64,
    /// The one that strikes first is first.
    pub(super) whats: Vec<What>,
}

impl Body for HarmedRequest {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(cx)) else {
            return Poll::Ready(None);
        };
        let Ok(mut data) = frame
            .map_err(drop)
            .and_then(|f| f.into_data().map_err(drop))
        else {
            return Poll::Ready(Some(Err(Broken)));
        };
        let covered = this.passed..this.passed + data.len() as u64;
        for what in &this.whats {
            match what {
                What::Cut(at) if covered.contains(at) => return Poll::Ready(Some(Err(Broken))),
                What::Garble(at) if covered.contains(at) => {
                    let mut changed = BytesMut::from(&data[..]);
                    changed[(at - covered.start) as usize] ^= 1;
                    data = changed.freeze();
                }
                _ => {}
            }
        }
        this.passed = covered.end;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of the server behind, up to the byte where the harm strikes.
pub(super) struct HarmedBody {
    pub(super) body: Incoming,
    /// What has not come yet, as offsets in the representation.
    pub(super) left: Range<u64>,
    /// The next one last.
    pub(super) whats: Vec<What>,
    pub(super) pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    pub(super) pauses: u32,
    /// Came, but has not been passed on.
    pub(super) held: Bytes,
    pub(super) cut: Arc<Cut>,
}

impl HarmedBody {
    fn take(&mut self, length: usize) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let data = self.held.split_to(length.min(self.held.len()));
        self.left.start += data.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

impl Body for HarmedBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        loop {
            if let Some(pause) = &mut this.pause {
                if pause.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.pause = None;
            }
            if this.held.is_empty() {
                match Pin::new(&mut this.body).poll_frame(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(frame))) => {
                        // Trailers are for nobody here.
                        let Ok(data) = frame.into_data() else {
                            continue;
                        };
                        this.held = data;
                    }
                    Poll::Ready(Some(Err(_))) => {
                        this.cut.reset();
                        return Poll::Ready(Some(Err(Broken)));
                    }
                    Poll::Ready(None) => return Poll::Ready(None),
                }
                continue;
            }
            let before = match this.whats.last() {
                Some(what) => what.at().unwrap_or(0).saturating_sub(this.left.start),
                None => u64::MAX,
            };
            if before > 0 {
                return this.take(usize::try_from(before).unwrap_or(usize::MAX));
            }
            match this.whats.pop() {
                Some(What::Reset(_)) => this.cut.reset(),
                Some(What::Close(_)) => this.cut.close(),
                Some(What::Stall(_)) => {}
                Some(What::Hold(_, gate)) => {
                    this.pause = Some(Box::pin(gate.pass()));
                    continue;
                }
                Some(What::Flip(_)) => {
                    let mut changed = BytesMut::from(&this.held[..]);
                    changed[0] ^= 1;
                    this.held = changed.freeze();
                    continue;
                }
                Some(What::Trickle(at, pause)) if this.pauses < 100 => {
                    this.pauses += 1;
                    this.pause = Some(Box::pin(tokio::time::sleep(pause)));
                    let next = at + TRICKLE.min(this.held.len()) as u64;
                    this.whats.push(What::Trickle(next, pause));
                    // What strikes before its next pause is not to wait for all of them.
                    next_last(&mut this.whats);
                    continue;
                }
                _ => continue,
            }
            // The connection ends itself when it is flushed next, or never.
            this.pause = Some(Box::pin(std::future::pending()));
            return Poll::Pending;
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        if let Some(exact) = hint.exact() {
            hint = SizeHint::with_exact(exact + self.held.len() as u64);
        }
        hint
    }
}

/// The next one to strike lies last.
pub(super) fn next_last(whats: &mut [What]) {
    whats.sort_by_key(|what| std::cmp::Reverse(what.at()));
}
