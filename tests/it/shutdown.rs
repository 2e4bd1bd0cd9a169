//! The end of the server: what runs may finish, what comes is refused, and what lasts too long is broken off in sight.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::clients::http10;
use crate::support::client;
use crate::support::halfway::{self, Halfway};
use crate::support::problem::Problem;
use crate::support::server::Server;

fn authority(server: &Server) -> &str {
    server.url.strip_prefix("http://").unwrap()
}

/// A connection that stays open.
async fn connect(server: &Server) -> SendRequest<Empty<bytes::Bytes>> {
    let stream = TcpStream::connect(authority(server)).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn draining(server: &Server) {
    server.logged(|line| line["message"] == "draining").await;
}

#[tokio::test]
async fn idle_connections_do_not_keep_the_server() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::with(|command, home| {
            command.args(["--drain", "1h", "--header-timeout", "1h"]);
            command.arg("--local").arg(home.join("bucket"));
        });
        let mut idle = connect(&server).await;
        let request = http::Request::get("/healthz").header("host", authority(&server));
        let answer = idle
            .send_request(request.body(Empty::new()).unwrap())
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        answer.into_body().collect().await.unwrap();
        let silent = TcpStream::connect(authority(&server)).await.unwrap();
        let began = Instant::now();
        server.signal(signal);
        let status = server.exited().await;
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "{signal}: it took {:?}",
            began.elapsed()
        );
        drop((idle, silent));
    }
}

#[tokio::test]
async fn a_download_under_way_is_finished() {
    let mut halfway = Halfway::start_with(&["--drain", "60s"]).await;
    let gate = halfway.hold(halfway::MIDDLE, 1);
    let answer = client::open("GET", &halfway.url(), &[]).await.unwrap();
    gate.reached(1).await;
    halfway.server.signal("TERM");
    draining(&halfway.server).await;
    for path in [halfway::PATH, "/d/x/y.zip", "/local/key", "/readyz", "/"] {
        let refused = halfway.server.get(path).await;
        let problem = Problem::of(&refused).is(503, "stopping", &["ask again"]);
        assert_eq!(problem.headers["retry-after"], "5", "{path}");
        assert_eq!(problem.headers["connection"], "close", "{path}");
    }
    assert_eq!(halfway.server.get("/healthz").await.status, 200, "it lives");
    let exposition = halfway.server.get("/metrics").await.body;
    let running = "sheaf_downloads_running{kind=\"live\"} 1";
    assert!(String::from_utf8_lossy(&exposition).contains(running));
    gate.open();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(body == halfway.whole);
    assert_eq!(halfway.server.exited().await.code(), Some(0));
    let outcomes = ["complete", "complete", "failed"];
    halfway.server.outcomes("/v1/zip", &outcomes).await;
}

#[tokio::test]
async fn a_download_that_lasts_too_long_is_broken_off_in_sight() {
    let mut halfway = Halfway::start_with(&["--drain", "1s"]).await;
    let gate = halfway.hold(halfway::MIDDLE, 1);
    let answer = client::open("GET", &halfway.url(), &[]).await.unwrap();
    gate.reached(1).await;
    halfway.server.signal("TERM");
    assert!(answer.into_body().collect().await.is_err());
    assert_eq!(halfway.server.exited().await.code(), Some(0));
    let lines = halfway
        .server
        .outcomes("/v1/zip", &["complete", "failed"])
        .await;
    let failed = lines.iter().find(|line| line["outcome"] == "failed");
    let reason = failed.and_then(|line| line["reason"].as_str());
    assert!(reason.is_some_and(|reason| reason.contains("stopped")));
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let mut halfway = Halfway::start_with(&["--drain", "1h"]).await;
    let gate = halfway.hold(halfway::MIDDLE, 1);
    let answer = client::open("GET", &halfway.url(), &[]).await.unwrap();
    gate.reached(1).await;
    halfway.server.signal("TERM");
    draining(&halfway.server).await;
    halfway.server.signal("TERM");
    assert_eq!(halfway.server.exited().await.code(), Some(1));
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test]
async fn over_http_1_0_no_end_of_the_process_passes_for_the_end_of_the_archive() {
    // With a drain that ends, at a second signal, and without any warning.
    for (drain, signals) in [
        ("1s", &["TERM"][..]),
        ("1h", &["TERM", "TERM"]),
        ("1h", &["KILL"]),
    ] {
        let mut halfway = Halfway::start_with(&["--drain", drain]).await;
        let gate = halfway.hold(halfway::MIDDLE, 1);
        let mut socket = http10(&halfway.server).await;
        gate.reached(1).await;
        let mut answer = vec![0; 12];
        socket.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.0 200");
        for (nth, signal) in signals.iter().enumerate() {
            if nth > 0 {
                draining(&halfway.server).await;
            }
            halfway.server.signal(signal);
        }
        let ended = socket.read_to_end(&mut answer).await;
        let kind = ended.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::ConnectionReset), "{signals:?}");
        halfway.server.exited().await;
    }
}

#[tokio::test]
async fn over_http_1_0_a_download_under_way_is_finished_too() {
    let mut halfway = Halfway::start_with(&["--drain", "60s"]).await;
    let gate = halfway.hold(halfway::MIDDLE, 1);
    let mut socket = http10(&halfway.server).await;
    gate.reached(1).await;
    halfway.server.signal("TERM");
    draining(&halfway.server).await;
    gate.open();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(&halfway.whole));
    assert_eq!(halfway.server.exited().await.code(), Some(0));
}
