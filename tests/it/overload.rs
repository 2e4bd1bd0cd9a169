//! Many more downloads than fit: those that are let in finish whole, the others are told to come back at once, and the
//! server answers throughout.

use http_body_util::BodyExt;
use tokio::task::JoinSet;

use crate::metrics::{exposition, value};
use crate::support::client;
use crate::support::problem::Problem;
use crate::support::server::Server;
use crate::support::synthetic::faults::{Gate, Mishap, Rule};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};
use crate::support::wait::eventually;

const BUDGET: usize = 4 << 20;

/// What every download is let in with.
const FIRST: usize = 128 << 10;

/// The most downloads that can be let in at once.
const FIT: usize = BUDGET / FIRST;

/// What directories may take beyond the budget, as they are never refused: a table for each download.
const DIRECTORIES: f64 = (FIT * 4096) as f64;

const SIZE: u64 = 3 << 20;

async fn gauge(server: &Server, name: &str) -> f64 {
    let counted = exposition(&server.url).await;
    value(&counted, name).unwrap_or_default()
}

async fn within_the_budget(server: &Server) {
    for name in [
        "sheaf_memory_reserved_bytes",
        "sheaf_memory_reserved_peak_bytes",
    ] {
        let held = gauge(server, name).await;
        assert!(held <= BUDGET as f64 + DIRECTORIES, "{name} {held}");
    }
    assert_eq!(server.get("/healthz").await.status, 200);
    assert_eq!(server.get("/readyz").await.status, 200, "busy is ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_more_downloads_than_fit() {
    let object = SyntheticObject::new("a.pdf", SIZE);
    let store = Synthetic::start([object], Options::default()).await;
    let server = Server::over_with(&store.endpoint(), &["--memory-budget", "4MiB"]);
    let url = format!("{}/v1/zip", server.url);
    let whole = server.get("/v1/zip").await.body;
    let asked_for = |operation: Operation| {
        let log = store.requests().log();
        log.iter()
            .filter(|record| record.operation == operation)
            .count()
    };
    let listings = asked_for(Operation::List);

    // Nobody who is let in can finish before the gate opens, so whoever is refused meanwhile is refused before.
    let gate = Gate::new();
    let held = Rule::body("a.pdf", SIZE - 1, Mishap::Hold(gate.clone()));
    store.faults().add(held.times(u32::MAX));
    let mut asked = JoinSet::new();
    for _ in 0..10 * FIT {
        let url = url.clone();
        asked.spawn(async move { client::open("GET", &url, &[]).await.unwrap() });
    }
    let (mut admitted, mut refused) = (Vec::new(), 0);
    while let Some(answer) = asked.join_next().await {
        let answer = answer.unwrap();
        if answer.status() == 200 {
            admitted.push(answer);
            continue;
        }
        let (head, body) = answer.into_parts();
        let answer = client::Answered {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        };
        let problem = Problem::of(&answer).is(503, "overloaded", &["memory budget"]);
        assert_eq!(problem.headers["retry-after"], "5");
        refused += 1;
        if refused % 50 == 0 {
            within_the_budget(&server).await;
        }
    }
    assert!(
        !admitted.is_empty() && admitted.len() <= FIT,
        "{} of {FIT}",
        admitted.len()
    );
    assert_eq!(admitted.len() + refused, 10 * FIT);
    assert_eq!(
        asked_for(Operation::List),
        listings * (1 + admitted.len()),
        "nothing is listed for those who are refused"
    );
    let shares = gauge(&server, "sheaf_memory_shares").await;
    assert_eq!(shares, admitted.len() as f64);
    let counted = gauge(&server, "sheaf_over_limit_total{limit=\"memory\"}").await;
    assert_eq!(counted, refused as f64);

    gate.open();
    let mut downloads = JoinSet::new();
    for answer in admitted {
        let whole = whole.clone();
        downloads.spawn(async move {
            let (mut body, mut read) = (answer.into_body(), 0);
            while let Some(frame) = body.frame().await {
                let data = frame.expect("a whole archive").into_data().unwrap();
                assert!(whole[read..].starts_with(&data));
                read += data.len();
            }
            assert_eq!(read, whole.len());
        });
    }
    while let Some(downloaded) = downloads.join_next().await {
        downloaded.unwrap();
        within_the_budget(&server).await;
    }
    let mut left = f64::NAN;
    for name in [
        "sheaf_memory_reserved_bytes",
        "sheaf_memory_shares",
        "sheaf_downloads_running{kind=\"live\"}",
    ] {
        // An answer ends a moment after its last byte.
        for _ in 0..100 {
            left = gauge(&server, name).await;
            if left == 0.0 {
                break;
            }
        }
        assert_eq!(left, 0.0, "{name}");
    }
    eventually("the lines of all", || {
        let lines = server.log();
        let ended = lines.iter().filter(|line| line["path"] == "/v1/zip");
        (ended.count() == 10 * FIT + 1).then_some(())
    })
    .await;
    let again = server.get("/v1/zip").await;
    assert!(again.status == 200 && again.body == whole);
}

/// What the system keeps of all that was written to a client and not taken yet, in bytes.
#[cfg(target_os = "linux")]
fn kept_for(client: std::net::SocketAddr) -> u64 {
    let port = format!(":{:04X}", client.port());
    let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let kept = connections.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(2);
        let is_it = fields.next()?.ends_with(&port);
        let (sent, _) = fields.nth(1)?.split_once(':')?;
        is_it.then(|| u64::from_str_radix(sent, 16).unwrap())
    });
    kept.unwrap()
}

/// Memory that the system holds is in no budget.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_does_not_take_does_not_pile_up_in_the_system() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let object = SyntheticObject::new("a.pdf", 64 << 20);
    let store = Synthetic::start([object], Options::default()).await;
    let server = Server::over(&store.endpoint());
    let address = server.url.trim_start_matches("http://").parse().unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut client = socket.connect(address).await.unwrap();
    let request = "GET /v1/zip HTTP/1.1\r\nhost: localhost\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    client.read_exact(&mut [0; 15]).await.unwrap();
    let client_address = client.local_addr().unwrap();
    let (mut kept, mut looks) = (0, 0);
    eventually("that nothing more is written", || {
        let before = std::mem::replace(&mut kept, kept_for(client_address));
        looks = if kept > 0 && kept == before {
            looks + 1
        } else {
            0
        };
        (looks == 30).then_some(())
    })
    .await;
    assert!(kept < 512 << 10, "{kept} bytes");
}
