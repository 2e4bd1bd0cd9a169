//! Which manifests are open: one shelf for each, whoever asks for it, and the oldest go where memory is short.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use uuid::Uuid;

use super::open::Open;
use crate::read_ahead::Keeper;

/// The place of one manifest. Whoever loads it holds the lock, so that loads that coincide are one.
pub(super) type Shelf = Arc<AsyncMutex<Option<Book>>>;

/// A manifest that is open.
#[derive(Debug)]
pub(super) struct Book {
    pub(super) open: Arc<Open>,
    pub(super) etag: String,
    /// When it has to be asked for again.
    pub(super) until: Instant,
}

/// All shelves.
#[derive(Debug, Default)]
pub(super) struct Shelves(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_id: HashMap<Uuid, Used>,
    clock: u64,
}

#[derive(Debug)]
struct Used {
    shelf: Shelf,
    /// When it was last asked for, by the clock of the shelves.
    last: u64,
}

impl Shelves {
    /// The shelf of a manifest; an empty one if there was none.
    pub(super) fn of(&self, id: Uuid) -> Shelf {
        let mut state = self.state();
        state.clock += 1;
        let last = state.clock;
        let used = state.by_id.entry(id).or_insert_with(|| Used {
            shelf: Shelf::default(),
            last,
        });
        used.last = last;
        used.shelf.clone()
    }

    /// Takes a shelf away. Who uses what is on it may go on with it.
    pub(super) fn clear(&self, id: Uuid) {
        let gone = self.state().by_id.remove(&id);
        drop(gone);
    }

    #[cfg(test)]
    pub(super) fn has(&self, id: Uuid) -> bool {
        self.state().by_id.contains_key(&id)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper for Shelves {
    /// What is in use stays: to forget it would free nothing, and have it loaded a second time.
    fn let_go(&self, bytes: usize) {
        let mut gone = Vec::new();
        {
            let mut state = self.state();
            let mut unused: Vec<(u64, Uuid, usize)> = Vec::new();
            for (id, used) in &state.by_id {
                unused.extend(
                    used.weight_if_unused()
                        .map(|weight| (used.last, *id, weight)),
                );
            }
            unused.sort_unstable();
            let mut freed = 0;
            for (_, id, weight) in unused {
                if freed >= bytes {
                    break;
                }
                freed += weight;
                gone.extend(state.by_id.remove(&id));
            }
        }
        // Not before the lock is free: what goes gives its memory back.
        drop(gone);
    }
}

impl Used {
    /// What the shelf weighs in bytes; `None` while somebody uses it, or what is on it.
    fn weight_if_unused(&self) -> Option<usize> {
        if Arc::strong_count(&self.shelf) > 1 {
            return None;
        }
        let book = self.shelf.try_lock().ok()?;
        match &*book {
            Some(book) if Arc::strong_count(&book.open) > 1 => None,
            Some(book) => Some(book.open.weight()),
            None => Some(0),
        }
    }
}
