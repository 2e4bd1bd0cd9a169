//! The requests of a plan: how many at once, and what becomes of those that fail.
//!
//! A listing begins as one page after the other. Each time the consumer has waited for a page longer than it took over
//! the one before, twice as many may be under way; nothing is asked for while nobody waits. A store that asks to slow
//! down halves the number, and from then on it grows by one at a time. Only the page that the consumer needs next is
//! asked for again and again; any other that fails is put back and costs nothing but time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Pace;
use super::page::Place;
use super::plan::{Page, Planner};
use crate::store::parts::joined;
use crate::store::{Object, StoreError};

/// Requests under way at the most.
const AT_ONCE: usize = 32;

/// Pages ahead of the consumer at the most: [`AT_ONCE`] segments of some five pages.
const WINDOW: usize = 160;

/// With less room than this, in pages, nothing is asked for ahead.
const ROOM: usize = 8;

/// With less room than this, in bytes, nothing is guessed, nor is anything kept for guesses.
const LEAST: usize = 2 << 20;

/// What an object costs in memory beside its key and ETag, in bytes: the row, and two allocations.
const OBJECT: usize = size_of::<Object>() + 32;

/// What one request has brought.
struct Came {
    id: u64,
    /// It was the next page that the consumer needed, and asked for until there was no hope.
    patient: bool,
    /// How often the store had asked to slow down before.
    slowed: usize,
    page: Result<Page<Object>, StoreError>,
}

/// A listing under way.
pub(super) struct Listing<F> {
    place: Arc<Place>,
    pace: F,
    planner: Planner<Object>,
    requests: JoinSet<Came>,
    limit: usize,
    slowed: usize,
    /// Objects that came, and their bytes.
    came: (usize, usize),
    most: usize,
    /// When the consumer was last given something.
    given: Option<Instant>,
}

impl<F: Fn() -> Pace + 'static> Listing<F> {
    pub(super) fn new(place: Place, pace: F) -> Listing<F> {
        let able = !place.store.lists_in_sequence.load(Ordering::Relaxed);
        let guesses = able && pace().ahead >= LEAST;
        Listing {
            planner: Planner::new(place.prefix.len(), guesses),
            place: Arc::new(place),
            pace,
            requests: JoinSet::new(),
            limit: 1,
            slowed: 0,
            came: (0, 0),
            most: 1,
            given: None,
        }
    }

    /// The next objects; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Object>>, StoreError> {
        let asked = Instant::now();
        let away = self.given.map_or(Duration::ZERO, |given| asked - given);
        let mut waited = false;
        loop {
            // What came while this waited is given out before more is asked for: the consumer may not come back.
            let mut alone = None;
            if !self.planner.is_ready() || (self.limit > 1 && !waited) {
                alone = self.ask();
            }
            if let Some(objects) = self.planner.take() {
                if let Some(request) = alone {
                    self.requests.spawn(request);
                }
                let now = Instant::now();
                if waited && now - asked >= away {
                    self.grow();
                }
                self.given = Some(now);
                return Ok(Some(objects));
            }
            if self.planner.is_done() {
                return Ok(None);
            }
            waited = true;
            let came = match alone {
                Some(request) => request.await,
                None => match self.requests.join_next().await {
                    Some(came) => joined(came),
                    // A plan asks for something as long as it is not done. Were it otherwise, the listing must not
                    // look whole.
                    None => return Err(self.place.nonsense("it stands still")),
                },
            };
            self.take_in(came)?;
        }
    }

    /// Asks for whatever may be asked for now. A request that is the only one is not sent before it is awaited: one page
    /// after the other needs no tasks, and leaves less memory behind.
    fn ask(&mut self) -> Option<impl Future<Output = Came> + use<F>> {
        let pace = (self.pace)();
        let window = self.window(pace);
        let mut limit = if window < ROOM { 1 } else { self.limit };
        if self.planner.is_ready() {
            // What is asked for now is not awaited yet.
            if limit == 1 {
                return None;
            }
        } else if !self.requests.is_empty() {
            limit = limit.max(2);
        }
        while let Some(ask) = self.planner.next(limit, window) {
            let (id, slowed) = (ask.id, self.slowed);
            let patient = self.planner.is_first(id);
            let place = self.place.clone();
            let request = async move {
                let page = place.page(ask.from, pace.page, patient).await;
                Came {
                    id,
                    patient,
                    slowed,
                    page,
                }
            };
            if limit == 1 {
                return Some(request);
            }
            self.requests.spawn(request);
        }
        None
    }

    /// How many pages may be ahead.
    fn window(&self, pace: Pace) -> usize {
        let (objects, bytes) = self.came;
        if pace.page.is_some() || objects == 0 {
            return 1;
        }
        // The plan may hold half as much again.
        let page = bytes.div_ceil(objects) * self.most;
        (pace.ahead / page * 2 / 3).clamp(1, WINDOW)
    }

    fn take_in(&mut self, came: Came) -> Result<(), StoreError> {
        match came.page {
            Ok(page) => {
                let cost = |object: &Object| object.key.len() + object.etag.len() + OBJECT;
                self.came.0 += page.rows.len();
                self.came.1 += page.rows.iter().map(cost).sum::<usize>();
                self.most = self.most.max(page.rows.len());
                let ordered = self.planner.arrived(came.id, page);
                if self.planner.is_distrusted() {
                    let store = &self.place.store;
                    store.lists_in_sequence.store(true, Ordering::Relaxed);
                }
                ordered.map_err(|_| self.place.nonsense("the keys are not in byte order"))
            }
            Err(error) if came.patient => Err(error),
            Err(error) => {
                let can_pass = error.kind.can_pass();
                // One wave of refusals is one request to slow down.
                if can_pass && came.slowed == self.slowed {
                    self.limit = (self.limit / 2).max(1);
                    self.slowed += 1;
                }
                self.planner.failed(came.id, !can_pass);
                Ok(())
            }
        }
    }

    fn grow(&mut self) {
        let more = if self.slowed == 0 { self.limit } else { 1 };
        self.limit = (self.limit + more).min(AT_ONCE);
    }
}
