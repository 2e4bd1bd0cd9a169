//! Deflating on the way: what is read of an object that is worth it comes out deflated, everything else as it is.
//!
//! Bytes are gathered into blocks of a fixed length, whatever chunks they come in, so that the same object gives the same
//! bytes each time. Blocks are deflated away from the tasks that drive sockets, by as many threads as there are cores, for
//! all downloads together; those of one download may be under way at once, of several objects too, and come out in order.
//!
//! What is gathered and what is being deflated is copied, so that no reservation is kept meanwhile: whoever reads ahead
//! needs them to go on. It is counted instead ([`Deflating::heap_bytes`]) and charged with the records of the download.
//! Where memory is short, one block at a time is deflated.

mod block;

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use futures::stream::Stream;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use self::block::{BLOCK, TABLES, WINDOW, deflate};
use super::DownloadError;
use super::rows::Row;
use crate::read_ahead::{Event, Item, ReadAhead, Reads, Share};

/// The most blocks of one download under way at once: with their tables some 8 MiB.
const MOST_BLOCKS: usize = 8;

/// The most that waits behind a block, in events; what the events hold is bounded by the download's share.
const MOST_HELD: usize = 256;

/// The cores, for blocks to be deflated on.
static CORES: LazyLock<Cores> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    Cores {
        count: cores,
        free: Arc::new(Semaphore::new(cores)),
    }
});

struct Cores {
    count: usize,
    free: Arc<Semaphore>,
}

/// Events of what is read ahead, the bytes of compressible objects deflated.
pub struct Deflating<R, S> {
    ahead: ReadAhead<R, S, Row>,
    /// What comes next, in order.
    held: VecDeque<Held>,
    /// The object that is being read, if it is deflated.
    gathering: Option<Gathering>,
    /// Nothing more is read.
    exhausted: bool,
    /// Bytes of blocks in `held`, and of the one that was given out last.
    in_blocks: usize,
    given: usize,
}

enum Held {
    Event(Event<Row>),
    Block {
        deflated: AbortOnDropHandle<Result<Vec<u8>, DownloadError>>,
        cost: usize,
    },
    Failed(DownloadError),
}

/// Bytes that wait to be a whole block.
struct Gathering {
    /// The end of the block before, and what came since.
    bytes: Vec<u8>,
    /// How many of them are of the block before.
    before: usize,
    /// What of the object is still to come.
    left: u64,
}

impl<R, S> Deflating<R, S>
where
    R: Reads,
    S: Stream<Item = Result<Item<Row>, DownloadError>> + Unpin,
{
    /// Deflates what `ahead` reads of the rows that say so.
    pub fn new(ahead: ReadAhead<R, S, Row>) -> Deflating<R, S> {
        Deflating {
            ahead,
            held: VecDeque::new(),
            gathering: None,
            exhausted: false,
            in_blocks: 0,
            given: 0,
        }
    }

    /// The same with at most `reads` under way at once.
    #[must_use]
    pub fn at_most(self, reads: usize) -> Deflating<R, S> {
        Deflating {
            ahead: self.ahead.at_most(reads),
            ..self
        }
    }

    /// Where the rows come from.
    pub fn source(&self) -> &S {
        self.ahead.source()
    }

    /// The share that everything is read within.
    pub fn share(&self) -> &Share {
        self.ahead.share()
    }

    /// The bytes that are gathered or deflated, for a memory budget to count.
    pub fn heap_bytes(&self) -> usize {
        let gathered = self.gathering.as_ref();
        self.in_blocks + self.given + gathered.map_or(0, |gathering| gathering.bytes.capacity())
    }

    /// The next event, or `None` after the last. The bytes of an object that is deflated are the deflated ones, and its CRC-32
    /// is that of what was read.
    ///
    /// # Errors
    /// [`DownloadError`], at its own place in the sequence; nothing comes after it.
    pub async fn next(&mut self) -> Result<Option<Event<Row>>, DownloadError> {
        loop {
            let reads_on = !self.exhausted && self.has_room();
            match self.held.front_mut() {
                Some(Held::Block { deflated, cost }) => {
                    tokio::select! {
                        biased;
                        deflated = deflated => {
                            let bytes = deflated.map_err(|_| DownloadError::Deflate)??;
                            self.in_blocks -= *cost;
                            self.held.pop_front();
                            self.given = bytes.capacity();
                            return Ok(Some(Event::Data(Bytes::from(bytes))));
                        }
                        event = self.ahead.next(), if reads_on => self.hold(event.map_err(DownloadError::from)),
                    }
                }
                Some(_) => match self.held.pop_front() {
                    Some(Held::Event(event)) => return Ok(Some(event)),
                    Some(Held::Failed(error)) => return Err(error),
                    _ => {}
                },
                None if self.exhausted => return Ok(None),
                None => {
                    let event = self.ahead.next().await;
                    self.hold(event.map_err(DownloadError::from));
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        let blocks = match self.ahead.share().budget().is_roomy() {
            true => MOST_BLOCKS.min(CORES.count + 1),
            false => 1,
        };
        let under_way = self.held.iter();
        let under_way = under_way.filter(|held| matches!(held, Held::Block { .. }));
        self.held.len() < MOST_HELD && under_way.count() < blocks
    }

    /// Takes what was read, whose turn it is behind everything that is held.
    fn hold(&mut self, event: Result<Option<Event<Row>>, DownloadError>) {
        match event {
            Ok(Some(Event::Data(chunk))) if self.gathering.is_some() => self.gather(&chunk),
            Ok(Some(event)) => {
                if let Event::Begin { tag, .. } = &event {
                    self.gathering = tag.deflated.then(|| Gathering::new(tag.size));
                }
                self.held.push_back(Held::Event(event));
            }
            Ok(None) => self.exhausted = true,
            Err(error) => {
                self.exhausted = true;
                self.held.push_back(Held::Failed(error));
            }
        }
    }

    fn gather(&mut self, mut chunk: &[u8]) {
        while let Some(gathering) = &mut self.gathering
            && !chunk.is_empty()
        {
            let room = gathering.before + BLOCK - gathering.bytes.len();
            let (taken, rest) = chunk.split_at(room.min(chunk.len()));
            gathering.bytes.extend_from_slice(taken);
            gathering.left = gathering.left.saturating_sub(taken.len() as u64);
            chunk = rest;
            let last = gathering.left == 0;
            if !last && gathering.bytes.len() < gathering.before + BLOCK {
                return;
            }
            let next = (!last).then(|| gathering.follow());
            let Some(full) = std::mem::replace(&mut self.gathering, next) else {
                return;
            };
            let cost = 2 * full.bytes.len() + TABLES;
            self.in_blocks += cost;
            let deflated = AbortOnDropHandle::new(tokio::spawn(full.deflated(last)));
            self.held.push_back(Held::Block { deflated, cost });
        }
    }
}

impl Gathering {
    fn new(size: u64) -> Gathering {
        Gathering {
            bytes: Vec::with_capacity(size.min(BLOCK as u64) as usize),
            before: 0,
            left: size,
        }
    }

    /// The block after this one, which is full.
    fn follow(&self) -> Gathering {
        let end = &self.bytes[self.bytes.len() - WINDOW..];
        let room = self.left.min(BLOCK as u64) as usize;
        let mut bytes = Vec::with_capacity(WINDOW + room);
        bytes.extend_from_slice(end);
        Gathering {
            bytes,
            before: WINDOW,
            left: self.left,
        }
    }

    /// Deflates the block once a core is free.
    async fn deflated(self, last: bool) -> Result<Vec<u8>, DownloadError> {
        // It is never closed.
        let core = CORES.free.clone().acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _core = core;
            let (before, data) = self.bytes.split_at(self.before);
            deflate(before, data, last)
        });
        let deflated = done.await.map_err(|_| DownloadError::Deflate)?;
        deflated.map_err(|_| DownloadError::Deflate)
    }
}

#[cfg(test)]
mod tests;
