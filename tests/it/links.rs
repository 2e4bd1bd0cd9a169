//! Links over HTTP: what is created, what comes of it, and what no longer does.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::program::{Place, text};
use crate::support::client::{self, Answered};
use crate::support::readers::Reader;
use crate::support::server::Server;
use crate::support::synthetic::faults::{Failure, Fault, Gate, Mishap, Rule, Target};
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};
use crate::support::walk::{Contents, Held, difference};

const MIB: u64 = 1 << 20;

/// A link as it was created.
pub struct Link {
    pub id: String,
    /// The path of the archive.
    pub path: String,
    pub zip_url: String,
    pub bytes: u64,
    pub etag: String,
    pub answer: Value,
}

async fn post(server: &Server, body: &Value) -> Answered {
    let url = format!("{}/v1/links", server.url);
    client::post(&url, body).await.unwrap()
}

/// Creates a link that must come into being.
pub async fn create(server: &Server, body: &Value) -> Link {
    link_of(server, &post(server, body).await)
}

/// The link that an answer tells.
pub fn link_of(server: &Server, answered: &Answered) -> Link {
    let answer: Value = serde_json::from_slice(&answered.body).unwrap();
    assert_eq!(answered.status, 201, "{answer}");
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    let zip_url = text("zip_url");
    Link {
        id: text("id"),
        path: zip_url.strip_prefix(&server.url).unwrap().to_owned(),
        zip_url,
        bytes: answer["bytes"].as_u64().unwrap(),
        etag: text("etag"),
        answer,
    }
}

/// Why there is no link.
pub async fn refused(server: &Server, body: &Value) -> (u16, Value) {
    let answered = post(server, body).await;
    let problem = serde_json::from_slice(&answered.body).unwrap();
    (answered.status.as_u16(), problem)
}

fn kind(answered: &Answered) -> (u16, String) {
    let problem: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
    (
        answered.status.as_u16(),
        problem["type"].as_str().unwrap_or_default().to_owned(),
    )
}

async fn range(server: &Server, link: &Link, range: &str) -> Answered {
    server.send("GET", &link.path, &[("range", range)]).await
}

fn contents(archive: &[u8]) -> Contents {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("downloaded.zip");
    fs::write(&path, archive).unwrap();
    Reader::AsyncZip.read(&path).unwrap()
}

fn expected(objects: &[&SyntheticObject]) -> Contents {
    objects
        .iter()
        .map(|object| (object.key.clone(), Held::object(object)))
        .collect()
}

async fn synthetic(objects: &[&SyntheticObject]) -> (Synthetic, Server) {
    let objects: Vec<SyntheticObject> = objects.iter().map(|object| (*object).clone()).collect();
    let store = Synthetic::start(objects, Options::default()).await;
    let server = Server::over(&store.endpoint());
    (store, server)
}

#[tokio::test]
async fn a_link_has_its_exact_length_before_it_is_read() {
    let server = Server::local();
    server.drop_in("reports/a.pdf", "first");
    server.drop_in("reports/b/ü.pdf", vec![7; 3 << 20]);
    server.drop_in("reports/empty.pdf", "");
    server.drop_in("reports/notes.txt", "not a PDF");
    let link = create(&server, &json!({"prefix": "reports/"})).await;
    assert_eq!(link.answer["count"], 3);
    assert!(link.path.ends_with("/reports.zip"), "{}", link.path);
    assert!(link.path.len() < 80, "short: {}", link.path);
    let get = server.get(&link.path).await;
    assert_eq!(get.status, 200);
    assert_eq!(get.body.len() as u64, link.bytes);
    let live = server.get("/v1/zip?prefix=reports/").await;
    assert_eq!(get.body, live.body, "the same rows make the same archive");
    let head = server.send("HEAD", &link.path, &[]).await;
    let disposition = "attachment; filename=\"reports.zip\"";
    for answer in [&get, &head] {
        for (name, value) in [
            ("content-length", link.bytes.to_string().as_str()),
            ("etag", &link.etag),
            ("accept-ranges", "bytes"),
            ("content-type", "application/zip"),
            ("content-disposition", disposition),
            ("cache-control", "private, no-transform"),
            ("x-accel-buffering", "no"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-robots-tag", "noindex"),
        ] {
            assert_eq!(answer.headers[name], value, "{name}");
        }
        assert!(answer.headers.contains_key("last-modified"));
    }
    // What comes into the folder later is not part of it.
    server.drop_in("reports/later.pdf", "x");
    assert_eq!(server.get(&link.path).await.body, get.body);
    let again = create(
        &server,
        &json!({"prefix": "reports/", "filename": "Übersicht"}),
    )
    .await;
    assert_ne!(again.etag, link.etag);
    assert!(
        again.path.ends_with("/%C3%9Cbersicht.zip"),
        "{}",
        again.path
    );
}

#[tokio::test]
async fn ranges_are_slices_of_the_whole() {
    let described = SyntheticObject::new("b.pdf", 2 * MIB + 5);
    let known = SyntheticObject::new("c.pdf", MIB + 9).checksum(Checksum::FullObject);
    let objects = [
        &SyntheticObject::new("a.pdf", 100),
        &described,
        &known,
        &SyntheticObject::new("d.pdf", 0),
        &SyntheticObject::new("e.pdf", 3000),
    ];
    let (_store, server) = synthetic(&objects).await;
    let link = create(&server, &json!({})).await;
    let whole = {
        let other = Server::over(&_store.endpoint());
        let same = create(&other, &json!({})).await;
        assert_eq!(same.etag, link.etag);
        other.get(&same.path).await.body
    };
    assert_eq!(difference(&expected(&objects), &contents(&whole)), None);
    // Backwards, so that what comes before is not known yet.
    let length = link.bytes;
    let mut ends: Vec<u64> = (0..40).map(|n| length - n * n * n * 37).collect();
    ends.extend([10, 31, 45, 145, 146, 200]);
    for end in ends {
        for span in [1, 30, 5000, MIB + 100] {
            let first = end.saturating_sub(span);
            let answer = range(&server, &link, &format!("bytes={first}-{}", end - 1)).await;
            assert_eq!(answer.status, 206, "{first}..{end}");
            let content_range = format!("bytes {first}-{}/{length}", end - 1);
            assert_eq!(answer.headers["content-range"], content_range.as_str());
            assert!(
                answer.body == whole[first as usize..end as usize],
                "{first}..{end}"
            );
        }
    }
    let suffix = range(&server, &link, "bytes=-100").await;
    assert_eq!(
        (suffix.status.as_u16(), suffix.body),
        (206, whole.slice(whole.len() - 100..))
    );
    assert_eq!(server.get(&link.path).await.body, whole);
}

#[tokio::test]
async fn conditions_and_odd_ranges_are_answered_as_the_rfc_has_it() {
    let server = Server::local();
    server.drop_in("a.pdf", "content");
    let link = create(&server, &json!({})).await;
    let whole = server.get(&link.path).await;
    let date = whole.headers["last-modified"].to_str().unwrap().to_owned();
    let etag = link.etag.as_str();
    let old = "Mon, 01 Jan 2001 00:00:00 GMT";
    for (headers, status) in [
        (&[("if-none-match", etag)][..], 304),
        (&[("if-none-match", "\"other\"")], 200),
        (&[("if-modified-since", date.as_str())], 304),
        (&[("if-modified-since", old)], 200),
        (&[("if-match", etag)], 200),
        (&[("if-match", "\"other\"")], 412),
        (&[("if-unmodified-since", old)], 412),
        (&[("range", "bytes=2-3"), ("if-range", etag)], 206),
        (&[("range", "bytes=2-3"), ("if-range", date.as_str())], 206),
        (&[("range", "bytes=2-3"), ("if-range", "\"other\"")], 200),
        (&[("range", "bytes=2-3"), ("if-range", old)], 200),
        (&[("range", "bytes=2-3"), ("if-none-match", etag)], 304),
        (&[("range", "bytes=0-1,5-6")], 200),
        (&[("range", "bytes=9999-")], 416),
        (&[("range", "bytes=-0")], 416),
        (&[("range", "nonsense")], 200),
    ] {
        let answer = server.send("GET", &link.path, headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
        match status {
            200 => assert_eq!(answer.body, whole.body, "{headers:?}"),
            206 => assert_eq!(answer.body, whole.body.slice(2..4), "{headers:?}"),
            304 => assert!(answer.body.is_empty() && answer.headers["etag"] == etag),
            416 => {
                let length = format!("bytes */{}", link.bytes);
                assert_eq!(answer.headers["content-range"], length.as_str());
            }
            _ => assert_eq!(kind(&answer).1, "precondition-failed"),
        }
    }
    let head = server
        .send("HEAD", &link.path, &[("range", "bytes=2-3")])
        .await;
    assert_eq!(
        (
            head.status.as_u16(),
            head.headers["content-length"].to_str().unwrap()
        ),
        (200, link.bytes.to_string().as_str())
    );
}

#[tokio::test]
async fn links_that_are_of_no_use_say_why_and_are_not_logged() {
    let server = Server::local();
    server.drop_in("a.pdf", "content");
    let link = create(&server, &json!({})).await;
    let token = link.path.split('/').nth(2).unwrap().to_owned();
    let mut forged = token.clone().into_bytes();
    forged[10] = if forged[10] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    let answer = server.get(&format!("/d/{forged}/a.zip")).await;
    assert_eq!(kind(&answer), (403, "invalid-link".to_owned()));
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    for odd in [format!("/d/{token}/a.tar"), format!("/d/{token}/a/b/c.zip")] {
        assert_eq!(kind(&server.get(&odd).await), (404, "not-found".to_owned()));
    }

    let brief = create(&server, &json!({"expires_in": 1})).await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let answer = server.get(&brief.path).await;
    assert_eq!(kind(&answer), (410, "link-expired".to_owned()));

    assert_eq!(server.get(&link.path).await.status, 200);
    let revoked = server
        .send("DELETE", &format!("/v1/links/{}", link.id), &[])
        .await;
    assert_eq!(revoked.status, 204);
    let answer = server.get(&link.path).await;
    assert_eq!(kind(&answer), (410, "link-revoked".to_owned()));
    let answer = server.send("DELETE", "/v1/links/nonsense", &[]).await;
    assert_eq!(answer.status, 404);

    let log: Vec<String> = server.log().iter().map(Value::to_string).collect();
    assert!(
        !log.iter()
            .any(|line| line.contains(&token) || line.contains(&forged[11..]))
    );
    let about = |line: &&String| line.contains(&link.id) && line.contains("\"/d/-/local.zip\"");
    assert!(log.iter().filter(about).count() >= 2, "{log:#?}");
    let complete = |line: &String| line.contains("/d/-/local.zip") && line.contains("complete");
    assert!(log.iter().any(complete));
}

#[tokio::test]
async fn what_cannot_be_frozen_is_refused_by_name() {
    let fine = SyntheticObject::new("fine.pdf", 10);
    let deep = SyntheticObject::new("deep.pdf", 10).archived("GLACIER", None);
    let (store, server) = synthetic(&[&fine, &deep]).await;
    let (status, problem) = refused(&server, &json!({})).await;
    assert_eq!(
        (status, &problem["type"], &problem["keys"]),
        (409, &"archived".into(), &json!(["deep.pdf"]))
    );
    let (status, problem) = refused(&server, &json!({"keys": ["fine.pdf", "deep.pdf"]})).await;
    assert_eq!((status, &problem["type"]), (409, &"archived".into()));
    let (status, problem) = refused(&server, &json!({"keys": ["x", "fine.pdf", "y", ""]})).await;
    assert_eq!(
        (status, &problem["type"], &problem["keys"]),
        (404, &"no-such-keys".into(), &json!(["", "x", "y"]))
    );
    let (status, problem) = refused(&server, &json!({"keys": ["fine.pdf", "fine.pdf"]})).await;
    assert_eq!((status, &problem["keys"]), (400, &json!(["fine.pdf"])));
    let (status, _) = refused(&server, &json!({"keys": [".sheaf/links/x"]})).await;
    assert_eq!(status, 400);
    for (nothing, told) in [
        (json!({"keys": []}), "the list of keys is empty"),
        (
            json!({"prefix": "nothing/"}),
            "nothing under s3://bench/nothing/ matches *.pdf; include=* takes every object",
        ),
        (
            json!({"prefix": "nothing/", "include": "*"}),
            "there is nothing under s3://bench/nothing/",
        ),
    ] {
        let (status, problem) = refused(&server, &nothing).await;
        assert_eq!(
            (status, &problem["type"], &problem["detail"]),
            (404, &"nothing-selected".into(), &told.into())
        );
    }
    for malformed in [
        json!({"keys": ["a"], "prefix": "b"}),
        json!({"key": "a"}),
        json!({"expires_in": 0}),
    ] {
        assert_eq!(refused(&server, &malformed).await.0, 400, "{malformed}");
    }
    assert!(
        !store.keys().iter().any(|key| key.starts_with(".sheaf/")),
        "nothing is left"
    );
    let link = create(&server, &json!({"keys": ["fine.pdf"], "filename": "x.zip"})).await;
    let archive = server.get(&link.path).await.body;
    assert_eq!(difference(&expected(&[&fine]), &contents(&archive)), None);
}

#[tokio::test]
async fn stored_checksums_stand_in_front() {
    let whole = SyntheticObject::new("a.pdf", 3 * MIB).checksum(Checksum::FullObject);
    let part_size = 5 * MIB;
    let parts = SyntheticObject::new("b.pdf", 12 * MIB).checksum(Checksum::Composite { part_size });
    let small = SyntheticObject::new("c.pdf", 10).checksum(Checksum::FullObject);
    let (store, server) = synthetic(&[&whole, &parts, &small]).await;
    let link = create(&server, &json!({})).await;
    let count = |operation| store.requests().count(operation);
    assert_eq!(
        (
            count(Operation::HeadObject),
            count(Operation::GetAttributes)
        ),
        (1, 1),
        "small ones need none"
    );
    let archive = server.get(&link.path).await.body;
    let flags = |at: usize| u16::from_le_bytes([archive[at + 6], archive[at + 7]]) & 8;
    let second = 30 + 5 + 9 + whole.size() as usize;
    assert_eq!((flags(0), flags(second)), (0, 0), "no descriptors");
    assert_eq!(
        difference(&expected(&[&whole, &parts, &small]), &contents(&archive)),
        None
    );
    let same = create(&server, &json!({"keys": ["c.pdf", "b.pdf", "a.pdf"]})).await;
    assert_eq!(
        same.etag, link.etag,
        "a list of keys makes the same archive as their listing"
    );

    // Where that is not permitted, the archive has descriptors.
    for operation in [Operation::HeadObject, Operation::GetAttributes] {
        let denied = Fault::Answer(Failure::ACCESS_DENIED);
        store
            .faults()
            .add(Rule::new(Target::Every(operation), denied));
    }
    let without = create(&server, &json!({})).await;
    assert_eq!(without.bytes, link.bytes + 2 * 16);
}

#[tokio::test]
async fn a_range_reads_only_its_own_bytes() {
    const SIZE: u64 = 64 * MIB;
    let objects: Vec<_> = (0..40)
        .map(|n| SyntheticObject::new(format!("{n:03}.pdf"), SIZE).checksum(Checksum::FullObject))
        .collect();
    let (store, server) = synthetic(&objects.iter().collect::<Vec<_>>()).await;
    let link = create(&server, &json!({})).await;
    let mut read = Vec::new();
    for percent in [0, 90] {
        let first = link.bytes / 100 * percent;
        let before = (
            store.requests().bytes_sent(),
            store.requests().count(Operation::GetObject),
        );
        let answer = range(
            &server,
            &link,
            &format!("bytes={first}-{}", first + MIB - 1),
        )
        .await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.len() as u64),
            (206, MIB)
        );
        let after = (
            store.requests().bytes_sent(),
            store.requests().count(Operation::GetObject),
        );
        read.push((after.0 - before.0, after.1 - before.1));
    }
    // The first request also opened the stored manifest.
    let manifest = read[0].0 - MIB;
    assert!(manifest < 10_000, "{read:?}");
    assert_eq!(
        read[1],
        (MIB, read[0].1 - 1),
        "as many reads, and no byte more"
    );
}

#[tokio::test]
async fn an_object_that_changed_ends_the_download() {
    let first = SyntheticObject::new("a.pdf", 10);
    let second = SyntheticObject::new("b.pdf", 5 * MIB);
    let (store, server) = synthetic(&[&first, &second]).await;
    let link = create(&server, &json!({})).await;
    store.put(SyntheticObject::version("b.pdf", 5 * MIB, 1));
    let url = format!("{}{}", server.url, link.path);
    client::fetch("GET", &url, &[])
        .await
        .expect_err("it must not end in good order");
    store.remove("a.pdf");
    assert_eq!(
        kind(&server.get(&link.path).await),
        (409, "object-changed".to_owned())
    );
}

#[tokio::test]
async fn a_wrong_claim_breaks_the_link_and_a_new_one_does_without() {
    let wrong = SyntheticObject::new("a.pdf", 2 * MIB).checksum(Checksum::Claimed(7));
    let other = SyntheticObject::new("b.pdf", 10);
    let (_store, server) = synthetic(&[&wrong, &other]).await;
    let link = create(&server, &json!({})).await;
    let url = format!("{}{}", server.url, link.path);
    client::fetch("GET", &url, &[])
        .await
        .expect_err("it must not end in good order");
    let answer = server.get(&link.path).await;
    assert_eq!(kind(&answer), (410, "link-broken".to_owned()));
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["keys"], json!(["a.pdf"]));
    let replica = Server::over(&_store.endpoint());
    let new = create(&replica, &json!({})).await;
    let archive = replica.get(&new.path).await.body;
    assert_eq!(
        difference(&expected(&[&wrong, &other]), &contents(&archive)),
        None
    );
}

#[tokio::test]
async fn whoever_goes_on_in_the_middle_of_a_wrong_object_is_not_told_of_success() {
    let wrong = SyntheticObject::new("a.pdf", 2 * MIB).checksum(Checksum::Claimed(7));
    let (_store, server) = synthetic(&[&wrong]).await;
    let link = create(&server, &json!({})).await;
    let url = format!("{}{}", server.url, link.path);
    let rest = format!("bytes={MIB}-");
    // What came before was sent when nobody knew of it yet.
    client::fetch("GET", &url, &[("range", &rest)])
        .await
        .expect_err("its last bytes must not come");
    let answer = server.get(&link.path).await;
    assert_eq!(kind(&answer), (410, "link-broken".to_owned()));
}

/// The reads of objects that are not sheaf's own: key and range.
fn reads(store: &Synthetic) -> Vec<(String, Option<String>)> {
    let log = store.requests().log().into_iter();
    let reads = log.filter(|record| {
        record.operation == Operation::GetObject && !record.key.starts_with(".sheaf/")
    });
    reads.map(|record| (record.key, record.range)).collect()
}

/// The reads so far, none of which was made twice.
fn reads_once(store: &Synthetic) -> usize {
    let reads = reads(store);
    let different: HashSet<_> = reads.iter().collect();
    assert_eq!(different.len(), reads.len(), "{reads:?}");
    reads.len()
}

#[tokio::test]
async fn what_a_range_needs_is_hashed_once_and_kept() {
    let objects: Vec<_> = (0..6)
        .map(|n| SyntheticObject::new(format!("{n}.pdf"), 2 * MIB))
        .collect();
    let (store, server) = synthetic(&objects.iter().collect::<Vec<_>>()).await;
    let link = create(&server, &json!({})).await;
    let (a, b) = tokio::join!(
        range(&server, &link, "bytes=-382"),
        range(&server, &link, "bytes=-300")
    );
    assert_eq!((a.status.as_u16(), b.status.as_u16()), (206, 206));
    let scanned = reads_once(&store);
    assert!(scanned >= 6, "one scan for both");
    assert_eq!(a.body.slice(82..), b.body);
    // The sidecar is written when the scan ends, which is after the answer.
    let sidecar = format!(".sheaf/links/{}.crc32", link.id);
    while store.object(&sidecar).is_none() {
        tokio::task::yield_now().await;
    }
    // Another replica, which shares bucket and keys, does not hash again.
    let replica = replica_of(&server, &store);
    let path = link.path.clone();
    let tail = replica.send("GET", &path, &[("range", "bytes=-382")]).await;
    assert_eq!((tail.status.as_u16(), tail.body), (206, a.body));
    assert_eq!(reads_once(&store), scanned);
    let whole = replica.get(&path).await.body;
    assert_eq!(
        difference(
            &expected(&objects.iter().collect::<Vec<_>>()),
            &contents(&whole)
        ),
        None
    );
}

/// A second server over the same bucket, with the link keys of the first.
pub fn replica_of(server: &Server, store: &Synthetic) -> Server {
    let keys = fs::read_to_string(server.state().join("link-keys")).unwrap();
    let endpoint = store.endpoint();
    Server::with(|command, _| {
        command
            .env("S3_ENDPOINT_URL", endpoint)
            .env("BUCKET_NAME", "bench")
            .env("SHEAF_LINK_KEYS", keys.trim());
    })
}

#[tokio::test]
async fn each_replica_opens_a_manifest_once() {
    let object = SyntheticObject::new("a.pdf", 10);
    let (store, server) = synthetic(&[&object]).await;
    let link = create(&server, &json!({})).await;
    let replica = replica_of(&server, &store);
    let ours = server.get(&link.path).await.body;
    let (a, b) = tokio::join!(replica.get(&link.path), replica.get(&link.path));
    assert_eq!((a.body, b.body), (ours.clone(), ours));
    let stored = format!(".sheaf/links/{}", link.id);
    let log = store.requests().log();
    let loads = log
        .iter()
        .filter(|record| record.key == stored && record.operation == Operation::GetObject);
    assert_eq!(loads.count(), 2);
}

#[tokio::test]
async fn a_page_shows_what_there_is() {
    let server = Server::local();
    server.drop_in("r/a.pdf", "first");
    server.drop_in("r/b.pdf", "second");
    let link = create(&server, &json!({"prefix": "r/"})).await;
    let page_url = link.answer["page_url"].as_str().unwrap();
    let path = page_url.strip_prefix(&server.url).unwrap();
    let page = server.get(path).await;
    assert_eq!(page.status, 200);
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(
        text.contains("2 files") && text.contains(&format!("'{}'", link.zip_url)),
        "{text}"
    );
    assert!(text.contains(&format!("href=\"{}\"", link.path)), "{text}");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    assert!(!policy.contains("unsafe") && !text.contains("style="));

    let manifest = server.get(&format!("{path}/manifest.jsonl")).await;
    assert_eq!(manifest.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> = String::from_utf8(manifest.body.to_vec())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((lines.len(), &lines[1]["key"]), (2, &"r/b.pdf".into()));
    let url = lines[1]["url"].as_str().unwrap();
    assert_eq!(client::fetch("GET", url, &[]).await.unwrap().body, "second");
    let redirect = server.get(&format!("{path}/files/0")).await;
    assert_eq!(redirect.status, 302);
    let url = redirect.headers["location"].to_str().unwrap();
    assert_eq!(client::fetch("GET", url, &[]).await.unwrap().body, "first");
    for row in ["2", "x", "-1"] {
        assert_eq!(
            server.get(&format!("{path}/files/{row}")).await.status,
            404,
            "{row}"
        );
    }
    let odd = server
        .get(&format!("{path}/manifest.jsonl?as=metalink"))
        .await;
    assert_eq!(kind(&odd), (400, "malformed-query".to_owned()));
}

#[tokio::test]
async fn the_command_line_makes_the_same_links() {
    let server = Server::local();
    server.drop_in("r/a.pdf", "first");
    let place = Place::new();
    let state = server.state();
    let folder = server.bucket();
    let local = ["--local", text(&folder), "--state-dir", text(&state)];
    let arguments = [&["link", "s3://local/r/", "--filename", "x"][..], &local].concat();
    let made = place.run(&arguments).await.result();
    let zip_url = made["zip_url"].as_str().unwrap();
    assert!(
        zip_url.starts_with(&server.url) && zip_url.ends_with("/x.zip"),
        "{zip_url}"
    );
    let archive = client::fetch("GET", zip_url, &[]).await.unwrap();
    assert_eq!(archive.body.len() as u64, made["bytes"].as_u64().unwrap());
    assert_eq!(archive.headers["etag"], made["etag"].as_str().unwrap());
    let nothing = [&["link", "s3://local/none/"][..], &local].concat();
    assert!(
        place
            .run(&nothing)
            .await
            .failure(1)
            .contains("nothing under s3://local/none/ matches")
    );
    drop(server);
}

#[tokio::test]
async fn a_server_without_a_place_or_a_name_makes_no_links() {
    let store = Synthetic::start([SyntheticObject::new("a.pdf", 1)], Options::default()).await;
    let server = Server::with(|command, _| {
        command.env("S3_ENDPOINT_URL", store.endpoint());
    });
    let (status, problem) = refused(&server, &json!({"bucket": "bench"})).await;
    assert_eq!((status, &problem["type"]), (409, &"no-state-bucket".into()));
    let place = Place::new().set("S3_ENDPOINT_URL", &store.endpoint());
    let message = place.run(&["link", "s3://bench/"]).await;
    assert!(message.failure(2).contains("--public-url"));
}

#[tokio::test]
async fn a_range_that_waits_too_long_is_told_to_come_back() {
    let object = SyntheticObject::new("a.pdf", 2 * MIB);
    let store = Synthetic::start([object], Options::default()).await;
    // The store holds the object back for longer than a range waits, and must not be taken for one that stalls.
    let server = Server::with(|command, _| {
        command
            .env("S3_ENDPOINT_URL", store.endpoint())
            .env("BUCKET_NAME", "bench")
            .env("SHEAF_READ_TIMEOUT", "10m");
    });
    let link = create(&server, &json!({})).await;
    let gate = Gate::new();
    let held = Mishap::Hold(gate.clone());
    store.faults().add(Rule::body("a.pdf", MIB, held).times(1));
    let answer = range(&server, &link, "bytes=-80").await;
    assert_eq!(kind(&answer), (503, "checksums-pending".to_owned()));
    assert!(answer.headers.contains_key("retry-after"));
    let problem: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (&problem["needed"], &problem["missing"]),
        (&1.into(), &1.into())
    );
    // The hashing goes on meanwhile, for whoever asks next.
    gate.open();
    let answer = range(&server, &link, "bytes=-80").await;
    assert_eq!(answer.status, 206);
    reads_once(&store);
}

#[tokio::test]
async fn a_range_that_has_something_to_send_does_not_wait() {
    let objects = ["a.pdf", "b.pdf"].map(|key| SyntheticObject::new(key, 2 * MIB));
    let (store, server) = synthetic(&[&objects[0], &objects[1]]).await;
    let link = create(&server, &json!({})).await;
    let gate = Gate::new();
    let held = Mishap::Hold(gate.clone());
    store.faults().add(Rule::body("a.pdf", MIB, held).times(1));
    // From within the second object to the end: the directory needs the first one's checksum.
    let first = link.bytes - MIB;
    let url = format!("{}{}", server.url, link.path);
    let range = format!("bytes={first}-");
    let answer = client::open("GET", &url, &[("range", &range)])
        .await
        .unwrap();
    assert_eq!(answer.status(), 206);
    let mut body = answer.into_body();
    let mut received = 0;
    while received < MIB - 1000 {
        let frame = body.frame().await.unwrap().unwrap();
        received += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    gate.open();
    while let Some(frame) = body.frame().await {
        received += frame
            .unwrap()
            .data_ref()
            .map_or(0, |data| data.len() as u64);
    }
    assert_eq!(received, MIB);
}

#[tokio::test]
async fn an_object_that_cannot_be_hashed_fails_what_waits_for_it() {
    let objects = ["a.pdf", "b.pdf"].map(|key| SyntheticObject::new(key, 2 * MIB));
    let (store, server) = synthetic(&[&objects[0], &objects[1]]).await;
    let link = create(&server, &json!({})).await;
    store.remove("a.pdf");
    let answer = range(&server, &link, "bytes=-140").await;
    assert_eq!(kind(&answer), (409, "object-changed".to_owned()));
    store.put(objects[0].clone());
    let answer = range(&server, &link, "bytes=-140").await;
    assert_eq!(answer.status, 206, "the next one tries again");
}
