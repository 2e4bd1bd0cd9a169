//! Real workers in processes of their own: killed, frozen, stopped, and sharing one job.

use std::fs::{self, File};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sheaf::job::queue::{Job, Queue, QueueUrl, State, Terms};

use super::{enter, id, job_that};
use crate::support::postgres::Postgres;
use crate::support::process::Started;
use crate::support::server::{Server, sheaf};
use crate::support::synthetic::faults::{Gate, Mishap, Rule};
use crate::support::synthetic::object::SyntheticObject;
use crate::support::synthetic::{Options, Synthetic};
use crate::support::wait::eventually;

/// An object that a read can be held in the middle of.
const KEY: &str = "large.pdf";

/// Its size: more than a part, and than what is read ahead with so little memory.
const SIZE: u64 = 24 << 20;

/// A store, a queue, and a server that enters jobs and runs none.
struct Fleet {
    store: Synthetic,
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
        let objects = [KEY, "second.pdf"].map(|key| SyntheticObject::new(key, SIZE));
        let store = Synthetic::start(objects, Options::default()).await;
        let server = Server::over_with(&store.endpoint(), &["--slots", "0", "--queue", &url]);
        let terms = Terms::default();
        let queue = Queue::open(&QueueUrl::parse(&url).unwrap(), terms).await;
        Fleet {
            store,
            server,
            queue: queue.unwrap(),
            url,
            _postgres: postgres,
            home,
        }
    }

    /// Holds so many reads in the middle of the first object.
    fn hold(&self, reads: u32) -> Gate {
        let gate = Gate::new();
        let rule = Rule::body(KEY, SIZE / 2, Mishap::Hold(gate.clone()));
        self.store.faults().add(rule.times(reads));
        gate
    }

    fn worker(&self, name: &str, arguments: &[&str]) -> Worker {
        let log = self.home.path().join(format!("{name}.log"));
        let mut command = sheaf(self.home.path());
        command
            .args(["worker", "--queue", &self.url])
            .args(["--memory-budget", "32MiB", "--log", "sheaf=info"])
            .args(arguments)
            .env("S3_ENDPOINT_URL", self.store.endpoint())
            .stderr(File::create(&log).unwrap());
        let process = Started::new(&mut command).unwrap();
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
            &json!({"include": "*", "filename": "both.zip"}),
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
        let gate = fleet.hold(1);
        let mut first = fleet.worker("first", &["--job-lease", "3s"]);
        let id = fleet.enter().await;
        fleet.taken_by(&id, &first).await;
        gate.reached(1).await;
        first.signal("KILL");
        let second = fleet.worker("second", &["--job-lease", "3s"]);
        let job = fleet.taken_by(&id, &second).await;
        assert_eq!(job.fence, 2);
        gate.open();
        done(&fleet, &id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_worker_stops_as_soon_as_it_wakes() {
    for fleet in Fleet::both().await {
        let gate = fleet.hold(2);
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
        gate.open();
        done(&fleet, &id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_gives_its_job_back() {
    for fleet in Fleet::both().await {
        let gate = fleet.hold(1);
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
        gate.open();
        done(&fleet, &id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_cancelled_and_leaves_nothing() {
    for fleet in Fleet::both().await {
        let gate = fleet.hold(1);
        let worker = fleet.worker("worker", &[]);
        let id = fleet.enter().await;
        fleet.taken_by(&id, &worker).await;
        gate.reached(1).await;
        let path = format!("/v1/jobs/{id}");
        let answer = fleet.server.send("DELETE", &path, &[]).await;
        assert_eq!(answer.status, 202);
        let cancelled = job_that(&fleet.server, &id, |job| job["state"] != "running").await;
        assert_eq!(cancelled["state"], "cancelled");
        gate.open();
    }
}

/// Waits for the end, which must be a good one.
async fn done(fleet: &Fleet, id: &str) -> Value {
    let job = job_that(&fleet.server, id, |job| job["ended_at"].is_string()).await;
    assert_eq!(job["state"], "done", "{job}");
    job
}
