//! The memory budget of the process: who is let in, and who gives way to whom. What a download has of it is its [`Share`].
//!
//! [`MemoryBudget::admit`] opens a [`Share`] or refuses at once. A share reserves: [`Share::try_take`] never waits,
//! [`Share::poll_take`] waits for bytes of the same share to be given back, which only needs its own client to read.
//! So nobody ever waits for another download, and there is no order in which downloads could wait for each other.
//!
//! Where the budget is used up, bytes give way that have lain ready for [`PATIENCE`] because their client does not take
//! them: whoever is refused has them dropped, and their download reads them again when they are wanted. A slow client
//! keeps its first reservation and no more while others are short of memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::kept::Keeper;
use super::ledger::{FIRST, Ledger};

mod share;

pub(super) use share::IdleMark;
pub use share::{Reservation, Share};

/// The budget where nobody says otherwise, in bytes.
pub const DEFAULT_BUDGET: usize = 256 * 1024 * 1024;

/// The smallest budget that can be served from, in bytes: a share of half of it reads an object of 1 MiB in one go.
pub const LEAST_BUDGET: usize = 4 * 1024 * 1024;

/// How long bytes lie ready before they give way to others.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// How often it is looked for what lies ready, at the most, where nobody is refused without it: somebody could go faster, or
/// records exceed the budget. With a thousand slow clients there is much to look at.
const PAUSE: Duration = Duration::from_millis(20);

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
    /// Not before is it looked for such bytes where nobody is refused without them.
    look_again: Instant,
    keepers: Vec<Weak<dyn Keeper>>,
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

impl MemoryBudget {
    /// A budget of `total` bytes.
    pub fn new(total: usize) -> MemoryBudget {
        MemoryBudget(Arc::new(Mutex::new(State {
            ledger: Ledger::new(total),
            peak: 0,
            idle: BTreeMap::new(),
            next_idle: 0,
            look_again: Instant::now(),
            keepers: Vec::new(),
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
        let id = opened.ok_or_else(|| self.overloaded())?;
        Ok(Share::new(self.clone(), id))
    }

    /// The budget in bytes.
    pub fn total(&self) -> usize {
        self.state().ledger.total()
    }

    /// The bytes that downloads hold now.
    pub fn held(&self) -> usize {
        self.with_books(|books| books.held() - books.kept())
    }

    /// The most bytes that ever were in use together, by downloads and by what is kept beside them.
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
    /// What is kept beside downloads goes before that.
    pub(super) fn reclaim(&self, bytes: usize, patience: Duration) {
        let wanted = self.state().ledger.free().saturating_add(bytes);
        self.ask_keepers(bytes);
        let Some(before) = Instant::now().checked_sub(patience) else {
            return;
        };
        let candidates: Vec<(u64, u64, Weak<dyn GivesWay>)> = {
            let state = self.state();
            // What came last is wanted last: whatever lies behind a gap is read once more.
            let old = state
                .idle
                .iter()
                .rev()
                .filter(|(_, idle)| idle.since <= before && state.ledger.has_grown(idle.share));
            old.map(|(&id, idle)| (id, idle.share, idle.bytes.clone()))
                .collect()
        };
        for (id, share, candidate) in candidates {
            {
                let state = self.state();
                if state.ledger.free() >= wanted {
                    return;
                }
                if !state.ledger.has_grown(share) {
                    // It has given enough: the rest would make room for nobody.
                    continue;
                }
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

    /// Looks into the books, or changes them.
    pub(super) fn with_books<T>(&self, with: impl FnOnce(&mut Ledger) -> T) -> T {
        let mut state = self.state();
        let result = with(&mut state.ledger);
        state.peak = state.peak.max(state.ledger.held());
        result
    }

    /// Who is asked for memory before downloads are.
    pub(super) fn with_keepers<T>(&self, with: impl FnOnce(&mut Vec<Weak<dyn Keeper>>) -> T) -> T {
        with(&mut self.state().keepers)
    }

    pub(super) fn overloaded(&self) -> Overloaded {
        Overloaded {
            downloads: self.downloads(),
            total: self.total(),
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
    /// Takes `bytes` for a share: what it uses then, or `None` where they cannot be had.
    fn take_for(&mut self, share: u64, bytes: usize) -> Option<usize> {
        if !self.ledger.take(share, bytes) {
            return None;
        }
        self.peak = self.peak.max(self.ledger.held());
        Some(self.ledger.used(share))
    }

    /// Whether it is time to look for what lies ready although nobody is refused without it: at most once in [`PAUSE`].
    fn may_look(&mut self) -> bool {
        let now = Instant::now();
        let may = now >= self.look_again;
        if may {
            self.look_again = now + PAUSE;
        }
        may
    }

    /// Notes that bytes of a share lie ready from now on.
    fn lies_ready(&mut self, share: u64, bytes: Weak<dyn GivesWay>) -> u64 {
        let id = self.next_idle;
        self.next_idle += 1;
        let idle = Idle {
            since: Instant::now(),
            share,
            bytes,
        };
        self.idle.insert(id, idle);
        id
    }
}

#[cfg(test)]
mod tests;
