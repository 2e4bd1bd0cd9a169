//! Where the body of an answer ends (RFC 9112, sections 6.3 and 7.1), pure.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, StatusCode};

/// What came is not HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not HTTP: {0}")]
pub(super) struct NotHttp(pub(super) &'static str);

/// What is still to come of an answer (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Nothing,
    Bytes(u64),
    Chunked(Chunked),
    UntilClosed,
}

/// Where a chunked body stands (RFC 9112, section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    Size,
    Bytes(u64),
    /// The line end behind a chunk's bytes.
    LineEnd,
    Trailers,
}

impl Chunked {
    /// Reads what stands between the bytes of two chunks: how long it is, and what follows. `None` where it has not all
    /// come.
    pub(super) fn step(self, block: &[u8]) -> Result<Option<(usize, Rest)>, NotHttp> {
        let (length, next) = match self {
            Chunked::Size => match httparse::parse_chunk_size(block) {
                Ok(httparse::Status::Complete((length, 0))) => {
                    (length, Rest::Chunked(Chunked::Trailers))
                }
                Ok(httparse::Status::Complete((length, size))) => {
                    (length, Rest::Chunked(Chunked::Bytes(size)))
                }
                Ok(httparse::Status::Partial) => return Ok(None),
                Err(_) => return Err(NotHttp("a chunk has no size")),
            },
            Chunked::LineEnd => match block {
                [b'\r', b'\n', ..] => (2, Rest::Chunked(Chunked::Size)),
                [] | [b'\r'] => return Ok(None),
                _ => return Err(NotHttp("a chunk has no end")),
            },
            // Trailers are lines up to an empty one; nobody asks for them.
            Chunked::Trailers => match block.iter().position(|byte| *byte == b'\n') {
                Some(0) => (1, Rest::Nothing),
                Some(1) if block[0] == b'\r' => (2, Rest::Nothing),
                Some(end) => (end + 1, Rest::Chunked(Chunked::Trailers)),
                None => return Ok(None),
            },
            Chunked::Bytes(_) => (0, Rest::Chunked(self)),
        };
        Ok(Some((length, next)))
    }
}

/// What follows a head. Source: RFC 9112, section 6.3.
pub(super) fn rest(status: StatusCode, headers: &HeaderMap) -> Result<Rest, NotHttp> {
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Rest::Nothing);
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        return if lists(headers, TRANSFER_ENCODING, "chunked") {
            Ok(Rest::Chunked(Chunked::Size))
        } else {
            Ok(Rest::UntilClosed)
        };
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else {
        return Ok(Rest::UntilClosed);
    };
    let length = first
        .to_str()
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    match length.and_then(|text| text.parse().ok()) {
        Some(length) if lengths.all(|other| other == first) => Ok(match length {
            0 => Rest::Nothing,
            length => Rest::Bytes(length),
        }),
        _ => Err(NotHttp("its length makes no sense")),
    }
}

/// Whether a field lists a word.
pub(super) fn lists(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|listed| listed.trim().eq_ignore_ascii_case(word))
}
