//! What is done to which requests.

use std::time::Duration;

use http::Method;
use http::request::Parts;

use crate::support::synthetic::faults::Gate;

/// What is done to a request or to its answer.
#[derive(Clone, Debug)]
pub enum What {
    /// The connection is reset (RST) at this byte.
    Reset(u64),
    /// The connection is closed in good order (FIN) at this byte.
    Close(u64),
    /// Nothing comes after this byte, and the connection stays open.
    Stall(u64),
    /// Nothing comes after this byte until the gate is opened.
    Hold(u64, Gate),
    /// One bit of this byte is wrong.
    Flip(u64),
    /// The rest comes in small pieces, with a pause before each of the first hundred.
    Trickle(u64, Duration),
    /// It comes this much later.
    Delay(Duration),
    /// This status and this S3 error code instead; the request is not passed on.
    Answer(u16, &'static str),
    /// The connection is reset instead of an answer; the request is not passed on.
    Refuse,
    /// The request waits for the gate before it is passed on.
    Wait(Gate),
    /// The request breaks off at this byte of its body, on both sides.
    Cut(u64),
    /// One bit of this byte of the request's body is wrong.
    Garble(u64),
    /// The request is passed on and answered, and the connection is reset instead of the answer.
    Lose,
    /// The answer is there, and waits for the gate.
    Keep(Gate),
}

/// When a harm strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Before the request is passed on.
    Before,
    /// While it is.
    Asking,
    /// Once the head of the answer is there.
    Answered,
    /// While the answer's body passes.
    Passing,
}

impl What {
    /// The byte of the answer's body that it strikes at.
    pub(super) fn at(&self) -> Option<u64> {
        match self {
            What::Reset(at) | What::Close(at) | What::Stall(at) => Some(*at),
            What::Hold(at, _) | What::Flip(at) | What::Trickle(at, _) => Some(*at),
            _ => None,
        }
    }

    pub(super) fn when(&self) -> When {
        match self {
            What::Delay(_) | What::Answer(..) | What::Refuse | What::Wait(_) => When::Before,
            What::Cut(_) | What::Garble(_) => When::Asking,
            What::Lose | What::Keep(_) => When::Answered,
            _ => When::Passing,
        }
    }

    /// Whether nothing comes after it.
    pub(super) fn ends(&self) -> bool {
        match self {
            What::Reset(_) | What::Close(_) | What::Stall(_) => true,
            What::Answer(..) | What::Refuse | What::Cut(_) | What::Lose => true,
            What::Hold(..) | What::Flip(_) | What::Trickle(..) | What::Delay(_) => false,
            What::Wait(_) | What::Garble(_) | What::Keep(_) => false,
        }
    }
}

/// What is asked of a store, apart from reading objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// A multipart upload begins.
    Begin,
    /// A part of one, sent or copied.
    Part,
    /// The parts of one are listed.
    Parts,
    /// One is put together.
    Complete,
    /// One is taken back.
    Abort,
    /// An object is written in one request.
    Put,
    /// An object is deleted.
    Delete,
    /// An object is looked at.
    Head,
}

impl Ask {
    fn of(parts: &Parts) -> Option<Ask> {
        let query = parts.uri.query().unwrap_or_default();
        let has = |name: &str| {
            let mut names = query.split('&').map(|pair| pair.split('=').next());
            names.any(|found| found == Some(name))
        };
        match parts.method {
            Method::POST if has("uploads") => Some(Ask::Begin),
            Method::POST if has("uploadId") => Some(Ask::Complete),
            Method::PUT if has("partNumber") => Some(Ask::Part),
            Method::PUT => Some(Ask::Put),
            Method::GET if has("uploadId") => Some(Ask::Parts),
            Method::DELETE if has("uploadId") => Some(Ask::Abort),
            Method::DELETE => Some(Ask::Delete),
            Method::HEAD => Some(Ask::Head),
            _ => None,
        }
    }
}

/// Which requests are harmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// GETs of a path that ends so.
    Get(String),
    /// Listings.
    List,
    /// Of this kind.
    Of(Ask),
    /// All.
    Any,
}

impl Which {
    pub(super) fn is(&self, parts: &Parts) -> bool {
        let listing = parts.uri.query().is_some_and(|q| q.contains("list-type="));
        match self {
            Which::Get(end) => {
                let reads = parts.method == Method::GET && !listing && Ask::of(parts).is_none();
                reads && parts.uri.path().ends_with(end.as_str())
            }
            Which::List => listing,
            Which::Of(ask) => Ask::of(parts) == Some(*ask),
            Which::Any => true,
        }
    }
}

/// Harm that is done a number of times.
#[derive(Clone, Debug)]
pub struct Harm {
    pub which: Which,
    pub what: What,
    /// To how many requests; `u32::MAX` means to all.
    pub times: u32,
}
