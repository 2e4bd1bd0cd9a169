//! Jobs know which store they are of; and a table of before that is read.

use sheaf::job::queue::{Queue, State, Terms};
use sqlx::{Connection, Executor};

use super::{Bed, hasty, job, pulse};

async fn claimed(queue: &Queue) -> Option<String> {
    let claimed = queue.claim("w", &["work"]).await.expect("an answer");
    claimed.map(|claimed| claimed.job.id)
}

#[tokio::test]
async fn a_worker_of_another_store_sees_nothing() {
    for bed in Bed::both(Terms::default()).await {
        let here = bed.queue.clone().of_store("http://here");
        let there = bed.again(Terms::default()).await.of_store("http://there");
        here.enter(&job("a", "owner")).await.unwrap();
        there.enter(&job("b", "owner")).await.unwrap();
        here.enter(&job("c", "owner")).await.unwrap();
        assert_eq!(here.job("b").await.unwrap(), None);
        let listed = here.jobs_of("owner", 10).await.unwrap();
        let listed: Vec<&str> = listed.iter().map(|job| job.id.as_str()).collect();
        assert_eq!(listed, ["c", "a"]);
        assert_eq!(claimed(&there).await.as_deref(), Some("b"));
        assert_eq!(claimed(&there).await, None);
        // Parts are of the store of the whole.
        let whole = here.claim("w", &["work"]).await.unwrap().unwrap();
        assert_eq!(whole.job.id, "a");
        here.split(&whole.job, &[job("a-0", "")], &pulse("", 0))
            .await
            .unwrap();
        assert_eq!(claimed(&there).await, None);
        assert_eq!(claimed(&here).await.as_deref(), Some("a-0"));
        assert_eq!(claimed(&here).await.as_deref(), Some("c"));
    }
}

#[tokio::test]
async fn who_came_for_one_job_takes_no_other() {
    for bed in Bed::both(hasty()).await {
        for id in ["a", "b", "c"] {
            bed.enter(id).await;
        }
        let only = bed.queue.only("b");
        let whole = only.claim("w", &["work"]).await.unwrap().unwrap();
        assert_eq!(whole.job.id, "b");
        assert_eq!(claimed(&only).await, None);
        only.split(&whole.job, &[job("b-0", "")], &pulse("", 0))
            .await
            .unwrap();
        let part = only.claim("w", &["work"]).await.unwrap().unwrap();
        assert_eq!(part.job.id, "b-0");
        only.finish(&part.job, State::Done, "", "").await.unwrap();
        assert_eq!(claimed(&only).await.as_deref(), Some("b"));
        assert_eq!(claimed(&bed.queue).await.as_deref(), Some("a"));
        assert_eq!(claimed(&only).await, None);
    }
}

#[tokio::test]
async fn a_table_of_the_release_before_is_taken_over_with_its_jobs() {
    for bed in Bed::both(hasty()).await {
        bed.enter("old").await;
        let begun = bed.claim("w").await;
        bed.queue
            .beat("old", begun.job.fence, &pulse("an upload", 3))
            .await
            .unwrap();
        // As that release left it.
        let mut raw = bed.raw().await;
        for statement in [
            "ALTER TABLE sheaf_jobs DROP COLUMN store",
            "UPDATE sheaf_form SET form = 1",
        ] {
            raw.execute(statement).await.unwrap();
        }
        raw.close().await.unwrap();
        let queue = bed.again(hasty()).await.of_store("http://here");
        // And its workers go on for a while.
        bed.queue
            .beat("old", begun.job.fence, &pulse("an upload", 4))
            .await
            .unwrap();
        bed.time_passes("old").await;
        let gone_on = queue.claim("w", &["work"]).await.unwrap().unwrap();
        assert_eq!((gone_on.job.id.as_str(), gone_on.job.fence), ("old", 2));
        assert_eq!(gone_on.job.checkpoint, "an upload");
        queue.enter(&job("new", "")).await.unwrap();
        // Once more, by a process that finds it changed.
        let again = bed.again(hasty()).await.of_store("http://there");
        assert_eq!(claimed(&again).await, None);
        assert!(again.job("old").await.unwrap().is_some());
        assert_eq!(claimed(&queue).await.as_deref(), Some("new"));
    }
}
