//! The share that a download has in the budget, and reservations that live as long as their bytes.

use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::task::AtomicWaker;

use super::{GivesWay, MemoryBudget, PATIENCE, State};
use crate::measure;

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
pub(in crate::read_ahead) struct IdleMark {
    account: Arc<Account>,
    id: u64,
}

impl Share {
    /// The share behind an account that was opened as `id`.
    pub(super) fn new(budget: MemoryBudget, id: u64) -> Share {
        Share(Arc::new(Account {
            budget,
            id,
            given: AtomicWaker::new(),
            most: AtomicUsize::new(0),
        }))
    }

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

    /// The bytes that reservations of this share could cover now, if all were its own that is free. Where those are fewer
    /// than `wanted`, what others let lie for long gives way first, now and then.
    pub fn reach(&self, wanted: usize) -> usize {
        let Account { budget, id, .. } = &*self.0;
        let missing = {
            let mut state = budget.state();
            let reach = state.ledger.reach(*id);
            let wanted = wanted.min(state.ledger.most());
            if reach >= wanted || !state.may_look() {
                return reach;
            }
            let used = state.ledger.used(*id);
            state.ledger.missing(*id, wanted.saturating_sub(used))
        };
        if let Some(missing) = missing {
            budget.reclaim(missing, PATIENCE);
        }
        budget.state().ledger.reach(*id)
    }

    /// The most bytes that this share may have reserved at once.
    pub fn most(&self) -> usize {
        self.0.budget.state().ledger.most()
    }

    /// Sets the bytes that this download keeps to its end beside those under way: the records of its entries. They are
    /// never refused; see [`record`](crate::read_ahead::ledger::Ledger::record). Where they exceed the budget, what was
    /// read ahead gives way, now and then.
    pub fn record(&self, bytes: usize) {
        let Account { budget, id, .. } = &*self.0;
        let over = {
            let mut state = budget.state();
            state.ledger.record(*id, bytes);
            let over = state.ledger.held().saturating_sub(state.ledger.total());
            if over == 0 || !state.may_look() {
                return;
            }
            over
        };
        budget.reclaim(over, Duration::ZERO);
    }

    /// The budget that this is a share of.
    pub fn budget(&self) -> &MemoryBudget {
        &self.0.budget
    }

    /// Says that `bytes` lie ready from now on, for as long as the mark lives.
    pub(in crate::read_ahead) fn idle(&self, bytes: Weak<dyn GivesWay>) -> IdleMark {
        let id = self.0.budget.state().lies_ready(self.0.id, bytes);
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

impl State {
    fn take(&mut self, account: &Account, bytes: usize) -> bool {
        let used = self.take_for(account.id, bytes);
        if let Some(used) = used {
            account.most.fetch_max(used, Ordering::Relaxed);
        }
        used.is_some()
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
