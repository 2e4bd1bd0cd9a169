//! `sheaf lambda` against the runtime API, and `sheaf invoke`.

use serde_json::{Value, json};

use crate::program::Place;
use crate::support::lambda::RuntimeApi;
use crate::support::synthetic::faults::{Failure, Fault, Rule, Target};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};

async fn start() -> (Synthetic, Place) {
    let keys = ["a/1.pdf", "a/2.pdf", "b/1.pdf", "b/1.txt"];
    let objects = keys.map(|key| SyntheticObject::new(key, 7));
    let store = Synthetic::start(objects, Options::default()).await;
    let place = Place::new().set("S3_ENDPOINT_URL", &store.endpoint());
    (store, place)
}

/// The body of an answer, which is a text.
fn body(answer: &Value, status: u16) -> Value {
    assert_eq!(answer["statusCode"], status, "{answer}");
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn events_are_answered_one_after_the_other() {
    let (store, place) = start().await;
    let mut api = RuntimeApi::start([
        json!({"bucket": "bench", "prefix": "a/"}),
        json!({"bucket": "bench", "prefixes": ["a/", "b/"], "include": "*"}),
        json!({"bucket": "!"}),
        json!({"prefix": "a/"}),
        json!({"Records": [{"s3": {"bucket": {"name": "bench"}, "object": {"key": "b/1+2.pdf"}}}]}),
    ])
    .await;
    let place = place
        .set("AWS_LAMBDA_RUNTIME_API", &api.address)
        .set("SHEAF_EMF", "1");
    let running = place.start(&["lambda"]);

    let told = api.told().await;
    assert_eq!(told.path, "invocation/request-0/response");
    let manifest = body(&told.body, 200);
    assert_eq!(manifest["count"], 2);
    let key = manifest["manifest_key"].as_str().unwrap();
    assert!(store.object(key).is_some());
    assert!(manifest["manifest_url"].as_str().unwrap().contains(key));

    let told = api.told().await;
    assert_eq!(told.path, "invocation/request-1/response");
    let results = &body(&told.body, 200)["results"];
    assert_eq!(
        (&results[0]["count"], &results[1]["count"]),
        (&2.into(), &2.into())
    );
    assert_eq!(results[1]["prefix"], "b/");

    let told = api.told().await;
    assert_eq!(told.path, "invocation/request-2/error");
    assert_eq!(told.body["errorType"], "InvalidSelection");
    let told = api.told().await;
    assert_eq!(told.body["errorType"], "NoBucket");
    assert!(
        told.body["errorMessage"]
            .as_str()
            .unwrap()
            .contains("BUCKET_NAME")
    );

    let told = api.told().await;
    let signed = body(&told.body, 200);
    assert_eq!(signed["urls"][0]["key"], "b/1 2.pdf");
    let url = signed["urls"][0]["url"].as_str().unwrap();
    assert!(
        url.contains("/bench/b/1%202.pdf?") && url.contains("X-Amz-Signature="),
        "{url}"
    );

    running.signal("TERM");
    let ended = running.ended().await;
    let lines: Vec<Value> = ended
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let metrics = lines.iter().filter(|line| line["_aws"].is_object());
    assert_eq!(metrics.count(), 3, "{}", ended.stderr);
    let logged = lines
        .iter()
        .find(|line| line["request_id"] == "request-0")
        .expect("a line");
    assert_eq!(logged["outcome"], "complete");
}

#[tokio::test]
async fn one_prefix_that_fails_leaves_the_others() {
    let (store, place) = start().await;
    let denied = Fault::Answer(Failure::ACCESS_DENIED);
    store
        .faults()
        .add(Rule::new(Target::Every(Operation::List), denied).times(1));
    place.write(
        "event.json",
        json!({"bucket": "bench", "prefixes": ["a/", "b/"]}).to_string(),
    );
    let event = place.path("event.json");
    let answer = place
        .run(&["invoke", event.to_str().unwrap()])
        .await
        .result();
    let results = &body(&answer, 207)["results"];
    let failed: Vec<&Value> = results
        .as_array()
        .unwrap()
        .iter()
        .filter(|result| !result["error"].is_null())
        .collect();
    assert_eq!(failed.len(), 1, "{results}");
    assert_eq!(failed[0]["error"], "StoreError");
    let manifests = store
        .keys()
        .into_iter()
        .filter(|key| key.starts_with("manifests/"));
    assert_eq!(manifests.count(), 1);
}

#[tokio::test]
async fn an_event_that_fails_is_told() {
    let (_store, place) = start().await;
    place.write("event.json", r#"{"requestContext": {"http": {}}}"#);
    let event = place.path("event.json");
    let ended = place.run(&["invoke", event.to_str().unwrap()]).await;
    assert!(
        ended
            .failure(1)
            .contains("InvalidEvent: the event is a request over HTTP")
    );
}

#[tokio::test]
async fn a_run_that_takes_too_long_leaves_nothing() {
    let objects = (0..50).map(|n| SyntheticObject::new(format!("a/{n}.pdf"), 7));
    let options = Options {
        page_size: 1,
        latency: std::time::Duration::from_millis(200),
        ..Options::default()
    };
    let store = Synthetic::start(objects, options).await;
    let place = Place::new().set("S3_ENDPOINT_URL", &store.endpoint());
    for (option, message) in [
        ("--run-limit", "not complete within 1 s"),
        ("--page-limit", "did not come within 1 s"),
    ] {
        if option == "--page-limit" {
            let never = Fault::Delay(std::time::Duration::from_secs(600));
            store
                .faults()
                .add(Rule::new(Target::Every(Operation::List), never));
        }
        let ended = place.run(&["manifest", "s3://bench/a/", option, "1"]).await;
        assert!(ended.failure(1).contains(message), "{}", ended.stderr);
    }
    assert_eq!(store.keys().len(), 50);
    assert_eq!(store.requests().count(Operation::PutObject), 0);
}
