//! What links are made of beside a prefix: lists of keys, manifests that were made earlier; and checksums that are
//! hashed beforehand.

use serde_json::{Value, json};

use crate::links::{Link, create, link_of, refused};
use crate::support::client::{self, Answered};
use crate::support::server::{Server, sheaf};
use crate::support::synthetic::faults::{Gate, Mishap, Rule};
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};

const MIB: u64 = 1 << 20;

fn objects() -> Vec<SyntheticObject> {
    vec![
        SyntheticObject::new("r/a.pdf", 1000),
        SyntheticObject::new("r/b ü.pdf", 2 * MIB),
        SyntheticObject::new("r/c/d.pdf", 3 * MIB).checksum(Checksum::FullObject),
        SyntheticObject::new("r/e.pdf", 0),
        SyntheticObject::new("s/f.pdf", 5),
    ]
}

async fn place() -> (Synthetic, Server) {
    let store = Synthetic::start(objects(), Options::default()).await;
    let server = Server::over(&store.endpoint());
    (store, server)
}

async fn send(server: &Server, query: &str, lines: &str) -> Answered {
    let manifest = [("content-type", "application/x-ndjson; charset=utf-8")];
    let target = format!("/v1/links{query}");
    server.post_with(&target, &manifest, lines.to_owned()).await
}

async fn made(server: &Server, query: &str, lines: &str) -> Link {
    let answered = send(server, query, lines).await;
    assert_eq!(answered.status, 201, "{:?}", answered.body);
    link_of(server, &answered)
}

/// The manifest that sheaf itself makes of a prefix.
async fn manifest(server: &Server, prefix: &str) -> String {
    let body = json!({"prefix": prefix}).to_string();
    let answered = server.post("/v1/manifests", body).await;
    let answer: Value = serde_json::from_slice(&answered.body).unwrap();
    let url = answer["manifest_url"].as_str().unwrap();
    let lines = client::fetch("GET", url, &[]).await.unwrap().body;
    String::from_utf8(lines.to_vec()).unwrap()
}

#[tokio::test]
async fn a_manifest_made_earlier_becomes_a_link() {
    let (_store, server) = place().await;
    let manifest = manifest(&server, "r/").await;
    let link = made(
        &server,
        "?prefix=r/&filename=x.zip&expires_in=60",
        &manifest,
    )
    .await;
    let same = create(&server, &json!({"prefix": "r/", "filename": "x.zip"})).await;
    assert_eq!(link.etag, same.etag);
    assert!(link.path.ends_with("/x.zip"), "{}", link.path);
    // Filtered, in another order, with nothing but keys.
    let lines: Vec<String> = manifest
        .lines()
        .rev()
        .take(3)
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            json!({"key": line["key"], "other": [1, 2]}).to_string()
        })
        .collect();
    let filtered = made(&server, "", &lines.join("\r\n")).await;
    assert_eq!(filtered.answer["count"], 3);
    let keys = json!({"keys": ["r/b ü.pdf", "r/c/d.pdf", "r/e.pdf"]});
    assert_eq!(filtered.etag, create(&server, &keys).await.etag);
    let below = json!({"keys": ["r/b ü.pdf", "r/c/d.pdf", "r/e.pdf"], "prefix": "r/"});
    assert_eq!(
        create(&server, &below).await.bytes + 3 * 2 * 2,
        filtered.bytes,
        "names lose the prefix, in both places"
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_manifest_is_named_by_line() {
    let (store, server) = place().await;
    let a = r#"{"key":"r/a.pdf"}"#;
    for (query, lines, status, kind, keys, numbers) in [
        (
            "",
            format!("{a}\n\n{a}\n"),
            400,
            "malformed-selection",
            json!(["r/a.pdf"]),
            json!([3]),
        ),
        (
            "",
            format!("{a}\n{{\"key\":\"x\"}}\n{{\"key\":\"\"}}"),
            404,
            "no-such-keys",
            json!(["", "x"]),
            json!([3, 2]),
        ),
        (
            "",
            format!("{a}\nkey: x\n"),
            400,
            "malformed-body",
            Value::Null,
            json!([2]),
        ),
        (
            "",
            format!("{a}\n{{\"url\":\"u\"}}\n"),
            400,
            "malformed-body",
            Value::Null,
            json!([2]),
        ),
        (
            "",
            format!("{{\"key\":\"{}\"}}", "x".repeat(70 << 10)),
            400,
            "malformed-body",
            Value::Null,
            json!([1]),
        ),
        (
            "",
            r#"{"key":"r/a.pdf","size":1001}"#.to_owned(),
            409,
            "object-changed",
            json!(["r/a.pdf"]),
            json!([1]),
        ),
        (
            "",
            r#"{"key":"r/a.pdf","etag":"\"other\""}"#.to_owned(),
            409,
            "object-changed",
            json!(["r/a.pdf"]),
            json!([1]),
        ),
        (
            "",
            r#"{"key":".sheaf/links/x"}"#.to_owned(),
            400,
            "malformed-selection",
            json!([".sheaf/links/x"]),
            json!([1]),
        ),
        (
            "?prefix=s/",
            format!("{{\"key\":\"s/f.pdf\"}}\n{a}"),
            400,
            "malformed-selection",
            json!(["r/a.pdf"]),
            json!([2]),
        ),
        (
            "?include=*",
            a.to_owned(),
            400,
            "malformed-query",
            Value::Null,
            Value::Null,
        ),
        (
            "?max_downloads=0",
            a.to_owned(),
            400,
            "malformed-query",
            Value::Null,
            Value::Null,
        ),
        (
            "?crc=all",
            a.to_owned(),
            400,
            "malformed-query",
            Value::Null,
            Value::Null,
        ),
        (
            "",
            String::new(),
            404,
            "nothing-selected",
            Value::Null,
            Value::Null,
        ),
    ] {
        let answered = send(&server, query, &lines).await;
        let problem: Value = serde_json::from_slice(&answered.body).unwrap();
        assert_eq!(
            (
                answered.status.as_u16(),
                &problem["type"],
                &problem["keys"],
                &problem["lines"]
            ),
            (status, &kind.into(), &keys, &numbers),
            "{problem}"
        );
    }
    assert!(!store.keys().iter().any(|key| key.starts_with(".sheaf/")));
    let etag = &objects()[0].etag;
    let sound = format!("{{\"key\":\"r/a.pdf\",\"size\":1000,\"etag\":\"{etag}\"}}");
    assert_eq!(
        send(&server, "", &sound).await.status,
        201,
        "an ETag without its quotes"
    );
}

#[tokio::test]
async fn a_large_manifest_takes_little_memory() {
    let (_store, mut server) = place().await;
    let before = server.process().peak_resident().unwrap();
    // 100 MB, nearly all of it in URLs; the last line is wrong, so that nothing is asked of the store.
    let url = "u".repeat(60_000);
    let mut lines: String = (0..1600)
        .map(|n| format!("{{\"key\":\"{n}\",\"url\":\"{url}\"}}\n"))
        .collect();
    lines.push_str("nonsense");
    let answered = send(&server, "", &lines).await;
    let problem: Value = serde_json::from_slice(&answered.body).unwrap();
    assert_eq!(problem["lines"], json!([1601]), "{problem}");
    let grown = server.process().peak_resident().unwrap() - before;
    assert!(grown < 20 << 20, "{grown} bytes");
}

#[tokio::test]
async fn a_scan_leaves_no_descriptor_and_nothing_to_wait_for() {
    let (store, server) = place().await;
    let plain = create(&server, &json!({})).await;
    let read = || store.requests().count(Operation::GetObject);
    let before = read();
    let scanned = create(&server, &json!({"crc": "scan"})).await;
    assert!(read() > before);
    assert_eq!(scanned.bytes + 16, plain.bytes, "one descriptor less");
    let before = read();
    let tail = server
        .send("GET", &scanned.path, &[("range", "bytes=-200")])
        .await;
    assert_eq!(tail.status, 206);
    assert_eq!(read() - before, 1, "only the stored manifest is read");
    let whole = server.get(&scanned.path).await.body;
    assert_eq!(whole.len() as u64, scanned.bytes);
    assert_eq!(tail.body, whole.slice(whole.len() - 200..));
    let by_query = made(&server, "?crc=scan", "{\"key\":\"r/b ü.pdf\"}").await;
    let by_keys = create(&server, &json!({"keys": ["r/b ü.pdf"], "crc": "scan"})).await;
    assert_eq!(by_query.etag, by_keys.etag);
    assert_eq!(refused(&server, &json!({"crc": "all"})).await.0, 400);
}

#[tokio::test]
async fn a_scan_ends_with_the_client_that_wanted_it() {
    let (store, server) = place().await;
    let gate = Gate::new();
    store
        .faults()
        .add(Rule::body("r/b ü.pdf", MIB, Mishap::Hold(gate.clone())));
    let url = format!("{}/v1/links", server.url);
    let asking = tokio::spawn(async move { client::post(&url, &json!({"crc": "scan"})).await });
    gate.reached(1).await;
    asking.abort();
    let _ = asking.await;
    store
        .until(|store| store.requests().open() == 0 || gate_opened(&gate))
        .await;
    server.outcomes("/v1/links", &["client_gone"]).await;
    assert!(
        !store
            .keys()
            .iter()
            .any(|key| key.starts_with(".sheaf/links/"))
    );
}

/// The held body ends once its connection is gone; the gate need not open for that.
fn gate_opened(gate: &Gate) -> bool {
    gate.open();
    true
}

#[tokio::test]
async fn the_command_line_takes_manifests_and_scans() {
    let (store, server) = place().await;
    let home = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str], input: &str| {
        let mut command = sheaf(home.path());
        command
            .env("S3_ENDPOINT_URL", store.endpoint())
            .args(["link", "s3://bench/r/", "--public-url", &server.url])
            .args(arguments);
        let input = input.to_owned();
        tokio::task::spawn_blocking(move || command.output_with(&input))
            .await
            .unwrap()
            .unwrap()
    };
    let lines = "{\"key\":\"r/b ü.pdf\"}\n{\"key\":\"r/a.pdf\",\"size\":1000}\n";
    let output = run(&["--from", "-", "--crc", "scan"], lines).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("hashing 2 objects without a CRC-32, 2098152 bytes"),
        "{said}"
    );
    let link: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(link["count"], 2);
    let body = json!({"keys": ["r/a.pdf", "r/b ü.pdf"], "prefix": "r/", "crc": "scan"});
    assert_eq!(link["etag"], create(&server, &body).await.answer["etag"]);

    let file = home.path().join("manifest.jsonl");
    std::fs::write(&file, "{\"key\":\"r/a.pdf\"}\nnonsense\n").unwrap();
    let output = run(&["--from", file.to_str().unwrap()], "").await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("line 2 is not a JSON object"), "{said}");
    let output = run(&["--from", "-", "--include", "*"], "").await;
    assert_eq!(output.status.code(), Some(2));
}
