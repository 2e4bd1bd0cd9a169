//! Bounds on connections: how long one may take to ask, and how many there may be.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits;
use crate::metrics::{exposition, value};
use crate::support::client;
use crate::support::halfway::{self, Halfway};
use crate::support::problem::Problem;
use crate::support::server::Server;

/// Longer than anything here takes; what waits for it has failed.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn whoever_is_slow_to_ask_is_cut_off() {
    let server = limits::with(&["--header-timeout", "1s"]);
    let authority = server.url.strip_prefix("http://").unwrap();
    // One says nothing, one stops in the middle, and one never ends; it sends a byte often enough to seem alive.
    for (says, drips) in [
        ("", false),
        ("GET / HTTP/1.1\r\nhost", false),
        ("GET /", true),
    ] {
        let socket = TcpStream::connect(authority).await.unwrap();
        let (mut reader, mut writer) = socket.into_split();
        writer.write_all(says.as_bytes()).await.unwrap();
        let dripping = tokio::spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(50));
            while drips && writer.write_all(b"x").await.is_ok() {
                pace.tick().await;
            }
            // Held open until the server has closed.
            std::future::pending::<()>().await;
            drop(writer);
        });
        let mut answer = Vec::new();
        let closed = timeout(Duration::from_secs(30), reader.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "{says:?} was not cut off");
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
            "{answer}"
        );
        dripping.abort();
    }
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_download_may_take_longer_than_the_head_of_its_request() {
    let halfway = Halfway::start_with(&["--header-timeout", "1s"]).await;
    let gate = halfway.hold(halfway::MIDDLE, 1);
    let answer = client::open("GET", &halfway.url(), &[]).await.unwrap();
    gate.reached(1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    gate.open();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(body == halfway.whole);
}

/// A connection that holds its place: a head has begun, and nobody is in a hurry.
async fn holding(server: &Server) -> TcpStream {
    let mut socket = limits::connect(server).await;
    socket.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    socket
}

/// Waits until clients have so many connections: one that a client has closed counts for a moment more.
async fn settled(admin: &str, number: f64) {
    let settling = async {
        loop {
            let counted = exposition(admin).await;
            if value(&counted, "sheaf_connections{door=\"clients\"}") == Some(number) {
                break;
            }
        }
    };
    timeout(LONG, settling).await.expect("they stayed");
}

/// A server whose clients have time, with these arguments; and where operators ask, who take no place of theirs.
fn patient(arguments: &[&str]) -> (Server, String) {
    let mut server = limits::with(&[&PATIENT[..], arguments].concat());
    let line: serde_json::Value = serde_json::from_str(&server.process().line).unwrap();
    (server, line["admin"].as_str().unwrap().to_owned())
}

const PATIENT: [&str; 6] = [
    "--header-timeout",
    "1h",
    "--idle-timeout",
    "1h",
    "--admin-listen",
    "127.0.0.1:0",
];

#[tokio::test]
async fn whoever_finds_no_place_is_told_so() {
    let (server, admin) = patient(&["--max-connections", "3"]);
    let mut held = vec![holding(&server).await];
    // Below the edge, and at it.
    for others in [1.0, 2.0] {
        assert_eq!(server.get("/v1/zip").await.status, 200);
        settled(&admin, others).await;
        held.push(holding(&server).await);
    }
    let answer = server.get("/v1/zip").await;
    let problem = Problem::of(&answer).is(503, "server-full", &["all connections"]);
    assert_eq!(problem.headers["retry-after"], "5");
    assert_eq!(answer.headers["connection"], "close");
    let browser = server.send("GET", "/", &[("accept", "text/html")]).await;
    assert_eq!(browser.status, 503);
    assert!(
        browser.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    // Health and metrics go on.
    let counted = exposition(&admin).await;
    let times = value(&counted, "sheaf_over_limit_total{limit=\"connections\"}");
    assert_eq!(times, Some(2.0));
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    held.pop();
    let mut status = 503;
    while status == 503 {
        status = server.get("/v1/zip").await.status.as_u16();
    }
    assert_eq!(status, 200);
    drop(held);
    settled(&admin, 0.0).await;
}

#[tokio::test]
async fn idle_connections_give_way() {
    let (server, _) = patient(&["--max-connections", "2"]);
    let mut idle = Vec::new();
    for _ in 0..2 {
        let mut socket = limits::connect(&server).await;
        let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
        socket.write_all(request).await.unwrap();
        let mut answer = [0; 12];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        idle.push(socket);
    }
    let served = async {
        while server.get("/v1/zip").await.status == 503 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, served).await.expect("no place came free");
}

#[tokio::test]
async fn an_address_has_no_more_than_its_share() {
    let arguments = [
        "--max-connections",
        "10",
        "--max-connections-per-address",
        "2",
    ];
    let (server, admin) = patient(&arguments);
    let first = holding(&server).await;
    assert_eq!(server.get("/v1/zip").await.status, 200);
    settled(&admin, 1.0).await;
    let _second = holding(&server).await;
    let problem = Problem::of(&server.get("/v1/zip").await);
    let problem = problem.is(429, "too-many-connections", &["2 connections"]);
    assert_eq!(problem.headers["retry-after"], "5");
    assert_eq!(server.get("/healthz").await.status, 200);
    // Others have theirs.
    let port = server.url.rsplit_once(':').unwrap().1;
    let elsewhere = tokio::net::TcpSocket::new_v4().unwrap();
    elsewhere.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let mut elsewhere = elsewhere.connect(address).await.unwrap();
    let request = b"GET /v1/zip HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    elsewhere.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    elsewhere.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    drop(first);
    let mut status = 429;
    while status == 429 {
        status = server.get("/v1/zip").await.status.as_u16();
    }
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_trusted_proxy_stands_for_many() {
    let arguments = [
        "--max-connections",
        "4",
        "--max-connections-per-address",
        "1",
        "--trusted-proxy",
        "127.0.0.1",
    ];
    let (server, admin) = patient(&arguments);
    let mut held = Vec::new();
    for others in [0.0, 1.0, 2.0, 3.0] {
        assert_eq!(server.get("/v1/zip").await.status, 200);
        settled(&admin, others).await;
        held.push(holding(&server).await);
    }
    Problem::of(&server.get("/v1/zip").await).is(503, "server-full", &[]);
}

#[tokio::test]
async fn hundreds_that_are_turned_away_have_few_lines() {
    const MANY: usize = 300;
    let (server, admin) = patient(&["--max-connections", "1"]);
    let _held = holding(&server).await;
    let mut refused = tokio::task::JoinSet::new();
    for _ in 0..MANY {
        let url = format!("{}/v1/zip", server.url);
        refused.spawn(async move { client::fetch("GET", &url, &[]).await });
    }
    while let Some(answer) = refused.join_next().await {
        assert_eq!(answer.unwrap().unwrap().status, 503);
    }
    let counted = exposition(&admin).await;
    let times = value(&counted, "sheaf_over_limit_total{limit=\"connections\"}");
    assert_eq!(times, Some(MANY as f64));
    let told: Vec<_> = server.log();
    let told: Vec<_> = told
        .iter()
        .filter(|line| line["limit"] == "connections")
        .collect();
    assert!((1..30).contains(&told.len()), "{told:?}");
    assert_eq!(
        (&told[0]["level"], &told[0]["times"]),
        (&"WARN".into(), &1.into())
    );
    let requests = server.log();
    let requests = requests.iter().filter(|line| line["path"] == "/v1/zip");
    assert_eq!(requests.count(), 0, "they are told all together");
}

#[tokio::test]
async fn a_connection_may_rest_for_a_while() {
    let timeouts = ["--idle-timeout", "2s", "--header-timeout", "1h"];
    let server = limits::with(&[&timeouts[..], &["--log", "sheaf=debug"]].concat());
    let mut socket = limits::connect(&server).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut answers = Vec::new();
    // Each request gives it as much time again.
    for _ in 0..3 {
        socket.write_all(request).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let closed = timeout(LONG, socket.read_to_end(&mut answers)).await;
    closed.expect("an idle connection stayed").unwrap();
    let answers = String::from_utf8(answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    let counted = exposition(&server.url).await;
    let times = value(&counted, "sheaf_over_limit_total{limit=\"idle\"}");
    assert_eq!(times, Some(1.0));
    let line = server.logged(|line| line["limit"] == "idle").await;
    assert_eq!(line["level"], "DEBUG", "it is no offence");
}

#[tokio::test]
async fn a_later_head_has_no_more_time_than_the_first() {
    let server = limits::with(&["--idle-timeout", "1h", "--header-timeout", "1s"]);
    let mut socket = limits::connect(&server).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    socket.write_all(request).await.unwrap();
    // Longer than a head may take, and no head is under way.
    tokio::time::sleep(Duration::from_secs(2)).await;
    socket.write_all(request).await.unwrap();
    let mut answers = Vec::new();
    while answers.windows(3).filter(|bytes| bytes == b"ok\n").count() < 2 {
        assert!(socket.read_buf(&mut answers).await.unwrap() > 0);
    }
    socket.write_all(b"GET /").await.unwrap();
    let closed = timeout(LONG, socket.read_to_end(&mut answers)).await;
    let _ = closed.expect("it was waited for");
    let answers = String::from_utf8(answers).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    server.logged(|line| line["limit"] == "head-time").await;
}

#[tokio::test]
async fn whoever_takes_nothing_is_cut_off_in_the_end() {
    let halfway = Halfway::start_with(&["--stall-timeout", "1s"]).await;
    let answer = client::open("GET", &halfway.url(), &[]).await.unwrap();
    halfway.server.logged(|line| line["limit"] == "stall").await;
    let broken = answer.into_body().collect().await;
    assert!(broken.is_err(), "it ended as if it were whole");
    let outcomes = ["client_gone", "complete"];
    halfway.server.outcomes("/v1/zip", &outcomes).await;
    // Whoever waits for the store is not meant.
    let gate = halfway.hold(halfway::MIDDLE, 1);
    let url = halfway.url();
    let download = tokio::spawn(async move { client::fetch("GET", &url, &[]).await });
    gate.reached(1).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    gate.open();
    let whole = download.await.unwrap().unwrap();
    assert!(whole.body == halfway.whole);
}
