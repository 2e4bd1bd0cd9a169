//! Who holds how much of the memory budget: plain arithmetic, without locks, clocks and wakers.
//!
//! Every download has an account. It *holds* a part of the budget and *uses* a part of what it holds. The invariants:
//! an account holds at least [`FIRST`] bytes from its opening to its closing; it never uses more than it holds; all
//! accounts together hold at most the total, but for what is recorded without asking ([`Ledger::record`]). From the
//! first one follows that every download can go on, whatever the others do. Accounts grow only within half of
//! what all first reservations leave of the total: the other half is kept for those who come in.

use std::collections::BTreeMap;

/// The first reservation of a download, in bytes: it is granted at admission and kept to the end.
pub const FIRST: usize = 128 * 1024;

/// The most that one download holds, in bytes: what hides 50 ms of latency at 600 MB/s.
pub const MOST: usize = 32 * 1024 * 1024;

/// The books of one budget.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ledger {
    total: usize,
    /// What all accounts hold together, records included, and what is kept beside them.
    held: usize,
    kept: usize,
    accounts: BTreeMap<u64, Account>,
    next: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Account {
    held: usize,
    used: usize,
    records: usize,
}

impl Ledger {
    /// A budget of `total` bytes that nobody holds anything of.
    pub fn new(total: usize) -> Ledger {
        Ledger {
            total,
            held: 0,
            kept: 0,
            accounts: BTreeMap::new(),
            next: 0,
        }
    }

    /// The bytes of the budget.
    pub fn total(&self) -> usize {
        self.total
    }

    /// The bytes that all accounts hold, records included, and what is kept beside them.
    pub fn held(&self) -> usize {
        self.held
    }

    /// The bytes that are kept beside the accounts, until [`Ledger::let_go`].
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Keeps `bytes` that nobody holds; `false` where there are not so many.
    #[must_use]
    pub fn keep(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.free();
        if fits {
            self.held += bytes;
            self.kept += bytes;
        }
        fits
    }

    /// Lets go of what was kept.
    pub fn let_go(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.kept, "more was let go of than kept");
        let bytes = bytes.min(self.kept);
        self.held -= bytes;
        self.kept -= bytes;
    }

    /// The bytes that nobody holds.
    pub fn free(&self) -> usize {
        self.total.saturating_sub(self.held)
    }

    /// The accounts that are open.
    pub fn accounts(&self) -> usize {
        self.accounts.len()
    }

    /// What all accounts may hold together where one grows, in bytes.
    fn within(&self) -> usize {
        let first = FIRST.saturating_mul(self.accounts.len());
        self.total.midpoint(first.min(self.total))
    }

    /// The bytes that accounts may still grow by.
    fn room(&self) -> usize {
        self.within().saturating_sub(self.held)
    }

    /// The most that one account may hold: [`MOST`], but no more than half of the budget.
    pub fn most(&self) -> usize {
        MOST.min(self.total / 2).max(FIRST)
    }

    /// Opens an account that holds [`FIRST`] bytes; `None` where they cannot be had.
    pub fn open(&mut self) -> Option<u64> {
        if self.free() < FIRST {
            return None;
        }
        let id = self.next;
        self.next += 1;
        self.held += FIRST;
        let account = Account {
            held: FIRST,
            used: 0,
            records: 0,
        };
        self.accounts.insert(id, account);
        Some(id)
    }

    /// Closes an account and takes back all that it holds.
    pub fn close(&mut self, id: u64) {
        if let Some(account) = self.accounts.remove(&id) {
            debug_assert_eq!(account.used, 0, "a reservation outlived its account");
            self.held -= account.held + account.records;
        }
    }

    /// What an account uses, in bytes; 0 where there is none.
    pub fn used(&self, id: u64) -> usize {
        self.accounts.get(&id).map_or(0, |account| account.used)
    }

    /// The most that an account could use now, in bytes: what it holds, and what it could grow by.
    pub fn reach(&self, id: u64) -> usize {
        let held = self.accounts.get(&id).map_or(0, |account| account.held);
        self.most().min(held.saturating_add(self.room()))
    }

    /// Whether an account holds more than its first reservation.
    pub fn has_grown(&self, id: u64) -> bool {
        let account = self.accounts.get(&id);
        account.is_some_and(|account| account.held > FIRST)
    }

    /// By how many bytes the others hold too much for this account to use `bytes` more; 0 where they do not. `None` where
    /// the account may not have them, whatever the others hold.
    ///
    /// Accounts that came later may have pushed the sum far above what accounts may grow within. All of that is missing.
    pub fn missing(&self, id: u64, bytes: usize) -> Option<usize> {
        let account = self.accounts.get(&id)?;
        let used = account.used.saturating_add(bytes);
        let grown = used.saturating_sub(account.held);
        (used <= self.most()).then(|| match grown {
            0 => 0,
            grown => (self.held + grown).saturating_sub(self.within()),
        })
    }

    /// Uses `bytes` more: first of what the account holds, then it grows; `false` where both are not enough.
    #[must_use]
    pub fn take(&mut self, id: u64, bytes: usize) -> bool {
        if self.missing(id, bytes) != Some(0) {
            return false;
        }
        if let Some(account) = self.accounts.get_mut(&id) {
            account.used += bytes;
            let grown = account.used.saturating_sub(account.held);
            account.held += grown;
            self.held += grown;
        }
        true
    }

    /// Uses `bytes` less. What is then neither used nor part of the first reservation is free at once.
    pub fn give(&mut self, id: u64, bytes: usize) {
        if let Some(account) = self.accounts.get_mut(&id) {
            debug_assert!(bytes <= account.used, "more was given back than taken");
            account.used = account.used.saturating_sub(bytes);
            let surplus = account.held - account.used.max(FIRST);
            account.held -= surplus;
            self.held -= surplus;
        }
    }

    /// Sets what an account keeps for the length of its download: the records of its entries.
    ///
    /// These cannot be refused, as a download that was admitted must be able to end. Where the total is exceeded by
    /// them, no account grows and none is opened until it is not any more.
    pub fn record(&mut self, id: u64, bytes: usize) {
        if let Some(account) = self.accounts.get_mut(&id) {
            self.held = self.held - account.records + bytes;
            account.records = bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Everything that must hold between any two operations.
    fn check(ledger: &Ledger) {
        let held: usize = ledger.accounts.values().map(|a| a.held + a.records).sum();
        assert_eq!(held + ledger.kept, ledger.held);
        let records: usize = ledger.accounts.values().map(|a| a.records).sum();
        assert!(ledger.held <= ledger.total + records, "{ledger:?}");
        for account in ledger.accounts.values() {
            assert_eq!(account.held, account.used.max(FIRST), "{ledger:?}");
        }
        // Whatever the others hold, an account that uses nothing can have its first reservation.
        for (&id, account) in &ledger.accounts {
            assert!(ledger.clone().take(id, FIRST.saturating_sub(account.used)));
        }
    }

    /// Visits every state that up to `depth` operations lead to.
    fn explore(ledger: &Ledger, depth: usize, seen: &mut HashSet<(Ledger, usize)>) {
        check(ledger);
        if depth == 0 || !seen.insert((ledger.clone(), depth)) {
            return;
        }
        let mut step = |change: &dyn Fn(&mut Ledger)| {
            let mut next = ledger.clone();
            change(&mut next);
            explore(&next, depth - 1, seen);
        };
        step(&|next| {
            let room = next.free() >= FIRST;
            assert_eq!(next.open().is_some(), room);
        });
        step(&|next| {
            let room = next.free() >= 3 * FIRST;
            assert_eq!(next.keep(3 * FIRST), room);
        });
        if ledger.kept > 0 {
            step(&|next| next.let_go(FIRST));
        }
        for (&id, account) in &ledger.accounts {
            for bytes in [1, FIRST / 2, FIRST, 2 * FIRST] {
                step(&|next| {
                    let (room, before) = (next.room(), next.clone());
                    let granted = next.take(id, bytes);
                    let used = account.used + bytes;
                    let fits = used.saturating_sub(account.held) <= room && used <= next.most();
                    assert_eq!(granted, fits);
                    assert!(
                        granted || *next == before,
                        "a refusal has changed something"
                    );
                });
                if account.used >= bytes {
                    step(&|next| next.give(id, bytes));
                }
            }
            for bytes in [0, FIRST, 4 * FIRST] {
                step(&|next| next.record(id, bytes));
            }
            if account.used == 0 {
                step(&|next| next.close(id));
            }
        }
    }

    #[test]
    fn every_short_history_keeps_the_books() {
        for total in [0, FIRST, 2 * FIRST, 8 * FIRST + 1, 16 * FIRST] {
            explore(&Ledger::new(total), 5, &mut HashSet::new());
        }
    }

    #[test]
    fn everything_comes_back() {
        let mut ledger = Ledger::new(24 * FIRST);
        let ids: Vec<u64> = (0..3).map(|_| ledger.open().unwrap()).collect();
        for (n, &id) in ids.iter().enumerate() {
            assert!(ledger.take(id, (n + 1) * FIRST));
            ledger.record(id, 1000);
        }
        assert_eq!(ledger.held(), 6 * FIRST + 3000);
        assert_eq!(ledger.reach(ids[0]), 8 * FIRST + FIRST / 2 - 3000);
        for (n, &id) in ids.iter().enumerate() {
            ledger.give(id, (n + 1) * FIRST);
            ledger.close(id);
        }
        assert_eq!((ledger.held(), ledger.accounts()), (0, 0));
    }

    #[test]
    fn one_download_leaves_half_of_the_budget() {
        let mut ledger = Ledger::new(8 * FIRST);
        let id = ledger.open().unwrap();
        assert!(ledger.take(id, 4 * FIRST));
        assert!(!ledger.take(id, 1));
        assert_eq!(ledger.missing(id, 1), None, "no room elsewhere would help");
        assert!(ledger.open().is_some());
    }

    #[test]
    fn records_stop_growth_and_admission() {
        let mut ledger = Ledger::new(8 * FIRST);
        let id = ledger.open().unwrap();
        ledger.record(id, 9 * FIRST);
        assert!(ledger.open().is_none());
        assert!(!ledger.take(id, FIRST + 1));
        assert!(ledger.take(id, FIRST), "what is held already is no growth");
        ledger.record(id, 0);
        assert!(ledger.take(id, FIRST));
    }
}
