//! Claims, fences, tries, limits: one rule a test, each on both databases.

use std::time::Duration;

use sheaf::job::queue::{Duty, Limits, QueueError, State, Terms};

use super::{Bed, hasty, job, pulse};

#[tokio::test]
async fn a_job_goes_to_one_worker_and_ends_once() {
    for bed in Bed::both(Terms::default()).await {
        bed.enter("b").await;
        bed.enter("c").await;
        let first = bed.claim("w1").await;
        assert_eq!((first.job.id.as_str(), first.duty), ("b", Duty::Run));
        assert_eq!((first.job.fence, first.job.attempts), (1, 1));
        assert_eq!(first.job.request, r#"{"of":"b"}"#);
        assert_eq!(first.job.worker, "w1");
        assert!(first.job.started.is_some() && first.job.ended.is_none());
        let second = bed.claim("w2").await;
        assert_eq!(second.job.id, "c");
        bed.nothing_is_due().await;
        let finish = async |claimed: &sheaf::job::queue::Claimed, result: &str| {
            let queue = &bed.queue;
            queue.finish(&claimed.job, State::Done, result, "").await
        };
        finish(&first, "{}").await.unwrap();
        assert!(matches!(finish(&first, "[]").await, Err(QueueError::Lost)));
        let ended = bed.queue.job("b").await.unwrap().unwrap();
        assert_eq!((ended.state, ended.result.as_str()), (State::Done, "{}"));
        assert!(ended.ended.is_some());
        let counts = bed.queue.counts().await.unwrap();
        let of = |wanted| counts.iter().find(|(state, _)| *state == wanted).unwrap().1;
        assert_eq!(
            (of(State::Queued), of(State::Running), of(State::Done)),
            (0, 1, 1)
        );
        assert_eq!(bed.queue.job("no such").await.unwrap(), None);
    }
}

#[tokio::test]
async fn who_falls_silent_loses_the_job_and_changes_nothing_any_more() {
    for bed in Bed::both(hasty()).await {
        bed.enter("a").await;
        let dead = bed.claim("dead").await;
        let queue = &bed.queue;
        let beat = queue
            .beat("a", dead.job.fence, &pulse("left by the dead", 1))
            .await;
        assert!(!beat.unwrap().cancelled);
        bed.nothing_is_due().await;
        let next = bed.claim_after("a", "next").await;
        assert_eq!((next.job.fence, next.duty), (2, Duty::Run));
        assert_eq!(next.job.checkpoint, "left by the dead");
        assert_eq!(next.job.progress, r#"{"reached":1}"#);
        let lost = |answer: Result<(), QueueError>| matches!(answer, Err(QueueError::Lost));
        let old = &dead.job;
        assert!(lost(
            queue
                .beat("a", old.fence, &pulse("wrong", 9))
                .await
                .map(drop)
        ));
        assert!(lost(queue.finish(old, State::Done, "wrong", "").await));
        assert!(lost(queue.give_back(old, &pulse("wrong", 9)).await));
        assert!(lost(
            queue.split(old, &[job("x", "")], &pulse("wrong", 9)).await
        ));
        assert!(!queue.retry(old, "wrong").await.unwrap());
        queue
            .finish(&next.job, State::Done, "right", "")
            .await
            .unwrap();
        let ended = queue.job("a").await.unwrap().unwrap();
        assert_eq!((ended.state, ended.result.as_str()), (State::Done, "right"));
    }
}

#[tokio::test]
async fn a_beat_holds_a_job_beyond_its_lease() {
    for bed in Bed::both(hasty()).await {
        bed.enter("a").await;
        let claimed = bed.claim("w").await;
        for _ in 0..3 {
            bed.time_passes("a").await;
            let beat = bed.queue.beat("a", claimed.job.fence, &pulse("", 0)).await;
            beat.unwrap();
            bed.nothing_is_due().await;
        }
        assert_eq!(bed.claim_after("a", "next").await.job.fence, 2);
    }
}

#[tokio::test]
async fn a_job_that_kills_its_workers_fails_with_the_reason() {
    for bed in Bed::both(hasty()).await {
        bed.enter("a").await;
        for attempt in 1..=3 {
            let claimed = bed.claim_after("a", "doomed").await;
            assert_eq!((claimed.job.attempts, claimed.duty), (attempt, Duty::Run));
        }
        bed.time_passes("a").await;
        bed.nothing_is_due().await;
        let failed = bed.queue.job("a").await.unwrap().unwrap();
        assert_eq!(failed.state, State::Failed);
        assert!(failed.error.contains("ended 3 times"), "{}", failed.error);
    }
}

#[tokio::test]
async fn what_a_failing_job_left_is_cleared_away_first() {
    for bed in Bed::both(hasty()).await {
        bed.enter("a").await;
        for _ in 1..=3 {
            let claimed = bed.claim_after("a", "doomed").await;
            let beat = bed
                .queue
                .beat("a", claimed.job.fence, &pulse("an upload", 0))
                .await;
            beat.unwrap();
        }
        let clearing = bed.claim_after("a", "clearing").await;
        assert_eq!(clearing.duty, Duty::Abandon(State::Failed));
        assert_eq!(clearing.job.checkpoint, "an upload");
        // Even that kills workers: some day it is given up.
        bed.claim_after("a", "doomed as well").await;
        bed.time_passes("a").await;
        bed.nothing_is_due().await;
        let failed = bed.queue.job("a").await.unwrap().unwrap();
        assert_eq!(failed.state, State::Failed);
    }
}

#[tokio::test]
async fn a_try_that_gets_further_than_any_before_counts_as_the_first() {
    for bed in Bed::both(hasty()).await {
        bed.enter("a").await;
        let mut attempts = Vec::new();
        for reached in [1, 2, 2, 3, 3, 4] {
            let claimed = bed.claim_after("a", "killed").await;
            attempts.push(claimed.job.attempts);
            assert_eq!(claimed.duty, Duty::Run);
            let beat = bed
                .queue
                .beat("a", claimed.job.fence, &pulse("", reached))
                .await;
            beat.unwrap();
        }
        assert_eq!(attempts, [1, 2, 2, 3, 2, 3]);
    }
}

#[tokio::test]
async fn tries_are_apart_and_then_there_are_no_more() {
    let terms = Terms {
        backoff: Duration::from_secs(3600),
        ..hasty()
    };
    for bed in Bed::both(terms).await {
        bed.enter("a").await;
        let first = bed.claim("w").await;
        assert!(
            bed.queue
                .retry(&first.job, "the first reason")
                .await
                .unwrap()
        );
        bed.nothing_is_due().await;
        let waiting = bed.queue.job("a").await.unwrap().unwrap();
        assert_eq!(waiting.error, "the first reason");
        let second = bed.claim_after("a", "w").await;
        assert!(bed.queue.retry(&second.job, "the second").await.unwrap());
        let third = bed.claim_after("a", "w").await;
        assert_eq!(third.job.attempts, 3);
        assert!(!bed.queue.retry(&third.job, "the third").await.unwrap());
    }
}

#[tokio::test]
async fn what_is_given_back_goes_on_at_once_and_is_no_try() {
    for bed in Bed::both(Terms::default()).await {
        bed.enter("a").await;
        for fence in 1..=7 {
            let claimed = bed.claim("drained").await;
            assert_eq!((claimed.job.fence, claimed.job.attempts), (fence, 1));
            let left = pulse(&format!("from {fence}"), 0);
            bed.queue.give_back(&claimed.job, &left).await.unwrap();
        }
        assert_eq!(bed.claim("last").await.job.checkpoint, "from 7");
    }
}

#[tokio::test]
async fn cancelling_ends_what_waits_and_asks_what_runs() {
    for bed in Bed::both(Terms::default()).await {
        let queue = &bed.queue;
        bed.enter("a").await;
        queue.cancel("a").await.unwrap();
        let cancelled = queue.job("a").await.unwrap().unwrap();
        assert_eq!(cancelled.state, State::Cancelled);
        bed.nothing_is_due().await;

        bed.enter("b").await;
        let running = bed.claim("w").await;
        queue.cancel("b").await.unwrap();
        let beat = queue.beat("b", running.job.fence, &pulse("begun", 0)).await;
        assert!(beat.unwrap().cancelled);
        // Its worker goes before it has cleared away; the next one does that.
        queue
            .give_back(&running.job, &pulse("begun", 0))
            .await
            .unwrap();
        let clearing = bed.claim("w2").await;
        assert_eq!(clearing.duty, Duty::Abandon(State::Cancelled));
        assert_eq!(clearing.job.checkpoint, "begun");
        queue
            .finish(&clearing.job, State::Cancelled, "", "")
            .await
            .unwrap();
        // What has ended stays as it is.
        queue.cancel("b").await.unwrap();
        bed.nothing_is_due().await;
    }
}

#[tokio::test]
async fn owners_have_limits() {
    let terms = Terms {
        limits: Limits {
            open: 3,
            running: 1,
            bytes: 25,
        },
        ..Terms::default()
    };
    for bed in Bed::both(terms).await {
        let queue = &bed.queue;
        let enter = async |id: &str, owner: &str, size: u64| {
            let new = job(id, owner);
            queue
                .enter(&sheaf::job::queue::NewJob { size, ..new })
                .await
        };
        enter("a1", "a", 10).await.unwrap();
        enter("a2", "a", 15).await.unwrap();
        let refused = enter("a3", "a", 1).await;
        assert!(matches!(
            refused,
            Err(QueueError::TooLarge {
                bytes: 25,
                asked: 1,
                limit: 25
            })
        ));
        enter("a3", "a", 0).await.unwrap();
        let refused = enter("a4", "a", 0).await;
        assert!(matches!(
            refused,
            Err(QueueError::TooMany { open: 3, limit: 3 })
        ));
        enter("b1", "b", 10).await.unwrap();
        // One of each runs, the oldest first.
        let first = bed.claim("w").await;
        assert_eq!(first.job.id, "a1");
        assert_eq!(bed.claim("w").await.job.id, "b1");
        bed.nothing_is_due().await;
        queue.finish(&first.job, State::Done, "", "").await.unwrap();
        assert_eq!(bed.claim("w").await.job.id, "a2");
        enter("a4", "a", 10).await.unwrap();
        let own = queue.jobs_of("a", 10).await.unwrap();
        let own: Vec<&str> = own.iter().map(|job| job.id.as_str()).collect();
        assert_eq!(own, ["a4", "a3", "a2", "a1"], "the newest first");
        assert_eq!(queue.jobs_of("a", 1).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn other_kinds_are_left_to_others() {
    for bed in Bed::both(Terms::default()).await {
        bed.enter("a").await;
        for kinds in [&["wor"][..], &["work2", "ork"], &["%"], &[]] {
            assert_eq!(
                bed.queue.claim("w", kinds).await.unwrap(),
                None,
                "{kinds:?}"
            );
        }
        let known = bed.queue.claim("w", &["other", "work"]).await.unwrap();
        assert!(known.is_some());
    }
}

#[tokio::test]
async fn jobs_are_forgotten_a_while_after_their_end() {
    let terms = Terms {
        kept: Duration::ZERO,
        ..Terms::default()
    };
    for bed in Bed::both(terms).await {
        bed.enter("ended").await;
        let claimed = bed.claim("w").await;
        bed.queue
            .finish(&claimed.job, State::Done, "", "")
            .await
            .unwrap();
        bed.enter("open").await;
        let patient = bed.again(Terms::default()).await;
        assert_eq!(patient.forget().await.unwrap(), 0);
        // Ended in an earlier millisecond.
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(bed.queue.forget().await.unwrap(), 1);
        assert!(bed.queue.job("open").await.unwrap().is_some());
        assert!(bed.queue.job("ended").await.unwrap().is_none());
    }
}

#[tokio::test]
async fn queues_that_cannot_be_opened_say_why() {
    use sheaf::job::queue::{Queue, QueueUrl};
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let url = QueueUrl::Sqlite(file.join("jobs"));
    let error = Queue::open(&url, Terms::default()).await.unwrap_err();
    assert!(matches!(error, QueueError::Folder { .. }), "{error}");
    let url = QueueUrl::Sqlite(file);
    let error = Queue::open(&url, Terms::default()).await.unwrap_err();
    assert!(error.to_string().contains("not a database"), "{error}");
    let url = QueueUrl::parse("postgres://u:secret@127.0.0.1:1/d").unwrap();
    let error = Queue::open(&url, Terms::default()).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(
        text.contains("127.0.0.1:1/d") && !text.contains("secret"),
        "{text}"
    );
}
