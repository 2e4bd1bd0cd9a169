//! A sliding window over a [`Source`]: what turns ranged reads into a reader that can seek.
//!
//! It holds one run of bytes of a fixed largest size. Reads within it cost nothing; a read outside it drops it and
//! fetches the run that begins there. So a pass over an archive in order costs one read a window, however small the
//! entries are, and the memory is one window at any time.

use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use futures::io::{AsyncBufRead, AsyncRead, AsyncReadExt, AsyncSeek};

use super::source::{Source, SourceError};

/// The window over a source.
pub(super) struct Window {
    source: Arc<Source>,
    /// The most bytes that it holds.
    size: usize,
    /// Where the next read starts.
    position: u64,
    /// Where the bytes start that it holds.
    start: u64,
    bytes: Vec<u8>,
    /// The read under way, which starts at `start`; `bytes` is empty meanwhile.
    fetch: Option<BoxFuture<'static, Result<Vec<u8>, SourceError>>>,
}

impl Window {
    /// A window of at most `size` bytes over a source.
    pub(super) fn new(source: Source, size: usize) -> Window {
        Window {
            source: Arc::new(source),
            size,
            position: 0,
            start: 0,
            bytes: Vec::new(),
            fetch: None,
        }
    }

    /// The length of the source.
    pub(super) fn len(&self) -> u64 {
        self.source.len()
    }

    /// Goes to a position.
    pub(super) fn go(&mut self, position: u64) {
        self.position = position;
    }

    /// Goes to a position from which the next `ahead` bytes will be looked at more than once: where the window does
    /// not hold all of them, it will begin there.
    pub(super) fn go_ahead(&mut self, position: u64, ahead: usize) {
        self.go(position);
        let end = position.saturating_add(ahead as u64).min(self.len());
        let held = self.start..self.start + self.bytes.len() as u64;
        if position < held.start || end > held.end {
            self.drop_bytes();
        }
    }

    /// Reads exactly as many bytes as the buffer has.
    ///
    /// # Errors
    /// `UnexpectedEof` where the source ends before; else a [`SourceError`] within.
    pub(super) async fn fill(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.read_exact(buffer).await
    }

    fn drop_bytes(&mut self) {
        self.bytes.clear();
        self.fetch = None;
        self.start = self.position;
    }

    /// The bytes held from the position on.
    fn held(&self) -> Option<usize> {
        let at = usize::try_from(self.position.checked_sub(self.start)?).ok()?;
        (at < self.bytes.len()).then_some(at)
    }
}

impl AsyncBufRead for Window {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if this.held().is_none() && this.position < this.len() {
            if this.start != this.position {
                this.drop_bytes();
            }
            let fetch = this.fetch.get_or_insert_with(|| {
                let end = this
                    .source
                    .len()
                    .min(this.position.saturating_add(this.size as u64));
                let (source, range) = (this.source.clone(), this.position..end);
                let buffer = std::mem::take(&mut this.bytes);
                Box::pin(async move { source.read(range, buffer).await })
            });
            let fetched = ready!(fetch.as_mut().poll(cx));
            this.fetch = None;
            this.bytes = fetched.map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(this.held().map_or(&[], |at| &this.bytes[at..])))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().position += amount as u64;
    }
}

impl AsyncRead for Window {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let held = ready!(self.as_mut().poll_fill_buf(cx))?;
        let amount = held.len().min(buffer.len());
        buffer[..amount].copy_from_slice(&held[..amount]);
        self.consume(amount);
        Poll::Ready(Ok(amount))
    }
}

impl AsyncSeek for Window {
    fn poll_seek(self: Pin<&mut Self>, _: &mut Context<'_>, to: SeekFrom) -> Poll<io::Result<u64>> {
        let this = self.get_mut();
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => this.len().checked_add_signed(by),
            SeekFrom::Current(by) => this.position.checked_add_signed(by),
        };
        // As std has it: before the start is an error, beyond the end is not.
        this.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Poll::Ready(Ok(this.position))
    }
}
