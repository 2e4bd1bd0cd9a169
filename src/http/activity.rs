//! What a connection is doing: answering, hearing a request's head, or nothing; and since when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Between two looks at a connection.
const LOOK: Duration = Duration::from_secs(1);

/// What one connection is doing. Clones are of the same.
#[derive(Clone, Debug)]
pub struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    doing: Doing,
    /// A request has come.
    asked: bool,
    /// Since when the client takes nothing of what it is sent.
    stuck: Option<Instant>,
}

/// How long a connection may be in each state.
#[derive(Clone, Copy, Debug)]
pub struct Patience<I> {
    /// Until its first request, or a head that has begun, is there.
    pub head: Duration,
    /// Without a request, asked for each time that it matters.
    pub idle: I,
    /// While the client takes nothing.
    pub stall: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Its first request has been awaited since then.
    New(Instant),
    /// A head has been coming since then.
    Head(Instant),
    /// So many answers are under way.
    Answers(usize),
    /// Nothing, since then.
    Nothing(Instant),
}

/// Why a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overdue {
    /// Its first request does not come.
    Silent,
    /// The head of a request takes too long.
    Head,
    /// Nobody asks for anything.
    Idle,
    /// The client takes nothing of an answer.
    Stalled,
}

/// A request whose answer has not ended.
#[derive(Debug)]
pub struct UnderWay(Activity);

impl Default for Activity {
    fn default() -> Self {
        Activity(Arc::new(Mutex::new(State {
            doing: Doing::New(Instant::now()),
            asked: false,
            stuck: None,
        })))
    }
}

impl Activity {
    /// The first request is due from now on.
    pub fn open(&self) {
        self.state().doing = Doing::New(Instant::now());
    }

    /// Bytes have come. If nothing was under way, a head begins with them.
    pub fn heard(&self) {
        let mut state = self.state();
        if let Doing::New(_) | Doing::Nothing(_) = state.doing {
            state.doing = Doing::Head(Instant::now());
        }
    }

    /// Bytes have left: the client takes what it is sent.
    pub fn sent(&self) {
        let mut state = self.state();
        state.stuck = None;
        if let Doing::Nothing(since) = &mut state.doing {
            *since = Instant::now();
        }
    }

    /// Bytes could not leave.
    pub fn stuck(&self) {
        self.state().stuck.get_or_insert_with(Instant::now);
    }

    /// A request has come; the value returned is to live as long as its answer.
    pub fn begin(&self) -> UnderWay {
        let mut state = self.state();
        let others = match state.doing {
            Doing::Answers(others) => others,
            Doing::New(_) | Doing::Head(_) | Doing::Nothing(_) => 0,
        };
        state.doing = Doing::Answers(others + 1);
        state.asked = true;
        UnderWay(self.clone())
    }

    /// Whether answers are under way.
    pub fn is_answering(&self) -> bool {
        matches!(self.state().doing, Doing::Answers(_))
    }

    /// Completes when something has taken longer than there is `patience` for it. A connection may stay for a second more.
    pub async fn overdue(&self, patience: Patience<impl Fn() -> Duration>) -> Overdue {
        loop {
            let (stuck, doing) = {
                let state = self.state();
                // Who has not asked for anything is sent nothing that is worth waiting for.
                (state.stuck.filter(|_| state.asked), state.doing)
            };
            let (since, limit, why) = match (doing, stuck) {
                (Doing::Nothing(since), _) => (since, (patience.idle)(), Overdue::Idle),
                (Doing::New(since), _) => (since, patience.head, Overdue::Silent),
                // The end of an answer may still be on its way, and HTTP/2 tells as it comes.
                (Doing::Head(_), Some(since)) => (since, (patience.idle)(), Overdue::Idle),
                (Doing::Answers(_), Some(since)) => (since, patience.stall, Overdue::Stalled),
                (Doing::Head(since), None) => (since, patience.head, Overdue::Head),
                (Doing::Answers(_), None) => (Instant::now(), Duration::MAX, Overdue::Idle),
            };
            let left = limit.saturating_sub(since.elapsed());
            if left.is_zero() {
                return why;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if let Doing::Answers(number) = state.doing {
            state.doing = match number {
                ..=1 => Doing::Nothing(Instant::now()),
                more => Doing::Answers(more - 1),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);
    const STALL: Duration = Duration::from_secs(3600);

    fn patience<I: Fn() -> Duration>(idle: I) -> Patience<I> {
        Patience {
            head: HEAD,
            idle,
            stall: STALL,
        }
    }

    /// How long it takes until a connection is overdue, at most a day.
    async fn overdue(activity: &Activity) -> Option<(Overdue, u64)> {
        let start = Instant::now();
        let day = Duration::from_secs(86_400);
        let why = tokio::time::timeout(day, activity.overdue(patience(|| IDLE))).await;
        why.ok().map(|why| (why, start.elapsed().as_secs()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_its_time_from_its_first_byte() {
        let activity = Activity::default();
        assert_eq!(overdue(&activity).await, Some((Overdue::Silent, 10)));
        activity.open();
        activity.heard();
        assert_eq!(overdue(&activity).await, Some((Overdue::Head, 10)));
        drop(activity.begin());
        tokio::time::sleep(Duration::from_secs(70)).await;
        activity.heard();
        tokio::time::sleep(Duration::from_secs(4)).await;
        // Further bytes of the same head give it no more time.
        activity.heard();
        assert_eq!(overdue(&activity).await, Some((Overdue::Head, 6)));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_for_nothing_is_idle_and_whoever_downloads_is_not() {
        let activity = Activity::default();
        let first = activity.begin();
        let second = activity.begin();
        activity.heard();
        drop(first);
        assert!(activity.is_answering());
        assert_eq!(overdue(&activity).await, None);
        drop(second);
        tokio::time::sleep(Duration::from_secs(70)).await;
        activity.sent();
        assert_eq!(overdue(&activity).await, Some((Overdue::Idle, 75)));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_may_end_while_it_is_waited_for() {
        let activity = Activity::default();
        drop(activity.begin());
        let start = Instant::now();
        let idle = || match start.elapsed() > Duration::from_secs(5) {
            true => Duration::from_secs(1),
            false => IDLE,
        };
        assert_eq!(activity.overdue(patience(idle)).await, Overdue::Idle);
        assert_eq!(start.elapsed().as_secs(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn taking_nothing_gives_no_time_for_a_head() {
        let activity = Activity::default();
        activity.heard();
        activity.stuck();
        assert_eq!(overdue(&activity).await, Some((Overdue::Head, 10)));
        let activity = Activity::default();
        drop(activity.begin());
        activity.heard();
        tokio::time::sleep(Duration::from_secs(5)).await;
        activity.stuck();
        assert_eq!(overdue(&activity).await, Some((Overdue::Idle, 75)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_a_little_is_not_stalled() {
        let activity = Activity::default();
        let _answer = activity.begin();
        let taking = async {
            for _ in 0..10 {
                activity.stuck();
                tokio::time::sleep(STALL - LOOK).await;
                // It has been stuck since the first of these.
                activity.stuck();
                activity.sent();
            }
            activity.stuck();
            std::future::pending::<()>().await;
        };
        let start = Instant::now();
        let why = tokio::select! {
            why = activity.overdue(patience(|| IDLE)) => why,
            () = taking => unreachable!(),
        };
        assert_eq!(why, Overdue::Stalled);
        assert!(start.elapsed() > STALL * 10);
    }
}
