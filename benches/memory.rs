//! What downloads cost in memory: the server's peak resident size, with few and many clients, fast and slow ones,
//! archives of a megabyte and of ten gibibytes. It depends on the memory budget, not on the archive. Overloaded, ten times
//! as many ask as fit, in memory or in places for connections: how soon do those know it who are refused?
//!
//! Every case has a server of its own, as a peak never falls. Downloads are cut off after some seconds: the peak is
//! reached long before their end. `--quick` takes fewer clients and less time.
//!
//! Seen on a machine of two cores: 18 MiB idle, most of which are the program's own file. One download with a budget of
//! 8 MiB: 26 MiB for 10 GiB, 27 for 20,000 files; with the default budget, from a store next door: 26 and 32. A thousand
//! slow clients with the default budget: 277 to 347 MiB, whether an archive has ten files or 20,000, and a quick one beside
//! them keeps 0.85 of its rate. What is handed out (`.ci/dist`, named here by `SHEAF_TEST_PROGRAM`): 10 MiB idle, with a
//! budget of 8 MiB 15 MiB for 10 GiB and 17 for 20,000 files; with the default one 15 and 21; 275 to 314 MiB for a thousand.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

#[allow(dead_code, reason = "benches share it, and each uses a part")]
mod rig;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "tests and benches share it, and each uses a part")]
mod support;

use rig::{MIB, Plan, mebibytes};
use support::process::Started;
use support::server::Server;

/// What a slow client takes in a second, in bytes.
const SLOW: usize = 20_000;

/// What a slow client has taken when all that lies between it and the store is filled, in bytes.
const SETTLED: usize = 40_000;

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    plan: Plan,
    budget: &'static str,
    fast: usize,
    slow: usize,
    /// Connections that are let in.
    places: usize,
}

fn main() -> Result<()> {
    let Some(quick) = rig::other_part()? else {
        return Ok(());
    };
    let small = Plan::Same {
        objects: 10,
        size: 100_000,
    };
    let large = Plan::Same {
        objects: 1280,
        size: 8 * MIB,
    };
    let huge = Plan::Same {
        objects: 10,
        size: 1024 * MIB,
    };
    let many = Plan::Same {
        objects: 20_000,
        size: 64 * 1024,
    };
    let case = |name, plan, budget, fast, slow| Case {
        name,
        plan,
        budget,
        fast,
        slow,
        places: 2000,
    };
    let full = Case {
        places: 50,
        ..case("no place", large, "256MiB", 500, 0)
    };
    let (cases, lasting) = if quick {
        let cases = vec![
            case("1 MB", small, "256MiB", 1, 0),
            case("10 GiB", large, "8MiB", 1, 0),
            case("10 of 1 GiB", huge, "256MiB", 1, 0),
            case("10 of 1 GiB", huge, "256MiB", 1, 20),
            case("overload", large, "8MiB", 640, 0),
            full,
        ];
        (cases, Duration::from_secs(2))
    } else {
        let cases = vec![
            case("1 MB", small, "8MiB", 1, 0),
            case("10 GiB", large, "8MiB", 1, 0),
            case("20,000 files", many, "8MiB", 1, 0),
            case("1 MB", small, "256MiB", 1, 0),
            case("10 GiB", large, "256MiB", 1, 0),
            case("20,000 files", many, "256MiB", 1, 0),
            case("1 MB", small, "256MiB", 100, 0),
            case("10 GiB", large, "256MiB", 100, 0),
            case("10 GiB", large, "256MiB", 0, 100),
            case("1 MB", small, "256MiB", 0, 1000),
            case("10 GiB", large, "256MiB", 0, 1000),
            case("20,000 files", many, "256MiB", 0, 1000),
            case("10 GiB", large, "256MiB", 1000, 0),
            case("10 of 1 GiB", huge, "256MiB", 1, 0),
            case("10 of 1 GiB", huge, "256MiB", 1, 1000),
            case("overload", large, "8MiB", 640, 0),
            full,
        ];
        (cases, Duration::from_secs(15))
    };
    println!(
        "archive        budget   fast  slow   idle MiB   peak MiB   refused   MB/s of the fast ones"
    );
    let runtime = rig::runtime()?;
    let mut alone = None;
    for case in cases {
        let rate = runtime.block_on(run(case, lasting))?;
        match (case.fast, case.slow, alone) {
            (1, 0, _) => alone = Some(rate),
            (1, slow, Some(alone)) => {
                let kept = rate / alone;
                println!("  beside {slow} slow ones the fast one keeps {kept:.2} of its rate");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Runs one; the rate of its fast clients together, in megabytes a second.
async fn run(case: Case, lasting: Duration) -> Result<f64> {
    let store = rig::start_store(case.plan, Duration::ZERO)?;
    let endpoint = store.line.trim().to_owned();
    let mut server = Server::with(|command: &mut Command, _| {
        command
            .env("S3_ENDPOINT_URL", &endpoint)
            .env("BUCKET_NAME", "bench")
            .env("SHEAF_MAX_CONNECTIONS", case.places.to_string())
            .env("SHEAF_MAX_CONNECTIONS_PER_ADDRESS", "2000")
            // On a busy machine these clients are late, and not the server.
            .args(["--header-timeout", "10m"])
            .args(["--memory-budget", case.budget]);
    });
    let address = server.url.trim_start_matches("http://").to_owned();
    let idle = resident(server.process())?;
    let mut clients = JoinSet::new();
    // The slow ones list, and fill their sockets, first, so that the fast ones find them as they are.
    let settled = Arc::new(Semaphore::new(0));
    for _ in 0..case.slow {
        clients.spawn(slow(address.clone(), lasting, settled.clone()));
    }
    settled.acquire_many(case.slow as u32).await?.forget();
    let start = Instant::now();
    for _ in 0..case.fast {
        clients.spawn(fast(address.clone(), lasting));
    }
    let (mut bytes, mut refused) = (0, Vec::new());
    while let Some(ended) = clients.join_next().await {
        match ended?? {
            Ended::Taken(taken) => bytes += taken,
            Ended::Refused(after) => refused.push(after),
        }
    }
    ensure!(case.fast == 0 || bytes > 0, "nothing came");
    let rate = bytes as f64 / 1e6 / start.elapsed().as_secs_f64().min(lasting.as_secs_f64());
    let peak = server.process().peak_resident()?;
    let shown = match case.fast {
        0 => "-".to_owned(),
        _ => format!("{rate:.0}"),
    };
    println!(
        "{:<14} {:>6} {:>6} {:>5} {:>10.1} {:>10.1} {:>9}   {shown}",
        case.name,
        case.budget,
        case.fast,
        case.slow,
        mebibytes(idle),
        mebibytes(peak),
        refused.len()
    );
    if !refused.is_empty() {
        refused.sort_unstable();
        let part = |of_hundred: usize| refused[(refused.len() - 1) * of_hundred / 100].as_millis();
        println!(
            "  the refused knew it {} ms after they had begun to connect in the middle, {} ms 99 of 100, {} ms all",
            part(50),
            part(99),
            part(100)
        );
    }
    Ok(rate)
}

/// What came of a client.
enum Ended {
    /// It was let in, and took so many bytes.
    Taken(u64),
    /// It was told to come back, so long after it had begun to connect.
    Refused(Duration),
}

/// What is resident now, in bytes.
fn resident(process: &mut Started) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", process.child().id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or_else(|| bail!("no VmRSS"), |kib| Ok(kib * 1024))
}

/// Asks for the archive; `None` where the server has no room.
async fn ask(mut stream: TcpStream) -> Result<Option<TcpStream>> {
    stream
        .write_all(
            b"GET /v1/zip?prefix=run/ HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        )
        .await?;
    let mut status = [0; 12];
    stream.read_exact(&mut status).await?;
    match &status[9..] {
        b"200" => Ok(Some(stream)),
        b"503" => Ok(None),
        other => bail!("the server answered {}", String::from_utf8_lossy(other)),
    }
}

/// Takes as much as comes, and asks again when it has all, until the time is over and something has come.
async fn fast(address: String, lasting: Duration) -> Result<Ended> {
    let start = Instant::now();
    let (mut buffer, mut taken) = (vec![0; 256 * 1024], 0);
    while start.elapsed() < lasting {
        let asked = Instant::now();
        let Some(mut stream) = ask(TcpStream::connect(&address).await?).await? else {
            return Ok(match taken {
                0 => Ended::Refused(asked.elapsed()),
                _ => Ended::Taken(taken),
            });
        };
        // Something comes, however busy the machine is.
        while taken == 0 || start.elapsed() < lasting {
            match stream.read(&mut buffer).await? {
                0 => break,
                read => taken += read as u64,
            }
        }
    }
    Ok(Ended::Taken(taken))
}

/// Takes a little now and then, until the time is over, counted from when it has `settled`. It counts for nothing in the
/// rate.
async fn slow(address: String, lasting: Duration, settled: Arc<Semaphore>) -> Result<Ended> {
    let start = Instant::now();
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(16 * 1024)?;
    let stream = ask(socket.connect(address.parse()?).await?).await?;
    let Some(mut stream) = stream else {
        settled.add_permits(1);
        return Ok(Ended::Refused(start.elapsed()));
    };
    let mut buffer = vec![0; SLOW / 5];
    let (mut taken, mut since) = (0, None);
    while since.is_none_or(|since: Instant| since.elapsed() < lasting) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        match stream.read(&mut buffer).await? {
            0 => break,
            read => taken += read,
        }
        if since.is_none() && taken >= SETTLED {
            settled.add_permits(1);
            since = Some(Instant::now());
        }
    }
    if since.is_none() {
        settled.add_permits(1);
    }
    Ok(Ended::Taken(0))
}
