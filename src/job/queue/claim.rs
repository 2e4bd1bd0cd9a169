//! Taking a job, and every way of handing it back. Each is refused to whoever has lost the job.

use std::time::Duration;

use sqlx::{Any, Row, Transaction};
use tracing::warn;

use super::connect::millis;
use super::enter::{cancel_open, column};
use super::job::{COLUMNS, Job, State};
use super::{NewJob, Queue, QueueError};

/// Tries to clear away what a job left, after which it has failed all the same.
const CLEARINGS: u32 = 2;

/// What is to be done with a claimed job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Run it, or go on with it.
    Run,
    /// Clear away what it left, and end it so.
    Abandon(State),
}

/// A job that was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The job, as it is from now on.
    pub job: Job,
    /// What is to be done with it.
    pub duty: Duty,
}

/// What a worker says about its job at each beat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    /// How far it is (JSON).
    pub progress: String,
    /// From where it can be gone on with (JSON).
    pub checkpoint: String,
    /// Steps that are done for good. A try that gets further than any before counts as the first again.
    pub reached: u64,
}

/// What a worker hears at each beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Whether the owner wants the job to end.
    pub cancelled: bool,
}

impl Queue {
    /// Claims the oldest job of these kinds and of this store that is due: one that nobody has, or one whose worker fell silent.
    ///
    /// # Errors
    /// [`QueueError::Database`].
    pub async fn claim(&self, worker: &str, kinds: &[&str]) -> Result<Option<Claimed>, QueueError> {
        let mut all = self.begin().await?;
        let claimed = loop {
            let Some(job) = self.due(&mut all, kinds).await? else {
                break None;
            };
            let tries = self.terms.attempts;
            let nothing_left = job.checkpoint.is_empty() || job.attempts >= tries + CLEARINGS;
            if job.attempts >= tries && nothing_left && !job.cancelled {
                // Its worker can have said nothing.
                let error = exhausted(&job);
                warn!(job = %job.id, error, "a job has failed");
                self.end(&mut all, &job, State::Failed, "", &error).await?;
                continue;
            }
            let duty = match (job.cancelled, job.attempts >= tries) {
                (true, _) => Duty::Abandon(State::Cancelled),
                (false, true) => Duty::Abandon(State::Failed),
                (false, false) => Duty::Run,
            };
            break Some((job, duty));
        };
        let claimed = match claimed {
            None => None,
            Some((job, duty)) => {
                let statement = "UPDATE sheaf_jobs SET state = 'running', attempts = attempts + 1, \
                     fence = fence + 1, worker = $2, lease = {now} + $3, \
                     started = CASE WHEN started = 0 THEN {now} ELSE started END WHERE id = $1";
                sqlx::query(self.dialect.say(statement))
                    .bind(&job.id)
                    .bind(worker)
                    .bind(millis(self.terms.lease))
                    .execute(&mut *all)
                    .await?;
                let job = read(&mut all, &job.id).await?;
                job.map(|job| Claimed { job, duty })
            }
        };
        all.commit().await?;
        Ok(claimed)
    }

    /// The next job that may be claimed.
    async fn due(
        &self,
        all: &mut Transaction<'static, Any>,
        kinds: &[&str],
    ) -> Result<Option<Job>, sqlx::Error> {
        const DUE: &str = "FROM sheaf_jobs j WHERE $1 LIKE '% ' || j.kind || ' %' \
             AND ((j.state = 'queued' AND j.due <= {now}) OR (j.state = 'running' AND j.lease <= {now})) \
             AND (j.store = $3 OR j.store = '') AND (j.id = $4 OR j.parent = $4 OR $4 = '') \
             AND (j.cancelled = 1 OR j.parent <> '' OR j.state = 'running' OR $2 > \
                 (SELECT COUNT(*) FROM sheaf_jobs r WHERE r.owner = j.owner AND r.parent = '' \
                  AND r.state IN ('running', 'waiting'))) \
             ORDER BY j.created, j.id LIMIT 1 {skip}";
        let statement = format!("SELECT {COLUMNS} {}", self.dialect.say(DUE).0);
        let row = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(format!(" {} ", kinds.join(" ")))
            .bind(column(self.terms.limits.running))
            .bind(&*self.store)
            .bind(&*self.only)
            .fetch_optional(&mut **all)
            .await?;
        row.as_ref().map(Job::of).transpose()
    }

    /// Holds on to a job for another lease, says how far it is, and hears whether it is still wanted.
    ///
    /// # Errors
    /// [`QueueError::Lost`]: stop at once.
    pub async fn beat(&self, id: &str, fence: i64, pulse: &Pulse) -> Result<Beat, QueueError> {
        let statement = "UPDATE sheaf_jobs SET lease = {now} + $3, progress = $4, checkpoint = $5, \
             attempts = CASE WHEN $6 > reached THEN 1 ELSE attempts END, \
             reached = CASE WHEN $6 > reached THEN $6 ELSE reached END \
             WHERE id = $1 AND fence = $2 AND state = 'running' RETURNING cancelled";
        let row = sqlx::query(self.dialect.say(statement))
            .bind(id)
            .bind(fence)
            .bind(millis(self.terms.lease))
            .bind(&pulse.progress)
            .bind(&pulse.checkpoint)
            .bind(column(pulse.reached))
            .fetch_optional(&mut *self.connection().await?)
            .await?;
        let cancelled: i64 = row.ok_or(QueueError::Lost)?.try_get(0)?;
        Ok(Beat {
            cancelled: cancelled != 0,
        })
    }

    /// Ends a job, with what came of it or why it failed. Its parent, if it has one, goes on when this was its last part,
    /// or when this failed.
    ///
    /// # Errors
    /// [`QueueError::Lost`]: nothing has changed.
    pub async fn finish(
        &self,
        job: &Job,
        state: State,
        result: &str,
        error: &str,
    ) -> Result<(), QueueError> {
        let mut all = self.begin().await?;
        match self.end(&mut all, job, state, result, error).await? {
            true => all.commit().await?,
            false => return Err(QueueError::Lost),
        }
        self.news.notify_waiters();
        Ok(())
    }

    async fn end(
        &self,
        all: &mut Transaction<'static, Any>,
        job: &Job,
        state: State,
        result: &str,
        error: &str,
    ) -> Result<bool, sqlx::Error> {
        let statement = "UPDATE sheaf_jobs SET state = $3, result = $4, error = $5, checkpoint = '', lease = 0, \
             children = 0, ended = {now} \
             WHERE id = $1 AND fence = $2 AND state IN ('running', 'queued')";
        let ended = sqlx::query(self.dialect.say(statement))
            .bind(&job.id)
            .bind(job.fence)
            .bind(state.name())
            .bind(result)
            .bind(error)
            .execute(&mut **all)
            .await?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        if state != State::Done {
            cancel_open(all, self, "parent = $1", &job.id).await?;
        }
        if !job.parent.is_empty() {
            self.part_ended(all, &job.parent, state == State::Done)
                .await?;
        }
        Ok(true)
    }

    async fn part_ended(
        &self,
        all: &mut Transaction<'static, Any>,
        parent: &str,
        well: bool,
    ) -> Result<(), sqlx::Error> {
        let left = match well {
            true => {
                "UPDATE sheaf_jobs SET children = children - 1 WHERE id = $1 AND state = 'waiting'"
            }
            false => "UPDATE sheaf_jobs SET children = 0 WHERE id = $1 AND state = 'waiting'",
        };
        sqlx::query(left).bind(parent).execute(&mut **all).await?;
        if !well {
            cancel_open(all, self, "parent = $1", parent).await?;
        }
        let goes_on = "UPDATE sheaf_jobs SET state = 'queued', due = 0, attempts = 0 \
             WHERE id = $1 AND state = 'waiting' AND children <= 0";
        sqlx::query(goes_on)
            .bind(parent)
            .execute(&mut **all)
            .await?;
        Ok(())
    }

    /// Puts a job back for another try after a pause. `false` where it had its tries.
    ///
    /// # Errors
    /// [`QueueError::Database`]. Whoever has lost the job hears so when they end it.
    pub async fn retry(&self, job: &Job, error: &str) -> Result<bool, QueueError> {
        let statement = "UPDATE sheaf_jobs SET state = 'queued', lease = 0, error = $3, \
             due = {now} + ($4 << CAST(CASE WHEN attempts > 7 THEN 6 ELSE attempts - 1 END AS INTEGER)) \
             WHERE id = $1 AND fence = $2 AND state = 'running' AND attempts < $5";
        let done = sqlx::query(self.dialect.say(statement))
            .bind(&job.id)
            .bind(job.fence)
            .bind(error)
            .bind(millis(self.terms.backoff))
            .bind(i64::from(self.terms.attempts))
            .execute(&mut *self.connection().await?)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Gives a job back as it is, for another worker to go on with at once. It does not count as a try.
    ///
    /// # Errors
    /// [`QueueError::Lost`].
    pub async fn give_back(&self, job: &Job, pulse: &Pulse) -> Result<(), QueueError> {
        let statement = "UPDATE sheaf_jobs SET state = 'queued', lease = 0, due = 0, attempts = attempts - 1, \
             progress = $3, checkpoint = $4 WHERE id = $1 AND fence = $2 AND state = 'running'";
        let done = sqlx::query(statement)
            .bind(&job.id)
            .bind(job.fence)
            .bind(&pulse.progress)
            .bind(&pulse.checkpoint)
            .execute(&mut *self.connection().await?)
            .await?;
        match done.rows_affected() {
            0 => Err(QueueError::Lost),
            _ => Ok(()),
        }
    }

    /// Splits a job into parts. It waits for them without holding a slot, and is claimed again when the last has ended
    /// well or any has failed. Parts that exist already, by their ids, are not entered twice.
    ///
    /// # Errors
    /// [`QueueError::Lost`].
    pub async fn split(
        &self,
        job: &Job,
        parts: &[NewJob],
        pulse: &Pulse,
    ) -> Result<(), QueueError> {
        let mut all = self.begin().await?;
        let waits = "UPDATE sheaf_jobs SET state = 'waiting', lease = 0, progress = $3, checkpoint = $4, attempts = 0 \
             WHERE id = $1 AND fence = $2 AND state = 'running'";
        let waiting = sqlx::query(waits)
            .bind(&job.id)
            .bind(job.fence)
            .bind(&pulse.progress)
            .bind(&pulse.checkpoint)
            .execute(&mut *all)
            .await?;
        if waiting.rows_affected() == 0 {
            return Err(QueueError::Lost);
        }
        // They are as old as their parent, so that they go before jobs that came later.
        let entered = "INSERT INTO sheaf_jobs (id, kind, owner, state, request, size, parent, created, store) \
             SELECT $1, $2, p.owner, 'queued', $3, $4, p.id, p.created, p.store FROM sheaf_jobs p WHERE p.id = $5 \
             ON CONFLICT (id) DO NOTHING";
        for part in parts {
            sqlx::query(entered)
                .bind(&part.id)
                .bind(part.kind)
                .bind(&part.request)
                .bind(column(part.size))
                .bind(&job.id)
                .execute(&mut *all)
                .await?;
        }
        let counted = "UPDATE sheaf_jobs SET children = (SELECT COUNT(*) FROM sheaf_jobs c \
             WHERE c.parent = $1 AND c.ended = 0) WHERE id = $1";
        sqlx::query(counted)
            .bind(&job.id)
            .execute(&mut *all)
            .await?;
        let goes_on = "UPDATE sheaf_jobs SET state = 'queued', due = 0 \
             WHERE id = $1 AND state = 'waiting' AND (children = 0 OR cancelled = 1)";
        sqlx::query(goes_on)
            .bind(&job.id)
            .execute(&mut *all)
            .await?;
        let cancelled = "SELECT cancelled FROM sheaf_jobs WHERE id = $1";
        let row = sqlx::query(cancelled)
            .bind(&job.id)
            .fetch_one(&mut *all)
            .await?;
        if row.try_get::<i64, _>(0)? != 0 {
            cancel_open(&mut all, self, "parent = $1", &job.id).await?;
        }
        all.commit().await?;
        self.news.notify_waiters();
        Ok(())
    }

    /// Waits until a job may have been entered, or it is time to look again.
    pub(super) async fn news(&self) {
        // Workers that were started together do not look together.
        let pause = self.terms.poll.mul_f64(0.75 + fastrand::f64() / 2.0);
        let _ =
            tokio::time::timeout(pause.max(Duration::from_millis(1)), self.news.notified()).await;
    }
}

async fn read(all: &mut Transaction<'static, Any>, id: &str) -> Result<Option<Job>, sqlx::Error> {
    let statement = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM sheaf_jobs WHERE id = $1"));
    let row = sqlx::query(statement)
        .bind(id)
        .fetch_optional(&mut **all)
        .await?;
    row.as_ref().map(Job::of).transpose()
}

/// Why a job has failed whose workers ended without a word, or after the last one's.
pub(super) fn exhausted(job: &Job) -> String {
    match job.error.as_str() {
        "" => format!(
            "its workers ended {} times without getting further: see their logs",
            job.attempts
        ),
        error => error.to_owned(),
    }
}
