//! Real workers in processes of their own: killed, frozen, stopped, and sharing one job.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sheaf::job::queue::{Job, Queue, QueueUrl, State, Terms};
use sheaf::store::embedded::EmbeddedStore;

use super::{enter, id, job_that, with};
use crate::support::client;
use crate::support::postgres::Postgres;
use crate::support::process::Started;
use crate::support::sdk;
use crate::support::server::{Server, sheaf};
use crate::support::synthetic::faults::Gate;
use crate::support::wait::eventually;
use crate::support::wire::{Harm, What, Which, Wire};

/// The objects; reads can be held in the middle of each.
const KEYS: [&str; 3] = ["a.pdf", "b.pdf", "c.pdf"];

/// Of each of them, in bytes: several parts.
const SIZE: usize = 24 << 20;

/// A store behind a pass-through, a queue, and a server that enters jobs and runs none.
struct Fleet {
    _store: Server,
    keys: (String, String),
    s3: aws_sdk_s3::Client,
    wire: Wire,
    server: Server,
    queue: Queue,
    url: String,
    _postgres: Option<Postgres>,
    home: tempfile::TempDir,
}

/// A `sheaf worker`; killed when it is dropped.
struct Worker {
    process: Started,
    name: String,
    log: std::path::PathBuf,
}

impl Fleet {
    /// One on each database that there is.
    async fn both() -> Vec<Fleet> {
        let home = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", home.path().join("jobs").display());
        let mut fleets = vec![Fleet::on(url, None, home).await];
        fleets.extend(Fleet::shared().await);
        fleets
    }

    /// One on PostgreSQL, where it is installed.
    async fn shared() -> Option<Fleet> {
        let postgres = Postgres::start()?;
        let home = tempfile::tempdir().unwrap();
        Some(Fleet::on(postgres.url(), Some(postgres), home).await)
    }

    async fn on(url: String, postgres: Option<Postgres>, home: tempfile::TempDir) -> Fleet {
        let store = with(&["--slots", "0"]);
        let embedded = EmbeddedStore::open(&store.bucket(), &store.state()).unwrap();
        let keys = (
            embedded.access_key().to_owned(),
            embedded.secret_key().to_owned(),
        );
        let s3 = sdk::client_with(
            &store.url,
            sdk::credentials(&keys.0, &keys.1),
            sdk::over_http(),
        );
        for (number, key) in KEYS.iter().enumerate() {
            // What the SDK writes has a CRC-32.
            let put = s3.put_object().bucket("local").key(*key);
            let content = vec![number as u8 + 1; SIZE];
            put.body(content.into()).send().await.unwrap();
        }
        let wire = Wire::start(&store.url).await;
        let server = Server::with(|command, _| {
            command
                .args(["--slots", "0", "--queue", &url, "--bucket", "local"])
                .env("S3_ENDPOINT_URL", wire.url())
                .env("AWS_ACCESS_KEY_ID", &keys.0)
                .env("AWS_SECRET_ACCESS_KEY", &keys.1);
        });
        let queue = Queue::open(&QueueUrl::parse(&url).unwrap(), Terms::default()).await;
        let queue = queue.unwrap().of_store(&wire.url());
        Fleet {
            _store: store,
            keys,
            s3,
            wire,
            server,
            queue,
            url,
            _postgres: postgres,
            home,
        }
    }

    /// Holds a read in the middle of an object.
    fn hold(&self, key: &str) -> Gate {
        let gate = Gate::new();
        self.wire.add(Harm {
            which: Which::Get(key.to_owned()),
            what: What::Hold(SIZE as u64 / 2, gate.clone()),
            times: 1,
        });
        gate
    }

    fn worker(&self, name: &str, arguments: &[&str]) -> Worker {
        let log = self.home.path().join(format!("{name}.log"));
        let mut command = sheaf(self.home.path());
        command
            .args(["worker", "--queue", &self.url])
            .args(["--memory-budget", "64MiB", "--log", "sheaf=info"])
            // Only the test ends what is held.
            .args(["--read-timeout", "1h"])
            .args(arguments)
            .env("S3_ENDPOINT_URL", self.wire.url())
            .env("AWS_ACCESS_KEY_ID", &self.keys.0)
            .env("AWS_SECRET_ACCESS_KEY", &self.keys.1);
        let process = command.start(&log).unwrap();
        let line: Value = serde_json::from_str(&process.line).unwrap();
        Worker {
            name: format!("{}/0", line["worker"].as_str().unwrap()),
            process,
            log,
        }
    }

    async fn enter(&self) -> String {
        let entered = enter(
            &self.server,
            &json!({"filename": "all.zip", "method": "stream"}),
        )
        .await;
        id(&entered).to_owned()
    }

    /// Waits until the queue has a job as it is wanted.
    async fn job_that(&self, id: &str, wanted: impl Fn(&Job) -> bool) -> Job {
        let began = Instant::now();
        loop {
            let job = self.queue.job(id).await.unwrap().unwrap();
            if wanted(&job) {
                return job;
            }
            assert!(began.elapsed() < Duration::from_secs(90), "{job:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn taken_by(&self, id: &str, worker: &Worker) -> Job {
        self.job_that(id, |job| {
            job.state == State::Running && job.worker == worker.name
        })
        .await
    }
}

impl Worker {
    fn signal(&mut self, name: &str) {
        let id = self.process.child().id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    async fn says(&self, words: &str) {
        eventually(words, || {
            let log = fs::read_to_string(&self.log).unwrap();
            log.contains(words).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_of_a_killed_worker_goes_on_elsewhere() {
    for fleet in Fleet::both().await {
        let gate = fleet.hold(KEYS[0]);
        let mut first = fleet.worker("first", &["--job-lease", "3s"]);
        let id = fleet.enter().await;
        fleet.taken_by(&id, &first).await;
        gate.reached(1).await;
        first.signal("KILL");
        let second = fleet.worker("second", &["--job-lease", "3s"]);
        let job = fleet.taken_by(&id, &second).await;
        assert_eq!(job.fence, 2);
        done(&fleet, &id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_worker_stops_as_soon_as_it_wakes() {
    for fleet in Fleet::both().await {
        let gate = fleet.hold(KEYS[0]);
        let mut frozen = fleet.worker("frozen", &["--job-lease", "3s"]);
        let id = fleet.enter().await;
        fleet.taken_by(&id, &frozen).await;
        gate.reached(1).await;
        frozen.signal("STOP");
        let other = fleet.worker("other", &["--job-lease", "30s"]);
        fleet.taken_by(&id, &other).await;
        frozen.signal("CONT");
        frozen.says("the lease of the job has run out").await;
        frozen.says("\"state\":\"lost\"").await;
        let job = fleet.queue.job(&id).await.unwrap().unwrap();
        assert_eq!((job.worker, job.fence), (other.name.clone(), 2));
        done(&fleet, &id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_gives_its_job_back() {
    for fleet in Fleet::both().await {
        let gate = fleet.hold(KEYS[0]);
        let mut first = fleet.worker("first", &["--job-lease", "1h"]);
        let id = fleet.enter().await;
        fleet.taken_by(&id, &first).await;
        gate.reached(1).await;
        first.signal("TERM");
        let child = first.process.child();
        let status = eventually("its end", || child.try_wait().unwrap()).await;
        assert_eq!(status.code(), Some(0));
        let back = fleet.queue.job(&id).await.unwrap().unwrap();
        assert_eq!((back.state, back.attempts), (State::Queued, 0));
        let second = fleet.worker("second", &[]);
        fleet
            .job_that(&id, |job| job.fence == 2 && job.worker == second.name)
            .await;
        done(&fleet, &id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_cancelled_and_leaves_nothing() {
    for fleet in Fleet::both().await {
        let gate = fleet.hold(KEYS[0]);
        let worker = fleet.worker("worker", &[]);
        let id = fleet.enter().await;
        fleet.taken_by(&id, &worker).await;
        gate.reached(1).await;
        let path = format!("/v1/jobs/{id}");
        let answer = fleet.server.send("DELETE", &path, &[]).await;
        assert_eq!(answer.status, 202);
        let cancelled = job_that(&fleet.server, &id, |job| job["state"] != "running").await;
        assert_eq!(cancelled["state"], "cancelled");
        assert!(cancelled["ended_at"].is_string() && cancelled["url"].is_null());
        nothing_is_left(&fleet).await;
        let key = cancelled["to"]["key"].as_str().unwrap();
        let head = fleet.s3.head_object().bucket("local").key(key);
        assert!(head.send().await.is_err(), "and no archive");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_and_four_workers_share_a_job_and_each_part_is_there_once() {
    let Some(fleet) = Fleet::shared().await else {
        return;
    };
    for (count, held) in [(2, &KEYS[..1]), (4, &KEYS[..])] {
        let gates: Vec<Gate> = held.iter().map(|key| fleet.hold(key)).collect();
        let share = ["--share-from", "8MiB"];
        let workers: Vec<Worker> = (0..count)
            .map(|n| fleet.worker(&format!("{count}-{n}"), &share))
            .collect();
        let id = fleet.enter().await;
        // All but one stand still, so the last one does all the rest.
        for gate in &gates {
            gate.reached(1).await;
        }
        let open = async || {
            let parts = fleet.queue.parts_of(&id).await.unwrap();
            parts.iter().filter(|part| !part.state.is_end()).count()
        };
        let began = Instant::now();
        while open().await > gates.len() {
            assert!(began.elapsed() < Duration::from_secs(90));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let shown = super::job(&fleet.server, &id).await;
        assert_eq!(shown["state"], "running", "whoever waits for parts runs");
        assert!(shown["bytes"].as_u64().unwrap() > SIZE as u64, "{shown}");
        gates.iter().for_each(Gate::open);
        done(&fleet, &id).await;
        let parts = fleet.queue.parts_of(&id).await.unwrap();
        assert!(parts.len() >= 8, "{}", parts.len());
        let mut numbers: Vec<u64> = Vec::new();
        let mut at_work = BTreeSet::new();
        for part in &parts {
            assert_eq!((part.state, part.fence), (State::Done, 1), "{part:?}");
            at_work.insert(part.worker.clone());
            let request: Value = serde_json::from_str(&part.request).unwrap();
            let number = |name: &str| request[name].as_u64().unwrap();
            numbers.extend(number("first")..=number("last"));
        }
        assert_eq!(at_work.len(), count, "all of them worked");
        assert!(workers.iter().all(|worker| at_work.contains(&worker.name)));
        let all: Vec<u64> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, all, "each part once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_a_killed_worker_is_done_by_another() {
    let Some(fleet) = Fleet::shared().await else {
        return;
    };
    let gate = fleet.hold(KEYS[1]);
    let share = ["--share-from", "8MiB", "--job-lease", "3s"];
    let mut first = fleet.worker("first", &share);
    let id = fleet.enter().await;
    gate.reached(1).await;
    first.signal("KILL");
    let second = fleet.worker("second", &share);
    done(&fleet, &id).await;
    let parts = fleet.queue.parts_of(&id).await.unwrap();
    let again = parts.iter().filter(|part| part.fence == 2);
    assert_eq!(again.count(), 1, "only what was under way is done again");
    assert!(parts.iter().any(|part| part.worker == first.name));
    assert!(parts.iter().any(|part| part.worker == second.name));
}

/// Waits for the end, which must be a good one: the archive is that of the link, and nothing else is left.
async fn done(fleet: &Fleet, id: &str) -> Value {
    let job = job_that(&fleet.server, id, |job| job["ended_at"].is_string()).await;
    assert_eq!(job["state"], "done", "{job}");
    let text = |name: &str| job[name].as_str().unwrap().to_owned();
    let streamed = client::fetch("GET", &text("zip_url"), &[]).await.unwrap();
    let packaged = client::fetch("GET", &text("url"), &[]).await.unwrap();
    assert_eq!(
        (streamed.status.as_u16(), packaged.status.as_u16()),
        (200, 200)
    );
    assert!(streamed.body == packaged.body, "byte for byte");
    nothing_is_left(fleet).await;
    job
}

async fn nothing_is_left(fleet: &Fleet) {
    let uploads = fleet
        .s3
        .list_multipart_uploads()
        .bucket("local")
        .send()
        .await;
    let uploads = uploads.unwrap();
    assert!(uploads.uploads().is_empty(), "{:?}", uploads.uploads());
}
