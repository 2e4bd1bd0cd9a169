//! Connections, what the two databases say differently, transactions, and the table itself.

use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::{
    Any, AnyConnection, AssertSqlSafe, ConnectOptions, Connection, Executor, Row, Transaction,
};
use url::Url;

use super::{Queue, QueueError, QueueUrl, Terms};

/// What makes each form of the table from the one before it; the last is what this release knows.
///
/// A form that was released stays as it is. Releases that know the one before may go on with a table that was changed under
/// them, so a new column has a default that means what its absence meant.
const FORMS: [&str; 2] = [TABLE, STORES];

/// Taken by every transaction over several rows; any number will do that nobody else uses.
const LOCK: i64 = 0x7368_6561_662d_6a62;

/// How long a statement of SQLite waits for another process's.
const BUSY: &str = "PRAGMA busy_timeout = 15000";

/// A commit is on the disk when it is answered, and readers do not wait for writers.
const DURABLE: [&str; 3] = [
    BUSY,
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
];

/// Jobs of before this have no store: whoever comes first has them.
const STORES: &str = "ALTER TABLE sheaf_jobs ADD COLUMN store TEXT NOT NULL DEFAULT ''";

/// Where a job is in the claim's order, and what of it decides who may do what, are columns; the rest is text.
const TABLE: &str = "
CREATE TABLE sheaf_jobs (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    state TEXT NOT NULL,
    request TEXT NOT NULL,
    subject TEXT NOT NULL DEFAULT '',
    size BIGINT NOT NULL,
    keep BIGINT NOT NULL DEFAULT 0,
    created BIGINT NOT NULL,
    progress TEXT NOT NULL DEFAULT '',
    checkpoint TEXT NOT NULL DEFAULT '',
    result TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '',
    attempts BIGINT NOT NULL DEFAULT 0,
    fence BIGINT NOT NULL DEFAULT 0,
    reached BIGINT NOT NULL DEFAULT 0,
    cancelled BIGINT NOT NULL DEFAULT 0,
    worker TEXT NOT NULL DEFAULT '',
    parent TEXT NOT NULL DEFAULT '',
    children BIGINT NOT NULL DEFAULT 0,
    due BIGINT NOT NULL DEFAULT 0,
    lease BIGINT NOT NULL DEFAULT 0,
    started BIGINT NOT NULL DEFAULT 0,
    ended BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX sheaf_jobs_order ON sheaf_jobs (state, created);
CREATE INDEX sheaf_jobs_of_owner ON sheaf_jobs (owner, created);
CREATE INDEX sheaf_jobs_of_subject ON sheaf_jobs (subject, state);
CREATE INDEX sheaf_jobs_of_parent ON sheaf_jobs (parent);
";

/// Which database's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// What is said to each new connection.
    async fn prepare(self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        if self == Dialect::Sqlite {
            for statement in DURABLE {
                connection.execute(statement).await?;
            }
        }
        Ok(())
    }

    /// Puts the database's own words into a statement: `{now}`, milliseconds since 1970 by its clock, and `{skip}`,
    /// which passes over rows that somebody else is at.
    pub(super) fn say(self, statement: &'static str) -> AssertSqlSafe<String> {
        let (now, skip) = match self {
            Dialect::Sqlite => ("CAST(unixepoch('subsec') * 1000 AS BIGINT)", ""),
            Dialect::Postgres => (
                "CAST(extract(epoch FROM statement_timestamp()) * 1000 AS BIGINT)",
                "FOR UPDATE OF j SKIP LOCKED",
            ),
        };
        AssertSqlSafe(statement.replace("{now}", now).replace("{skip}", skip))
    }
}

impl Queue {
    /// Opens a queue, and makes its table where it is new.
    ///
    /// # Errors
    /// [`QueueError::Open`], [`QueueError::Folder`] and [`QueueError::Newer`].
    pub async fn open(url: &QueueUrl, terms: Terms) -> Result<Queue, QueueError> {
        install_default_drivers();
        let fails = |source| QueueError::Open {
            queue: url.to_string(),
            source,
        };
        let (dialect, address, connections) = match url {
            QueueUrl::Postgres(address) => (Dialect::Postgres, address.clone(), 8),
            QueueUrl::Sqlite(path) => {
                let folder = path
                    .parent()
                    .filter(|folder| !folder.as_os_str().is_empty());
                let made = folder.map_or(Ok(()), std::fs::create_dir_all);
                let absolute = made.and_then(|()| std::path::absolute(path));
                let absolute = absolute.map_err(|source| QueueError::Folder {
                    queue: url.to_string(),
                    source,
                })?;
                // A path has no other parts that could be taken for a query.
                let mut address = Url::from_file_path(absolute)
                    .map_err(|()| fails(sqlx::Error::InvalidArgument(url.to_string())))?;
                address.set_query(Some("mode=rwc"));
                let address = address.as_str().replacen("file:", "sqlite:", 1);
                let address = Url::parse(&address)
                    .map_err(|_| fails(sqlx::Error::InvalidArgument(url.to_string())))?;
                (Dialect::Sqlite, address, 3)
            }
        };
        let options = AnyConnectOptions::from_url(&address)
            .map_err(fails)?
            .disable_statement_logging();
        // A pool tries again and again, and then says no more than that it did.
        let mut first = options.connect().await.map_err(fails)?;
        dialect.prepare(&mut first).await.map_err(fails)?;
        first.close().await.map_err(fails)?;
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(10))
            .acquire_slow_threshold(Duration::from_secs(60))
            .after_connect(move |connection, _| Box::pin(dialect.prepare(connection)))
            // SQLite ends a transaction by itself where the disk is full, and the connection is none the wiser.
            .before_acquire(|connection, _| {
                let is_free = !connection.is_in_transaction();
                Box::pin(async move { Ok(is_free) })
            })
            .connect_lazy_with(options);
        let queue = Queue {
            pool,
            dialect,
            terms,
            news: std::sync::Arc::default(),
            store: std::sync::Arc::from(""),
            only: std::sync::Arc::from(""),
        };
        match queue.make().await {
            Err(QueueError::Database(source)) => Err(fails(source)),
            made => made.map(|()| queue),
        }
    }

    /// Lets go of every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Makes the table, or what it lacks, unless another process did.
    async fn make(&self) -> Result<(), QueueError> {
        let mut all = self.begin().await?;
        all.execute("CREATE TABLE IF NOT EXISTS sheaf_form (form BIGINT NOT NULL)")
            .await?;
        let found = sqlx::query("SELECT form FROM sheaf_form")
            .fetch_optional(&mut *all)
            .await?;
        let found = found.map(|row| row.try_get::<i64, _>(0)).transpose()?;
        let known = FORMS.len() as i64;
        let missing = match found {
            Some(found) if found > known => return Err(QueueError::Newer { found, known }),
            Some(found) => &FORMS[usize::try_from(found).unwrap_or(0)..],
            None => {
                all.execute("INSERT INTO sheaf_form (form) VALUES (0)")
                    .await?;
                &FORMS[..]
            }
        };
        for form in missing {
            for statement in form.split(';').filter(|text| !text.trim().is_empty()) {
                all.execute(statement).await?;
            }
        }
        if !missing.is_empty() {
            sqlx::query("UPDATE sheaf_form SET form = $1")
                .bind(known)
                .execute(&mut *all)
                .await?;
        }
        all.commit().await?;
        Ok(())
    }

    /// A transaction that no other of these overlaps.
    pub(super) async fn begin(&self) -> Result<Transaction<'static, Any>, sqlx::Error> {
        match self.dialect {
            // Deferred, it could find itself unable to write in its middle.
            Dialect::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await,
            Dialect::Postgres => {
                let mut all = self.pool.begin().await?;
                sqlx::query("SELECT pg_advisory_xact_lock($1)")
                    .bind(LOCK)
                    .execute(&mut *all)
                    .await?;
                Ok(all)
            }
        }
    }

    /// A connection for statements that stand alone.
    pub(super) async fn connection(
        &self,
    ) -> Result<impl std::ops::DerefMut<Target = AnyConnection>, sqlx::Error> {
        self.pool.acquire().await
    }
}

/// A period as the table has it.
pub(super) fn millis(period: Duration) -> i64 {
    i64::try_from(period.as_millis()).unwrap_or(i64::MAX)
}
