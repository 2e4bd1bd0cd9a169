//! HTTP/1.1 on one connection, one request after the other (RFC 9112): heads by [`httparse`], bodies as they come.
//!
//! Nothing is kept in memory between two requests. While a body comes, there is one block of memory, into which the
//! system writes; what has come of it is passed on without copying, and the rest of the block is filled next.

use std::io;
use std::pin::Pin;
use std::task::{Context, Waker};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};

use super::block::{BLOCK, Blocks, HEAD_ROOM};
use super::framing::{Chunked, NotHttp, Rest, lists, rest};
use crate::store::dial::{Connection, Forwarded};

/// The longest head that is taken, in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

/// The most fields of a head.
const MOST_FIELDS: usize = 128;

/// With less room left, a new block is begun.
const LEAST_ROOM: usize = 4 * 1024;

/// The fields that anybody asks for.
static KEPT: [HeaderName; 8] = [
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    ETAG,
    TRANSFER_ENCODING,
    HeaderName::from_static("x-amz-bucket-region"),
    HeaderName::from_static("x-amz-checksum-crc32"),
    HeaderName::from_static("x-amz-checksum-type"),
];

/// One connection, and where it stands.
pub(super) struct Line {
    connection: Connection,
    block: BytesMut,
    blocks: Blocks,
    rest: Rest,
    keep_alive: bool,
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    /// Those fields that anybody asks for.
    pub(super) headers: HeaderMap,
}

/// Why an answer ended before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// Nothing of an answer had come.
    #[error("the connection broke before the answer")]
    Unanswered(#[source] io::Error),
    /// Something of it had.
    #[error("the connection broke")]
    Answered(#[source] io::Error),
    /// What came is not HTTP/1.
    #[error(transparent)]
    NotHttp(#[from] NotHttp),
}

impl Broken {
    /// Nothing of an answer had come: the same request may be sent again.
    pub(super) fn unanswered(&self) -> bool {
        matches!(self, Broken::Unanswered(_))
    }
}

impl Line {
    /// A connection that nothing was asked over yet.
    pub(super) fn new(connection: Connection, blocks: &Blocks) -> Line {
        Line {
            connection,
            block: BytesMut::new(),
            blocks: blocks.clone(),
            rest: Rest::Nothing,
            keep_alive: true,
        }
    }

    /// What a proxy wants, where this ends at one.
    pub(super) fn forwarded(&self) -> Option<&Forwarded> {
        self.connection.forwarded.as_ref()
    }

    /// Whether another request can be sent: all of the last answer has come, and nothing else.
    pub(super) fn is_free(&self) -> bool {
        self.keep_alive && self.rest == Rest::Nothing && self.block.is_empty()
    }

    /// Whether the other side has left it open and silent, as far as is known.
    pub(super) fn is_open(&mut self) -> bool {
        let mut byte = [0];
        let mut byte = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        let stream = Pin::new(&mut self.connection.stream);
        stream.poll_read(&mut context, &mut byte).is_pending()
    }

    /// Sends a request for `expected` bytes, and waits for the head of its answer.
    pub(super) async fn ask(&mut self, request: &str, expected: u64) -> Result<Head, Broken> {
        // Until the answer has said otherwise.
        self.keep_alive = false;
        let stream = &mut self.connection.stream;
        let sent = async {
            stream.write_all(request.as_bytes()).await?;
            stream.flush().await
        };
        sent.await.map_err(Broken::Unanswered)?;
        let expected = usize::try_from(expected).unwrap_or(BLOCK);
        self.block = self.blocks.take(HEAD_ROOM.saturating_add(expected));
        let mut came = false;
        loop {
            if self.block.len() == self.block.capacity() {
                if self.block.len() >= LONGEST_HEAD {
                    return Err(Broken::NotHttp(NotHttp("its head has no end")));
                }
                self.block.reserve(HEAD_ROOM);
            }
            let read = self.fill(BLOCK).await.and_then(some);
            let broken = if came {
                Broken::Answered
            } else {
                Broken::Unanswered
            };
            read.map_err(broken)?;
            came = true;
            while let Some(head) = self.head()? {
                // RFC 9110, section 15.2: an interim answer is followed by another one.
                if !head.status.is_informational() {
                    return Ok(head);
                }
            }
        }
    }

    /// Takes a head out of the block, if all of it is there.
    fn head(&mut self) -> Result<Option<Head>, Broken> {
        let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut parsed = httparse::Response::new(&mut fields);
        let length = match parsed.parse(&self.block) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Broken::NotHttp(NotHttp("its head makes no sense"))),
        };
        let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or(Broken::NotHttp(NotHttp("it has no status")))?;
        let mut headers = HeaderMap::with_capacity(KEPT.len());
        for field in parsed.headers.iter() {
            let kept = KEPT
                .iter()
                .find(|kept| kept.as_str().eq_ignore_ascii_case(field.name));
            if let Some(name) = kept
                && let Ok(value) = HeaderValue::from_bytes(field.value)
            {
                headers.append(name.clone(), value);
            }
        }
        let lasting = parsed.version == Some(1);
        self.block.advance(length);
        if !status.is_informational() {
            self.rest = rest(status, &headers)?;
            self.keep_alive =
                lasting && !lists(&headers, CONNECTION, "close") && self.rest != Rest::UntilClosed;
        }
        Ok(Some(Head { status, headers }))
    }

    /// The next bytes of the answer, never none, or `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            match self.rest {
                Rest::Nothing => return Ok(None),
                Rest::Bytes(left) => {
                    if self.block.is_empty() {
                        self.more(left).await?;
                    }
                    let bytes = self.pass(left);
                    let left = left - bytes.len() as u64;
                    self.rest = if left == 0 {
                        self.leave()
                    } else {
                        Rest::Bytes(left)
                    };
                    return Ok(Some(bytes));
                }
                Rest::UntilClosed => {
                    if self.block.is_empty() {
                        self.room(BLOCK);
                        if self.fill(BLOCK).await.map_err(Broken::Answered)? == 0 {
                            self.rest = Rest::Nothing;
                            return Ok(None);
                        }
                    }
                    return Ok(Some(self.pass(u64::MAX)));
                }
                Rest::Chunked(Chunked::Bytes(left)) => {
                    if self.block.is_empty() {
                        self.more(left).await?;
                    }
                    let bytes = self.pass(left);
                    let left = left - bytes.len() as u64;
                    self.rest = Rest::Chunked(match left {
                        0 => Chunked::LineEnd,
                        left => Chunked::Bytes(left),
                    });
                    return Ok(Some(bytes));
                }
                Rest::Chunked(at) => match at.step(&self.block)? {
                    Some((length, rest)) => {
                        self.block.advance(length);
                        self.rest = match rest {
                            Rest::Nothing => self.leave(),
                            rest => rest,
                        };
                    }
                    None if self.block.len() >= LONGEST_HEAD => {
                        return Err(Broken::NotHttp(NotHttp("a chunk makes no sense")));
                    }
                    None => {
                        self.block.reserve(HEAD_ROOM);
                        self.fill(BLOCK)
                            .await
                            .and_then(some)
                            .map_err(Broken::Answered)?;
                    }
                },
            }
        }
    }

    /// All of the answer has come. Bytes beyond it stay, and tell that the connection cannot be used again.
    fn leave(&mut self) -> Rest {
        if self.block.is_empty() {
            self.block = BytesMut::new();
        }
        Rest::Nothing
    }

    /// Passes on what has come, at most `most` bytes.
    fn pass(&mut self, most: u64) -> Bytes {
        let length =
            usize::try_from(most).map_or(self.block.len(), |most| most.min(self.block.len()));
        let bytes = self.block.split_to(length).freeze();
        if self.block.is_empty() && self.block.capacity() < LEAST_ROOM {
            // What is left of a block would keep it from being used again.
            self.block = BytesMut::new();
        }
        self.blocks.lend(bytes)
    }

    /// Waits for some of `left` bytes, and for no others.
    async fn more(&mut self, left: u64) -> Result<(), Broken> {
        let left = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        self.room(left);
        let read = self.fill(left).await.and_then(some);
        read.map(drop).map_err(Broken::Answered)
    }

    /// Makes room for some of `left` bytes, in an empty block.
    fn room(&mut self, left: usize) {
        if self.block.capacity() < left.min(LEAST_ROOM) {
            self.block = self.blocks.take(left);
        }
    }

    /// Reads at most `most` bytes into the room that there is.
    async fn fill(&mut self, most: usize) -> io::Result<usize> {
        let most = most.min(self.block.capacity() - self.block.len());
        let mut room = (&mut self.block).limit(most);
        self.connection.stream.read_buf(&mut room).await
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("rest", &self.rest)
            .finish_non_exhaustive()
    }
}

/// No bytes are the end of the connection.
fn some(read: usize) -> io::Result<usize> {
    match read {
        0 => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the store closed the connection",
        )),
        read => Ok(read),
    }
}

#[cfg(test)]
mod tests;
