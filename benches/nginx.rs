//! sheaf beside nginx that passes the same bytes on from the same store, in the same run: as the objects become many, as
//! they become large, and as clients come together.
//!
//! nginx is asked for every object by itself, as a recipient with a list of URLs would, over one connection a client that
//! stays open; it reuses its own to the store, and writes nothing to disk. sheaf is asked for one archive of them all,
//! which takes a listing, a signature for each object and a hash of each byte more. Both have one process for all
//! clients, and nginx one thread. `--quick` takes less. Without nginx one line says so.

use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

#[allow(dead_code, reason = "benches share it, and each uses a part")]
mod rig;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

use rig::{MIB, Plan};
use support::nginx::Nginx;
use support::server::Server;
use support::wait::eventually;

/// Each side has as many runs, by turns; the fastest counts, and the least processor time.
const RUNS: usize = 3;

/// What is good for nginx here: connections that stay, memory instead of files, and buffers that are few and large.
const LINES: &str = "proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_max_temp_file_size 0;
    proxy_buffer_size 64k; proxy_buffers 16 64k; proxy_busy_buffers_size 128k; keepalive_requests 10000000;";

fn main() -> Result<()> {
    let Some(quick) = rig::other_part()? else {
        return Ok(());
    };
    let same = |objects, size| Plan::Same { objects, size };
    const KIB: u64 = 1024;
    let cases = if quick {
        vec![("100 of 64 KiB", same(100, 64 * KIB), 2)]
    } else {
        vec![
            ("200 of 64 KiB", same(200, 64 * KIB), 1),
            ("2,000 of 64 KiB", same(2000, 64 * KIB), 1),
            ("20,000 of 64 KiB", same(20_000, 64 * KIB), 1),
            ("20,000 of 4 KiB", same(20_000, 4 * KIB), 1),
            ("2,000 of 1 MiB", same(2000, MIB), 1),
            ("8 of 256 MiB", same(8, 256 * MIB), 1),
            ("5,000 PDFs", Plan::Pdfs { objects: 5000 }, 1),
            ("200 of 1 MiB", same(200, MIB), 8),
            ("200 of 1 MiB", same(200, MIB), 64),
        ]
    };
    println!(
        "objects             clients   nginx MB/s  CPU s/GB   sheaf MB/s  CPU s/GB   sheaf's rate in nginx's"
    );
    let runtime = rig::runtime()?;
    for (name, plan, clients) in cases {
        if !runtime.block_on(run(name, plan, clients, if quick { 1 } else { RUNS }))? {
            break;
        }
    }
    Ok(())
}

/// What one side gave.
#[derive(Clone, Copy)]
struct Side {
    /// Megabytes a second, of all clients together.
    rate: f64,
    /// Processor seconds for a gigabyte.
    cpu: f64,
}

impl Side {
    fn best(self, other: Side) -> Side {
        Side {
            rate: self.rate.max(other.rate),
            cpu: self.cpu.min(other.cpu),
        }
    }
}

/// `false` where nginx is missing.
async fn run(name: &str, plan: Plan, clients: usize, runs: usize) -> Result<bool> {
    let store = rig::start_store(plan, Duration::ZERO)?;
    let endpoint = store.line.trim();
    // Two of them make a group, whose connections stay open.
    let Some(nginx) = Nginx::among(&[endpoint, endpoint], LINES) else {
        return Ok(false);
    };
    let theirs = eventually("the process of nginx", || nginx.process()).await;
    let mut server = Server::over(endpoint);
    let ours = server.process().child().id();
    let archive = format!("{}/v1/zip?prefix=run/&include=*", server.url);
    let (mut plain, mut zipped): (Option<Side>, Option<Side>) = (None, None);
    for _ in 0..runs {
        let side = together(theirs, clients, || one_by_one(nginx.url.clone(), plan)).await?;
        plain = Some(plain.map_or_else(|| side, |best| best.best(side)));
        let side = together(ours, clients, || whole(archive.clone(), plan)).await?;
        zipped = Some(zipped.map_or_else(|| side, |best| best.best(side)));
    }
    let (plain, zipped) = (plain.context("no runs")?, zipped.context("no runs")?);
    println!(
        "{name:18} {clients:8} {:12.0} {:9.2} {:12.0} {:9.2} {:14.2}",
        plain.rate,
        plain.cpu,
        zipped.rate,
        zipped.cpu,
        zipped.rate / plain.rate
    );
    Ok(true)
}

/// So many clients at once, and what the process took for them.
async fn together<F>(process: u32, clients: usize, client: impl Fn() -> F) -> Result<Side>
where
    F: Future<Output = Result<u64>> + Send + 'static,
{
    let (start, cpu) = (Instant::now(), rig::cpu_seconds(process)?);
    let mut all: JoinSet<Result<u64>> = (0..clients).map(|_| client()).collect();
    let mut bytes = 0;
    while let Some(one) = all.join_next().await {
        bytes += one??;
    }
    let gigabytes = bytes as f64 / 1e9;
    Ok(Side {
        rate: gigabytes * 1e3 / start.elapsed().as_secs_f64(),
        cpu: (rig::cpu_seconds(process)? - cpu) / gigabytes,
    })
}

async fn whole(url: String, plan: Plan) -> Result<u64> {
    let archive = rig::download(&url, io::sink()).await?;
    archive.check_end()?;
    ensure!(archive.bytes > plan.bytes(), "the archive lacks bytes");
    Ok(plan.bytes())
}

async fn one_by_one(url: String, plan: Plan) -> Result<u64> {
    let authority = url.trim_start_matches("http://").to_owned();
    let stream = TokioIo::new(TcpStream::connect(&authority).await?);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
    tokio::spawn(connection);
    let mut bytes = 0;
    for object in plan.objects() {
        sender.ready().await?;
        let request = http::Request::get(format!("/bench/{}", object.key))
            .header("host", &authority)
            .body(Empty::<Bytes>::new())?;
        let answer = sender.send_request(request).await?;
        ensure!(answer.status() == 200, "nginx answered {}", answer.status());
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            bytes += frame?.data_ref().map_or(0, |data| data.len() as u64);
        }
    }
    ensure!(bytes == plan.bytes(), "nginx lost bytes");
    Ok(bytes)
}
