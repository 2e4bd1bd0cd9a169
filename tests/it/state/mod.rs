//! State that an earlier version has left: what stands under `tests/it/fixtures/state-*` must mean the same today.
//!
//! Each folder was written by the version that it is named after (see [`writing`]) and is never changed again. It holds
//! the state folder of a server over a bucket (`state`), sheaf's own objects of that bucket (`objects`), the state folder
//! of a server over a folder (`local`), and what came of it all at that time (`notes.json`). The keys in it were made for
//! it and open nothing else.

mod writing;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::{AnyConnection, Connection, Executor};

use crate::jobs::{job, job_that};
use crate::links::create;
use crate::links_access::written_are;
use crate::program::{Place, text};
use crate::support::client::Answered;
use crate::support::problem::Problem;
use crate::support::server::Server;
use crate::support::synthetic::object::{Checksum, SyntheticObject};
use crate::support::synthetic::requests::Operation;
use crate::support::synthetic::{Options, Synthetic};

/// What came of a state when it was written.
#[derive(Debug, Serialize, Deserialize)]
struct Notes {
    links: Vec<NotedLink>,
    jobs: Vec<NotedJob>,
    local: NotedFolder,
}

/// A link, and the archive behind it.
#[derive(Debug, Serialize, Deserialize)]
struct NotedLink {
    name: String,
    path: String,
    etag: String,
    /// Empty where the link is broken.
    sha256: String,
}

/// A job, and what it makes of which link.
#[derive(Debug, Serialize, Deserialize)]
struct NotedJob {
    name: String,
    id: String,
    state: String,
    target: String,
    sha256: String,
}

/// A served folder.
#[derive(Debug, Serialize, Deserialize)]
struct NotedFolder {
    access_key: String,
    page: String,
}

/// The passphrase of the link `guarded`, as HTTP Basic sends it: `x:open sesame`.
const GUARD: (&str, &str) = ("authorization", "Basic eDpvcGVuIHNlc2FtZQ==");

const MIB: u64 = 1 << 20;

/// The objects that the links are about. They are functions of their keys, so that no fixture has to hold them.
fn objects() -> Vec<SyntheticObject> {
    vec![
        SyntheticObject::new("big/x.pdf", 25 * MIB),
        SyntheticObject::new("r/a.pdf", 1000),
        SyntheticObject::new("r/b.pdf", 3000).checksum(Checksum::FullObject),
        // No CRC-32 in front of it: one has to be learned.
        SyntheticObject::new("r/large.pdf", 2 * MIB),
        SyntheticObject::new("r/parts.pdf", 3 * MIB)
            .checksum(Checksum::Composite { part_size: MIB }),
        SyntheticObject::new("wrong/c.pdf", 2 * MIB).checksum(Checksum::Claimed(7)),
    ]
}

/// The folders of all versions.
fn fixtures() -> Vec<PathBuf> {
    let all = fs::read_dir(fixtures_in()).expect("the fixtures");
    let mut all: Vec<PathBuf> = all
        .map(|entry| entry.expect("a fixture").path())
        .filter(|path| path.join("notes.json").exists())
        .collect();
    all.sort();
    assert!(!all.is_empty(), "no fixtures");
    all
}

fn fixtures_in() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures")
}

fn notes(fixture: &Path) -> Notes {
    let notes = fs::read(fixture.join("notes.json")).expect("notes");
    serde_json::from_slice(&notes).expect("notes in JSON")
}

/// Files below a folder, with their paths in it.
fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let (mut files, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).expect("a folder").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => open.push(path),
                false => {
                    let name = path.strip_prefix(folder).expect("a path in it");
                    files.push((name.to_str().expect("text").to_owned(), path.clone()));
                }
            }
        }
    }
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    for (name, path) in files(from) {
        let copied = to.join(name);
        fs::create_dir_all(copied.parent().expect("a folder")).expect("a folder");
        fs::copy(path, copied).expect("a copy");
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn sha256_of(object: &SyntheticObject) -> String {
    let (mut hash, mut at) = (Sha256::new(), 0);
    while at < object.size() {
        let slice = object.content.slice(at..object.size());
        hash.update(&slice);
        at += slice.len() as u64;
    }
    hex::encode(hash.finalize())
}

/// The bucket as it was left.
async fn store(fixture: &Path) -> Synthetic {
    let own = files(&fixture.join("objects")).into_iter();
    let own = own.map(|(key, path)| SyntheticObject::of(key, fs::read(path).expect("an object")));
    Synthetic::start(objects().into_iter().chain(own), Options::default()).await
}

/// A server with the state as it was left.
fn server(fixture: &Path, store: &Synthetic, arguments: &[&str]) -> Server {
    Server::with(|command: &mut Command, home: &Path| {
        copy(&fixture.join("state"), &home.join("state"));
        command
            .env("S3_ENDPOINT_URL", store.endpoint())
            .env("BUCKET_NAME", "bench")
            .args(arguments);
    })
}

async fn get(server: &Server, link: &NotedLink) -> Answered {
    match link.name.as_str() {
        "guarded" => server.send("GET", &link.path, &[GUARD]).await,
        _ => server.get(&link.path).await,
    }
}

#[tokio::test]
async fn links_of_earlier_versions_lead_to_the_same_archives() {
    for fixture in fixtures() {
        let store = store(&fixture).await;
        let server = server(&fixture, &store, &["--slots", "0"]);
        let notes = notes(&fixture);
        for link in &notes.links {
            let answer = get(&server, link).await;
            if link.name == "broken" {
                Problem::of(&answer).is(410, "link-broken", &[]);
                continue;
            }
            assert_eq!(answer.status, 200, "{}: {}", fixture.display(), link.name);
            assert_eq!(answer.headers["etag"], link.etag.as_str());
            assert_eq!(sha256(&answer.body), link.sha256, "{}", link.name);
            let page = link.path.rsplit_once('/').expect("a path").0;
            for path in [page.to_owned(), format!("{page}/manifest.jsonl")] {
                let answer = server.send("GET", &path, &[GUARD]).await;
                assert_eq!(answer.status, 200, "{path}");
            }
        }
        // Two of its three downloads are over now: one was when the state was written.
        let guarded = notes.links.iter().find(|link| link.name == "guarded");
        let guarded = guarded.expect("a guarded link");
        Problem::of(&server.get(&guarded.path).await).is(401, "passphrase-needed", &[]);
        assert_eq!(get(&server, guarded).await.status, 200);
        written_are(&store, 3).await;
        let used_up = get(&server, guarded).await;
        Problem::of(&used_up).is(410, "downloads-used-up", &[]);
        // A checksum that proved wrong then is not believed now.
        let anew = create(&server, &json!({"prefix": "wrong/"})).await;
        let archive = server.get(&anew.path).await;
        assert_eq!(archive.body.len() as u64, anew.bytes);
    }
}

#[tokio::test]
async fn what_was_learned_by_earlier_versions_is_not_hashed_again() {
    for fixture in fixtures() {
        let store = store(&fixture).await;
        let server = server(&fixture, &store, &["--slots", "0"]);
        let notes = notes(&fixture);
        let open = notes.links.iter().find(|link| link.name == "open");
        let path = &open.expect("an open link").path;
        let directory = server.send("GET", path, &[("range", "bytes=-200")]).await;
        assert_eq!(directory.status, 206);
        let read = store.requests().log().into_iter();
        let mut read = read.filter(|request| request.operation == Operation::GetObject);
        assert!(read.all(|request| request.key.starts_with(".sheaf/")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_earlier_versions_are_told_and_gone_on_with() {
    for fixture in fixtures() {
        let store = store(&fixture).await;
        let notes = notes(&fixture);
        let idle = server(&fixture, &store, &["--slots", "0"]);
        for noted in &notes.jobs {
            assert_eq!(job(&idle, &noted.id).await["state"], noted.state.as_str());
        }
        drop(idle);
        let server = server(&fixture, &store, &[]);
        for noted in &notes.jobs {
            let ended = |job: &Value| job["ended_at"].is_string();
            let job = job_that(&server, &noted.id, ended).await;
            assert_eq!(job["state"], "done", "{}: {job}", noted.name);
            // What was done then is not done again.
            if noted.state != "done" {
                let archive = store.object(&noted.target).expect("an archive");
                assert_eq!(sha256_of(&archive), noted.sha256, "{}", noted.name);
            }
        }
    }
}

#[tokio::test]
async fn a_sweep_leaves_what_earlier_versions_have_left() {
    for fixture in fixtures() {
        let store = store(&fixture).await;
        // Notes of uploads that are gone may go.
        let kept = |store: &Synthetic| {
            let keys = store.keys().into_iter();
            let kept = keys.filter(|key| !key.starts_with(".sheaf/packaging/"));
            kept.collect::<Vec<_>>()
        };
        let before = kept(&store);
        let place = Place::new().set("S3_ENDPOINT_URL", &store.endpoint());
        let swept = place.run(&["sweep", "--bucket", "bench"]).await.result();
        let links = notes(&fixture).links.len();
        assert_eq!(
            (&swept["kept"], &swept["expired"], &swept["unknown"]),
            (&json!(links), &json!(0), &json!(0)),
            "{swept}"
        );
        assert_eq!(kept(&store), before);
    }
}

#[tokio::test]
async fn a_served_folder_keeps_its_keys_and_links() {
    for fixture in fixtures() {
        let noted = notes(&fixture).local;
        let server = Server::with(|command: &mut Command, home: &Path| {
            let (bucket, state) = (home.join("bucket"), home.join("state"));
            fs::write(bucket.join("a.pdf"), "content").expect("a file");
            copy(&fixture.join("local"), &state);
            // Where the folder itself lies decides where its objects do.
            let there = state.join("embedded").join(writing::folder_id(&bucket));
            fs::rename(state.join("embedded/folder"), there).expect("a folder that moved");
            command.arg("--local").arg(&bucket).args(["--slots", "0"]);
        });
        let page = server.get(&noted.page).await;
        assert_eq!(page.status, 200, "{}", fixture.display());
        assert!(String::from_utf8_lossy(&page.body).contains("a.pdf"));
        let manifest = server.post("/v1/manifests", "{}").await;
        let manifest: Value = serde_json::from_slice(&manifest.body).expect("JSON");
        let url = manifest["manifest_url"].as_str().expect("a URL");
        assert!(url.contains(&noted.access_key), "the same key signs");
        let got = crate::support::client::fetch("GET", url, &[]).await;
        assert_eq!(got.expect("an answer").status, 200);
    }
}

#[tokio::test]
async fn a_queue_of_a_later_version_is_refused() {
    // Its form is written down in it, so that a release that was rolled back does not guess.
    let fixture = fixtures().pop().expect("a fixture");
    let place = Place::new();
    copy(&fixture.join("state"), &place.path("state"));
    let queue = format!("sqlite:{}", text(&place.path("state/jobs.sqlite")));
    sqlx::any::install_default_drivers();
    let mut database = AnyConnection::connect(&queue).await.expect("a database");
    let raised = database.execute("UPDATE sheaf_form SET form = form + 1000");
    raised.await.expect("a table");
    database.close().await.expect("an end");
    let worker = place.run(&["worker", "--queue", &queue]).await;
    let said = worker.failure(1);
    assert!(said.contains("use the later release"), "{said}");
}
