//! Trouble on the way to a package: it passes, or it is told, and the rest goes on.

use std::time::Duration;

use futures::TryStreamExt;
use serde_json::{Value, json};
use sheaf::store::embedded::EmbeddedStore;
use sheaf::store::resumable::Nature;
use sheaf::store::{Bucket, Store, StoreErrorKind, StoreOptions};

use super::{MIB, Place, answer};
use crate::support::sdk;
use crate::support::server::{Server, sheaf};
use crate::support::synthetic::faults::{Fault, Rule, Target};
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};
use crate::support::wire::{Ask, Harm, What, Which, Wire};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_meets_passing_trouble_says_nothing_about_copies() {
    let server = Server::local();
    let embedded = EmbeddedStore::open(&server.bucket(), &server.state()).unwrap();
    let keys = sdk::credentials(embedded.access_key(), embedded.secret_key());
    let s3 = sdk::client_with(&server.url, keys, sdk::over_http());
    // What the SDK writes has a CRC-32.
    let put = s3.put_object().bucket("local").key("in/a.pdf");
    let body = vec![7; 24 * MIB].into();
    put.body(body).send().await.expect("it is written");
    let refusal = (412, "PreconditionFailed");
    let trouble = (503, "ServiceUnavailable");
    // At the first copy, which the store has to refuse, and at the next one.
    for answers in [&[trouble][..], &[refusal, trouble]] {
        let wire = Wire::start(&server.url).await;
        for &(status, code) in answers {
            wire.add(Harm {
                which: Which::Of(Ask::Part),
                what: What::Answer(status, code),
                times: 1,
            });
        }
        let home = tempfile::tempdir().expect("a temporary folder");
        let target = format!("s3://local/{}.zip", answers.len());
        let mut command = sheaf(home.path());
        command
            .args(["package", "s3://local/in/", "--to", &target])
            .args(["--method", "copy"])
            .env("S3_ENDPOINT_URL", wire.url())
            .env("AWS_ACCESS_KEY_ID", embedded.access_key())
            .env("AWS_SECRET_ACCESS_KEY", embedded.secret_key());
        let told = answer(&command.output().expect("a process"));
        assert_eq!(told["method"], "copy", "{told}");
        assert_eq!(wire.left(), 0, "the trouble came");
    }
}

#[tokio::test]
async fn a_sweep_goes_on_behind_what_it_cannot_take_back() {
    let place = Place::of(1000);
    let state = place.path().join("state");
    let run = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        let output = command.arg("--state-dir").arg(&state).output();
        output.expect("a process")
    };
    let embedded = EmbeddedStore::open(&place.path().join("files"), &state).unwrap();
    let store = Store::embedded(&embedded, &StoreOptions::default());
    let bucket = Bucket::new("local").unwrap();
    let traces = async || {
        let pages = store.list(&bucket, ".sheaf/packaging/");
        let listed: Vec<_> = pages.try_concat().await.unwrap();
        let keys: Vec<String> = listed.into_iter().map(|object| object.key).collect();
        keys
    };
    let refused = run(&["package", "s3://local/in/", "--to", "s3://nope/x.zip"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("the bucket does not exist"), "{told}");
    assert_eq!(traces().await, [""; 0], "there is nothing to come back to");
    // As they are left by what is killed: to no such bucket, and to a key that no object can have.
    for (number, bucket_of, key) in [(1, "nope", "x.zip"), (2, "local", ""), (3, "nope", "y.zip")] {
        let id = uuid::Uuid::from_u128(number);
        let target = json!({"bucket": bucket_of, "key": key});
        let trace = json!({"manifest": id, "target": target, "upload": "u"});
        let place = format!(".sheaf/packaging/{id}-{number:032x}");
        let body = trace.to_string().into();
        let put = store.put(&bucket, &place, "application/json", body);
        put.await.unwrap();
    }
    let swept = run(&["sweep"]);
    let told = String::from_utf8_lossy(&swept.stderr).into_owned();
    assert_eq!(swept.status.code(), Some(1), "{told}");
    assert!(told.contains("an upload to s3://local/"), "{told}");
    let result: Value = serde_json::from_slice(&swept.stdout).expect("a line of JSON");
    assert_eq!(result["uploads"], 2, "{result}");
    let left = traces().await;
    assert!(left.len() == 1 && told.contains(&left[0]), "{left:?}");
    store.delete(&bucket, &left[0]).await.unwrap();
    answer(&run(&["sweep"]));
}

#[tokio::test]
async fn a_store_that_does_not_answer_when_an_upload_is_begun_is_asked_again() {
    let silent = Synthetic::start([], Options::default()).await;
    let hour = Fault::Delay(Duration::from_secs(60 * 60));
    let every = Target::Every(Operation::CreateUpload);
    silent.faults().add(Rule::new(every, hour).times(1));
    let state = tempfile::tempdir().expect("a temporary folder");
    // Only its credentials are used.
    let embedded = EmbeddedStore::open(state.path(), &state.path().join("state")).unwrap();
    let options = StoreOptions {
        read_timeout: Duration::from_secs(1),
        ..StoreOptions::default()
    };
    let store = Store::embedded_elsewhere(&embedded, &silent.endpoint(), &options).unwrap();
    let bucket = Bucket::new("bench").unwrap();
    let begin = || {
        let nature = Nature {
            content_type: "application/zip",
            disposition: "attachment",
            mark: ("sheaf-archive", "x"),
        };
        let begun = store.begin_resumable(&bucket, "out.zip", nature);
        tokio::time::timeout(Duration::from_secs(60), begun)
    };
    let error = begin().await.expect("it is not waited for").unwrap_err();
    assert!(
        matches!(error.kind, StoreErrorKind::Unreachable { .. }) && error.kind.can_pass(),
        "{error}"
    );
    assert_eq!(silent.requests().count(Operation::CreateUpload), 1);
    begin().await.expect("it answers").unwrap();
    assert_eq!(silent.open_uploads().len(), 1);
}
