//! The ordered index that listings are paged from: one per process, shared by all requests.
//!
//! Invariant: a listing that begins after a file appeared sees it, because a first page waits for a walk that began
//! no earlier than the request; later pages are read from memory. What is written or deleted through the store is
//! noted here at once, a running walk notwithstanding.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::blocking;
use super::disk::Disk;
use super::error::OpError;
use super::keys::successor;
use super::record::Stamp;
use super::walk::walk;

/// How long the later pages of a listing rely on a walk.
const LASTS: Duration = Duration::from_secs(60);

/// How many prefixes may be covered by walks of their own before the index starts afresh.
const MAX_COVERED: usize = 256;

/// The index.
#[derive(Debug, Default)]
pub(super) struct Index {
    state: RwLock<State>,
    /// Held by the one walk at a time.
    walking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Box<str>, Stamp>,
    /// The prefixes whose rows are all here, and when the walk that found them began.
    covered: BTreeMap<String, Instant>,
    /// What was written (`Some`) or deleted since the running walk began.
    changes: Vec<(Box<str>, Option<Stamp>)>,
}

/// Where in a listing a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cursor {
    /// With this key.
    Key(String),
    /// With this common prefix, and so with all keys that start with it.
    Prefix(String),
}

/// One page of a listing.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) rows: Vec<(Box<str>, Stamp)>,
    pub(super) prefixes: Vec<String>,
    /// Where to go on, if there is more.
    pub(super) next: Option<Cursor>,
}

impl Index {
    /// Makes sure that the rows below `prefix` are those of a walk that began after this call, or, for a later page
    /// (`first` is false), of a recent one.
    pub(super) async fn refresh(
        &self,
        disk: &Arc<Disk>,
        prefix: &str,
        first: bool,
    ) -> Result<(), OpError> {
        let now = Instant::now();
        let since = if first {
            Some(now)
        } else {
            now.checked_sub(LASTS)
        };
        let is_fresh = |state: &State| {
            let mut covering = state
                .covered
                .iter()
                .filter(|(covered, _)| prefix.starts_with(covered.as_str()));
            covering.any(|(_, began)| since.is_none_or(|since| *began >= since))
        };
        if is_fresh(&self.read()) {
            return Ok(());
        }
        let _walking = self.walking.lock().await;
        // A walk that began while this request waited for its turn will do.
        if is_fresh(&self.read()) {
            return Ok(());
        }
        self.write().changes.clear();
        let began = Instant::now();
        let rows = {
            let (disk, prefix) = (Arc::clone(disk), prefix.to_owned());
            blocking(move || walk(&disk, &prefix)).await?
        };
        self.install(prefix, rows, began);
        Ok(())
    }

    /// Notes that an object was written (`Some`) or deleted.
    pub(super) fn note(&self, key: &str, stamp: Option<Stamp>) {
        let mut state = self.write();
        apply(&mut state.rows, key.into(), stamp);
        // Where no walk runs, the list would only grow. A walk that starts later sees the change by itself.
        if self.walking.try_lock().is_err() {
            state.changes.push((key.into(), stamp));
        }
    }

    /// Up to `limit` keys and common prefixes after `after`.
    pub(super) fn page(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Page {
        let state = self.read();
        let mut page = Page::default();
        if limit == 0 {
            return page;
        }
        let mut from = match after {
            None => Some(Bound::Included(prefix.to_owned())),
            Some(Cursor::Key(key)) if key.as_str() < prefix => {
                Some(Bound::Included(prefix.to_owned()))
            }
            Some(Cursor::Key(key)) => Some(Bound::Excluded(key.clone())),
            Some(Cursor::Prefix(passed)) => successor(passed).map(Bound::Included),
        };
        let mut last = None;
        while let Some(start) = from.take() {
            let start = start.as_ref().map(String::as_str);
            for (key, stamp) in state.rows.range::<str, _>((start, Bound::Unbounded)) {
                let Some(rest) = key.strip_prefix(prefix) else {
                    break;
                };
                if page.rows.len() + page.prefixes.len() == limit {
                    page.next = last;
                    return page;
                }
                let cut = delimiter
                    .and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len()));
                if let Some(cut) = cut {
                    let common = key[..prefix.len() + cut].to_owned();
                    from = successor(&common).map(Bound::Included);
                    last = Some(Cursor::Prefix(common.clone()));
                    page.prefixes.push(common);
                    break;
                }
                last = Some(Cursor::Key(key.to_string()));
                page.rows.push((key.clone(), *stamp));
            }
        }
        page
    }

    fn install(&self, prefix: &str, rows: Vec<(Box<str>, Stamp)>, began: Instant) {
        let mut state = self.write();
        let state = &mut *state;
        if prefix.is_empty() || state.covered.len() >= MAX_COVERED {
            state.rows.clear();
            state.covered.clear();
        }
        if state.rows.is_empty() {
            state.rows = rows.into_iter().collect();
        } else {
            let below = state
                .rows
                .range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
            let old: Vec<_> = below
                .map(|(key, _)| key.clone())
                .take_while(|key| key.starts_with(prefix))
                .collect();
            for key in old {
                state.rows.remove(&key);
            }
            state.rows.extend(rows);
        }
        state
            .covered
            .retain(|covered, _| !covered.starts_with(prefix));
        state.covered.insert(prefix.to_owned(), began);
        for (key, stamp) in state.changes.drain(..) {
            apply(&mut state.rows, key, stamp);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(rows: &mut BTreeMap<Box<str>, Stamp>, key: Box<str>, stamp: Option<Stamp>) {
    match stamp {
        Some(stamp) => rows.insert(key, stamp),
        None => rows.remove(&key),
    };
}
