//! Live archives with text deflated: read by everybody, the same each time, and broken where an object is.

use std::process::Stdio;

use http_body_util::BodyExt;

use crate::program::Place;
use crate::support::client;
use crate::support::problem::Problem;
use crate::support::readers::{Reader, check};
use crate::support::server::{Server, sheaf};
use crate::support::synthetic::content::content_bytes;
use crate::support::synthetic::faults::{Failure, Mishap, Rule};
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::{Options, Synthetic};
use crate::support::walk::{Contents, Held};

/// Lines that are alike and never the same.
fn table(bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 64);
    for n in 0_u64.. {
        if text.len() >= bytes {
            break;
        }
        text.extend(format!("{n},{},a row of a table\n", n * n % 9973).into_bytes());
    }
    text.truncate(bytes);
    text
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a.csv", table(3_000_000)),
        ("b/ü.JSON", table(70_000)),
        ("b/noise.txt", content_bytes("noise", 600_000)),
        ("c/empty.xml", Vec::new()),
        ("d.svg", b"<svg/>".to_vec()),
        ("e.pdf", table(900_000)),
    ]
}

fn expected() -> Contents {
    let held = |(name, bytes): &(&str, Vec<u8>)| ((*name).to_owned(), Held::bytes(bytes));
    files().iter().map(held).collect()
}

fn server() -> Server {
    let server = Server::local();
    for (name, content) in files() {
        server.drop_in(&format!("in/{name}"), content);
    }
    server
}

const DEFLATED: &str = "/v1/zip?prefix=in/&include=*&method=deflate";

#[tokio::test]
async fn everybody_reads_it_from_a_pipe_too() {
    let server = server();
    let answer = server.get(DEFLATED).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["accept-ranges"], "none");
    assert!(!answer.headers.contains_key("content-length"));
    let again = server.get(DEFLATED).await;
    assert!(answer.body == again.body, "the same rows, the same bytes");
    let stored = server
        .get("/v1/zip?prefix=in/&include=*&method=store")
        .await;
    let plain = server.get("/v1/zip?prefix=in/&include=*").await;
    assert!(stored.body == plain.body, "stored unless asked for");
    assert!(answer.body.len() + 2_000_000 < stored.body.len());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    std::fs::write(&path, &answer.body).unwrap();
    // busybox knows no descriptors where it cannot seek, whatever the method.
    let readers = Reader::ALL
        .into_iter()
        .filter(|reader| *reader != Reader::BusyboxPipe);
    check(&readers.collect::<Vec<_>>(), &path, &expected());
    let verified = sheaf(folder.path())
        .arg("verify")
        .arg(&path)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(
        (&report["ok"], &report["entries"]),
        (&true.into(), &6.into()),
        "{report}"
    );
}

#[tokio::test]
async fn it_cannot_be_resumed_and_only_live_archives_have_it() {
    let server = server();
    let resumed = server.send("GET", DEFLATED, &[("range", "bytes=5-")]).await;
    assert_eq!(resumed.status, 409);
    let unknown = server.get("/v1/zip?prefix=in/&include=*&method=zstd").await;
    Problem::of(&unknown).is(400, "malformed-query", &["store, deflate"]);
    let wish = r#"{"prefix": "in/", "include": "*", "method": "deflate"}"#;
    for target in ["/v1/links", "/v1/jobs"] {
        let refused = server.post(target, wish).await;
        Problem::of(&refused).is(400, "malformed-body", &["GET /v1/zip?method=deflate"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_has_it() {
    let place = Place::new();
    for (name, content) in files() {
        place.write(&format!("bucket/in/{name}"), &content);
    }
    let zip = |method: &'static str, file: &'static str| {
        [
            "zip",
            "s3://local/in/",
            "--include",
            "*",
            "--local",
            "bucket",
            "--method",
            method,
            "-o",
            file,
        ]
    };
    place.run(&zip("deflate", "a.zip")).await.result();
    place.run(&zip("store", "b.zip")).await.result();
    for name in ["a.zip", "b.zip"] {
        assert_eq!(
            Reader::AsyncZip.read(&place.path(name)).unwrap(),
            expected()
        );
    }
    let len = |name| std::fs::metadata(place.path(name)).unwrap().len();
    assert!(len("a.zip") + 2_000_000 < len("b.zip"));
    place.run(&zip("zstd", "c.zip")).await.failure(2);
}

/// Begins a download of what must break, and sees it break.
async fn breaks(store: &Synthetic) {
    let server = Server::over(&store.endpoint());
    let url = format!("{}/v1/zip?include=*&method=deflate", server.url);
    // It may break before the head is read.
    if let Ok(answer) = client::open("GET", &url, &[]).await {
        assert_eq!(answer.status(), 200);
        let body = answer.into_body().collect().await;
        assert!(body.is_err(), "the body ended in good order");
    }
}

#[tokio::test]
async fn an_object_that_fails_in_the_middle_breaks_the_connection() {
    let first = SyntheticObject::of("a.txt", table(3 << 20));
    let second = SyntheticObject::of("b.txt", table(6 << 20));
    let start = |second: &SyntheticObject| {
        let objects = [first.clone(), second.clone()];
        Synthetic::start(objects, Options::default())
    };
    let gone = start(&second).await;
    let rule = Rule::get("b.txt", Failure::PRECONDITION_FAILED);
    gone.faults().add(rule);
    breaks(&gone).await;
    let flipped = start(&second.clone().checksum(Checksum::FullObject)).await;
    let rule = Rule::body("b.txt", 4 << 20, Mishap::Flip);
    flipped.faults().add(rule);
    breaks(&flipped).await;
    breaks(&start(&second.checksum(Checksum::Claimed(7))).await).await;
}
