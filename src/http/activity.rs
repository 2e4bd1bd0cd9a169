//! What a connection is doing: answering, hearing a request's head, or nothing; and since when.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Between two looks at a connection.
const LOOK: Duration = Duration::from_secs(1);

/// What one connection is doing. Clones are of the same.
#[derive(Clone, Debug)]
pub struct Activity(Arc<Mutex<Doing>>);

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
}

/// A request whose answer has not ended.
#[derive(Debug)]
pub struct UnderWay(Activity);

impl Default for Activity {
    fn default() -> Self {
        Activity(Arc::new(Mutex::new(Doing::New(Instant::now()))))
    }
}

impl Activity {
    /// The first request is due from now on.
    pub fn open(&self) {
        *self.doing() = Doing::New(Instant::now());
    }

    /// Bytes have come. If nothing was under way, a head begins with them.
    pub fn heard(&self) {
        let mut doing = self.doing();
        if let Doing::New(_) | Doing::Nothing(_) = *doing {
            *doing = Doing::Head(Instant::now());
        }
    }

    /// Bytes have left: the client takes what is left of the last answer.
    pub fn sent(&self) {
        let mut doing = self.doing();
        if let Doing::Nothing(since) = &mut *doing {
            *since = Instant::now();
        }
    }

    /// A request has come; the value returned is to live as long as its answer.
    pub fn begin(&self) -> UnderWay {
        let mut doing = self.doing();
        let others = match *doing {
            Doing::Answers(others) => others,
            Doing::New(_) | Doing::Head(_) | Doing::Nothing(_) => 0,
        };
        *doing = Doing::Answers(others + 1);
        UnderWay(self.clone())
    }

    /// Whether answers are under way.
    pub fn is_answering(&self) -> bool {
        matches!(*self.doing(), Doing::Answers(_))
    }

    /// Completes when the first request or a head has taken longer than `head`, or nothing was under way for longer than `idle` says then. A
    /// connection may stay for a second more.
    pub async fn overdue(&self, head: Duration, idle: impl Fn() -> Duration) -> Overdue {
        loop {
            let (since, limit, why) = match *self.doing() {
                Doing::New(since) => (since, head, Overdue::Silent),
                Doing::Head(since) => (since, head, Overdue::Head),
                Doing::Nothing(since) => (since, idle(), Overdue::Idle),
                Doing::Answers(_) => (Instant::now(), Duration::MAX, Overdue::Idle),
            };
            let left = limit.saturating_sub(since.elapsed());
            if left.is_zero() {
                return why;
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    }

    fn doing(&self) -> MutexGuard<'_, Doing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut doing = self.0.doing();
        if let Doing::Answers(number) = *doing {
            *doing = match number {
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

    /// How long it takes until a connection is overdue, at most a day.
    async fn overdue(activity: &Activity) -> Option<(Overdue, u64)> {
        let start = Instant::now();
        let day = Duration::from_secs(86_400);
        let why = tokio::time::timeout(day, activity.overdue(HEAD, || IDLE)).await;
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
        let patience = || match start.elapsed() > Duration::from_secs(5) {
            true => Duration::from_secs(1),
            false => IDLE,
        };
        assert_eq!(activity.overdue(HEAD, patience).await, Overdue::Idle);
        assert_eq!(start.elapsed().as_secs(), 6);
    }
}
