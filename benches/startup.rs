//! How long the program takes until it is of use, and what it weighs: from the start of the process to the first answer
//! of a server, and to the first answer of the function.
//!
//! Beside them stands the start of the same program that only says its version: what the system takes to load it. The
//! server over another store asks nothing of that store before it answers. `--quick` starts each a few times; what is
//! answered is checked, and times decide nothing.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

#[allow(dead_code, reason = "benches share it, and each uses a part")]
mod rig;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

use rig::{Plan, mebibytes};
use support::lambda::RuntimeApi;
use support::process::Started;
use support::server::sheaf;

/// The objects of the function's manifest.
const OBJECTS: u64 = 500;

/// What one start took.
struct Start {
    time: Duration,
    /// The most that was resident, in bytes.
    resident: u64,
}

fn main() -> Result<()> {
    let Some(quick) = rig::other_part()? else {
        return Ok(());
    };
    let times = if quick { 3 } else { 21 };
    let program = fs::metadata(support::sheaf::program())?;
    println!("the program: {:.1} MB", program.len() as f64 / 1e6);
    let store = rig::start_store(
        Plan::Same {
            objects: OBJECTS,
            size: 10_000,
        },
        Duration::ZERO,
    )?;
    let endpoint = store.line.trim();
    let bare = repeat(times, version)?;
    println!("                                     median   least   of a bare start   resident");
    print("a bare start (--version)", &bare, &bare);
    let first = repeat(times, || serve(&folder()?, &[]))?;
    print("serve --local, the first time", &first, &bare);
    let home = folder()?;
    let again = repeat(times, || serve(&home, &[]))?;
    print("serve --local, later", &again, &bare);
    let home = folder()?;
    let elsewhere = [("S3_ENDPOINT_URL", endpoint), ("BUCKET_NAME", "bench")];
    let remote = repeat(times, || serve(&home, &elsewhere))?;
    print("serve over another store", &remote, &bare);
    let runtime = rig::runtime()?;
    let mut calls = Vec::new();
    let inits = repeat(times, || {
        let (init, call) = runtime.block_on(function(endpoint))?;
        calls.push(call);
        Ok(init)
    })?;
    print("lambda, until it asks for an event", &inits, &bare);
    calls.sort_by_key(|call| call.time);
    print("lambda, a manifest of 500 objects", &calls, &bare);
    Ok(())
}

/// Starts so many times; sorted by time.
fn repeat(times: usize, mut start: impl FnMut() -> Result<Start>) -> Result<Vec<Start>> {
    let mut starts = (0..times)
        .map(|_| start())
        .collect::<Result<Vec<Start>>>()?;
    starts.sort_by_key(|start| start.time);
    Ok(starts)
}

fn print(name: &str, starts: &[Start], bare: &[Start]) {
    let median = |starts: &[Start]| starts[starts.len() / 2].time.as_secs_f64() * 1e3;
    let resident = starts.iter().map(|start| start.resident).max();
    println!(
        "  {name:<34} {:5.1} ms {:5.1} ms {:>17.1} {:>6.1} MiB",
        median(starts),
        starts[0].time.as_secs_f64() * 1e3,
        median(starts) / median(bare),
        mebibytes(resident.unwrap_or_default())
    );
}

/// A home with a small folder to serve.
fn folder() -> Result<TempDir> {
    let home = tempfile::tempdir()?;
    let folder = home.path().join("folder");
    fs::create_dir(&folder)?;
    for n in 0..20 {
        fs::write(folder.join(format!("{n:02}.pdf")), b"%PDF-1.7")?;
    }
    Ok(home)
}

/// The program is loaded, says its version, and ends.
fn version() -> Result<Start> {
    let home = tempfile::tempdir()?;
    let start = Instant::now();
    let mut command = sheaf(home.path());
    let said = command.arg("--version").output()?;
    ensure!(said.stdout.starts_with(b"sheaf "));
    Ok(Start {
        time: start.elapsed(),
        resident: 0,
    })
}

/// A server, until it has answered; over the folder, unless the environment names another store.
fn serve(home: &TempDir, environment: &[(&str, &str)]) -> Result<Start> {
    let mut command = sheaf(home.path());
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .envs(environment.iter().copied())
        .stderr(Stdio::null());
    if environment.is_empty() {
        command.arg("--local").arg(home.path().join("folder"));
    }
    let start = Instant::now();
    let server = Started::new(&mut command)?;
    let line: Value = serde_json::from_str(&server.line)?;
    let url = line["listening"].as_str().context("an address")?;
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let time = start.elapsed();
    ensure!(answer.starts_with("HTTP/1.1 200 "), "it answered {answer}");
    Ok(Start {
        time,
        resident: server.peak_resident()?,
    })
}

/// A cold function: until it asks for its first event, and from there until it has answered.
async fn function(endpoint: &str) -> Result<(Start, Start)> {
    let mut api = RuntimeApi::start([json!({"bucket": "bench", "prefix": "run/"})]).await;
    let home = tempfile::tempdir()?;
    let mut command = sheaf(home.path());
    command
        .arg("lambda")
        .env("S3_ENDPOINT_URL", endpoint)
        .env("AWS_LAMBDA_RUNTIME_API", &api.address)
        .stderr(Stdio::null());
    let start = Instant::now();
    let process = Started::silent(&mut command)?;
    api.asked().await;
    let init = Start {
        time: start.elapsed(),
        resident: process.peak_resident()?,
    };
    let start = Instant::now();
    let told = api.told().await;
    let time = start.elapsed();
    let body = told.body["body"].as_str().context("a body")?;
    let body: Value = serde_json::from_str(body)?;
    ensure!(body["count"] == OBJECTS, "it answered {body}");
    Ok((
        init,
        Start {
            time,
            resident: process.peak_resident()?,
        },
    ))
}
