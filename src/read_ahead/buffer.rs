//! Where one piece's bytes lie between the task that reads them and the download that passes them on.
//!
//! The reading side never waits here: room for all of the piece was reserved before its read began.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use bytes::Bytes;
use crc32fast::Hasher;
use futures::task::AtomicWaker;
use tokio::time::Instant;

use super::budget::{GivesWay, IdleMark, Reservation, Share};
use crate::store::StoreError;

/// One piece's bytes.
#[derive(Debug)]
pub(super) struct Buffer {
    state: Mutex<State>,
    taker: Arc<Taker>,
}

/// The download that takes the bytes.
#[derive(Debug, Default)]
pub(super) struct Taker {
    waker: AtomicWaker,
    /// Some of its pieces gave way.
    gap: AtomicBool,
}

impl Taker {
    /// This task is to be woken when there is something to take.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Whether pieces gave way since this was asked last.
    pub(super) fn has_gap(&self) -> bool {
        self.gap.load(Ordering::Relaxed) && self.gap.swap(false, Ordering::AcqRel)
    }
}

#[derive(Debug)]
struct State {
    chunks: VecDeque<Hashed>,
    /// Covers all bytes of the piece that were not taken yet, whether they have come or not.
    reservation: Option<Reservation>,
    progress: Progress,
    /// The stored CRC-32, once it is known whether there is one.
    stored: Option<Option<u32>>,
    /// The CRC-32 of bytes that were hashed and not kept.
    hashed: Option<u32>,
    /// It is this piece's turn, so that its taker wants to know of every chunk.
    is_head: bool,
    touched: Instant,
    idle: Option<IdleMark>,
}

/// A chunk, and the hash of all bytes of the piece up to its end, made by the reading side while the bytes are still in
/// the processor's cache. Hashes of single chunks would have to be combined, which takes as long as hashing 10 kB.
#[derive(Debug)]
struct Hashed {
    bytes: Bytes,
    so_far: Hasher,
}

#[derive(Debug)]
enum Progress {
    Reading,
    Done,
    Failed(Option<StoreError>),
    /// Its bytes were dropped for the sake of others.
    GaveWay,
}

/// What the taker finds.
#[derive(Debug)]
pub(super) enum Found {
    /// The next bytes, and the hash of all bytes of the piece up to their end.
    Chunk(Bytes, Hasher),
    Nothing,
    End,
    Failed(StoreError),
    GaveWay,
}

/// What is known of a piece as a whole.
#[derive(Debug)]
pub(super) enum Known {
    /// The CRC-32 of all of its bytes where it was asked for, and the stored one.
    All {
        computed: Option<u32>,
        stored: Option<u32>,
    },
    NotYet,
    Failed(StoreError),
    GaveWay,
}

impl Buffer {
    /// An empty buffer for a piece that `reservation` covers.
    pub(super) fn new(reservation: Option<Reservation>, taker: Arc<Taker>) -> Arc<Buffer> {
        Arc::new(Buffer {
            state: Mutex::new(State {
                chunks: VecDeque::new(),
                reservation,
                progress: Progress::Reading,
                stored: None,
                hashed: None,
                is_head: false,
                touched: Instant::now(),
                idle: None,
            }),
            taker,
        })
    }

    /// The next chunk has come; with it the hash is that of all bytes `so_far`.
    pub(super) fn push(&self, chunk: Bytes, so_far: Hasher) {
        let hashed = Hashed {
            bytes: chunk,
            so_far,
        };
        let wake = {
            let mut state = self.state();
            state.chunks.push_back(hashed);
            state.is_head
        };
        if wake {
            self.taker.waker.wake();
        }
    }

    /// The store's CRC-32 is known, or it is known that there is none.
    pub(super) fn store(&self, stored: Option<u32>) {
        self.state().stored = Some(stored);
        self.taker.waker.wake();
    }

    /// All has come. From now on the bytes lie ready, and give way to others when they do so for long.
    pub(super) fn finish(self: &Arc<Self>, share: &Share) {
        // What was taken already, or is empty, has nothing to give.
        let mark = (!self.state().chunks.is_empty()).then(|| {
            let weak: Weak<Buffer> = Arc::downgrade(self);
            share.idle(weak)
        });
        let mark = {
            let mut state = self.state();
            state.progress = Progress::Done;
            state.touched = Instant::now();
            if state.chunks.is_empty() {
                mark
            } else {
                std::mem::replace(&mut state.idle, mark)
            }
        };
        drop(mark);
        self.taker.waker.wake();
    }

    /// All has come, was hashed, and was not kept.
    pub(super) fn finish_hashed(&self, crc32: u32) {
        {
            let mut state = self.state();
            state.hashed = Some(crc32);
            state.progress = Progress::Done;
        }
        self.taker.waker.wake();
    }

    /// The bytes that have come are forgotten: they are read again. None were taken.
    pub(super) fn clear(&self) {
        let dropped = std::mem::take(&mut self.state().chunks);
        drop(dropped);
    }

    /// Nothing more will come.
    pub(super) fn fail(&self, error: StoreError) {
        self.state().progress = Progress::Failed(Some(error));
        self.taker.waker.wake();
    }

    /// It is this piece's turn.
    pub(super) fn is_next(&self) {
        self.state().is_head = true;
    }

    /// Takes the next chunk; it carries its part of the reservation.
    pub(super) fn take(&self) -> Found {
        let mut idle = None;
        let (chunk, reservation) = {
            let mut state = self.state();
            if let Some(chunk) = state.chunks.pop_front() {
                state.touched = Instant::now();
                if state.chunks.is_empty() {
                    idle = state.idle.take();
                }
                let reservation = state.reservation.as_mut();
                let reservation = reservation.map(|all| all.split(chunk.bytes.len()));
                (chunk, reservation)
            } else {
                return match &mut state.progress {
                    Progress::Reading => Found::Nothing,
                    Progress::Done => Found::End,
                    Progress::Failed(error) => error.take().map_or(Found::GaveWay, Found::Failed),
                    Progress::GaveWay => Found::GaveWay,
                };
            }
        };
        drop(idle);
        let bytes = match reservation {
            Some(reservation) => reservation.cover(chunk.bytes),
            None => chunk.bytes,
        };
        Found::Chunk(bytes, chunk.so_far)
    }

    /// What is known of the piece as a whole, once its first bytes have come: with `computed`, not before all of it has;
    /// with `stored`, not before the store has said.
    pub(super) fn known(&self, computed: bool, stored: bool) -> Known {
        let mut state = self.state();
        let nothing = state.chunks.is_empty();
        match &mut state.progress {
            Progress::Failed(error) => {
                return error.take().map_or(Known::GaveWay, Known::Failed);
            }
            Progress::GaveWay => return Known::GaveWay,
            // Not before the first bytes: until then the object may turn out not to be there.
            Progress::Reading if computed || nothing => return Known::NotYet,
            Progress::Reading | Progress::Done => {}
        }
        let stored = match (stored, state.stored) {
            (false, _) => None,
            (true, Some(stored)) => stored,
            (true, None) => return Known::NotYet,
        };
        let computed = computed.then(|| {
            state.hashed.unwrap_or_else(|| {
                let last = state.chunks.back();
                last.map_or(0, |chunk| chunk.so_far.clone().finalize())
            })
        });
        state.touched = Instant::now();
        Known::All { computed, stored }
    }

    /// Its bytes were dropped for the sake of others.
    pub(super) fn gave_way(&self) -> bool {
        matches!(self.state().progress, Progress::GaveWay)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GivesWay for Buffer {
    fn give_way(&self, since: Instant) -> Option<Instant> {
        let dropped = {
            let mut state = self.state();
            if state.touched > since {
                return Some(state.touched);
            }
            if !matches!(state.progress, Progress::Done) {
                return None;
            }
            state.progress = Progress::GaveWay;
            (
                std::mem::take(&mut state.chunks),
                state.reservation.take(),
                state.idle.take(),
            )
        };
        drop(dropped);
        self.taker.gap.store(true, Ordering::Release);
        None
    }
}
