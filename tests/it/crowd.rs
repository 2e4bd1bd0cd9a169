//! Many more clients than places, all at once: those who are let in finish whole, each of the others is told to come back,
//! and operators are answered throughout.

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::limits;
use crate::metrics::{exposition, value};
use crate::support::client::{self, Answered};
use crate::support::problem::Problem;
use crate::support::server::Server;
use crate::support::synthetic::faults::{Gate, Mishap, Rule};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::{Options, Synthetic};
use crate::support::tls::{self, Certificate};

/// Longer than anything here takes; what waits for it has failed.
const LONG: Duration = Duration::from_secs(60);

/// Places for connections.
const PLACES: usize = 50;

const SIZE: u64 = 3 << 20;

/// Where operators ask.
fn admin(server: &mut Server) -> String {
    let line: serde_json::Value = serde_json::from_str(&server.process().line).unwrap();
    line["admin"].as_str().unwrap().to_owned()
}

async fn operators_are_answered(admin: &str) {
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = client::fetch("GET", &format!("{admin}{path}"), &[]).await;
        assert_eq!(answer.unwrap().status, 200, "{path}");
    }
}

/// A server of one object, every download of which is held before its last byte.
async fn held(arguments: &[&str]) -> (Synthetic, Server, Bytes, Gate) {
    let object = SyntheticObject::new("a.pdf", SIZE);
    let store = Synthetic::start([object], Options::default()).await;
    let server = Server::over_with(&store.endpoint(), arguments);
    let whole = server.get("/v1/zip").await.body;
    let gate = Gate::new();
    let rule = Rule::body("a.pdf", SIZE - 1, Mishap::Hold(gate.clone()));
    store.faults().add(rule.times(u32::MAX));
    (store, server, whole, gate)
}

/// So many clients at once; `each` is called with each of the refused. Returns the answers of the others.
async fn arrive(
    url: &str,
    clients: usize,
    mut each: impl AsyncFnMut(Answered),
) -> Vec<http::Response<hyper::body::Incoming>> {
    let mut asked = JoinSet::new();
    for _ in 0..clients {
        let url = url.to_owned();
        asked.spawn(async move { client::open("GET", &url, &[]).await });
    }
    let mut admitted = Vec::new();
    while let Some(answer) = asked.join_next().await {
        let answer = answer.unwrap().expect("an answer for everybody");
        if answer.status() == 200 {
            admitted.push(answer);
            continue;
        }
        let (head, body) = answer.into_parts();
        each(Answered {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.expect("all of it").to_bytes(),
        })
        .await;
    }
    admitted
}

async fn finish(admitted: Vec<http::Response<hyper::body::Incoming>>, whole: &Bytes) {
    let mut downloads = JoinSet::new();
    for answer in admitted {
        downloads.spawn(answer.into_body().collect());
    }
    while let Some(body) = downloads.join_next().await {
        let body = body.unwrap().expect("a whole archive").to_bytes();
        assert!(body == whole);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_more_clients_than_places() {
    let places = PLACES.to_string();
    let arguments = [
        "--max-connections",
        &places,
        "--admin-listen",
        "127.0.0.1:0",
        "--memory-budget",
        "16MiB",
    ];
    let (_store, mut server, whole, gate) = held(&arguments).await;
    let admin = admin(&mut server);
    let url = format!("{}/v1/zip", server.url);
    let mut refused = 0;
    let admitted = arrive(&url, 10 * PLACES, async |answer: Answered| {
        let problem = Problem::of(&answer).is(503, "server-full", &["all connections"]);
        assert_eq!(problem.headers["retry-after"], "5");
        refused += 1;
        if refused % 50 == 0 {
            operators_are_answered(&admin).await;
        }
    })
    .await;
    // The connection that the archive was fetched over first may have had a place still.
    assert!(
        (PLACES - 1..=PLACES).contains(&admitted.len()),
        "{}",
        admitted.len()
    );
    assert_eq!(refused, 10 * PLACES - admitted.len());
    let counted = exposition(&admin).await;
    let times = value(&counted, "sheaf_over_limit_total{limit=\"connections\"}");
    assert_eq!(times, Some(refused as f64));
    gate.open();
    finish(admitted, &whole).await;
    let peak = server.process().peak_resident().unwrap();
    assert!(
        peak <= (16 + 100) << 20,
        "more than the budget and what the guide says: {peak}"
    );
    let mut again = server.get("/v1/zip").await;
    while again.status == 503 {
        again = server.get("/v1/zip").await;
    }
    assert!(again.body == whole);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_more_clients_than_an_address_may_have() {
    let most = "20";
    let arguments = ["--max-connections-per-address", most];
    let (_store, server, whole, gate) = held(&arguments).await;
    let url = format!("{}/v1/zip", server.url);
    let mut refused = 0;
    let admitted = arrive(&url, 200, async |answer: Answered| {
        let problem = Problem::of(&answer).is(429, "too-many-connections", &[most]);
        assert_eq!(problem.headers["retry-after"], "5");
        refused += 1;
    })
    .await;
    assert!((180..=181).contains(&refused), "{refused}");
    gate.open();
    finish(admitted, &whole).await;
}

#[tokio::test]
async fn whoever_finds_no_place_under_tls_is_told_so_in_both_protocols() {
    let certificate = Certificate::new();
    let arguments = certificate.arguments();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.extend(["--max-connections", "1", "--header-timeout", "1h"]);
    let server = limits::with(&arguments);
    let authority = server.url.strip_prefix("https://").unwrap();
    let mut holds = tls::connect(authority, "http/1.1").await.unwrap();
    holds.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let answer = server.get("/v1/zip").await;
    let problem = Problem::of(&answer).is(503, "server-full", &[]);
    assert_eq!(problem.headers["retry-after"], "5");

    let stream = tls::connect(authority, "h2").await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get(format!("{}/v1/zip", server.url));
    let (answer, _) = sender
        .send_request(request.body(()).unwrap(), true)
        .unwrap();
    let (head, mut body) = answer.await.unwrap().into_parts();
    let mut whole = Vec::new();
    while let Some(data) = body.data().await {
        whole.extend_from_slice(&data.unwrap());
    }
    let answer = Answered {
        status: head.status,
        headers: head.headers,
        body: whole.into(),
    };
    let problem = Problem::of(&answer).is(503, "server-full", &[]);
    assert_eq!(problem.headers["retry-after"], "5");
    // It is let go in good order, and is not in the way of others.
    let ended = timeout(LONG, connection).await.expect("it stayed");
    ended.unwrap().expect("a goodbye without an error");
}

#[tokio::test]
async fn silence_keeps_nobody_from_being_told() {
    let mut server = limits::with(&["--max-connections", "1", "--header-timeout", "1h"]);
    let mut holds = limits::connect(&server).await;
    holds.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    // More than are told at once, and each comes again as soon as it was closed.
    let mut silent = JoinSet::new();
    for says in [&b""[..], b"GET /"].repeat(300) {
        let authority = server.url.strip_prefix("http://").unwrap().to_owned();
        silent.spawn(async move {
            loop {
                let connected = tokio::net::TcpStream::connect(&authority).await;
                let mut socket = connected.unwrap();
                let _ = socket.write_all(says).await;
                let _ = socket.read_to_end(&mut Vec::new()).await;
            }
        });
    }
    let told = async {
        for _ in 0..5 {
            let answer = server.get("/v1/zip").await;
            Problem::of(&answer).is(503, "server-full", &[]);
        }
    };
    timeout(LONG, told).await.expect("nobody was told");
    drop(silent);
    let resident = server.process().peak_resident().unwrap();
    assert!(resident < 128 << 20, "{resident}");
}

#[tokio::test]
async fn whoever_goes_on_sending_reads_why_it_is_in_vain() {
    let server = limits::with(&["--max-connections", "1", "--header-timeout", "1h"]);
    let mut holds = limits::connect(&server).await;
    holds.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut socket = limits::connect(&server).await;
    let head = "POST /v1/links HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                content-length: 1000000\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 503");
    // The server has closed its side; the rest of the body must not make it take back what it said.
    socket.write_all(&[b' '; 1_000_000]).await.unwrap();
    let all = timeout(LONG, socket.read_to_end(&mut answer)).await;
    all.expect("an end").expect("a whole answer, and no reset");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.contains("server-full"), "{answer}");
}

/// Serves with these limits on descriptors: the soft one, and `-H` for both.
fn limited(limit: &str) -> Server {
    Server::with(|command, home| {
        let sheaf = std::mem::replace(command, Command::new("/bin/sh"));
        let script = format!("ulimit {limit} && exec \"$0\" \"$@\"");
        command
            .args(["-c", &script])
            .arg(sheaf.get_program())
            .args(sheaf.get_args())
            .env_clear()
            .envs(
                sheaf
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .arg("--local")
            .arg(home.join("bucket"));
    })
}

#[test]
fn there_are_descriptors_for_as_many_as_are_let_in() {
    let mut server = limited("-Sn 256");
    let path = format!("/proc/{}/limits", server.process().child().id());
    let limits = std::fs::read_to_string(path).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3));
    let soft: usize = soft.and_then(|soft| soft.parse().ok()).unwrap();
    // 1,024 for clients, 256 to the store, and those who are told that there is no place.
    assert!(soft > 1024 + 256, "{limits}");
    assert!(!server.said().contains("too few descriptors"));
    let server = limited("-n 256");
    assert!(server.said().contains("too few descriptors"));
}
