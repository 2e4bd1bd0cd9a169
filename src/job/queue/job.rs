//! A job as it is kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::any::AnyRow;
use time::OffsetDateTime;

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has it.
    Queued,
    /// A worker has it.
    Running,
    /// It goes on when its parts, jobs of their own, have ended; it takes no slot meanwhile.
    Waiting,
    /// It ended well.
    Done,
    /// It ended otherwise.
    Failed,
    /// Its owner did not want it any more.
    Cancelled,
}

impl State {
    /// Every state, in the order of a job's life.
    pub const ALL: [State; 6] = [
        State::Queued,
        State::Running,
        State::Waiting,
        State::Done,
        State::Failed,
        State::Cancelled,
    ];

    /// As the table and the API have it.
    pub fn name(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Running => "running",
            State::Waiting => "waiting",
            State::Done => "done",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }

    /// Whether nothing will change any more.
    pub fn is_end(self) -> bool {
        matches!(self, State::Done | State::Failed | State::Cancelled)
    }

    fn of(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// What sort of work it is.
    pub kind: String,
    /// Whose it is; empty where there are no keys.
    pub owner: String,
    /// Where it is.
    pub state: State,
    /// What is to be done (JSON).
    pub request: String,
    /// How far it is (JSON); empty before it was begun.
    pub progress: String,
    /// From where it can be gone on with (JSON); empty where there is nothing to go on from.
    pub checkpoint: String,
    /// What came of it (JSON).
    pub result: String,
    /// Why it failed, or the last try did.
    pub error: String,
    /// Bytes of the work, for limits.
    pub size: u64,
    /// Tries in a row that got no further.
    pub attempts: u32,
    /// How often it was claimed.
    pub fence: i64,
    /// Whether its owner wants it to end.
    pub cancelled: bool,
    /// Who has it.
    pub worker: String,
    /// The job that it is a part of; empty for one of its own.
    pub parent: String,
    /// Its parts that have not ended.
    pub children: u32,
    /// When it was made.
    pub created: OffsetDateTime,
    /// When it was first begun.
    pub started: Option<OffsetDateTime>,
    /// When it ended.
    pub ended: Option<OffsetDateTime>,
    /// How long it waited to be begun, or has waited so far, by the database's clock.
    pub waited: Duration,
}

/// The columns of [`Job::of`], and the database's now.
pub(super) const COLUMNS: &str = "id, kind, owner, state, request, progress, checkpoint, result, error, size, attempts, \
     fence, cancelled, worker, parent, children, created, started, ended";

impl Job {
    /// Reads a row.
    pub(super) fn of(row: &AnyRow) -> Result<Job, sqlx::Error> {
        let text = |name: &str| row.try_get::<String, _>(name);
        let number = |name: &str| row.try_get::<i64, _>(name);
        let state = text("state")?;
        let state = State::of(&state).ok_or_else(|| sqlx::Error::ColumnDecode {
            index: "state".to_owned(),
            source: format!("there is no state {state:?}").into(),
        })?;
        let (created, started) = (number("created")?, number("started")?);
        let waited = match started {
            0 => 0,
            started => started.saturating_sub(created),
        };
        Ok(Job {
            id: text("id")?,
            kind: text("kind")?,
            owner: text("owner")?,
            state,
            request: text("request")?,
            progress: text("progress")?,
            checkpoint: text("checkpoint")?,
            result: text("result")?,
            error: text("error")?,
            size: u64::try_from(number("size")?).unwrap_or(0),
            attempts: u32::try_from(number("attempts")?).unwrap_or(u32::MAX),
            fence: number("fence")?,
            cancelled: number("cancelled")? != 0,
            worker: text("worker")?,
            parent: text("parent")?,
            children: u32::try_from(number("children")?).unwrap_or(0),
            created: moment(created).unwrap_or(OffsetDateTime::UNIX_EPOCH),
            started: moment(started),
            ended: moment(number("ended")?),
            waited: Duration::from_millis(u64::try_from(waited).unwrap_or(0)),
        })
    }
}

/// A time of the table; 0 stands for none.
fn moment(millis: i64) -> Option<OffsetDateTime> {
    let nanos = i128::from(millis) * 1_000_000;
    let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
    moment.filter(|_| millis != 0)
}
