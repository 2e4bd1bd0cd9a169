//! A pass-through on one side of sheaf that does harm: between it and its store, or between it and a client.
//!
//! Requests and answers go through as they came, signatures included, but for the [`Harm`]s that were added. Offsets are
//! offsets in the *object* (or archive), not in one answer, so a harm strikes whichever request covers its byte. The
//! server behind it can be exchanged while it runs, as when a process dies and another takes its place.

mod body;
mod harm;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::cut::{self, Cut};
use body::{HarmedBody, HarmedRequest};
pub use harm::*;

/// A running pass-through; it ends when it is dropped.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<String>,
    harms: Mutex<Vec<Harm>>,
}

impl Wire {
    /// Passes on to the server at `upstream` (`http://HOST:PORT`).
    pub async fn start(upstream: &str) -> Wire {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let shared = Arc::new(Shared {
            upstream: Mutex::new(authority(upstream)),
            harms: Mutex::default(),
        });
        let behind = shared.clone();
        let answer = move |request, cut| pass(behind.clone(), cut, request);
        let accepting = tokio::spawn(cut::serve(listener, answer)).abort_handle();
        Wire {
            address,
            shared,
            accepting,
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, new requests go there.
    pub fn redirect(&self, upstream: &str) {
        *self.shared.upstream.lock().unwrap() = authority(upstream);
    }

    /// Adds a harm behind the others.
    pub fn add(&self, harm: Harm) {
        self.shared.harms.lock().unwrap().push(harm);
    }

    /// No harm is done any more.
    pub fn heal(&self) {
        self.shared.harms.lock().unwrap().clear();
    }

    /// How often harm is still to be done.
    pub fn left(&self) -> u32 {
        let harms = self.shared.harms.lock().unwrap();
        harms.iter().map(|harm| harm.times).sum()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn authority(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}

/// The exchange behind broke off: so does the one in front.
#[derive(Debug, thiserror::Error)]
#[error("the server behind broke off")]
struct Broken;

async fn pass(
    shared: Arc<Shared>,
    cut: Arc<Cut>,
    request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, Broken>>, Broken> {
    let (parts, body) = request.into_parts();
    for what in shared.strike(&parts, |what| what.when() == When::Before) {
        match what {
            What::Delay(delay) => tokio::time::sleep(delay).await,
            What::Wait(gate) => gate.pass().await,
            What::Answer(status, code) => return Ok(refusal(status, code)),
            _ => {
                cut.reset();
                return Err(Broken);
            }
        }
    }
    let harmed = parts.clone();
    let length = body.size_hint().exact().unwrap_or(0);
    let whats = shared.strike(&parts, |what| match what {
        What::Cut(at) | What::Garble(at) => *at < length,
        _ => false,
    });
    let body = HarmedRequest {
        body,
        passed: 0,
        whats,
    };
    let answer = shared.forward(Request::from_parts(parts, body)).await;
    let Ok(answer) = answer else {
        cut.reset();
        return Err(Broken);
    };
    for what in shared.strike(&harmed, |what| what.when() == When::Answered) {
        match what {
            What::Keep(gate) => gate.pass().await,
            _ => {
                cut.reset();
                return Err(Broken);
            }
        }
    }
    let begins = start(answer.headers());
    let size = answer.body().size_hint().exact().unwrap_or(u64::MAX);
    let covered = begins..begins.saturating_add(size);
    let mut whats = shared.strike(&harmed, |what| {
        what.at().is_some_and(|at| covered.contains(&at))
    });
    body::next_last(&mut whats);
    Ok(answer.map(|body| {
        let harmed = HarmedBody {
            body,
            left: covered,
            whats,
            pause: None,
            pauses: 0,
            held: Bytes::new(),
            cut,
        };
        harmed.boxed_unsync()
    }))
}

impl Shared {
    /// The harms for this request, of those that `fits` takes. Those that end the exchange are not used up behind one
    /// that does.
    fn strike(&self, parts: &Parts, fits: impl Fn(&What) -> bool) -> Vec<What> {
        let mut harms = self.harms.lock().unwrap();
        let mut struck: Vec<What> = Vec::new();
        for harm in harms.iter_mut() {
            let ended = struck.iter().any(What::ends);
            let applies = harm.times > 0 && harm.which.is(parts) && fits(&harm.what);
            if applies && !(ended && harm.what.ends()) {
                if harm.times < u32::MAX {
                    harm.times -= 1;
                }
                struck.push(harm.what.clone());
            }
        }
        struck
    }

    async fn forward(&self, request: Request<HarmedRequest>) -> Result<Response<Incoming>, Broken> {
        let upstream = self.upstream.lock().unwrap().clone();
        let stream = TcpStream::connect(upstream).await.map_err(|_| Broken)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Broken)?;
        tokio::spawn(connection);
        sender.send_request(request).await.map_err(|_| Broken)
    }
}

/// Which byte of the representation comes first.
fn start(headers: &HeaderMap) -> u64 {
    let range = headers.get(header::CONTENT_RANGE);
    range
        .and_then(|range| range.to_str().ok()?.strip_prefix("bytes ")?.split_once('-'))
        .and_then(|(first, _)| first.parse().ok())
        .unwrap_or(0)
}

fn refusal(status: u16, code: &str) -> Response<UnsyncBoxBody<Bytes, Broken>> {
    let document = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
    let body = Full::new(Bytes::from(document)).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    answer
}
