//! Memory that is kept beyond downloads for as long as they leave it: what is open already, and could be opened again.
//!
//! It is part of the one budget. Whoever falls short of memory has it let go of, as far as nobody uses it; so nothing
//! that is kept ever keeps a download out.

use std::fmt::Debug;
use std::sync::Weak;
use std::time::Duration;

use super::budget::{MemoryBudget, Overloaded};

/// Who keeps something beyond its use.
pub trait Keeper: Send + Sync + Debug {
    /// Lets go of `bytes` that nobody uses, or of all of them where there are fewer.
    fn let_go(&self, bytes: usize);
}

/// Bytes of the budget that are kept, given back when dropped.
#[derive(Debug)]
pub struct Kept {
    budget: MemoryBudget,
    bytes: usize,
}

impl MemoryBudget {
    /// Keeps `bytes`, for which others let go of what nobody uses.
    ///
    /// # Errors
    /// [`Overloaded`], at once, where they cannot be had.
    pub fn keep(&self, bytes: usize) -> Result<Kept, Overloaded> {
        let mut kept = Kept {
            budget: self.clone(),
            bytes: 0,
        };
        kept.resize(bytes)?;
        Ok(kept)
    }

    /// The bytes that are kept now.
    pub fn kept(&self) -> usize {
        self.with_books(|books| books.kept())
    }

    /// Has `keeper` asked from now on whenever somebody falls short.
    pub fn asks(&self, keeper: Weak<dyn Keeper>) {
        self.with_keepers(|keepers| keepers.push(keeper));
    }

    /// Has all who keep something let go of `bytes`. The books must not be locked.
    pub(super) fn ask_keepers(&self, bytes: usize) {
        let before = self.kept();
        let keepers = self.with_keepers(|keepers| {
            keepers.retain(|keeper| keeper.strong_count() > 0);
            keepers.clone()
        });
        for keeper in keepers {
            let gone = before.saturating_sub(self.kept());
            if gone >= bytes {
                return;
            }
            if let Some(keeper) = keeper.upgrade() {
                keeper.let_go(bytes - gone);
            }
        }
    }
}

impl Kept {
    /// The bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Keeps `bytes` instead. Fewer are never refused.
    ///
    /// # Errors
    /// [`Overloaded`] where more cannot be had; nothing has changed then.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Overloaded> {
        let grown = bytes.saturating_sub(self.bytes);
        let budget = &self.budget;
        if grown > 0 && !budget.with_books(|books| books.keep(grown)) {
            let missing = grown.saturating_sub(budget.with_books(|books| books.free()));
            budget.reclaim(missing, Duration::ZERO);
            if !budget.with_books(|books| books.keep(grown)) {
                return Err(budget.overloaded());
            }
        }
        let shrunk = self.bytes.saturating_sub(bytes);
        budget.with_books(|books| books.let_go(shrunk));
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.budget.with_books(|books| books.let_go(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;
    use crate::read_ahead::ledger::FIRST;

    /// Keeps things of which nobody uses any.
    #[derive(Debug, Default)]
    struct Attic(Mutex<Vec<Kept>>);

    impl Attic {
        fn things(&self) -> usize {
            self.0.lock().unwrap().len()
        }
    }

    impl Keeper for Attic {
        fn let_go(&self, bytes: usize) {
            let mut things = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let mut gone = 0;
            while gone < bytes
                && let Some(thing) = things.pop()
            {
                gone += thing.bytes();
            }
        }
    }

    fn attic(budget: &MemoryBudget, things: usize) -> Arc<Attic> {
        let attic = Arc::new(Attic::default());
        let weak: Weak<Attic> = Arc::downgrade(&attic);
        budget.asks(weak);
        let kept = (0..things).map(|_| budget.keep(FIRST).unwrap());
        attic.0.lock().unwrap().extend(kept);
        attic
    }

    #[test]
    fn who_comes_in_has_it_let_go_of() {
        let budget = MemoryBudget::new(8 * FIRST);
        let attic = attic(&budget, 6);
        let shares: Vec<_> = (0..2).map(|_| budget.admit().unwrap()).collect();
        assert_eq!((attic.things(), budget.kept()), (6, 6 * FIRST));
        let _third = budget.admit().unwrap();
        assert_eq!(attic.things(), 5);
        let refused = budget.keep(7 * FIRST).unwrap_err();
        assert_eq!(refused.downloads, 3);
        drop(shares);
        drop(attic);
        assert!(budget.keep(7 * FIRST).is_ok());
    }

    #[test]
    fn who_reads_ahead_has_it_let_go_of() {
        let budget = MemoryBudget::new(16 * FIRST);
        let attic = attic(&budget, 6);
        let share = budget.admit().unwrap();
        let _taken = share.try_take(4 * FIRST).unwrap();
        assert!(attic.things() < 6);
        assert!(budget.held() >= 4 * FIRST && budget.kept() < 6 * FIRST);
    }

    #[test]
    fn what_is_kept_can_grow_and_shrink() {
        let budget = MemoryBudget::new(4 * FIRST);
        let mut kept = budget.keep(FIRST).unwrap();
        kept.resize(3 * FIRST).unwrap();
        assert!(kept.resize(5 * FIRST).is_err());
        assert_eq!((kept.bytes(), budget.kept()), (3 * FIRST, 3 * FIRST));
        kept.resize(10).unwrap();
        assert_eq!((budget.kept(), budget.held()), (10, 0));
        drop(kept);
        assert_eq!(budget.kept(), 0);
    }
}
