//! Bounds on connections: how long one may take to ask, and how many there may be.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::client;
use crate::support::halfway::{self, Halfway};
use crate::support::server::Server;

fn with(arguments: &[&str]) -> Server {
    Server::with(|command, home| {
        command.args(arguments);
        command.arg("--local").arg(home.join("bucket"));
    })
}

#[tokio::test]
async fn whoever_is_slow_to_ask_is_cut_off() {
    let server = with(&["--header-timeout", "1s"]);
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

#[tokio::test]
async fn more_connections_than_there_is_room_for_wait_their_turn() {
    let halfway = Halfway::start_with(&["--max-connections", "2"]).await;
    let gate = halfway.hold(halfway::MIDDLE, 2);
    let downloads = [
        client::open("GET", &halfway.url(), &[]).await.unwrap(),
        client::open("GET", &halfway.url(), &[]).await.unwrap(),
    ];
    gate.reached(2).await;
    let url = format!("{}/healthz", halfway.server.url);
    let mut waiting = Box::pin(client::fetch("GET", &url, &[]));
    let early = timeout(Duration::from_millis(500), &mut waiting).await;
    assert!(early.is_err(), "a third connection was served");
    gate.open();
    for download in downloads {
        let body = download.into_body().collect().await.unwrap().to_bytes();
        assert!(body == halfway.whole);
    }
    assert_eq!(waiting.await.unwrap().status, 200);
}
