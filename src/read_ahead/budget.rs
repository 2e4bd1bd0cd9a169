//! The memory budget of the process, the share that a download has in it, and reservations that live as long as their
//! bytes.
//!
//! [`MemoryBudget::admit`] opens a [`Share`] or refuses at once. A share reserves: [`Share::try_take`] never waits,
//! [`Share::poll_take`] waits for bytes of the same share to be given back, which only needs its own client to read.
//! So nobody ever waits for another download, and there is no order in which downloads could wait for each other.
//!
//! Where the budget is used up, bytes give way that have lain ready for [`PATIENCE`] because their client does not take
//! them: whoever is refused has them dropped, and their download reads them again when they are wanted. A slow client
//! keeps its first reservation and no more while others are short of memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::task::AtomicWaker;
use tokio::time::Instant;

use super::ledger::{FIRST, Ledger};
use crate::measure;

/// The budget where nobody says otherwise, in bytes.
pub const DEFAULT_BUDGET: usize = 256 * 1024 * 1024;

/// The smallest budget that can be served from, in bytes: a share of half of it reads an object of 1 MiB in one go.
pub const LEAST_BUDGET: usize = 4 * 1024 * 1024;

/// How long bytes lie ready before they give way to others.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// The memory that downloads of this process may fill with bytes under way. Clones are the same budget.
#[derive(Clone, Debug)]
pub struct MemoryBudget(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    ledger: Ledger,
    /// The most that ever was held.
    peak: usize,
    /// What lies ready, by the order in which it came to lie there.
    idle: BTreeMap<u64, Idle>,
    next_idle: u64,
}

#[derive(Debug)]
struct Idle {
    since: Instant,
    share: u64,
    bytes: Weak<dyn GivesWay>,
}

/// Bytes that can be dropped because they can be read again.
pub(super) trait GivesWay: Send + Sync + std::fmt::Debug {
    /// Drops the bytes, unless they were touched after `since`: then says when that was.
    fn give_way(&self, since: Instant) -> Option<Instant>;
}

/// The budget has no room for one more download.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{downloads} downloads use all of the memory budget of {total} bytes")]
pub struct Overloaded {
    /// Downloads under way.
    pub downloads: usize,
    /// The budget in bytes.
    pub total: usize,
}

/// One download's part of the budget. Clones are the same share; it ends with the last of them and of the reservations
/// that were made from it.
#[derive(Clone, Debug)]
pub struct Share(Arc<Account>);

#[derive(Debug)]
struct Account {
    budget: MemoryBudget,
    id: u64,
    given: AtomicWaker,
    /// The most that was used at once.
    most: AtomicUsize,
}

/// Bytes of the budget, given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    account: Arc<Account>,
    bytes: usize,
}

/// Ends the wait of bytes that lie ready.
#[derive(Debug)]
pub(super) struct IdleMark {
    account: Arc<Account>,
    id: u64,
}

impl MemoryBudget {
    /// A budget of `total` bytes.
    pub fn new(total: usize) -> MemoryBudget {
        MemoryBudget(Arc::new(Mutex::new(State {
            ledger: Ledger::new(total),
            peak: 0,
            idle: BTreeMap::new(),
            next_idle: 0,
        })))
    }

    /// Lets a download in, with its first reservation.
    ///
    /// # Errors
    /// [`Overloaded`], at once, where that cannot be had.
    pub fn admit(&self) -> Result<Share, Overloaded> {
        let opened = self.state().ledger.open();
        let opened = opened.or_else(|| {
            // To let somebody in is worth more than to have read far ahead.
            self.reclaim(FIRST, Duration::ZERO);
            self.state().ledger.open()
        });
        let id = opened.ok_or_else(|| Overloaded {
            downloads: self.downloads(),
            total: self.total(),
        })?;
        Ok(Share(Arc::new(Account {
            budget: self.clone(),
            id,
            given: AtomicWaker::new(),
            most: AtomicUsize::new(0),
        })))
    }

    /// The budget in bytes.
    pub fn total(&self) -> usize {
        self.state().ledger.total()
    }

    /// The bytes that downloads hold now.
    pub fn held(&self) -> usize {
        self.state().ledger.held()
    }

    /// The most bytes that downloads ever held together.
    pub fn peak(&self) -> usize {
        self.state().peak
    }

    /// The downloads that hold something now.
    pub fn downloads(&self) -> usize {
        self.state().ledger.accounts()
    }

    /// Whether downloads can still grow: the time to be generous.
    pub fn is_roomy(&self) -> bool {
        let state = self.state();
        state.ledger.free() > state.ledger.total() / 2
    }

    /// Has bytes dropped that nobody took for as long as `patience`, until `bytes` more are free or there are no others.
    fn reclaim(&self, bytes: usize, patience: Duration) {
        let Some(before) = Instant::now().checked_sub(patience) else {
            return;
        };
        let candidates: Vec<(u64, Weak<dyn GivesWay>)> = {
            let state = self.state();
            let old = state
                .idle
                .iter()
                .filter(|(_, idle)| idle.since <= before && state.ledger.has_grown(idle.share));
            old.map(|(&id, idle)| (id, idle.bytes.clone())).collect()
        };
        let wanted = self.state().ledger.free().saturating_add(bytes);
        for (id, candidate) in candidates {
            if self.state().ledger.free() >= wanted {
                return;
            }
            // Never with the books locked: what gives way gives back.
            let touched = candidate.upgrade().and_then(|bytes| bytes.give_way(before));
            let mut state = self.state();
            match touched {
                Some(touched) => {
                    if let Some(idle) = state.idle.get_mut(&id) {
                        idle.since = touched;
                    }
                }
                None => {
                    state.idle.remove(&id);
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryBudget {
    fn default() -> Self {
        MemoryBudget::new(DEFAULT_BUDGET)
    }
}

impl State {
    fn take(&mut self, account: &Account, bytes: usize) -> bool {
        let taken = self.ledger.take(account.id, bytes);
        if taken {
            self.peak = self.peak.max(self.ledger.held());
            account
                .most
                .fetch_max(self.ledger.used(account.id), Ordering::Relaxed);
        }
        taken
    }
}

impl Share {
    /// Reserves `bytes` if they can be had now.
    pub fn try_take(&self, bytes: usize) -> Option<Reservation> {
        let budget = &self.0.budget;
        let missing = {
            let mut state = budget.state();
            if state.take(&self.0, bytes) {
                return Some(self.reservation(bytes));
            }
            state.ledger.missing(self.0.id, bytes)
        };
        budget.reclaim(missing?, PATIENCE);
        let taken = budget.state().take(&self.0, bytes);
        taken.then(|| self.reservation(bytes))
    }

    /// Reserves `bytes`, or wakes the task when some of this share come back. One task at a time can wait.
    ///
    /// It is certain to be ready in the end only for what the first reservation covers.
    pub fn poll_take(&self, cx: &mut Context<'_>, bytes: usize) -> Poll<Reservation> {
        self.0.given.register(cx.waker());
        match self.try_take(bytes) {
            Some(reservation) => Poll::Ready(reservation),
            None => Poll::Pending,
        }
    }

    /// Ties `bytes` to a reservation of their length, waiting for it where needed.
    ///
    /// There must not be more of them than the first reservation has.
    pub async fn cover(&self, bytes: Bytes) -> Bytes {
        let reservation = std::future::poll_fn(|cx| self.poll_take(cx, bytes.len())).await;
        reservation.cover(bytes)
    }

    /// The bytes that reservations of this share cover now.
    pub fn used(&self) -> usize {
        self.0.budget.state().ledger.used(self.0.id)
    }

    /// The bytes that reservations of this share could cover now, if all were its own that is free.
    pub fn reach(&self) -> usize {
        self.0.budget.state().ledger.reach(self.0.id)
    }

    /// The most bytes that this share may have reserved at once.
    pub fn most(&self) -> usize {
        self.0.budget.state().ledger.most()
    }

    /// Sets the bytes that this download keeps to its end beside those under way: the records of its entries. They are
    /// never refused; see [`Ledger::record`].
    pub fn record(&self, bytes: usize) {
        self.0.budget.state().ledger.record(self.0.id, bytes);
    }

    /// The budget that this is a share of.
    pub fn budget(&self) -> &MemoryBudget {
        &self.0.budget
    }

    /// Says that `bytes` lie ready from now on, for as long as the mark lives.
    pub(super) fn idle(&self, bytes: Weak<dyn GivesWay>) -> IdleMark {
        let mut state = self.0.budget.state();
        let id = state.next_idle;
        state.next_idle += 1;
        let idle = Idle {
            since: Instant::now(),
            share: self.0.id,
            bytes,
        };
        state.idle.insert(id, idle);
        IdleMark {
            account: self.0.clone(),
            id,
        }
    }

    fn reservation(&self, bytes: usize) -> Reservation {
        Reservation {
            account: self.0.clone(),
            bytes,
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.budget.state().ledger.close(self.id);
        measure::window(*self.most.get_mut());
    }
}

impl Drop for IdleMark {
    fn drop(&mut self) {
        self.account.budget.state().idle.remove(&self.id);
    }
}

impl Reservation {
    /// The bytes that are reserved.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `bytes` out of this reservation, or all that is left of it.
    pub fn split(&mut self, bytes: usize) -> Reservation {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Reservation {
            account: self.account.clone(),
            bytes,
        }
    }

    /// Ties the reservation to bytes: it is given back when the last handle on them is dropped. Nothing is copied.
    pub fn cover(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Covered {
            bytes,
            _reservation: self,
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.bytes > 0 {
            let account = &self.account;
            account.budget.state().ledger.give(account.id, self.bytes);
            account.given.wake();
        }
    }
}

struct Covered {
    bytes: Bytes,
    _reservation: Reservation,
}

impl AsRef<[u8]> for Covered {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Bytes that lie ready until they give way.
    #[derive(Debug)]
    struct Ready {
        reservation: Mutex<Option<Reservation>>,
        touched: Mutex<Instant>,
        gone: AtomicBool,
    }

    impl GivesWay for Ready {
        fn give_way(&self, since: Instant) -> Option<Instant> {
            let touched = *self.touched.lock().unwrap();
            if touched > since {
                return Some(touched);
            }
            self.gone.store(true, Ordering::SeqCst);
            self.reservation.lock().unwrap().take();
            None
        }
    }

    fn ready(share: &Share, bytes: usize) -> (Arc<Ready>, IdleMark) {
        let ready = Arc::new(Ready {
            reservation: Mutex::new(Some(share.try_take(bytes).unwrap())),
            touched: Mutex::new(Instant::now()),
            gone: AtomicBool::new(false),
        });
        let weak: Weak<Ready> = Arc::downgrade(&ready);
        let mark = share.idle(weak);
        (ready, mark)
    }

    #[test]
    fn a_reservation_lives_as_long_as_its_bytes() {
        let budget = MemoryBudget::new(8 * FIRST);
        let share = budget.admit().unwrap();
        let mut reservation = share.try_take(3 * FIRST).unwrap();
        let bytes = reservation.split(FIRST).cover(Bytes::from(vec![7; FIRST]));
        let part = bytes.slice(10..20);
        drop((reservation, bytes));
        assert_eq!(share.used(), FIRST, "a part of the bytes is still there");
        drop(share);
        assert_eq!((budget.held(), budget.downloads()), (FIRST, 1));
        assert_eq!(part[..], [7; 10]);
        drop(part);
        assert_eq!((budget.held(), budget.downloads()), (0, 0));
    }

    #[test]
    fn nobody_is_let_in_without_a_first_reservation() {
        let budget = MemoryBudget::new(2 * FIRST + 1);
        let _first = budget.admit().unwrap();
        let second = budget.admit().unwrap();
        let refused = budget.admit().unwrap_err();
        assert_eq!((refused.downloads, refused.total), (2, 2 * FIRST + 1));
        drop(second);
        assert!(budget.admit().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_nobody_takes_give_way() {
        let budget = MemoryBudget::new(16 * FIRST);
        let (slow, fast) = (budget.admit().unwrap(), budget.admit().unwrap());
        let (first, _mark) = ready(&slow, 2 * FIRST);
        let (second, _mark) = ready(&slow, 2 * FIRST);
        let _own = fast.try_take(4 * FIRST).unwrap();
        assert!(fast.try_take(1).is_none(), "they have not lain long enough");
        tokio::time::advance(PATIENCE).await;
        *first.touched.lock().unwrap() = Instant::now();
        let _more = fast.try_take(2 * FIRST).unwrap();
        assert!(!first.gone.load(Ordering::SeqCst), "its client does read");
        assert!(second.gone.load(Ordering::SeqCst));
        assert_eq!(slow.used(), 2 * FIRST);
        tokio::time::advance(PATIENCE).await;
        assert!(fast.try_take(FIRST).is_some());
        assert!(first.gone.load(Ordering::SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_reservation_never_gives_way() {
        let budget = MemoryBudget::new(8 * FIRST);
        let (slow, fast) = (budget.admit().unwrap(), budget.admit().unwrap());
        let (own, _mark) = ready(&slow, FIRST);
        let _all = fast.try_take(3 * FIRST).unwrap();
        tokio::time::advance(PATIENCE).await;
        assert!(fast.try_take(1).is_none());
        assert!(!own.gone.load(Ordering::SeqCst));
    }

    #[test]
    fn what_was_read_ahead_gives_way_at_once_to_who_comes_in() {
        let budget = MemoryBudget::new(4 * FIRST);
        let first = budget.admit().unwrap();
        let (ahead, _mark) = ready(&first, 2 * FIRST);
        let _others = (budget.admit().unwrap(), budget.admit().unwrap());
        assert!(!ahead.gone.load(Ordering::SeqCst));
        let _last = budget.admit().unwrap();
        assert!(ahead.gone.load(Ordering::SeqCst));
        assert!(budget.admit().is_err());
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_its_own_bytes() {
        let budget = MemoryBudget::new(4 * FIRST);
        let share = budget.admit().unwrap();
        let all = share.try_take(2 * FIRST).unwrap();
        let waiting = tokio::spawn({
            let share = share.clone();
            async move { share.cover(Bytes::from(vec![1; FIRST])).await.len() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(all);
        assert_eq!(waiting.await.unwrap(), FIRST);
    }

    #[test]
    fn threads_leave_nothing_behind() {
        let budget = MemoryBudget::new(64 * FIRST);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let budget = budget.clone();
                scope.spawn(move || {
                    for round in 0..500 {
                        let share = budget.admit().unwrap();
                        let taken: Vec<_> = (0..4)
                            .filter_map(|n| share.try_take((thread + 1) * (n + round) * 1000))
                            .collect();
                        share.record(round);
                        drop(share);
                        assert!(budget.held() > 0);
                        drop(taken);
                    }
                });
            }
        });
        assert_eq!((budget.held(), budget.downloads()), (0, 0));
    }
}
