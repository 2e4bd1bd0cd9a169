//! The part of the table that is about jobs.

use http::{StatusCode, header};

use super::{Problem, RETRY_AFTER};
use crate::job::queue::QueueError;

impl Problem {
    pub(in crate::http) fn no_queue() -> Problem {
        Problem::new(
            StatusCode::CONFLICT,
            "no-queue",
            "This server keeps no jobs",
            "jobs need a queue: set --queue (SHEAF_QUEUE) or --state-dir",
        )
    }

    pub(in crate::http) fn no_such_job() -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "no-such-job",
            "No such job",
            "there is no job of this id that is yours; jobs are forgotten a week after their end",
        )
    }

    pub(in crate::http) fn not_packaged() -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not-packaged",
            "Not packaged",
            "the archive of this link does not stand in a bucket; it is streamed under its own name",
        )
    }

    /// Another release has entered it.
    pub(in crate::http) fn unreadable_job(reason: &str) -> Problem {
        Problem::new(
            StatusCode::BAD_GATEWAY,
            "job-unreadable",
            "The job cannot be read",
            format!("the queue has this job in a form that is not known here: {reason}"),
        )
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Problem {
        let detail = error.to_string();
        match error {
            QueueError::TooMany { .. } => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-jobs",
                "Too many jobs",
                detail,
            ),
            QueueError::TooLarge { .. } => Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "jobs-too-large",
                "The jobs are too large",
                detail,
            ),
            other => {
                tracing::warn!(error = %other, "the queue does not answer");
                Problem::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "queue-unavailable",
                    "The queue does not answer",
                    "the database of the jobs does not answer now; ask again a little later",
                )
                .with_header(header::RETRY_AFTER, RETRY_AFTER)
            }
        }
    }
}
