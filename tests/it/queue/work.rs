//! Slots at work: nothing runs twice, nothing is forgotten, and whoever lost a job stops.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sheaf::job::queue::{Call, Job, Lease, Outcome, Queue, Runner, State, Terms, work};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{Bed, hasty, job};
use crate::support::wait::eventually;

/// Work that does as its job's request says, and counts.
#[derive(Default)]
struct Hands {
    began: Mutex<HashMap<String, u32>>,
    abandoned: Mutex<Vec<(String, String)>>,
    dropped: Arc<AtomicU32>,
    waiting: Notify,
    gate: Option<Semaphore>,
}

struct Dropped(Arc<AtomicU32>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Hands {
    fn behind_a_gate() -> Arc<Hands> {
        Arc::new(Hands {
            gate: Some(Semaphore::new(0)),
            ..Hands::default()
        })
    }

    fn began(&self, id: &str) -> u32 {
        self.began.lock().unwrap().get(id).copied().unwrap_or(0)
    }
}

impl Runner for Hands {
    fn kinds(&self) -> &'static [&'static str] {
        &["work"]
    }

    async fn run(&self, job: &Job, lease: &Arc<Lease>, call: Call) -> Outcome {
        let _dropped = Dropped(self.dropped.clone());
        *self
            .began
            .lock()
            .unwrap()
            .entry(job.id.clone())
            .or_default() += 1;
        lease.save(format!("begun by {}", job.fence)).await.unwrap();
        if job.id == "fails" {
            return Outcome::Failed("it never works".to_owned());
        }
        if job.id == "flaky" {
            return Outcome::Retry(format!("try {}", job.attempts));
        }
        if let Some(gate) = &self.gate {
            self.waiting.notify_one();
            tokio::select! {
                permit = gate.acquire() => permit.unwrap().forget(),
                () = call.cancel.cancelled() => {}
                () = call.pause.cancelled() => {}
            }
            if call.cancel.is_cancelled() || call.pause.is_cancelled() {
                return Outcome::Retry("put down".to_owned());
            }
        }
        Outcome::Done(format!("\"{}\"", job.fence))
    }

    async fn abandon(&self, job: &Job) -> Result<(), String> {
        let what = (job.id.clone(), job.checkpoint.clone());
        self.abandoned.lock().unwrap().push(what);
        Ok(())
    }
}

struct Crew {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Crew {
    fn of(queue: &Queue, hands: &Arc<Hands>, slots: usize) -> Crew {
        let stop = CancellationToken::new();
        let crew = work(
            queue.clone(),
            hands.clone(),
            slots,
            "crew".to_owned(),
            stop.clone(),
        );
        Crew {
            task: tokio::spawn(crew),
            stop,
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn ended(queue: &Queue, id: &str, state: State) -> Job {
    for _ in 0..3000 {
        // An outage is no end.
        if let Ok(Some(job)) = queue.job(id).await
            && job.state.is_end()
        {
            assert_eq!(job.state, state, "{job:?}");
            return job;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{id} did not end");
}

#[tokio::test(flavor = "multi_thread")]
async fn four_hundred_jobs_over_thirty_two_slots_run_once_each() {
    for bed in Bed::both(Terms {
        lease: Duration::from_secs(60),
        ..hasty()
    })
    .await
    {
        let unlimited = sheaf::job::queue::Limits {
            open: 1000,
            ..Default::default()
        };
        let terms = Terms {
            limits: unlimited,
            ..*bed.queue.terms()
        };
        // As many processes as a small fleet has, each with connections of its own.
        let mut crews = Vec::new();
        let hands: Arc<Hands> = Arc::default();
        for _ in 0..4 {
            let queue = bed.again(terms).await;
            crews.push(Crew::of(&queue, &hands, 8));
        }
        let queue = bed.again(terms).await;
        for n in 0..400 {
            queue.enter(&job(&format!("j{n:03}"), "")).await.unwrap();
        }
        for n in 0..400 {
            let id = format!("j{n:03}");
            assert_eq!(ended(&queue, &id, State::Done).await.result, "\"1\"");
            assert_eq!(hands.began(&id), 1, "{id}");
        }
        for crew in crews {
            crew.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_lasts_many_leases_stays_with_its_worker() {
    let terms = Terms {
        lease: Duration::from_millis(900),
        ..hasty()
    };
    for bed in Bed::both(terms).await {
        let hands = Hands::behind_a_gate();
        let crew = Crew::of(&bed.queue, &hands, 2);
        bed.enter("long").await;
        hands.waiting.notified().await;
        let end = bed.held_until("long").await + 4 * terms.lease.as_millis() as i64;
        while bed.held_until("long").await < end {
            tokio::time::sleep(terms.lease / 3).await;
        }
        hands.gate.as_ref().unwrap().add_permits(1);
        assert_eq!(ended(&bed.queue, "long", State::Done).await.result, "\"1\"");
        assert_eq!(hands.began("long"), 1);
        crew.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_is_put_down_within_a_beat_and_cleared_away() {
    for bed in Bed::both(hasty()).await {
        let hands = Hands::behind_a_gate();
        let crew = Crew::of(&bed.queue, &hands, 1);
        bed.enter("unwanted").await;
        hands.waiting.notified().await;
        // From another process.
        let owner = bed.again(hasty()).await;
        let asked = std::time::Instant::now();
        owner.cancel("unwanted").await.unwrap();
        ended(&owner, "unwanted", State::Cancelled).await;
        assert!(
            asked.elapsed() < Duration::from_secs(20),
            "the lease did not have to end for it"
        );
        let abandoned = hands.abandoned.lock().unwrap().clone();
        assert_eq!(
            abandoned,
            [("unwanted".to_owned(), "begun by 1".to_owned())]
        );
        crew.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crew_that_stops_gives_its_jobs_back_with_their_checkpoints() {
    let terms = Terms {
        lease: Duration::from_secs(3600),
        ..hasty()
    };
    for bed in Bed::both(terms).await {
        let hands = Hands::behind_a_gate();
        let crew = Crew::of(&bed.queue, &hands, 1);
        bed.enter("moved").await;
        hands.waiting.notified().await;
        crew.stop().await;
        let moved = bed.queue.job("moved").await.unwrap().unwrap();
        assert_eq!(
            (moved.state, moved.checkpoint.as_str()),
            (State::Queued, "begun by 1")
        );
        assert_eq!(
            (moved.attempts, hands.dropped.load(Ordering::SeqCst)),
            (0, 1)
        );
        // An hour's lease does not keep the next from it.
        let next = Arc::<Hands>::default();
        let crew = Crew::of(&bed.queue, &next, 1);
        assert_eq!(
            ended(&bed.queue, "moved", State::Done).await.result,
            "\"2\""
        );
        crew.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_a_job_drops_the_work() {
    for bed in Bed::both(hasty()).await {
        let hands = Hands::behind_a_gate();
        let crew = Crew::of(&bed.queue, &hands, 1);
        bed.enter("stolen").await;
        hands.waiting.notified().await;
        // As a claim does that finds the lease at its end.
        bed.say(
            "UPDATE sheaf_jobs SET fence = fence + 1, worker = 'thief' WHERE id = $1",
            "stolen",
        )
        .await;
        let stolen = bed.queue.job("stolen").await.unwrap().unwrap();
        eventually("its end", || {
            (hands.dropped.load(Ordering::SeqCst) == 1).then_some(())
        })
        .await;
        assert!(
            hands.abandoned.lock().unwrap().is_empty(),
            "and touched nothing"
        );
        bed.queue
            .finish(&stolen, State::Done, "\"thief\"", "")
            .await
            .unwrap();
        crew.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_tried_again_where_that_makes_sense() {
    for bed in Bed::both(hasty()).await {
        let hands: Arc<Hands> = Arc::default();
        let crew = Crew::of(&bed.queue, &hands, 2);
        bed.enter("fails").await;
        bed.enter("flaky").await;
        let failed = ended(&bed.queue, "fails", State::Failed).await;
        assert_eq!(
            (failed.error.as_str(), hands.began("fails")),
            ("it never works", 1)
        );
        let failed = ended(&bed.queue, "flaky", State::Failed).await;
        assert_eq!((failed.error.as_str(), hands.began("flaky")), ("try 3", 3));
        let mut abandoned = hands.abandoned.lock().unwrap().clone();
        abandoned.sort();
        let expected = [("fails", "begun by 1"), ("flaky", "begun by 3")];
        assert_eq!(
            abandoned,
            expected.map(|(id, left)| (id.to_owned(), left.to_owned()))
        );
        crew.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_database_is_survived() {
    let terms = Terms {
        lease: Duration::from_secs(120),
        ..hasty()
    };
    for bed in Bed::both(terms).await {
        let Some(postgres) = bed.postgres.clone() else {
            continue;
        };
        let hands = Hands::behind_a_gate();
        let crew = Crew::of(&bed.queue, &hands, 1);
        bed.enter("under way").await;
        hands.waiting.notified().await;
        postgres.down();
        // It ends while nobody can be told.
        hands.gate.as_ref().unwrap().add_permits(2);
        eventually("its end", || {
            (hands.dropped.load(Ordering::SeqCst) == 1).then_some(())
        })
        .await;
        assert!(postgres.up());
        assert_eq!(
            ended(&bed.queue, "under way", State::Done).await.result,
            "\"1\""
        );
        bed.enter("afterwards").await;
        ended(&bed.queue, "afterwards", State::Done).await;
        assert_eq!(hands.began("under way"), 1);
        crew.stop().await;
    }
}
