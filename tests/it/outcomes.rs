//! How a live download ends: what the client sees, what the log says, and what the server still holds.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use http_body_util::BodyExt;
use serde_json::Value;

use crate::support::client;
use crate::support::halfway::{self, FIRST, Halfway, SECOND, SIZE};
use crate::support::server::Server;
use crate::support::synthetic::faults::{Failure, Fault, Mishap, Rule, Target};
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::{Options, Synthetic};
use crate::support::wait::eventually;

/// More than all the buffers between a store and a client who does not read, in bytes.
pub const LARGE: u64 = 64 << 20;

/// What stands around the data of [`FIRST`] and in front of that of [`SECOND`]: two local headers, each with a name and
/// a timestamp, and a descriptor; in bytes.
const HEADERS: u64 = 2 * (30 + 9) + (FIRST.len() + SECOND.len()) as u64 + 16;

/// Begins a download, which must get its 200, breaks the store by `fault`, and returns the log line of the failure.
async fn failing(fault: impl FnOnce(&Synthetic)) -> Value {
    let halfway = Halfway::start().await;
    let gate = halfway.hold(halfway::MIDDLE, 1);
    let answer = client::open("GET", &halfway.url(), &[]).await.unwrap();
    assert_eq!(answer.status(), 200);
    gate.reached(1).await;
    fault(&halfway.store);
    gate.open();
    seen_to_fail(&halfway.server, answer).await
}

/// The client must see the failure of a download that began well; returns its log line.
async fn seen_to_fail(server: &Server, answer: http::Response<hyper::body::Incoming>) -> Value {
    assert_eq!(answer.status(), 200);
    let id = answer.headers()["x-request-id"].clone();
    let body = answer.into_body().collect().await;
    assert!(body.is_err(), "the body ended in good order");
    let line = server
        .logged(|line| line["message"] == "request" && line["request_id"] == id.to_str().unwrap())
        .await;
    assert_eq!(line["outcome"], "failed", "{line}");
    assert_eq!(line["level"], "WARN", "{line}");
    line
}

/// Begins a download that fails soon, before or after its first byte, and returns its log line. The client must see it:
/// as a problem, as a connection that breaks before the answer's head is read, or as a body that breaks.
async fn failing_early(server: &Server) -> Value {
    let url = format!("{}/v1/zip", server.url);
    match client::open("GET", &url, &[]).await {
        Ok(answer) if answer.status() == 200 => seen_to_fail(server, answer).await,
        Ok(answer) => {
            let status = answer.status();
            assert!(status.is_client_error() || status.is_server_error());
            server.logged(|line| line["message"] == "request").await
        }
        Err(_) => server.logged(|line| line["outcome"] == "failed").await,
    }
}

fn assert_reason(line: &Value, words: &[&str]) {
    let reason = line["reason"].as_str().expect("a reason");
    for word in words {
        assert!(reason.contains(word), "{reason:?} does not say {word:?}");
    }
}

#[tokio::test]
async fn an_object_that_vanished() {
    let line = failing(|store| store.remove(SECOND)).await;
    assert_reason(&line, &[SECOND, "does not exist"]);
    assert_eq!(line["entries"], 1);
    assert!(line["bytes"].as_u64().unwrap() > SIZE, "{line}");
}

#[tokio::test]
async fn an_object_that_was_replaced() {
    let line = failing(|store| store.put(SyntheticObject::version(SECOND, SIZE, 1))).await;
    assert_reason(&line, &[SECOND, "replaced"]);
}

#[tokio::test]
async fn an_object_that_was_replaced_when_its_read_broke() {
    let line = failing(|store| {
        // The first read breaks, and the second one finds another object.
        let breaks = Rule::body(SECOND, 1000, Mishap::Reset);
        store.faults().add(breaks.times(1));
        let replaced = Rule::get(SECOND, Failure::PRECONDITION_FAILED);
        store.faults().add(replaced);
    })
    .await;
    assert_reason(&line, &[SECOND, "replaced"]);
    assert_eq!(line["bytes"], SIZE + HEADERS + 1000);
}

#[tokio::test]
async fn an_object_that_always_breaks_at_the_same_byte() {
    let line = failing(|store| {
        store.faults().add(Rule::body(SECOND, 1000, Mishap::Close));
    })
    .await;
    assert_reason(&line, &[SECOND, "broke"]);
    // Every byte that came was sent, and none twice.
    assert_eq!(line["bytes"], SIZE + HEADERS + 1000);
}

#[tokio::test]
async fn an_object_that_is_shorter_than_listed() {
    let line = failing(|store| {
        let short = Rule::body(SECOND, 1000, Mishap::Shorten);
        store.faults().add(short);
    })
    .await;
    assert_reason(&line, &[SECOND]);
}

#[tokio::test]
async fn an_archived_object_that_the_listing_did_not_show() {
    let line = failing(|store| {
        store
            .faults()
            .add(Rule::get(SECOND, Failure::INVALID_OBJECT_STATE));
    })
    .await;
    assert_reason(&line, &[SECOND, "archived"]);
}

#[tokio::test]
async fn objects_that_are_not_what_their_checksum_says() {
    // The large one is found out at its end, the small one before any byte of it leaves.
    for size in [SIZE, 1000] {
        let first = SyntheticObject::new(FIRST, 10);
        let wrong = SyntheticObject::new(SECOND, size).checksum(Checksum::Claimed(0x1234_5678));
        let crc32 = wrong.crc32();
        let store = Synthetic::start([first, wrong], Options::default()).await;
        let server = Server::over(&store.endpoint());
        let line = failing_early(&server).await;
        assert_reason(&line, &[SECOND, "12345678", &format!("{crc32:08x}")]);
    }
}

/// Twenty objects on two pages, of which the second is spoilt by `spoil`.
async fn second_page(spoil: impl FnOnce(&Synthetic)) -> Value {
    let objects = (0..20).map(|n| SyntheticObject::new(format!("{n:02}.pdf"), 10));
    let options = Options {
        page_size: 10,
        ..Options::default()
    };
    let store = Synthetic::start(objects, options).await;
    spoil(&store);
    let server = Server::over(&store.endpoint());
    failing_early(&server).await
}

#[tokio::test]
async fn a_listing_that_fails_on_its_second_page() {
    let line = second_page(|store| {
        let fails = Fault::Answer(Failure::INTERNAL_ERROR);
        store.faults().add(Rule::new(Target::ListPage(2), fails));
    })
    .await;
    assert_reason(&line, &["ListObjectsV2", "s3://bench", "500"]);
}

#[tokio::test]
async fn an_archived_object_on_the_second_page() {
    let line = second_page(|store| {
        store.put(SyntheticObject::new("15.pdf", 10).archived("GLACIER", None));
    })
    .await;
    assert_reason(&line, &["15.pdf", "restored"]);
}

/// Spoils a folder while its first file, which is large, is under way; the log line must say so.
async fn folder(spoil: impl FnOnce(&Path)) -> Value {
    let server = Server::local();
    server.drop_in(FIRST, vec![1; LARGE as usize]);
    server.drop_in(SECOND, vec![2; SIZE as usize]);
    let url = format!("{}/v1/zip", server.url);
    let mut answer = client::open("GET", &url, &[]).await.unwrap();
    // The rest of the large file waits for the client, who reads nothing meanwhile.
    answer.body_mut().frame().await.unwrap().unwrap();
    spoil(&server.bucket());
    seen_to_fail(&server, answer).await
}

#[tokio::test]
async fn a_file_that_vanished() {
    let line = folder(|bucket| fs::remove_file(bucket.join(SECOND)).unwrap()).await;
    assert_reason(&line, &[SECOND, "does not exist"]);
}

#[tokio::test]
async fn a_file_that_is_written_to_while_it_is_read() {
    let line = folder(|bucket| {
        let mut options = OpenOptions::new();
        let file = options.write(true).open(bucket.join(FIRST)).unwrap();
        file.write_all_at(b"other", LARGE - 1000).unwrap();
    })
    .await;
    assert_reason(&line, &[FIRST, "replaced"]);
}

#[tokio::test]
async fn a_file_that_is_cut_short_while_it_is_read() {
    let line = folder(|bucket| {
        let mut options = OpenOptions::new();
        let file = options.write(true).open(bucket.join(FIRST)).unwrap();
        file.set_len(LARGE - 1000).unwrap();
    })
    .await;
    assert_reason(&line, &[FIRST, "replaced"]);
}

#[tokio::test]
async fn a_whole_download_is_logged_as_it_was() {
    let halfway = Halfway::start().await;
    let lines = halfway.server.outcomes("/v1/zip", &["complete"]).await;
    let line = &lines[0];
    assert_eq!(line["bytes"], halfway.whole.len());
    assert_eq!(line["entries"], 2);
    assert_eq!(line["status"], 200);
    assert_eq!(line["bucket"], "bench");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["reason"], Value::Null);
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_reads() {
    let halfway = Halfway::start().await;
    // The server waits for the store, and then for the client's socket.
    for waits_for_store in [true, false] {
        let gate = halfway.hold(halfway::MIDDLE, 1);
        if !waits_for_store {
            let large = SyntheticObject::new(SECOND, 1 << 30);
            halfway.store.put(large);
            gate.open();
        }
        let answer = client::open("GET", &halfway.url(), &[]).await.unwrap();
        let id = answer.headers()["x-request-id"].clone();
        gate.reached(1).await;
        if !waits_for_store {
            standing(&halfway.store, 1).await;
        }
        // Nothing that is read waits for the client.
        eventually("what waits for the store, and nothing else", || {
            let waiting = usize::from(waits_for_store);
            (halfway.store.requests().open() == waiting).then_some(())
        })
        .await;
        drop(answer);
        let line = halfway
            .server
            .logged(|line| line["request_id"] == id.to_str().unwrap())
            .await;
        assert_eq!(line["outcome"], "client_gone", "{line}");
        eventually("the end of all reads", || {
            (halfway.store.requests().open() == 0).then_some(())
        })
        .await;
    }
}

/// Waits until the store has sent nothing for `seconds`, and returns how much it has sent.
pub async fn standing(store: &Synthetic, seconds: u64) -> u64 {
    let mut sent = store.requests().bytes_sent();
    let mut since = Instant::now();
    eventually("standstill", || {
        let now = store.requests().bytes_sent();
        if std::mem::replace(&mut sent, now) != now {
            since = Instant::now();
        }
        (since.elapsed().as_secs() >= seconds).then_some(now)
    })
    .await
}

#[tokio::test]
async fn a_slow_client_slows_its_own_reads_and_is_no_stall() {
    let object = SyntheticObject::new(FIRST, LARGE);
    let store = Synthetic::start([object], Options::default()).await;
    let server = Server::over_with(&store.endpoint(), &["--read-timeout", "1s"]);
    let url = format!("{}{}", server.url, halfway::PATH);
    let mut body = client::open("GET", &url, &[]).await.unwrap().into_body();
    let mut received = body
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap()
        .len();
    // Far longer than the store may be silent.
    let sent = standing(&store, 3).await;
    assert!(sent < LARGE, "all was read for a client that does not read");
    received += body.collect().await.unwrap().to_bytes().len();
    let lines = server.outcomes("/v1/zip", &["complete"]).await;
    assert_eq!(lines[0]["bytes"], received);
    let gets = store.requests().log();
    let gets = gets.iter().filter(|request| request.key == FIRST);
    let ranges: Vec<_> = gets.map(|request| &request.range).collect();
    let distinct: std::collections::BTreeSet<_> = ranges.iter().collect();
    assert_eq!(ranges.len(), distinct.len(), "a read was begun anew");
}
