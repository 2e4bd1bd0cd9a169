//! Jobs that are split into parts.

use sheaf::job::queue::{Claimed, Duty, NewJob, State, Terms};

use super::{Bed, hasty, job, pulse};

fn parts(count: usize) -> Vec<NewJob> {
    (0..count).map(|n| job(&format!("a-{n}"), "")).collect()
}

async fn split(bed: &Bed, count: usize) -> Claimed {
    bed.enter("a").await;
    let parent = bed.claim("w").await;
    let (parts, planned) = (parts(count), pulse("planned", 0));
    bed.queue
        .split(&parent.job, &parts, &planned)
        .await
        .unwrap();
    parent
}

#[tokio::test]
async fn a_job_waits_for_its_parts_and_goes_on() {
    for bed in Bed::both(Terms::default()).await {
        let queue = &bed.queue;
        split(&bed, 3).await;
        bed.enter("later").await;
        let waiting = queue.job("a").await.unwrap().unwrap();
        assert_eq!((waiting.state, waiting.children), (State::Waiting, 3));
        for n in 0..3 {
            let part = bed.claim("w").await;
            assert_eq!(part.job.id, format!("a-{n}"), "before jobs that came later");
            assert_eq!(part.job.parent, "a");
            queue
                .finish(&part.job, State::Done, &n.to_string(), "")
                .await
                .unwrap();
        }
        let parent = bed.claim("w").await;
        assert_eq!((parent.job.id.as_str(), parent.duty), ("a", Duty::Run));
        assert_eq!(parent.job.checkpoint, "planned");
        let results = queue.parts_of("a").await.unwrap();
        let results: Vec<&str> = results.iter().map(|part| part.result.as_str()).collect();
        assert_eq!(results, ["0", "1", "2"]);
        assert_eq!(
            queue.jobs_of("", 10).await.unwrap().len(),
            2,
            "parts are not listed"
        );
    }
}

#[tokio::test]
async fn a_part_whose_worker_dies_is_done_by_another() {
    for bed in Bed::both(hasty()).await {
        let queue = &bed.queue;
        split(&bed, 2).await;
        let dead = bed.claim("dead").await;
        bed.time_passes("a-0").await;
        let mut done = Vec::new();
        for _ in 0..2 {
            let part = bed.claim("alive").await;
            queue.finish(&part.job, State::Done, "", "").await.unwrap();
            done.push((part.job.id, part.job.fence));
        }
        done.sort();
        assert_eq!(done, [("a-0".to_owned(), 2), ("a-1".to_owned(), 1)]);
        // It comes back from the dead, and must not count twice.
        assert!(queue.finish(&dead.job, State::Done, "", "").await.is_err());
        assert_eq!(bed.claim("alive").await.job.id, "a");
    }
}

#[tokio::test]
async fn a_part_that_fails_ends_the_others_and_wakes_the_whole() {
    for bed in Bed::both(Terms::default()).await {
        let queue = &bed.queue;
        split(&bed, 3).await;
        let (failing, running) = (bed.claim("w").await, bed.claim("w").await);
        queue
            .finish(&failing.job, State::Failed, "", "no permission")
            .await
            .unwrap();
        let beat = queue
            .beat(&running.job.id, running.job.fence, &pulse("", 0))
            .await;
        assert!(beat.unwrap().cancelled);
        let parent = bed.claim("w").await;
        assert_eq!((parent.job.id.as_str(), parent.duty), ("a", Duty::Run));
        let states = queue.parts_of("a").await.unwrap();
        let states: Vec<State> = states.iter().map(|part| part.state).collect();
        assert_eq!(states, [State::Failed, State::Running, State::Cancelled]);
        bed.nothing_is_due().await;
    }
}

#[tokio::test]
async fn cancelling_the_whole_cancels_its_parts() {
    for bed in Bed::both(Terms::default()).await {
        let queue = &bed.queue;
        split(&bed, 2).await;
        let running = bed.claim("w").await;
        queue.cancel("a").await.unwrap();
        let beat = queue
            .beat(&running.job.id, running.job.fence, &pulse("", 0))
            .await;
        assert!(beat.unwrap().cancelled);
        let parent = bed.claim("w").await;
        assert_eq!(parent.duty, Duty::Abandon(State::Cancelled));
        assert_eq!(parent.job.checkpoint, "planned");
        queue
            .finish(&parent.job, State::Cancelled, "", "")
            .await
            .unwrap();
        queue
            .finish(&running.job, State::Cancelled, "", "")
            .await
            .unwrap();
        bed.nothing_is_due().await;
    }
}

#[tokio::test]
async fn a_job_that_was_cancelled_while_it_was_split_has_no_parts_left() {
    for bed in Bed::both(Terms::default()).await {
        let queue = &bed.queue;
        bed.enter("a").await;
        let parent = bed.claim("w").await;
        queue.cancel("a").await.unwrap();
        queue
            .split(&parent.job, &parts(2), &pulse("planned", 0))
            .await
            .unwrap();
        let parent = bed.claim("w").await;
        assert_eq!(parent.duty, Duty::Abandon(State::Cancelled));
        bed.nothing_is_due().await;
    }
}
