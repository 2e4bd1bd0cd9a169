//! The queue: one table in SQLite (one machine) or PostgreSQL (a fleet), and the rules by which jobs change hands.
//!
//! - A job is **claimed** for a lease; each claim has a new, higher *fence*. Whatever a worker says about a job is taken
//!   only with the fence of its claim, so that one who was thought dead changes nothing any more.
//! - All times are the database's: clocks of workers are never compared.
//! - Where several rows change together, they do so in one transaction that nobody else's overlaps.
//!
//! Jobs run at least once. What they are about (`request`, `checkpoint`, `result`) is JSON that is not looked into here.
//!
//! | file | owns |
//! |---|---|
//! | [`url`] | which database |
//! | `connect` | connections, dialects, transactions, the table |
//! | [`job`] | a job as it is kept |
//! | `enter` | new jobs, within what their owners may have; looking at jobs, cancelling, forgetting |
//! | [`claim`] | taking a job, and every way of handing it back |
//! | [`lease`] | holding a job: the heartbeat |
//! | [`mod@work`] | slots that take jobs one after the other |

pub mod claim;
mod connect;
mod enter;
pub mod job;
pub mod lease;
pub mod url;
pub mod work;

use std::time::Duration;

use sqlx::AnyPool;

pub use claim::{Beat, Claimed, Duty, Pulse};
pub use enter::{Limits, NewJob};
pub use job::{Job, State};
pub use lease::{Lease, Stop};
pub use url::{InvalidQueueUrl, QueueUrl};
pub use work::{Call, Outcome, Runner, work};

use connect::Dialect;

/// How jobs are handed out.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long a worker may be silent before its job is given to another.
    pub lease: Duration,
    /// Tries in a row that get no further than those before, after which a job has failed.
    pub attempts: u32,
    /// The pause after a first failed try; it doubles with each further one.
    pub backoff: Duration,
    /// Between two looks for work.
    pub poll: Duration,
    /// How long jobs are remembered after their end.
    pub kept: Duration,
    /// What an owner may have in the queue.
    pub limits: Limits,
}

impl Default for Terms {
    fn default() -> Terms {
        Terms {
            lease: Duration::from_secs(60),
            attempts: 5,
            backoff: Duration::from_secs(5),
            poll: Duration::from_millis(500),
            kept: Duration::from_secs(7 * 24 * 60 * 60),
            limits: Limits::default(),
        }
    }
}

/// The jobs of a server, or of a fleet.
#[derive(Clone, Debug)]
pub struct Queue {
    pool: AnyPool,
    dialect: Dialect,
    terms: Terms,
    /// Wakes the slots of this process when there is something to do.
    news: std::sync::Arc<tokio::sync::Notify>,
    /// The store that jobs entered here are of, and that claimed ones must be of.
    store: std::sync::Arc<str>,
    /// The one job that is claimed here, with its parts; empty where any is.
    only: std::sync::Arc<str>,
}

impl Queue {
    /// The same queue, as those see it who work with this store: what is entered is of the store, and nothing of another
    /// store is claimed or seen. Jobs of before stores were written down are everybody's.
    #[must_use]
    pub fn of_store(self, name: &str) -> Queue {
        Queue {
            store: name.into(),
            ..self
        }
    }

    /// The same queue, of which nothing but this job and its parts is claimed.
    #[must_use]
    pub fn only(&self, id: &str) -> Queue {
        Queue {
            only: id.into(),
            ..self.clone()
        }
    }

    /// How jobs are handed out.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Whether several machines can share it.
    pub fn is_shared(&self) -> bool {
        self.dialect == Dialect::Postgres
    }
}

/// Why the queue does not do what it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// The database cannot be opened.
    #[error("cannot open the queue {queue}: {source}")]
    Open {
        /// Which; without its password.
        queue: String,
        /// What the database says.
        source: sqlx::Error,
    },
    /// The folder of the database cannot be made.
    #[error("cannot make the folder of the queue {queue}: {source}")]
    Folder {
        /// Which.
        queue: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A later release has changed the table.
    #[error(
        "the queue has the form {found}, and this release knows {known} at the most: use the later release"
    )]
    Newer {
        /// What the database says.
        found: i64,
        /// What is known here.
        known: i64,
    },
    /// The database does not answer, or refuses.
    #[error("the queue's database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The job is somebody else's now, or has ended.
    #[error("the job was given to another worker, or has ended")]
    Lost,
    /// The owner has as many jobs as they may.
    #[error(
        "{open} jobs are queued or running, and {limit} are allowed: wait for one to end, or cancel one"
    )]
    TooMany {
        /// How many there are.
        open: u64,
        /// How many there may be.
        limit: u64,
    },
    /// The owner's jobs are as large as they may.
    #[error(
        "the jobs that are queued or running have {bytes} bytes, and with this one's {asked} they would exceed {limit}: wait for one to end, or cancel one"
    )]
    TooLarge {
        /// What there is.
        bytes: u64,
        /// What was asked for.
        asked: u64,
        /// What there may be.
        limit: u64,
    },
}
