//! A pass-through on one side of sheaf that does harm: between it and its store, or between it and a client.
//!
//! Requests and answers go through as they came, signatures included, but for the [`Harm`]s that were added. Offsets are
//! offsets in the *object* (or archive), not in one answer, so a harm strikes whichever request covers its byte. The
//! server behind it can be exchanged while it runs, as when a process dies and another takes its place.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::cut::{Connection, Cut};
use super::synthetic::faults::Gate;

/// A byte every so often is this many of them.
const TRICKLE: usize = 1 << 10;

/// What is done to an answer.
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
}

impl What {
    fn at(&self) -> Option<u64> {
        match self {
            What::Reset(at) | What::Close(at) | What::Stall(at) => Some(*at),
            What::Hold(at, _) | What::Flip(at) | What::Trickle(at, _) => Some(*at),
            What::Delay(_) | What::Answer(..) | What::Refuse => None,
        }
    }

    /// Whether nothing comes after it.
    fn ends(&self) -> bool {
        !matches!(
            self,
            What::Hold(..) | What::Flip(_) | What::Trickle(..) | What::Delay(_)
        )
    }
}

/// Which requests are harmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// GETs of a path that ends so.
    Get(String),
    /// Listings.
    List,
    /// All.
    Any,
}

impl Which {
    fn is(&self, parts: &Parts) -> bool {
        let listing = parts.uri.query().is_some_and(|q| q.contains("list-type="));
        match self {
            Which::Get(end) => {
                parts.method == Method::GET && !listing && parts.uri.path().ends_with(end.as_str())
            }
            Which::List => listing,
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
        let accepting = tokio::spawn(accept(listener, shared.clone())).abort_handle();
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

/// Accepts until it is dropped; the connections live in its set and end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let (shared, cut) = (shared.clone(), Arc::new(Cut::default()));
                let io = TokioIo::new(Connection::new(stream, cut.clone()));
                connections.spawn(async move {
                    let service = service_fn(move |request| pass(shared.clone(), cut.clone(), request));
                    // An error is a cut that was asked for, or a client that went away.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(io, service)
                        .await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
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
    for what in shared.strike(&parts, |what| what.at().is_none()) {
        match what {
            What::Delay(delay) => tokio::time::sleep(delay).await,
            What::Answer(status, code) => return Ok(refusal(status, code)),
            _ => {
                cut.reset();
                return Err(Broken);
            }
        }
    }
    let harmed = parts.clone();
    let answer = shared.forward(Request::from_parts(parts, body)).await;
    let Ok(answer) = answer else {
        cut.reset();
        return Err(Broken);
    };
    let begins = start(answer.headers());
    let size = answer.body().size_hint().exact().unwrap_or(u64::MAX);
    let covered = begins..begins.saturating_add(size);
    let mut whats = shared.strike(&harmed, |what| {
        what.at().is_some_and(|at| covered.contains(&at))
    });
    whats.sort_by_key(|what| std::cmp::Reverse(what.at()));
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

    async fn forward(&self, request: Request<Incoming>) -> Result<Response<Incoming>, Broken> {
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

/// The body of the server behind, up to the byte where the harm strikes.
struct HarmedBody {
    body: Incoming,
    /// What has not come yet, as offsets in the representation.
    left: Range<u64>,
    /// The next one last.
    whats: Vec<What>,
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    pauses: u32,
    /// Came, but has not been passed on.
    held: Bytes,
    cut: Arc<Cut>,
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
