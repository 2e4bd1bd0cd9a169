//! Presigned manifests are whole or not there: against a store that fails on demand.

use serde_json::Value;

use crate::program::Place;
use crate::support::synthetic::faults::{Failure, Fault, Gate, Mishap, Rule, Target};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};

const MIB: u64 = 1 << 20;

/// So many wide lines are more than one part.
const TWO_PARTS: usize = 1700;

/// So many are more than two.
const THREE_PARTS: usize = 3200;

async fn start(keys: impl IntoIterator<Item = String>) -> (Synthetic, Place) {
    let objects = keys.into_iter().map(|key| SyntheticObject::new(key, 7));
    let store = Synthetic::start(objects, Options::default()).await;
    let place = Place::new().set("S3_ENDPOINT_URL", &store.endpoint());
    (store, place)
}

/// Keys whose lines have some 6 kB each.
fn wide_keys(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("wide/{number:05}{}.pdf", "年".repeat(330)))
}

/// The lines of the one manifest in the store.
fn lines(store: &Synthetic, key: &str) -> Vec<Value> {
    let content = &store.object(key).expect("the manifest").content;
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < content.size() {
        bytes.extend_from_slice(&content.slice(bytes.len() as u64..content.size()));
    }
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn assert_nothing_left(store: &Synthetic) {
    assert_eq!(store.open_uploads(), Vec::<String>::new());
    let manifests = |key: &String| key.starts_with("manifests/");
    assert!(
        !store.keys().iter().any(manifests),
        "no manifest is visible"
    );
}

#[tokio::test]
async fn a_small_manifest_is_one_put() {
    let (store, place) =
        start(["a/x y.pdf", "a/../ü.pdf", "a/notes.txt", "b.pdf"].map(str::to_owned)).await;
    let result = place.run(&["manifest", "s3://bench/a/"]).await.result();
    assert_eq!(
        (&result["bucket"], &result["prefix"]),
        (&"bench".into(), &"a/".into())
    );
    assert_eq!(
        (&result["count"], &result["bytes"]),
        (&2.into(), &14.into())
    );
    assert_eq!(result["warning"], Value::Null);
    let key = result["manifest_key"].as_str().unwrap();
    let lines = lines(&store, key);
    assert_eq!(lines[0]["key"], "a/../ü.pdf");
    assert!(lines[0]["note"].as_str().unwrap().contains("ZIP"));
    assert_eq!(
        (&lines[1]["key"], &lines[1]["size"]),
        (&"a/x y.pdf".into(), &7.into())
    );
    assert_eq!(lines[1]["note"], Value::Null);
    let url = lines[1]["url"].as_str().unwrap();
    assert!(
        url.starts_with(&format!("{}/bench/a/x%20y.pdf?", store.endpoint())),
        "{url}"
    );
    for part in [
        "response-content-disposition=attachment%3B%20filename%3D%22x%20y.pdf%22",
        "X-Amz-Expires=900&",
    ] {
        assert!(url.contains(part), "{url}");
    }
    assert!(result["manifest_url"].as_str().unwrap().contains(key));
    assert_eq!(store.requests().count(Operation::PutObject), 1);
    assert_eq!(store.requests().count(Operation::CreateUpload), 0);
}

#[tokio::test]
async fn nothing_selected_is_an_empty_manifest() {
    let (store, place) = start(["a.txt".to_owned()]).await;
    let result = place.run(&["manifest", "s3://bench"]).await.result();
    assert_eq!(result["count"], 0);
    assert!(lines(&store, result["manifest_key"].as_str().unwrap()).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_manifest_is_uploaded_in_parts() {
    let (store, place) = start(wide_keys(THREE_PARTS)).await;
    let run = place.run(&["manifest", "s3://bench/wide/", "--queue-max", "1"]);
    let result = run.await.result();
    assert_eq!(result["count"], THREE_PARTS);
    let key = result["manifest_key"].as_str().unwrap();
    let found: Vec<String> = lines(&store, key)
        .iter()
        .map(|line| line["key"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        found,
        wide_keys(THREE_PARTS).collect::<Vec<_>>(),
        "every line once, in order"
    );
    let size = store.object(key).unwrap().size();
    assert_eq!(
        store.requests().count(Operation::UploadPart) as u64,
        size.div_ceil(8 * MIB)
    );
    assert!(size > 16 * MIB);
    assert_eq!(store.open_uploads(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_fails_ends_the_manifest() {
    let (store, place) = start(wide_keys(TWO_PARTS)).await;
    let denied = Fault::Answer(Failure::ACCESS_DENIED);
    store.faults().add(Rule::new(Target::ListPage(2), denied));
    let ended = place.run(&["manifest", "s3://bench/wide/"]).await;
    let message = ended.failure(1);
    assert!(
        message.contains("ListObjectsV2 of s3://bench: access denied"),
        "{message}"
    );
    assert_nothing_left(&store);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_fails_leaves_nothing() {
    for (operation, skip) in [
        (Operation::CreateUpload, 0),
        (Operation::UploadPart, 0),
        (Operation::UploadPart, 1),
        (Operation::CompleteUpload, 0),
    ] {
        let (store, place) = start(wide_keys(TWO_PARTS)).await;
        let denied = Fault::Answer(Failure::ACCESS_DENIED);
        store
            .faults()
            .add(Rule::new(Target::Every(operation), denied).skip(skip));
        let ended = place.run(&["manifest", "s3://bench/wide/"]).await;
        assert!(ended.failure(1).contains("access denied"), "{operation:?}");
        assert_nothing_left(&store);
        let begun = usize::from(operation != Operation::CreateUpload);
        assert_eq!(
            store.requests().count(Operation::AbortUpload),
            begun,
            "{operation:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_fails_once_is_sent_again() {
    let (store, place) = start(wide_keys(TWO_PARTS)).await;
    let slow_down = Fault::Answer(Failure::SLOW_DOWN);
    let rule = Rule::new(Target::Every(Operation::UploadPart), slow_down).times(1);
    store.faults().add(rule);
    let result = place.run(&["manifest", "s3://bench/wide/"]).await.result();
    assert_eq!(
        lines(&store, result["manifest_key"].as_str().unwrap()).len(),
        TWO_PARTS
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn who_interrupts_leaves_nothing() {
    let (store, place) = start(wide_keys(2500)).await;
    let gate = Gate::new();
    let hold = Fault::Body {
        at: 0,
        mishap: Mishap::Hold(gate.clone()),
    };
    store.faults().add(Rule::new(Target::ListPage(3), hold));
    let running = place.start(&["manifest", "s3://bench/wide/"]);
    gate.reached(1).await;
    // The server tells of bodies that it holds, but not of uploads that have begun.
    while store.open_uploads().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    running.signal("INT");
    assert!(running.ended().await.failure(1).contains("interrupted"));
    assert_nothing_left(&store);
    assert_eq!(store.requests().count(Operation::AbortUpload), 1);
}

#[tokio::test]
async fn no_url_is_promised_to_outlive_the_session() {
    let (store, place) = start(["a.pdf".to_owned()]).await;
    let ends = time::OffsetDateTime::now_utc()
        .replace_nanosecond(0)
        .unwrap()
        + time::Duration::minutes(20);
    let ends = ends
        .format(&time::format_description::well_known::Rfc3339)
        .unwrap();
    let session = serde_json::json!({
        "Version": 1, "AccessKeyId": "ASIDEXAMPLE", "SecretAccessKey": "s", "SessionToken": "t",
        "Expiration": ends,
    });
    place.write("session.json", session.to_string());
    place.write(
        "aws",
        format!(
            "[default]\ncredential_process = /bin/cat {}\n",
            place.path("session.json").display()
        ),
    );
    let config = place.path("aws");
    let place = place
        .unset("AWS_ACCESS_KEY_ID")
        .unset("AWS_SECRET_ACCESS_KEY")
        .set("AWS_CONFIG_FILE", config.to_str().unwrap());
    let ended = place
        .run(&["manifest", "s3://bench", "--expires-in", "12h"])
        .await;
    let result = ended.result();
    assert_eq!(result["expires_at"], ends.as_str());
    assert!(result["warning"].as_str().unwrap().contains(&ends));
    assert!(ended.stderr.contains("warning: "));
    let short = place.run(&["manifest", "s3://bench"]).await.result();
    assert_eq!(short["warning"], Value::Null);
    drop(store);
}
