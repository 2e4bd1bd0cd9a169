//! Stores that give no answer, and servers without credentials: an error within seconds, not minutes.

use std::future::Future;
use std::process::Command;
use std::time::Duration;

use tokio::net::TcpListener;

use super::{manifest, zip};
use crate::support::problem::Problem;
use crate::support::server::Server;

/// Well above what the retries take, and well below what anybody waits for.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(15), what)
        .await
        .expect("an answer within seconds")
}

/// A server over a store at `endpoint` that is silent for a second at the most.
fn over(endpoint: &str, change: impl FnOnce(&mut Command)) -> Server {
    Server::with(|command, _| {
        command
            .args(["--read-timeout", "1s", "--bucket", "bench"])
            .env("S3_ENDPOINT_URL", endpoint);
        change(command);
    })
}

async fn is_unreachable(server: &Server, words: &[&str]) {
    let answers = async {
        tokio::join!(zip(server, ""), manifest(server, "{}"), async {
            Problem::of(&server.get("/readyz").await)
        })
    };
    let (zip, manifest, ready) = soon(answers).await;
    for problem in [zip, manifest, ready] {
        let problem = problem.is(503, "store-unreachable", words);
        assert!(problem.headers.contains_key("retry-after"));
    }
    assert_eq!(soon(server.get("/healthz")).await.status, 200);
}

#[tokio::test]
async fn a_port_that_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    is_unreachable(&over(&endpoint, |_| {}), &["s3://bench", "refused"]).await;
}

#[tokio::test]
async fn a_host_without_an_address() {
    let server = over("http://store.invalid:9000", |_| {});
    is_unreachable(&server, &["s3://bench", "cannot be reached"]).await;
}

#[tokio::test]
async fn a_black_hole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let swallowing = tokio::spawn(async move {
        let mut swallowed = Vec::new();
        loop {
            swallowed.push(listener.accept().await);
        }
    });
    is_unreachable(
        &over(&endpoint, |_| {}),
        &["s3://bench", "cannot be reached"],
    )
    .await;
    swallowing.abort();
}

#[tokio::test]
async fn no_credentials() {
    let server = over("http://127.0.0.1:9", |command| {
        command
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY")
            .env("AWS_EC2_METADATA_DISABLED", "true");
    });
    let (zip, manifest) =
        soon(async { tokio::join!(zip(&server, ""), manifest(&server, "{}")) }).await;
    for problem in [zip, manifest] {
        problem.is(
            502,
            "store-credentials",
            &["AWS_ACCESS_KEY_ID", "AWS_PROFILE"],
        );
    }
    let ready = Problem::of(&soon(server.get("/readyz")).await);
    ready.is(503, "store-credentials", &["AWS_ACCESS_KEY_ID"]);
}
