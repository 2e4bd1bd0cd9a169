//! The body of every answer: a range of some content, up to the byte where a fault strikes.

use std::convert::Infallible;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

use super::content::Content;
use super::faults::Mishap;
use super::requests::{InFlight, Requests};
use crate::support::cut::Cut;

/// Sends `content[left]`.
pub struct ScriptedBody {
    content: Content,
    left: Range<u64>,
    mishap: Option<(u64, Mishap)>,
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    cut: Arc<Cut>,
    requests: Arc<Requests>,
    announced: bool,
    _in_flight: Option<InFlight>,
}

impl ScriptedBody {
    /// The bytes `range` of `content`, with `mishap` at its offset.
    pub fn new(
        content: Content,
        mut range: Range<u64>,
        mishap: Option<(u64, Mishap)>,
        cut: Arc<Cut>,
        requests: Arc<Requests>,
    ) -> Self {
        if let Some((at, Mishap::Shorten)) = mishap {
            range.end = range.end.min(at);
        }
        ScriptedBody {
            content,
            left: range,
            mishap,
            pause: None,
            cut,
            requests,
            announced: true,
            _in_flight: None,
        }
    }

    /// Does not say how long it is.
    pub fn unannounced(mut self) -> Self {
        self.announced = false;
        self
    }

    /// Counts the body as open until it is dropped.
    pub fn counted(mut self, in_flight: InFlight) -> Self {
        self._in_flight = Some(in_flight);
        self
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if let Some(pause) = &mut this.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            this.pause = None;
        }
        if this.left.is_empty() {
            return Poll::Ready(None);
        }
        let mut flip = false;
        let mut until = this.left.end;
        match &this.mishap {
            Some((at, _)) if *at > this.left.start => until = until.min(*at),
            Some((at, mishap)) if *at == this.left.start => {
                match mishap {
                    Mishap::Reset => this.cut.reset(),
                    Mishap::Close => this.cut.close(),
                    Mishap::Stall | Mishap::Shorten => {}
                    Mishap::Flip => flip = true,
                    Mishap::Hold(gate) => this.pause = Some(Box::pin(gate.pass())),
                }
                // Reset and Close stay here: the connection ends itself when it is flushed next.
                match mishap {
                    Mishap::Reset | Mishap::Close | Mishap::Stall | Mishap::Shorten => {
                        return Poll::Pending;
                    }
                    Mishap::Flip => this.mishap = None,
                    Mishap::Hold(_) => {
                        this.mishap = None;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
            }
            _ => {}
        }
        let mut data = this.content.slice(this.left.start..until);
        if flip {
            let mut changed = BytesMut::from(&data[..]);
            changed[0] ^= 1;
            data = changed.freeze();
        }
        this.left.start += data.len() as u64;
        this.requests.sent(data.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.announced {
            SizeHint::with_exact(self.left.end - self.left.start)
        } else {
            SizeHint::default()
        }
    }
}
