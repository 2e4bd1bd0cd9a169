//! The live archive over HTTP: what comes, under which headers, and what does not.

use std::fs;

use crate::support::client;
use crate::support::readers::Reader;
use crate::support::server::Server;
use crate::support::synthetic::faults::{Fault, Mishap, Rule, Target};
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::{Options, Synthetic};
use crate::support::walk::{Contents, Held, difference};

/// Reads an archive that was downloaded.
fn contents(archive: &[u8]) -> Contents {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("downloaded.zip");
    fs::write(&path, archive).unwrap();
    Reader::AsyncZip.read(&path).unwrap()
}

/// Downloads an archive that must come.
async fn whole(server: &Server, target: &str) -> bytes::Bytes {
    let answer = server.get(target).await;
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    answer.body
}

fn expect(archive: &[u8], expected: &[(&str, &[u8])]) {
    let expected: Contents = expected
        .iter()
        .map(|(name, bytes)| ((*name).to_owned(), Held::bytes(bytes)))
        .collect();
    if let Some(difference) = difference(&expected, &contents(archive)) {
        panic!("{difference}");
    }
}

#[tokio::test]
async fn a_folder_becomes_one_archive() {
    let server = Server::local();
    server.drop_in("reports/a.pdf", "first");
    server.drop_in("reports/deep/ü.PDF", "second");
    server.drop_in("reports/empty.pdf", "");
    server.drop_in("reports/notes.txt", "not a PDF");
    server.drop_in("other/b.pdf", "elsewhere");
    let answer = server.get("/v1/zip?prefix=reports/").await;
    assert_eq!(answer.status, 200);
    expect(
        &answer.body,
        &[
            ("a.pdf", b"first"),
            ("deep/ü.PDF", b"second"),
            ("empty.pdf", b""),
        ],
    );
    let all = server
        .get("/v1/zip?prefix=reports/&include=*.txt&include=a*")
        .await;
    expect(
        &all.body,
        &[("a.pdf", b"first"), ("notes.txt", b"not a PDF")],
    );
    let everything = server.get("/v1/zip?bucket=local&include=*").await;
    assert_eq!(contents(&everything.body).len(), 5);
}

#[tokio::test]
async fn the_headers_are_those_of_a_download() {
    let server = Server::local();
    server.drop_in("reports/2025/a.pdf", "x");
    let get = server.get("/v1/zip?prefix=reports/2025/").await;
    let head = server
        .send("HEAD", "/v1/zip?prefix=reports/2025/", &[])
        .await;
    for (name, value) in [
        ("content-type", "application/zip"),
        ("content-disposition", "attachment; filename=\"2025.zip\""),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
        ("accept-ranges", "none"),
        ("transfer-encoding", "chunked"),
    ] {
        assert_eq!(get.headers[name], value);
        if name != "transfer-encoding" {
            assert_eq!(head.headers[name], value, "HEAD: {name}");
        }
    }
    assert_eq!(head.status, 200);
    assert!(
        !get.headers.contains_key("content-length") && !head.headers.contains_key("content-length")
    );
    let named = server
        .get("/v1/zip?prefix=reports/&filename=%C3%9Cbersicht%20%22Q1%22")
        .await;
    let disposition = named.headers["content-disposition"].to_str().unwrap();
    assert!(
        disposition.contains("filename*=UTF-8''%C3%9Cbersicht%20"),
        "{disposition}"
    );
    assert!(disposition.ends_with(".zip"), "{disposition}");
}

#[tokio::test]
async fn the_same_bucket_gives_the_same_bytes() {
    let server = Server::local();
    // Large enough to have a descriptor, whose need must not vanish because the object was read once.
    server.drop_in("large.pdf", vec![7; 3 << 20]);
    server.drop_in("small.pdf", "x");
    let first = server.get("/v1/zip").await;
    let second = server.get("/v1/zip").await;
    assert_eq!(first.body, second.body);
    expect(
        &first.body,
        &[("large.pdf", &vec![7; 3 << 20]), ("small.pdf", b"x")],
    );
}

#[tokio::test]
async fn an_archive_cannot_be_resumed() {
    let server = Server::local();
    server.drop_in("a.pdf", "content");
    for range in ["bytes=1-", "bytes=-5", "bytes=10-20"] {
        let answer = server.send("GET", "/v1/zip", &[("range", range)]).await;
        assert_eq!(answer.status, 409, "{range}");
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(problem["type"], "not-resumable");
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("POST /v1/links")
        );
    }
    let whole = server
        .send("GET", "/v1/zip", &[("range", "bytes=0-")])
        .await;
    assert_eq!(whole.status, 200);
    expect(&whole.body, &[("a.pdf", b"content")]);
}

#[tokio::test]
async fn the_first_bytes_come_before_the_listing_is_finished() {
    let objects = (0..50).map(|n| SyntheticObject::new(format!("{n:03}.pdf"), 10));
    let options = Options {
        page_size: 10,
        ..Options::default()
    };
    let store = Synthetic::start(objects, options).await;
    let never = std::time::Duration::from_secs(3600);
    store
        .faults()
        .add(Rule::new(Target::ListPage(3), Fault::Delay(never)));
    let server = Server::over(&store.endpoint());
    let mut body = client::open("GET", &format!("{}/v1/zip", server.url), &[])
        .await
        .unwrap()
        .into_body();
    let mut received = 0;
    // The first two pages have entries of more than 40 bytes each.
    while received < 20 * 40 {
        let frame = http_body_util::BodyExt::frame(&mut body)
            .await
            .unwrap()
            .unwrap();
        received += frame.data_ref().map_or(0, bytes::Bytes::len);
    }
}

#[tokio::test]
async fn announced_checksums_stand_in_front() {
    const SIZE: u64 = 5 << 20;
    let with = SyntheticObject::new("with.pdf", SIZE).checksum(Checksum::FullObject);
    let without = SyntheticObject::new("without.pdf", SIZE);
    let store = Synthetic::start([with.clone(), without.clone()], Options::default()).await;
    let server = Server::over(&store.endpoint());
    let archive = whole(&server, "/v1/zip").await;
    let flags = |at: usize| u16::from_le_bytes([archive[at + 6], archive[at + 7]]);
    let crc32 = |at: usize| u32::from_le_bytes(archive[at + 14..at + 18].try_into().unwrap());
    assert_eq!((flags(0) & 8, crc32(0)), (0, with.crc32()));
    let second = 30 + "with.pdf".len() + 9 + SIZE as usize;
    assert_eq!((flags(second) & 8, crc32(second)), (8, 0));
    let expected: Contents = [("with.pdf", &with), ("without.pdf", &without)]
        .map(|(name, object)| (name.to_owned(), Held::object(object)))
        .into();
    assert_eq!(difference(&expected, &contents(&archive)), None);
}

#[tokio::test]
async fn a_read_that_breaks_goes_on_where_it_broke() {
    const SIZE: u64 = 4 << 20;
    let object = SyntheticObject::new("a.pdf", SIZE);
    let store = Synthetic::start([object.clone()], Options::default()).await;
    for (at, mishap) in [
        (100, Mishap::Reset),
        (1 << 20, Mishap::Close),
        (3 << 20, Mishap::Reset),
    ] {
        store.faults().add(Rule::body("a.pdf", at, mishap).times(1));
    }
    let server = Server::over(&store.endpoint());
    let archive = whole(&server, "/v1/zip").await;
    let expected: Contents = [("a.pdf".to_owned(), Held::object(&object))].into();
    assert_eq!(difference(&expected, &contents(&archive)), None);
}
