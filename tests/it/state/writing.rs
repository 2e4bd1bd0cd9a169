//! Writes the state of this version, for later versions to read. To be run once for each release:
//!
//! ```text
//! cargo test --test it state::writing -- --ignored
//! ```

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{GUARD, NotedFolder, NotedJob, NotedLink, Notes, copy, fixtures_in, objects};
use super::{sha256, sha256_of};
use crate::jobs::{enter, id, job_that};
use crate::links::{Link, create};
use crate::support::client;
use crate::support::server::Server;
use crate::support::synthetic::faults::{Fault, Rule, Target};
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};
use crate::support::wait::eventually;

/// Nearly as long as a link can live.
const TEN_YEARS: u64 = 3652 * 24 * 60 * 60;

/// The folder below `embedded` in the state folder where a served folder's own state is.
pub fn folder_id(folder: &Path) -> String {
    let folder = folder.canonicalize().expect("a folder");
    hex::encode(&Sha256::digest(folder.as_os_str().as_bytes())[..16])
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes into the checkout"]
async fn the_state_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    let minor = version.rsplit_once('.').expect("a version").0;
    let fixture = fixtures_in().join(format!("state-{minor}"));
    assert!(!fixture.exists(), "{} is there already", fixture.display());
    let store = Synthetic::start(objects(), Options::default()).await;
    let made = tempfile::tempdir().expect("a temporary folder");
    let (links, jobs) = over_a_bucket(&store, made.path()).await;
    let notes = Notes {
        links,
        jobs,
        local: over_a_folder(made.path()).await,
    };
    let own = store.keys().into_iter();
    for key in own.filter(|key| key.starts_with(".sheaf/")) {
        let object = store.object(&key).expect("an object");
        let path = made.path().join("objects").join(&key);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, object.content.slice(0..object.size())).expect("a file");
    }
    let notes = serde_json::to_string_pretty(&notes).expect("JSON");
    fs::write(made.path().join("notes.json"), notes + "\n").expect("a file");
    copy(made.path(), &fixture);
}

/// A server of the bucket, whose state stays in `state`.
fn server(store: &Synthetic, state: &Path, arguments: &[&str]) -> Server {
    Server::with(|command: &mut Command, _| {
        command
            .env("S3_ENDPOINT_URL", store.endpoint())
            .env("BUCKET_NAME", "bench")
            .env("SHEAF_STATE_DIR", state)
            .args(arguments);
    })
}

async fn over_a_bucket(store: &Synthetic, fixture: &Path) -> (Vec<NotedLink>, Vec<NotedJob>) {
    let state = fixture.join("state");
    let mut working = server(store, &state, &["--job-lease", "3s"]);
    let link = async |body: Value| create(&working, &body).await;
    let open = link(json!({"prefix": "r/", "expires_in": TEN_YEARS})).await;
    let guarded = json!({"prefix": "r/", "filename": "Für alle.zip", "passphrase": "open sesame",
        "max_downloads": 3, "expires_in": TEN_YEARS});
    let guarded = link(guarded).await;
    let broken = link(json!({"prefix": "wrong/", "expires_in": TEN_YEARS})).await;
    let big = link(json!({"prefix": "big/", "expires_in": TEN_YEARS})).await;
    let mut links = Vec::new();
    for (name, link) in [("open", &open), ("guarded", &guarded), ("big", &big)] {
        let headers: &[(&str, &str)] = if name == "guarded" { &[GUARD] } else { &[] };
        let whole = working.send("GET", &link.path, headers).await;
        assert_eq!(whole.status, 200);
        links.push(noted(name, link, sha256(&whole.body)));
    }
    let url = format!("{}{}", working.url, broken.path);
    client::fetch("GET", &url, &[])
        .await
        .expect_err("a failure");
    links.push(noted("broken", &broken, String::new()));

    let mut jobs = Vec::new();
    let entered = enter(&working, &order(&open, "out/done.zip")).await;
    let job = job_that(&working, id(&entered), |job| job["ended_at"].is_string()).await;
    assert_eq!(job["state"], "done", "{job}");
    let done = store.object("out/done.zip").expect("an archive");
    let done = sha256_of(&done);
    jobs.push(noted_job("done", "done", &entered, "out/done.zip", &done));
    // The first part of the next one does not come to its end, so that it is left in its middle.
    let never = Fault::Delay(Duration::from_secs(3600));
    let parts = Target::Every(Operation::UploadPart);
    store.faults().add(Rule::new(parts, never).times(1));
    let entered = enter(&working, &order(&big, "out/begun.zip")).await;
    let begun = |job: &Value| job["parts"].as_u64() >= Some(1);
    job_that(&working, id(&entered), begun).await;
    let sha256 = &links[2].sha256;
    jobs.push(noted_job(
        "begun",
        "queued",
        &entered,
        "out/begun.zip",
        sha256,
    ));
    // What was learned, counted and found wrong is written after the answers.
    for part in [".crc32", ".downloads/", "distrusted/", "packaging/"] {
        let written = || store.keys().iter().any(|key| key.contains(part));
        eventually(part, || written().then_some(())).await;
    }
    working.signal("TERM");
    working.exited().await;

    let mut idle = server(store, &state, &["--slots", "0"]);
    let entered = enter(&idle, &order(&open, "out/queued.zip")).await;
    jobs.push(noted_job(
        "queued",
        "queued",
        &entered,
        "out/queued.zip",
        &done,
    ));
    idle.signal("TERM");
    idle.exited().await;
    (links, jobs)
}

async fn over_a_folder(fixture: &Path) -> NotedFolder {
    let mut server = Server::with(|command: &mut Command, home: &Path| {
        command.arg("--local").arg(home.join("bucket"));
    });
    server.drop_in("a.pdf", "content");
    let link = create(&server, &json!({"expires_in": TEN_YEARS})).await;
    server.signal("TERM");
    server.exited().await;
    let embedded = server.state().join("embedded");
    let kept = fixture.join("local");
    copy(
        &embedded.join(folder_id(&server.bucket())),
        &kept.join("embedded/folder"),
    );
    for (name, path) in [
        ("embedded/credentials.json", embedded),
        ("link-keys", server.state()),
    ] {
        let file = Path::new(name).file_name().expect("a name");
        fs::copy(path.join(file), kept.join(name)).expect("a copy");
    }
    let credentials = fs::read(kept.join("embedded/credentials.json")).expect("credentials");
    let credentials: Value = serde_json::from_slice(&credentials).expect("JSON");
    NotedFolder {
        access_key: credentials["access_key"]
            .as_str()
            .expect("a key")
            .to_owned(),
        page: link.path.rsplit_once('/').expect("a path").0.to_owned(),
    }
}

fn order(link: &Link, target: &str) -> Value {
    json!({"link": link.id, "to": format!("s3://bench/{target}"), "method": "stream"})
}

fn noted(name: &str, link: &Link, sha256: String) -> NotedLink {
    NotedLink {
        name: name.to_owned(),
        path: link.path.clone(),
        etag: link.etag.clone(),
        sha256,
    }
}

fn noted_job(name: &str, state: &str, entered: &Value, target: &str, sha256: &str) -> NotedJob {
    NotedJob {
        name: name.to_owned(),
        id: id(entered).to_owned(),
        state: state.to_owned(),
        target: target.to_owned(),
        sha256: sha256.to_owned(),
    }
}
