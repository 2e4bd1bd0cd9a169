//! The queue by itself, on both databases: who gets which job, and what becomes of it when somebody dies.

use std::sync::Arc;
use std::time::Duration;

use sheaf::job::queue::{Claimed, Limits, NewJob, Pulse, Queue, QueueUrl, Terms};
use sqlx::{AnyConnection, Connection, Row};

use crate::support::postgres::Postgres;

mod parts;
mod rules;
mod stores;
mod work;

/// A queue on a database that goes when it is dropped.
pub struct Bed {
    pub queue: Queue,
    pub url: QueueUrl,
    pub postgres: Option<Arc<Postgres>>,
    _home: tempfile::TempDir,
}

/// Terms under which workers are quick, and few tries are enough. Leases and pauses end when a test says so.
pub fn hasty() -> Terms {
    Terms {
        lease: Duration::from_secs(3600),
        attempts: 3,
        backoff: Duration::from_millis(1),
        poll: Duration::from_millis(20),
        kept: Duration::from_secs(3600),
        limits: Limits::default(),
    }
}

impl Bed {
    /// One on SQLite, and one on PostgreSQL where it is installed; each with terms of its own.
    pub async fn both(terms: Terms) -> Vec<Bed> {
        let home = tempfile::tempdir().expect("a temporary folder");
        let url = QueueUrl::in_folder(&home.path().join("a b %20 ü"));
        let mut beds = vec![Bed::on(url, terms, None, home).await];
        if let Some(postgres) = Postgres::start() {
            let url = QueueUrl::parse(&postgres.url()).expect("a URL");
            let home = tempfile::tempdir().expect("a temporary folder");
            beds.push(Bed::on(url, terms, Some(Arc::new(postgres)), home).await);
        }
        beds
    }

    async fn on(
        url: QueueUrl,
        terms: Terms,
        postgres: Option<Arc<Postgres>>,
        home: tempfile::TempDir,
    ) -> Bed {
        let queue = Queue::open(&url, terms).await.expect("a queue");
        Bed {
            queue,
            url,
            postgres,
            _home: home,
        }
    }

    /// The same queue as another process would see it.
    pub async fn again(&self, terms: Terms) -> Queue {
        Queue::open(&self.url, terms).await.expect("the same queue")
    }

    pub async fn enter(&self, id: &str) {
        self.queue.enter(&job(id, "")).await.expect("a job");
    }

    pub async fn claim(&self, worker: &str) -> Claimed {
        let claimed = self.queue.claim(worker, &["work"]).await;
        claimed.expect("an answer").expect("a job that is due")
    }

    /// Claims a job whose worker fell silent, or whose pause has passed.
    pub async fn claim_after(&self, id: &str, worker: &str) -> Claimed {
        self.time_passes(id).await;
        self.claim(worker).await
    }

    /// The database itself, past the queue.
    pub async fn raw(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let address = match &self.url {
            QueueUrl::Sqlite(path) => {
                let url = url::Url::from_file_path(path).expect("a path");
                url.as_str().replacen("file:", "sqlite:", 1)
            }
            QueueUrl::Postgres(url) => url.to_string(),
        };
        let connection = AnyConnection::connect(&address).await;
        connection.expect("a connection to the database")
    }

    /// Says something to the database about a job.
    pub async fn say(&self, statement: &'static str, id: &str) {
        let mut raw = self.raw().await;
        let said = sqlx::query(statement).bind(id).execute(&mut raw).await;
        assert_eq!(said.expect("an answer").rows_affected(), 1);
        raw.close().await.expect("an end");
    }

    /// As if the lease of a job, and its pause, had come to their ends.
    pub async fn time_passes(&self, id: &str) {
        self.say("UPDATE sheaf_jobs SET lease = 1, due = 1 WHERE id = $1", id)
            .await;
    }

    /// Until when a job is held, by the database's clock in milliseconds.
    pub async fn held_until(&self, id: &str) -> i64 {
        let mut raw = self.raw().await;
        let row = sqlx::query("SELECT lease FROM sheaf_jobs WHERE id = $1")
            .bind(id)
            .fetch_one(&mut raw)
            .await;
        raw.close().await.expect("an end");
        row.expect("a job").try_get(0).expect("a number")
    }

    pub async fn nothing_is_due(&self) {
        let claimed = self.queue.claim("nobody", &["work"]).await;
        assert_eq!(claimed.expect("an answer"), None);
    }
}

/// A job of somebody.
pub fn job(id: &str, owner: &str) -> NewJob {
    NewJob {
        id: id.to_owned(),
        kind: "work",
        owner: owner.to_owned(),
        request: format!("{{\"of\":\"{id}\"}}"),
        subject: format!("about {id}"),
        size: 10,
        keep: Duration::ZERO,
    }
}

/// What a worker says.
pub fn pulse(checkpoint: &str, reached: u64) -> Pulse {
    Pulse {
        progress: format!("{{\"reached\":{reached}}}"),
        checkpoint: checkpoint.to_owned(),
        reached,
    }
}
