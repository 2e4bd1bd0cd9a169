//! Seats for whoever finds no place, for as long as it takes to tell them so.
//!
//! A seat costs a descriptor and some 30 KiB, so there are many; it is had for seconds at the most. While none is left, those
//! who have asked are answered, and those who keep others waiting give theirs up: silence does not keep anybody from being
//! told.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

/// How many can be told at once.
pub(super) const SEATS: usize = 512;

/// How long that may take.
const WHOLE: Duration = Duration::from_secs(10);

/// The same while no seat is left.
const CROWDED: Duration = Duration::from_secs(1);

/// Between two looks at whether one is.
const LOOK: Duration = Duration::from_millis(100);

/// The seats of one door.
#[derive(Clone, Debug)]
pub(super) struct Aside(Arc<Semaphore>);

/// A seat that a connection has.
#[derive(Debug)]
pub(super) struct Seat(OwnedSemaphorePermit);

impl Aside {
    pub(super) fn new() -> Aside {
        Aside(Arc::new(Semaphore::new(SEATS)))
    }

    /// The next seat that is free. Meanwhile others wait where the system keeps them.
    pub(super) async fn wait(&self) -> Option<Seat> {
        self.0.clone().acquire_owned().await.ok().map(Seat)
    }

    /// A seat, if there is one as soon as everybody is answered who has asked: nobody is waited for.
    pub(super) async fn now(&self) -> Option<Seat> {
        if self.0.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        self.0.clone().try_acquire_owned().ok().map(Seat)
    }
}

impl Seat {
    /// Has a client be told, unless it takes too long over it.
    pub(super) async fn hold(self, telling: impl Future<Output = ()>) {
        let late = async {
            sleep(CROWDED).await;
            while self.0.semaphore().available_permits() > 0 {
                sleep(LOOK).await;
            }
        };
        let told = async {
            tokio::select! {
                // What has come is looked at before anybody is sent away, however busy the machine is.
                biased;
                () = telling => {}
                () = late => {}
            }
        };
        let _ = timeout(WHOLE, told).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures::poll;
    use tokio::sync::oneshot;
    use tokio::time::Instant;

    use super::*;

    async fn all(aside: &Aside) -> Vec<Seat> {
        let mut seats = Vec::new();
        for _ in 0..SEATS {
            seats.push(aside.wait().await.unwrap());
        }
        assert!(aside.now().await.is_none());
        seats
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_says_nothing_stays_while_there_is_room() {
        let aside = Aside::new();
        let start = Instant::now();
        aside.wait().await.unwrap().hold(pending()).await;
        assert_eq!(start.elapsed(), WHOLE);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_says_nothing_gives_way_to_others() {
        let aside = Aside::new();
        let start = Instant::now();
        for seat in all(&aside).await {
            tokio::spawn(seat.hold(pending()));
        }
        let seat = aside.wait().await.unwrap();
        assert_eq!(start.elapsed(), CROWDED);
        // The others stay.
        assert!(aside.0.available_permits() < 5);
        drop(seat);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_asked_is_answered_however_late_that_is() {
        let aside = Aside::new();
        let mut seats = all(&aside).await;
        let mut asked = false;
        let seat = seats.pop().unwrap();
        let (ask, heard) = oneshot::channel();
        let told = seat.hold(async { asked = heard.await.is_ok() });
        let mut told = Box::pin(told);
        assert!(poll!(&mut told).is_pending());
        ask.send(()).unwrap();
        tokio::time::advance(WHOLE * 2).await;
        told.await;
        assert!(asked);
    }

    #[tokio::test]
    async fn nobody_is_waited_for_but_those_who_can_be_answered() {
        let aside = Aside::new();
        let mut seats = all(&aside).await;
        assert!(aside.now().await.is_none());
        tokio::spawn(seats.pop().unwrap().hold(ready(())));
        assert!(aside.now().await.is_some());
    }
}
