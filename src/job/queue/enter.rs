//! New jobs, within what their owners may have; looking at jobs, cancelling them, forgetting them.

use std::time::Duration;

use sqlx::{Any, AnyConnection, Row, Transaction};

use super::connect::millis;
use super::job::{COLUMNS, Job, State};
use super::{Queue, QueueError};

/// What an owner may have in the queue; parts of jobs are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Jobs that have not ended.
    pub open: u64,
    /// Jobs that run at once.
    pub running: u64,
    /// Bytes of all that have not ended.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            open: 100,
            running: u64::MAX,
            bytes: u64::MAX,
        }
    }
}

/// A job that is to be entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewJob {
    /// Its id, which nothing else has.
    pub id: String,
    /// What sort of work it is.
    pub kind: &'static str,
    /// Whose it is.
    pub owner: String,
    /// What is to be done (JSON).
    pub request: String,
    /// What it is about, to be found by.
    pub subject: String,
    /// Bytes of the work.
    pub size: u64,
    /// How long it is remembered in any case, from now on.
    pub keep: Duration,
}

impl Queue {
    /// Enters a job.
    ///
    /// # Errors
    /// [`QueueError::TooMany`] and [`QueueError::TooLarge`] beyond the owner's limits.
    pub async fn enter(&self, new: &NewJob) -> Result<(), QueueError> {
        let mut all = self.begin().await?;
        self.admits(&mut all, &new.owner, new.size).await?;
        let entered = "INSERT INTO sheaf_jobs (id, kind, owner, state, request, subject, size, created, keep, store) \
             VALUES ($1, $2, $3, 'queued', $4, $5, $6, {now}, {now} + $7, $8)";
        sqlx::query(self.dialect.say(entered))
            .bind(&new.id)
            .bind(new.kind)
            .bind(&new.owner)
            .bind(&new.request)
            .bind(&new.subject)
            .bind(column(new.size))
            .bind(millis(new.keep))
            .bind(&*self.store)
            .execute(&mut *all)
            .await?;
        all.commit().await?;
        self.news.notify_waiters();
        Ok(())
    }

    /// Whether an owner may enter a job of this size now. What was let in here may still be refused a little later.
    ///
    /// # Errors
    /// As [`Queue::enter`].
    pub async fn admit(&self, owner: &str, size: u64) -> Result<(), QueueError> {
        let mut connection = self.connection().await?;
        self.admits(&mut connection, owner, size).await
    }

    async fn admits(
        &self,
        connection: &mut AnyConnection,
        owner: &str,
        asked: u64,
    ) -> Result<(), QueueError> {
        let limits = self.terms.limits;
        let open = "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM sheaf_jobs \
             WHERE owner = $1 AND parent = '' AND state IN ('queued', 'running', 'waiting')";
        let row = sqlx::query(open).bind(owner).fetch_one(connection).await?;
        let (open, bytes) = (amount(row.try_get(0)?), amount(row.try_get(1)?));
        if open >= limits.open {
            let limit = limits.open;
            return Err(QueueError::TooMany { open, limit });
        }
        if bytes.saturating_add(asked) > limits.bytes {
            return Err(QueueError::TooLarge {
                bytes,
                asked,
                limit: limits.bytes,
            });
        }
        Ok(())
    }

    /// A job, if there is one of this id, and of this store.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn job(&self, id: &str) -> Result<Option<Job>, QueueError> {
        let statement = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM sheaf_jobs WHERE id = $1 AND (store = $2 OR store = '')"
        ));
        let row = sqlx::query(statement)
            .bind(id)
            .bind(&*self.store)
            .fetch_optional(&mut *self.connection().await?)
            .await?;
        Ok(row.as_ref().map(Job::of).transpose()?)
    }

    /// The newest jobs of an owner with this store, the newest first; without their parts.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn jobs_of(&self, owner: &str, most: u32) -> Result<Vec<Job>, QueueError> {
        let statement = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM sheaf_jobs WHERE owner = $1 AND parent = '' AND (store = $3 OR store = '') \
             ORDER BY created DESC, id DESC LIMIT $2"
        ));
        let rows = sqlx::query(statement)
            .bind(owner)
            .bind(i64::from(most))
            .bind(&*self.store)
            .fetch_all(&mut *self.connection().await?)
            .await?;
        Ok(rows.iter().map(Job::of).collect::<Result<_, _>>()?)
    }

    /// The parts of a job, in the order of their ids.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn parts_of(&self, parent: &str) -> Result<Vec<Job>, QueueError> {
        let statement = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM sheaf_jobs WHERE parent = $1 ORDER BY id"
        ));
        let rows = sqlx::query(statement)
            .bind(parent)
            .fetch_all(&mut *self.connection().await?)
            .await?;
        Ok(rows.iter().map(Job::of).collect::<Result<_, _>>()?)
    }

    /// The newest job about something that ended well.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn done_about(&self, subject: &str) -> Result<Option<Job>, QueueError> {
        let statement = sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM sheaf_jobs WHERE subject = $1 AND state = 'done' \
             ORDER BY ended DESC, id LIMIT 1"
        ));
        let row = sqlx::query(statement)
            .bind(subject)
            .fetch_optional(&mut *self.connection().await?)
            .await?;
        Ok(row.as_ref().map(Job::of).transpose()?)
    }

    /// How many jobs there are in each state; parts are counted like all.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn counts(&self) -> Result<[(State, u64); 6], QueueError> {
        let rows = sqlx::query("SELECT state, COUNT(*) FROM sheaf_jobs GROUP BY state")
            .fetch_all(&mut *self.connection().await?)
            .await?;
        let mut counts = State::ALL.map(|state| (state, 0));
        for row in &rows {
            let (name, count): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            for (state, known) in &mut counts {
                if state.name() == name {
                    *known = amount(count);
                }
            }
        }
        Ok(counts)
    }

    /// Ends a job that nobody has begun, and asks whoever has it to end it. One that left something to clear away is
    /// claimed once more for that. What has ended stays as it is.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn cancel(&self, id: &str) -> Result<(), QueueError> {
        let mut all = self.begin().await?;
        cancel_open(&mut all, self, "id = $1", id).await?;
        cancel_open(&mut all, self, "parent = $1", id).await?;
        all.commit().await?;
        self.news.notify_waiters();
        Ok(())
    }

    /// Forgets jobs that ended long ago. Returns how many.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn forget(&self) -> Result<u64, QueueError> {
        let statement = "DELETE FROM sheaf_jobs WHERE ended > 0 AND ended < {now} - $1 AND keep <= {now} \
             AND (parent = '' OR parent NOT IN (SELECT id FROM sheaf_jobs WHERE ended = 0))";
        let done = sqlx::query(self.dialect.say(statement))
            .bind(millis(self.terms.kept))
            .execute(&mut *self.connection().await?)
            .await?;
        Ok(done.rows_affected())
    }
}

/// Cancels the open jobs that `which` names.
pub(super) async fn cancel_open(
    all: &mut Transaction<'static, Any>,
    queue: &Queue,
    which: &'static str,
    id: &str,
) -> Result<(), sqlx::Error> {
    // Whatever was begun may have left something behind, so a worker has to look at it.
    let statements = [
        "UPDATE sheaf_jobs SET state = 'cancelled', cancelled = 1, ended = {now} \
         WHERE {which} AND state = 'queued' AND checkpoint = ''",
        "UPDATE sheaf_jobs SET cancelled = 1, due = 0 WHERE {which} AND state IN ('queued', 'running')",
        "UPDATE sheaf_jobs SET cancelled = 1, due = 0, state = 'queued', children = 0 \
         WHERE {which} AND state = 'waiting'",
    ];
    for statement in statements {
        let said = queue.dialect.say(statement).0.replace("{which}", which);
        sqlx::query(sqlx::AssertSqlSafe(said))
            .bind(id)
            .execute(&mut **all)
            .await?;
    }
    Ok(())
}

/// A count of the table.
fn amount(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A count as the table has it.
pub(super) fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
