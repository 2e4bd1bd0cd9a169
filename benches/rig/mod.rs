//! What the benches share: the store and the plain proxy as processes of their own, and what a process has cost.
//!
//! Store, server and client are three processes, so that neither the store's memory nor the client's time counts as the
//! server's. A bench starts itself again as the store or as the proxy; [`other_part`] is the first thing it calls.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::env;
use std::fs;
use std::io::{self, Read};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures::stream::{self, Stream};
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sheaf::store::embedded::EmbeddedStore;
use sheaf::store::{Store, StoreOptions};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

use crate::support::client;
use crate::support::process::Started;
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::{Options, Synthetic};

pub const MIB: u64 = 1 << 20;

/// The end of central directory record, APPNOTE 4.3.16: its length without a comment, and its signature.
const END_LENGTH: usize = 22;
const END_SIGNATURE: &[u8] = b"PK\x05\x06";

/// The objects of one run.
#[derive(Clone, Copy, Debug)]
pub enum Plan {
    /// So many of one size.
    Same { objects: u64, size: u64 },
    /// So many, with sizes as a folder of PDFs has them: half below 200 kB, one in a hundred above 10 MB.
    Pdfs { objects: u64 },
}

impl Plan {
    /// The objects, in order.
    pub fn objects(self) -> impl Iterator<Item = SyntheticObject> {
        let count = match self {
            Plan::Same { objects, .. } | Plan::Pdfs { objects } => objects,
        };
        (0..count).map(move |n| SyntheticObject::new(format!("run/{n:06}.pdf"), self.size(n)))
    }

    fn size(self, n: u64) -> u64 {
        match self {
            Plan::Same { size, .. } => size,
            Plan::Pdfs { .. } => {
                // Log-normal by the sum of twelve even numbers: median 200 kB, a factor of 5.4 for each deviation.
                let mut state = (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                let sum: f64 = (0..12)
                    .map(|_| {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        (state >> 11) as f64 / (1_u64 << 53) as f64
                    })
                    .sum();
                (200_000.0 * (1.69 * (sum - 6.0)).exp()) as u64
            }
        }
    }

    /// The bytes of all objects.
    pub fn bytes(self) -> u64 {
        self.objects().map(|object| object.size()).sum()
    }

    fn arguments(self) -> [String; 3] {
        match self {
            Plan::Same { objects, size } => ["same".into(), objects.to_string(), size.to_string()],
            Plan::Pdfs { objects } => ["pdfs".into(), objects.to_string(), "0".into()],
        }
    }

    fn parse(kind: &str, objects: &str, size: &str) -> Result<Plan> {
        let objects = objects.parse()?;
        Ok(match kind {
            "same" => Plan::Same {
                objects,
                size: size.parse()?,
            },
            _ => Plan::Pdfs { objects },
        })
    }
}

/// Plays the part that the arguments name, where they name one: then the bench itself has nothing to do. Otherwise says
/// whether `--quick` was given.
pub fn other_part() -> Result<Option<bool>> {
    let arguments: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let part =
        |future: Part| -> Result<Option<bool>> { runtime()?.block_on(future).map(|()| None) };
    match arguments[..] {
        [] => Ok(Some(false)),
        ["--quick"] => Ok(Some(true)),
        ["store", kind, objects, size, latency] => {
            let plan = Plan::parse(kind, objects, size)?;
            let latency = Duration::from_millis(latency.parse()?);
            part(Box::pin(store(plan, latency)))
        }
        ["proxy", endpoint, kind, objects, size] => {
            let plan = Plan::parse(kind, objects, size)?;
            part(Box::pin(proxy(endpoint.to_owned(), plan)))
        }
        _ => bail!("the only option is --quick"),
    }
}

type Part = std::pin::Pin<Box<dyn Future<Output = Result<()>>>>;

/// A runtime on this thread.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

/// The store's process: it prints its endpoint, and ends with its standard input.
async fn store(plan: Plan, latency: Duration) -> Result<()> {
    let options = Options {
        latency,
        ..Options::default()
    };
    let store = Synthetic::start(plan.objects(), options).await;
    println!("{}", store.endpoint());
    tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

/// The proxy's process: it answers every request with all objects, one after the other as they come from the store. No
/// hashing, no archive, one connection: the least that a server can do that passes the same bytes on.
async fn proxy(endpoint: String, plan: Plan) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let serve = async move {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let endpoint = endpoint.clone();
            let service = service_fn(move |_| {
                let endpoint = endpoint.clone();
                async move { Ok::<_, Infallible>(pass_on(&endpoint, plan).await) }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
        #[allow(unreachable_code, reason = "it gives the block its type")]
        Ok::<_, anyhow::Error>(())
    };
    tokio::select! {
        ended = serve => ended,
        _ = tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())) => Ok(()),
    }
}

type Frames = std::pin::Pin<Box<dyn Stream<Item = Result<Frame<Bytes>>> + Send>>;

async fn pass_on(endpoint: &str, plan: Plan) -> http::Response<StreamBody<Frames>> {
    let authority = endpoint.trim_start_matches("http://").to_owned();
    let start = Passing {
        keys: plan.objects().map(|object| object.key).collect(),
        authority,
        sender: None,
        body: None,
    };
    let frames = stream::try_unfold(start, |mut passing| async move {
        Ok(passing.next().await?.map(|frame| (frame, passing)))
    });
    http::Response::new(StreamBody::new(Box::pin(frames)))
}

/// Objects that are passed on over one connection.
struct Passing {
    keys: VecDeque<String>,
    authority: String,
    sender: Option<SendRequest<Empty<Bytes>>>,
    body: Option<Incoming>,
}

impl Passing {
    async fn next(&mut self) -> Result<Option<Frame<Bytes>>> {
        loop {
            if let Some(body) = &mut self.body {
                if let Some(frame) = body.frame().await {
                    return Ok(Some(frame?));
                }
                self.body = None;
            }
            let Some(key) = self.keys.pop_front() else {
                return Ok(None);
            };
            let mut sender = match self.sender.take() {
                Some(sender) => sender,
                None => {
                    let stream = TokioIo::new(TcpStream::connect(&self.authority).await?);
                    let (sender, connection) =
                        hyper::client::conn::http1::handshake(stream).await?;
                    tokio::spawn(connection);
                    sender
                }
            };
            sender.ready().await?;
            let request = http::Request::get(format!("/bench/{key}"))
                .header("host", &self.authority)
                .body(Empty::new())?;
            self.body = Some(sender.send_request(request).await?.into_body());
            self.sender = Some(sender);
        }
    }
}

/// Starts the store's process.
pub fn start_store(plan: Plan, latency: Duration) -> Result<Started> {
    let mut command = Command::new(env::current_exe()?);
    let milliseconds = latency.as_millis().to_string();
    command
        .arg("store")
        .args(plan.arguments())
        .arg(milliseconds);
    Ok(Started::new(&mut command)?)
}

/// Starts the proxy's process.
pub fn start_proxy(endpoint: &str, plan: Plan) -> Result<Started> {
    let mut command = Command::new(env::current_exe()?);
    command.args(["proxy", endpoint]).args(plan.arguments());
    Ok(Started::new(&mut command)?)
}

/// The scripted store, as sheaf's own code in this process reaches it. The folder must outlive it.
pub fn connect(endpoint: &str) -> Result<(Store, TempDir)> {
    let state = tempfile::tempdir()?;
    // Only its credentials are used.
    let embedded = EmbeddedStore::open(state.path(), &state.path().join("state"))?;
    let store = Store::embedded_elsewhere(&embedded, endpoint, &StoreOptions::default())?;
    Ok((store, state))
}

/// A download: what came, and how long it took from the request to the last byte.
#[derive(Clone, Debug)]
pub struct Download {
    pub bytes: u64,
    pub time: Duration,
    end: Vec<u8>,
}

impl Download {
    /// Megabytes a second.
    pub fn rate(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.time.as_secs_f64()
    }

    /// Fails unless it ends like an archive.
    pub fn check_end(&self) -> Result<()> {
        ensure!(
            self.end.starts_with(END_SIGNATURE),
            "the archive has no end of central directory"
        );
        Ok(())
    }
}

/// GETs `url` and writes what comes to `to`.
pub async fn download(url: &str, mut to: impl io::Write) -> Result<Download> {
    let start = Instant::now();
    let answer = client::open("GET", url, &[]).await?;
    ensure!(answer.status() == 200, "{url} answered {}", answer.status());
    let mut body = answer.into_body();
    let mut download = Download {
        bytes: 0,
        time: Duration::ZERO,
        end: Vec::new(),
    };
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        download.bytes += data.len() as u64;
        let end = &mut download.end;
        end.extend_from_slice(&data[data.len().saturating_sub(END_LENGTH)..]);
        end.drain(..end.len().saturating_sub(END_LENGTH));
        to.write_all(&data)?;
    }
    download.time = start.elapsed();
    Ok(download)
}

/// The processor time that a process has used, in seconds.
pub fn cpu_seconds(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let after_name = stat.rsplit(") ").next().context("fields behind the name")?;
    let fields: Vec<&str> = after_name.split(' ').collect();
    let ticks = |field: usize| -> Result<f64> { Ok(fields[field].parse::<u64>()? as f64) };
    // utime and stime, fields 14 and 15 of proc(5), in clock ticks, of which Linux shows 100 a second.
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

/// Mebibytes.
pub fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MIB as f64
}
