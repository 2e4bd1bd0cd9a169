//! Connections that wait for their next request.
//!
//! How many there are follows from how many reads may be under way at once: a connection comes here only when a read has
//! ended. They are closed after [`IDLE`], whether anybody asks again or not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use http::Uri;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::block::Blocks;
use super::place::Place;
use super::wire::{Broken, Line};
use crate::store::dial::{Connection, IDLE};

/// The connections that wait. Clones are the same pool.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    waiting: Arc<Mutex<Waiting>>,
    most: usize,
    blocks: Blocks,
}

#[derive(Debug, Default)]
struct Waiting {
    /// In the order in which they came.
    lines: Vec<Idle>,
    /// Closes those that have waited for long, while there are any. It ends with the pool: nobody waits for it.
    sweeper: Option<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Idle {
    origin: Uri,
    line: Line,
    since: Instant,
}

/// A connection with an answer on its way, which waits for its next request as soon as all of it has come.
#[derive(Debug)]
pub(in crate::store) struct Pooled {
    line: Option<Line>,
    place: Arc<Place>,
    pool: Pool,
}

impl Pool {
    /// A pool where at most so many wait.
    pub(super) fn new(most: usize) -> Pool {
        Pool {
            waiting: Arc::default(),
            most,
            blocks: Blocks::default(),
        }
    }

    /// A new connection, which reads into the same memory as the others.
    pub(super) fn open(&self, connection: Connection) -> Line {
        Line::new(connection, &self.blocks)
    }

    /// The connection to this place that came last, if it is still open.
    pub(super) fn take(&self, place: &Place) -> Option<Line> {
        loop {
            let mut line = {
                let mut waiting = self.waiting();
                let last = waiting
                    .lines
                    .iter()
                    .rposition(|idle| idle.origin == place.origin)?;
                waiting.lines.remove(last).line
            };
            if line.is_open() {
                return Some(line);
            }
        }
    }

    fn put(&self, line: Line, place: &Place) {
        let mut waiting = self.waiting();
        if waiting.lines.len() >= self.most {
            // The one that has waited longest, perhaps for a bucket that nobody asks for any more.
            waiting.lines.remove(0);
        }
        waiting.lines.push(Idle {
            origin: place.origin.clone(),
            line,
            since: Instant::now(),
        });
        if waiting.sweeper.is_none() {
            let sweeper = tokio::spawn(sweep(Arc::downgrade(&self.waiting)));
            waiting.sweeper = Some(AbortOnDropHandle::new(sweeper));
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what has waited for long, until nothing waits.
async fn sweep(waiting: Weak<Mutex<Waiting>>) {
    loop {
        tokio::time::sleep(IDLE / 2).await;
        let Some(waiting) = waiting.upgrade() else {
            return;
        };
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.lines.retain(|idle| idle.since.elapsed() < IDLE);
        if waiting.lines.is_empty() {
            waiting.sweeper = None;
            return;
        }
    }
}

impl Pooled {
    /// Over this connection an answer from this place has begun.
    pub(super) fn new(line: Line, place: &Arc<Place>, pool: &Pool) -> Pooled {
        let mut pooled = Pooled {
            line: Some(line),
            place: place.clone(),
            pool: pool.clone(),
        };
        pooled.give_back();
        pooled
    }

    /// The next bytes of the answer, never none, or `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        let Some(line) = &mut self.line else {
            return Ok(None);
        };
        let came = line.next().await;
        self.give_back();
        came
    }

    fn give_back(&mut self) {
        if let Some(line) = self.line.take_if(|line| line.is_free()) {
            self.pool.put(line, &self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> (Line, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(1024);
        let connection = Connection {
            stream: Box::new(ours),
            forwarded: None,
        };
        (Line::new(connection, &Blocks::default()), theirs)
    }

    #[tokio::test]
    async fn a_place_gets_its_own_open_connections() {
        let pool = Pool::new(2);
        let (here, there) = (Place::at("http://here/b/"), Place::at("http://there/b/"));
        let (first, _first) = line();
        let (second, second_end) = line();
        pool.put(first, &here);
        pool.put(second, &here);
        assert!(pool.take(&there).is_none());
        drop(second_end);
        assert!(pool.take(&here).is_some(), "the one that is still open");
        assert!(pool.take(&here).is_none());
    }

    #[tokio::test]
    async fn the_longest_wait_gives_way() {
        let pool = Pool::new(2);
        let (here, there) = (Place::at("http://here/b/"), Place::at("http://there/b/"));
        let ends: Vec<_> = [&here, &there, &there]
            .into_iter()
            .map(|place| {
                let (line, end) = line();
                pool.put(line, place);
                end
            })
            .collect();
        assert!(pool.take(&here).is_none());
        assert!(pool.take(&there).is_some() && pool.take(&there).is_some());
        drop(ends);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_for_ever() {
        let pool = Pool::new(2);
        let here = Place::at("http://here/b/");
        for _ in 0..2 {
            let (line, mut end) = line();
            pool.put(line, &here);
            tokio::time::sleep(IDLE / 3).await;
            assert_eq!(pool.waiting().lines.len(), 1);
            let mut byte = [0];
            let closed = tokio::io::AsyncReadExt::read(&mut end, &mut byte).await;
            assert_eq!(closed.unwrap(), 0, "nobody asked for it");
            assert!(pool.waiting().lines.is_empty());
        }
        let (line, mut end) = line();
        pool.put(line, &here);
        drop(pool);
        tokio::task::yield_now().await;
        let runtime = tokio::runtime::Handle::current();
        assert_eq!(runtime.metrics().num_alive_tasks(), 0);
        let mut byte = [0];
        let closed = tokio::io::AsyncReadExt::read(&mut end, &mut byte).await;
        assert_eq!(closed.unwrap(), 0);
    }
}
