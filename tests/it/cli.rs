//! The command line, as people and scripts use it.

use serde_json::Value;

use crate::program::{Place, Running, text};
use crate::support::client::fetch;
use crate::support::synthetic::content::content_bytes;
use crate::support::synthetic::faults::{Failure, Gate, Mishap, Rule};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::{Options, Synthetic};
use crate::support::walk::{Contents, Held};

/// A folder with a file that is uploaded in parts.
fn with_source(place: &Place) -> Contents {
    let files = [
        ("Q1.pdf", content_bytes("Q1", 1000)),
        ("sub/ü 年.pdf", content_bytes("sub", 70_000)),
        ("sub/empty.pdf", Vec::new()),
        ("sub/big.pdf", content_bytes("big", 20_000_000)),
    ];
    let mut contents = Contents::new();
    for (name, bytes) in files {
        place.write(&format!("source/{name}"), &bytes);
        contents.insert(name.to_owned(), Held::bytes(&bytes));
    }
    contents
}

fn archived(place: &Place, name: &str) -> Contents {
    use crate::support::readers::Reader;
    Reader::AsyncZip.read(&place.path(name)).unwrap()
}

async fn serving(place: &Place) -> (Running, Value) {
    let mut server = place.start(&["serve", "--local", "bucket", "--listen", "127.0.0.1:0"]);
    let line = server.line().await;
    (server, line)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_goes_up_and_comes_back_as_an_archive() {
    let place = Place::new();
    let expected = with_source(&place);
    std::fs::create_dir(place.path("bucket")).unwrap();
    let seed = ["seed", "source", "s3://local/in", "--local", "bucket"];
    let zip = ["zip", "s3://local/in/", "--local", "bucket", "-o", "a.zip"];

    let seeded = place.run(&seed).await.result();
    assert_eq!(
        (&seeded["count"], &seeded["bytes"]),
        (&4.into(), &20_071_000.into())
    );
    let zipped = place.run(&zip).await.result();
    assert_eq!(
        (&zipped["file"], &zipped["entries"]),
        (&"a.zip".into(), &4.into())
    );
    let written = std::fs::metadata(place.path("a.zip")).unwrap().len();
    assert_eq!(zipped["bytes"], written);
    assert_eq!(archived(&place, "a.zip"), expected);

    // The same through a server of the folder.
    let (server, _) = serving(&place).await;
    let alone = std::fs::read(place.path("a.zip")).unwrap();
    let piped = place
        .run(&["zip", "s3://local/in/", "--local", "bucket", "-o", "-"])
        .await;
    assert_eq!(piped.code, Some(0), "{}", piped.stderr);
    assert!(
        piped.stdout == alone,
        "the same files make the same archive"
    );
    let summary: Value = serde_json::from_str(piped.stderr.trim()).unwrap();
    assert_eq!(summary["entries"], 4);
    assert_eq!(place.run(&seed).await.result(), seeded);
    drop(server);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn manifests_use_the_server_of_their_folder() {
    let place = Place::new();
    place.write("bucket/a b.pdf", "hello");
    let manifest = ["manifest", "s3://local", "--local", "bucket"];

    let alone = place.run(&manifest).await;
    assert!(
        alone.stderr.contains("no server of this folder is running"),
        "{}",
        alone.stderr
    );
    let url = alone.result()["manifest_url"].as_str().unwrap().to_owned();
    assert!(
        url.starts_with("http://127.0.0.1:8080/local/manifests/"),
        "{url}"
    );

    let (server, line) = serving(&place).await;
    assert_eq!(line["bucket"], "local");
    let dir = place.path("bucket").canonicalize().unwrap();
    assert_eq!(line["local"], text(&dir));
    let through = place.run(&manifest).await;
    assert_eq!(through.stderr, "");
    let url = through.result()["manifest_url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        url.starts_with(line["listening"].as_str().unwrap()),
        "{url}"
    );
    let fetched = fetch("GET", &url, &[]).await.unwrap();
    assert_eq!(fetched.status, 200);
    assert_eq!(fetched.headers["content-type"], "application/x-ndjson");
    let row: Value = serde_json::from_slice(&fetched.body).unwrap();
    let file = fetch("GET", row["url"].as_str().unwrap(), &[])
        .await
        .unwrap();
    assert_eq!((file.status.as_u16(), &file.body[..]), (200, &b"hello"[..]));
    assert_eq!(
        file.headers["content-disposition"],
        "attachment; filename=\"a b.pdf\""
    );
    // An event on this machine is answered with URLs of the same server.
    place.write("event.json", r#"{"prefix": ""}"#);
    let invoke = ["invoke", "event.json", "--local", "bucket"];
    let invoked = place.run(&invoke).await;
    assert!(!invoked.stderr.contains("no server"), "{}", invoked.stderr);
    let answer = invoked.result();
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    let manifest_url = body["manifest_url"].as_str().unwrap();
    assert_eq!(fetch("GET", manifest_url, &[]).await.unwrap().status, 200);

    let tampered = url.replace("X-Amz-Expires=900", "X-Amz-Expires=901");
    assert_eq!(fetch("GET", &tampered, &[]).await.unwrap().status, 403);

    server.signal("TERM");
    assert_eq!(server.ended().await.code, Some(0));
    for command in [&manifest[..], &invoke] {
        let after = place.run(command).await;
        assert!(after.stderr.contains("no server of this folder is running"));
        let answer = String::from_utf8(after.stdout).unwrap();
        assert!(answer.contains("http://127.0.0.1:8080/local/"), "{answer}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_serves_its_links() {
    let place = Place::new();
    let mut demo = place.start(&["demo", "--port", "0"]);
    let links = demo.line().await;
    let zip = fetch("GET", links["zip_url"].as_str().unwrap(), &[])
        .await
        .unwrap();
    assert_eq!(zip.status, 200);
    place.write("demo.zip", &zip.body);
    let files = archived(&place, "demo.zip");
    assert_eq!(files.len(), 12);
    assert!(files.contains_key("2025/年次報告書.pdf") && files.contains_key("report (2).PDF"));
    let folder = std::path::PathBuf::from(links["files"].as_str().unwrap());
    assert!(folder.is_dir());
    demo.signal("INT");
    let ended = demo.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains(links["zip_url"].as_str().unwrap()));
    assert!(!folder.exists(), "what was temporary is gone");
}

#[tokio::test]
async fn an_archive_that_fails_replaces_nothing() {
    let objects = ["a.pdf", "b.pdf"].map(|key| SyntheticObject::new(key, 3_000_000));
    let store = Synthetic::start(objects, Options::default()).await;
    let place = Place::new().set("S3_ENDPOINT_URL", &store.endpoint());
    place.write("out/old.zip", "old");
    store.faults().add(Rule::get("b.pdf", Failure::NO_SUCH_KEY));
    for name in ["out/old.zip", "out/new.zip"] {
        let ended = place.run(&["zip", "s3://bench", "-o", name]).await;
        let message = ended.failure(1);
        assert!(
            message.contains("b.pdf") && message.contains("does not exist"),
            "{message}"
        );
    }
    assert_eq!(place.names("out"), ["old.zip"]);
    assert_eq!(std::fs::read(place.path("out/old.zip")).unwrap(), b"old");
    let nothing = place
        .run(&["zip", "s3://bench/none/", "-o", "out/new.zip"])
        .await;
    let told = "nothing under s3://bench/none/ matches *.pdf; --include '*' takes every object";
    assert!(nothing.failure(1).contains(told), "{}", nothing.stderr);
    let nothing = place.run(&["manifest", "s3://bench/none/"]).await;
    assert_eq!(nothing.code, Some(0));
    assert!(nothing.stderr.contains(told), "{}", nothing.stderr);
    assert_eq!(place.names("out"), ["old.zip"]);
}

#[tokio::test]
async fn an_archive_in_the_folder_that_it_is_made_of_does_not_hold_itself() {
    let place = Place::new();
    place.write("bucket/a.txt", "a");
    place.write("bucket/b.txt", "b");
    let zip = ["zip", "s3://local", "--local", "bucket", "--include", "*"];
    let zip: Vec<&str> = zip.into_iter().chain(["-o", "bucket/all.zip"]).collect();
    let zipped = place.run(&zip).await.result();
    assert_eq!(zipped["entries"], 2, "{zipped}");
    let expected = [("a.txt", "a"), ("b.txt", "b")];
    let expected = expected.map(|(name, bytes)| (name.to_owned(), Held::bytes(bytes.as_bytes())));
    assert_eq!(archived(&place, "bucket/all.zip"), expected.into());
    assert_eq!(place.names("bucket"), ["a.txt", "all.zip", "b.txt"]);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_is_interrupted_leaves_nothing() {
    let objects = [SyntheticObject::new("a.pdf", 3_000_000)];
    let store = Synthetic::start(objects, Options::default()).await;
    let place = Place::new().set("S3_ENDPOINT_URL", &store.endpoint());
    let gate = Gate::new();
    store
        .faults()
        .add(Rule::body("a.pdf", 2_000_000, Mishap::Hold(gate.clone())));
    std::fs::create_dir(place.path("out")).unwrap();
    let running = place.start(&["zip", "s3://bench", "-o", "out/a.zip"]);
    gate.reached(1).await;
    assert_eq!(place.names("out").len(), 1, "it is written beside its name");
    running.signal("TERM");
    running.ended().await.failure(1);
    assert_eq!(place.names("out"), Vec::<String>::new());
}

#[tokio::test]
async fn a_file_that_cannot_be_uploaded_is_named() {
    let place = Place::new();
    with_source(&place);
    std::fs::create_dir(place.path("bucket")).unwrap();
    let missing = place
        .run(&["seed", "nowhere", "s3://local/", "--local", "bucket"])
        .await;
    assert!(missing.failure(1).contains("nowhere"));
    let place = place.set("S3_ENDPOINT_URL", "http://127.0.0.1:1");
    let unreachable = place.run(&["seed", "source", "s3://bench/"]).await;
    let message = unreachable.failure(1);
    assert!(
        message.contains("source/") && message.contains("cannot be reached"),
        "{message}"
    );
}

#[tokio::test]
async fn wrong_usage_has_a_code_of_its_own() {
    let place = Place::new();
    std::fs::create_dir(place.path("bucket")).unwrap();
    for (arguments, words) in [
        (&["serve", "--listen", "0.0.0.0:0"][..], "SHEAF_API_KEYS"),
        (&["serve", "--local", "nowhere"], "nowhere"),
        (&["serve", "--expires-in", "8d"], "7d"),
        (&["manifest", "bucket/prefix"], "s3://bucket/prefix"),
        (&["manifest", "s3://bench", "--include", "[a"], "[a"),
        (
            &["manifest", "s3://other/x", "--local", "bucket"],
            "s3://local/x",
        ),
        (&["zip", "s3://bench", "-o", "bucket"], "is a folder"),
        (&["zip", "s3://bench"], "--output"),
        (&["fetch"], "fetch"),
    ] {
        let ended = place.run(arguments).await;
        let message = ended.failure(2);
        assert!(message.contains(words), "{arguments:?}: {message}");
    }
}

#[tokio::test]
async fn a_switch_is_turned_on_by_no_word_that_is_not_known() {
    for (command, variable) in [
        ("serve", "SHEAF_ALLOW_ANONYMOUS"),
        ("serve", "SHEAF_NO_LOG_ADDRESSES"),
        ("serve", "SHEAF_EMF"),
        ("serve", "S3_ANONYMOUS"),
        ("serve", "S3_REQUESTER_PAYS"),
        ("lambda", "SHEAF_LAMBDA_STREAM"),
    ] {
        let place = Place::new();
        for word in ["none", "flase", " false"] {
            let place = place.clone().set(variable, word);
            // An address that cannot be listened on: it ends where it should not, too.
            let ended = place.run(&[command, "--listen", "nowhere"]).await;
            let message = ended.failure(2);
            let said = format!("{variable}: {word:?} is none of 1, true, yes, on and 0, false");
            assert!(message.contains(&said), "{message}");
        }
        for word in ["no", "FALSE", "yes", ""] {
            let place = place.clone().set(variable, word);
            let ended = place.run(&[command, "--listen", "nowhere"]).await;
            let message = ended.failure(2);
            assert!(message.contains("--listen"), "{variable}={word}: {message}");
        }
    }
}

#[tokio::test]
async fn blank_variables_count_as_unset() {
    let store = Synthetic::start([SyntheticObject::new("a.pdf", 1)], Options::default()).await;
    let place = Place::new()
        .set("AWS_ENDPOINT_URL_S3", &store.endpoint())
        .set("S3_ENDPOINT_URL", "")
        .set("URL_EXPIRY_SECONDS", "")
        .set("QUEUE_MAX", "")
        .set("SHEAF_LOCAL", "");
    assert_eq!(
        place.run(&["manifest", "s3://bench"]).await.result()["count"],
        1
    );
    let place = place.set("URL_EXPIRY_SECONDS", "60");
    let result = place.run(&["manifest", "s3://bench"]).await.result();
    assert!(
        result["manifest_url"]
            .as_str()
            .unwrap()
            .contains("X-Amz-Expires=60&")
    );
}

#[tokio::test]
async fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = Place::new().run(&["completions", shell]).await;
        assert_eq!(ended.code, Some(0));
        let script = String::from_utf8(ended.stdout).unwrap();
        assert!(
            script.contains("completions") && script.contains("public-endpoint"),
            "{shell}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_are_seeded_without_a_folder() {
    let store = Synthetic::start([], Options::default()).await;
    let place = Place::new().set("S3_ENDPOINT_URL", &store.endpoint());
    let seeded = place.run(&["seed", "--samples", "s3://bench/try"]).await;
    let keys = store.keys();
    assert!(
        keys.contains(&"try/reports/2024/Q1.pdf".to_owned()),
        "{keys:?}"
    );
    assert_eq!(seeded.result()["count"], keys.len());
    // Either a folder or the samples, and not neither.
    for wrong in [
        &["seed", "s3://bench/try"][..],
        &["seed", ".", "s3://bench/try", "--samples"],
    ] {
        place.run(wrong).await.failure(2);
    }
}
