//! A manifest is whole or not there, whatever fails and whoever goes away.

use serde_json::Value;

use super::{publish, published_lines, text};
use crate::support::client;
use crate::support::problem::Problem;
use crate::support::server::Server;
use crate::support::synthetic::faults::{Failure, Fault, Gate, Mishap, Rule, Target};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};

/// Six pages of them.
const OBJECTS: usize = 6 * PAGE;

/// The lines of five pages have more than one part.
const PAGE: usize = 330;

/// The size of a part, in bytes.
const PART: u64 = 8 << 20;

/// Objects whose keys are so long that their lines have nearly 6 kB each.
async fn many() -> Synthetic {
    let folders = format!("{}/", "報".repeat(83)).repeat(3);
    let name = "書".repeat(80);
    let objects =
        (0..OBJECTS).map(|n| SyntheticObject::new(format!("{folders}{name}{n:04}.pdf"), 7));
    // One page comes after the other, so that a page has a number.
    let options = Options {
        page_size: PAGE,
        starts_after: false,
        ..Options::default()
    };
    Synthetic::start(objects, options).await
}

/// A server whose listing runs ahead of its lines by two objects at the most: when it asks for the sixth page, the lines
/// of nearly five pages are written, and so the upload has begun.
fn server(store: &Synthetic) -> Server {
    Server::with(|command, _| {
        command
            .env("S3_ENDPOINT_URL", store.endpoint())
            .env("BUCKET_NAME", "bench")
            .env("QUEUE_MAX", "1");
    })
}

/// Nothing is left of a manifest for which an upload had begun.
fn nothing_is_left(store: &Synthetic) {
    assert_eq!(store.requests().count(Operation::CreateUpload), 1);
    assert_eq!(store.requests().count(Operation::PutObject), 0);
    assert!(store.open_uploads().is_empty());
    assert_eq!(store.keys().len(), OBJECTS);
}

#[tokio::test]
async fn more_than_one_part_is_one_manifest() {
    let store = many().await;
    // A part that is refused once is sent again.
    let rule = Rule::new(
        Target::Every(Operation::UploadPart),
        Fault::Answer(Failure::INTERNAL_ERROR),
    );
    store.faults().add(rule.times(1));
    let published = publish(&server(&store), "{}").await;
    assert_eq!(published["count"], OBJECTS);
    assert_eq!(published["bytes"], OBJECTS * 7);
    assert_eq!(store.requests().count(Operation::CreateUpload), 1);
    assert!(store.requests().count(Operation::UploadPart) > 2);
    assert!(store.open_uploads().is_empty());
    let own = |key: &String| key.starts_with("manifests/");
    let written: Vec<String> = store.keys().into_iter().filter(own).collect();
    assert_eq!(written, [text(&published, "manifest_key")]);
    let manifest = store.object(&written[0]).unwrap();
    assert!(manifest.size() > PART);
    let lines = published_lines(&published).await;
    let keys: Vec<&str> = lines.iter().map(|line| text(line, "key")).collect();
    let mut expected = store.keys();
    expected.retain(|key| !own(key));
    assert_eq!(keys, expected);
}

#[tokio::test]
async fn a_listing_that_fails_ends_it() {
    let store = many().await;
    let rule = Rule::new(Target::ListPage(6), Fault::Answer(Failure::INTERNAL_ERROR));
    store.faults().add(rule);
    let problem = Problem::of(&server(&store).post("/v1/manifests", "{}").await);
    problem.is(502, "store-failed", &["ListObjectsV2"]);
    assert_eq!(store.requests().count(Operation::AbortUpload), 1);
    nothing_is_left(&store);
}

#[tokio::test]
async fn an_upload_that_fails_ends_it() {
    for (operation, name) in [
        (Operation::UploadPart, "UploadPart"),
        (Operation::CompleteUpload, "CompleteMultipartUpload"),
    ] {
        let store = many().await;
        let rule = Rule::new(
            Target::Every(operation),
            Fault::Answer(Failure::INTERNAL_ERROR),
        );
        store.faults().add(rule);
        let problem = Problem::of(&server(&store).post("/v1/manifests", "{}").await);
        problem.is(502, "store-failed", &[name, "s3://bench/manifests/"]);
        assert_eq!(store.requests().count(Operation::AbortUpload), 1);
        nothing_is_left(&store);
    }
}

#[tokio::test]
async fn an_upload_that_does_not_begin_ends_it() {
    let store = many().await;
    let rule = Rule::new(
        Target::Every(Operation::CreateUpload),
        Fault::Answer(Failure::ACCESS_DENIED),
    );
    store.faults().add(rule);
    let problem = Problem::of(&server(&store).post("/v1/manifests", "{}").await);
    problem.is(403, "store-access-denied", &["s3:PutObject"]);
    nothing_is_left(&store);
}

#[tokio::test]
async fn a_client_that_goes_away_takes_it_along() {
    let store = many().await;
    let gate = Gate::new();
    let held = Fault::Body {
        at: 10,
        mishap: Mishap::Hold(gate.clone()),
    };
    store.faults().add(Rule::new(Target::ListPage(6), held));
    let server = server(&store);
    let url = format!("{}/v1/manifests", server.url);
    let headers = [
        ("content-type", "application/json"),
        ("x-request-id", "gone"),
    ];
    tokio::select! {
        answer = client::fetch_with("POST", &url, &headers, "{}") => panic!("{answer:?}"),
        () = gate.reached(1) => {}
    }
    assert_eq!(store.open_uploads().len(), 1, "it is under way");
    store.until(|store| store.open_uploads().is_empty()).await;
    nothing_is_left(&store);
    let line = server.line("gone").await;
    assert_eq!(
        (&line["outcome"], &line["status"]),
        (&"client_gone".into(), &Value::Null)
    );
}
