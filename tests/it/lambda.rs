//! `sheaf lambda` against the runtime API, and `sheaf invoke`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::program::Place;
use crate::support::lambda::RuntimeApi;
use crate::support::readers::Reader;
use crate::support::synthetic::faults::{Failure, Fault, Rule, Target};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};
use crate::support::walk::{Held, difference};

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
        json!({"bucket": "bench", "prefx": "a/"}),
        json!({"bucket": "bench", "prefix": ""}),
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

    // Nobody is handed a whole bucket for a slip of the pen.
    let told = api.told().await;
    assert_eq!(told.body["errorType"], "NoPrefix");
    let message = told.body["errorMessage"].as_str().unwrap();
    assert!(message.contains("\"prefix\""), "{message}");
    let told = api.told().await;
    assert_eq!(body(&told.body, 200)["count"], 3);

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
    assert_eq!(metrics.count(), 4, "{}", ended.stderr);
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
    place.write("event.json", r#"{"prefix": 7}"#);
    let event = place.path("event.json");
    let ended = place.run(&["invoke", event.to_str().unwrap()]).await;
    assert!(
        ended
            .failure(1)
            .contains("InvalidEvent: the event is malformed")
    );
}

/// A request to a function URL.
fn request(method: &str, target: &str, headers: Value) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = headers;
    headers["host"] = "x.lambda-url.example".into();
    json!({
        "version": "2.0", "rawPath": path, "rawQueryString": query, "headers": headers, "isBase64Encoded": false,
        "requestContext": {"http": {"method": method, "path": path, "sourceIp": "192.0.2.7"}, "stage": "$default"},
    })
}

const ZIP: &str = "/v1/zip?bucket=bench&prefix=a/&filename=a%20b.zip";

/// Checks that an archive holds these files.
fn check(archive: &[u8], objects: &[(&str, SyntheticObject)]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.zip");
    std::fs::write(&path, archive).unwrap();
    let expected = objects.iter();
    let expected = expected.map(|(name, object)| ((*name).to_owned(), Held::object(object)));
    let found = Reader::AsyncZip.read(&path).unwrap();
    assert_eq!(difference(&expected.collect(), &found), None);
}

fn with_key() -> Value {
    json!({"authorization": "Bearer a-key-of-the-owner", "x-forwarded-for": "192.0.2.7"})
}

#[tokio::test]
async fn requests_over_http_are_answered_by_the_server() {
    let (_store, place) = start().await;
    let ask = async |place: &Place, event: Value| {
        place.write("event.json", event.to_string());
        let event = place.path("event.json");
        place.run(&["invoke", event.to_str().unwrap()]).await
    };
    let closed = ask(&place, request("GET", ZIP, with_key())).await;
    let message = closed.failure(1);
    assert!(
        message.contains("NoServer") && message.contains("SHEAF_API_KEYS"),
        "{message}"
    );

    let place = place
        .set("SHEAF_API_KEYS", "a-key-of-the-owner")
        .set("RUST_LOG", "info");
    let answer = ask(&place, request("GET", ZIP, with_key())).await;
    assert!(
        answer.stderr.contains("192.0.2.7"),
        "the log names the client: {}",
        answer.stderr
    );
    let answer = answer.result();
    assert_eq!(answer["statusCode"], 200, "{answer}");
    assert_eq!(answer["isBase64Encoded"], true);
    assert_eq!(answer["headers"]["content-type"], "application/zip");
    let archive = STANDARD
        .decode(answer["body"].as_str().unwrap())
        .expect("base64");
    let objects = [("1.pdf", "a/1.pdf"), ("2.pdf", "a/2.pdf")];
    let objects = objects.map(|(name, key)| (name, SyntheticObject::new(key, 7)));
    check(&archive, &objects);

    let refused = ask(&place, request("GET", ZIP, json!({}))).await.result();
    assert_eq!(refused["statusCode"], 401, "{refused}");
    let problem: Value = serde_json::from_str(refused["body"].as_str().unwrap()).unwrap();
    assert_eq!(problem["type"], "unauthorized");
    let manifest = json!({
        "httpMethod": "POST", "path": "/v1/manifests", "requestContext": {}, "headers": {
            "authorization": "Bearer a-key-of-the-owner", "content-type": "application/json", "content-length": "40"},
        "body": json!({"bucket": "bench", "prefix": "a/"}).to_string(),
    });
    let made = ask(&place, manifest).await.result();
    assert_eq!(body(&made, 201)["count"], 2);
}

#[cfg(unix)]
#[tokio::test]
async fn answers_are_streamed_and_never_cut_unseen() {
    const MIB: u64 = 1 << 20;
    let objects = [
        SyntheticObject::new("a/1.pdf", 7),
        SyntheticObject::new("a/2.pdf", 3 * MIB),
        SyntheticObject::new("large/1.pdf", 5 * MIB),
        SyntheticObject::new("short/1.pdf", 2 * MIB),
        SyntheticObject::new("short/2.pdf", 7),
    ];
    let store = Synthetic::start(objects.clone(), Options::default()).await;
    let gone = Fault::Answer(Failure::NO_SUCH_KEY);
    store
        .faults()
        .add(Rule::new(Target::Get("short/2.pdf".to_owned()), gone));
    let of = |prefix| request("GET", &ZIP.replace("a/&", prefix), with_key());
    let events = [of("a/&"), of("large/&"), of("short/&")];
    let mut api = RuntimeApi::start(events.clone()).await;
    let place = Place::new()
        .set("S3_ENDPOINT_URL", &store.endpoint())
        .set("SHEAF_API_KEYS", "a-key-of-the-owner");
    let place = place
        .set("AWS_LAMBDA_RUNTIME_API", &api.address)
        .set("SHEAF_LAMBDA_STREAM", "1")
        .set("SHEAF_LAMBDA_STREAM_MAX", "4MiB");
    let running = place.start(&["lambda"]);

    let told = api.told().await;
    assert_eq!(told.path, "invocation/request-0/response");
    assert_eq!(
        told.headers["lambda-runtime-function-response-mode"],
        "streaming"
    );
    let (head, archive) = told.streamed();
    assert_eq!(head["statusCode"], 200);
    let [first, second, ..] = objects;
    check(&archive, &[("1.pdf", first), ("2.pdf", second)]);
    assert!(told.trailers.is_none());

    let (head, problem) = api.told().await.streamed();
    assert_eq!(head["statusCode"], 413);
    let problem: Value = serde_json::from_slice(&problem).unwrap();
    assert_eq!(problem["type"], "too-large-for-function");
    assert!(problem["detail"].as_str().unwrap().contains("/v1/jobs"));

    let told = api.told().await;
    assert_eq!(told.streamed().0["statusCode"], 200);
    let trailers = told.trailers.expect("trailers say that it is not whole");
    assert_eq!(
        trailers["lambda-runtime-function-error-type"],
        "UnfinishedAnswer"
    );
    running.signal("TERM");
    running.ended().await;

    // In one piece there is room for less.
    let place = place.set("SHEAF_LAMBDA_STREAM", "0");
    place.write("event.json", events[1].to_string());
    let event = place.path("event.json");
    let answer = place
        .run(&["invoke", event.to_str().unwrap()])
        .await
        .result();
    assert_eq!(body(&answer, 413)["type"], "too-large-for-function");
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
