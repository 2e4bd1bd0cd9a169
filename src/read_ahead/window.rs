//! How far a download reads ahead: a pure policy, fed with what happens at its two ends.
//!
//! The window is a number of bytes: those being read, those lying ready, and those on their way into the socket. It is
//! judged once per window of bytes that the client took, and as often as once a second. Had the socket to wait for the
//! store in that time, the window was too small, and doubles; did the client always find everything ready that the window
//! allows, then the client is the slow one, and the window shrinks by a quarter. In between it stays.
//!
//! A window hides the time from a request to the first byte of its answer. One that is several times what passes in that
//! time hides all of it, and grows no more, wait the socket or not: then the store gives no more than this, and bytes
//! that lie in memory for longer only leave the processor's cache.
//!
//! From a store next door a large object is rather streamed: there is no latency to hide, and what is left to save is
//! work. Longer pieces are fewer requests, and one piece at a time, the next one asked for shortly before it ends, keeps
//! what has come in the processor's cache until it goes out.

use std::time::Duration;

use tokio::time::Instant;

use super::ledger::{FIRST, MOST};

/// The window of a new download, in bytes.
pub const START: usize = 1024 * 1024;

/// The largest piece, in bytes.
///
/// A quarter of the largest window. Four such reads at a time already take what one connection each gives, and larger
/// ones only make a broken one dearer.
pub const LARGEST_PIECE: u64 = (MOST / 4) as u64;

/// The smallest piece that a larger object is cut into, in bytes: a quarter of the first reservation.
pub const SMALLEST_PIECE: u64 = (FIRST / 4) as u64;

/// The largest piece before the client has taken four times as much, in bytes. A client that turns out to be slow keeps in
/// memory what it was given first until it has taken it, whoever else could do with that.
const FIRST_PIECE: usize = 64 * 1024;

/// How many times what passes until an answer begins the window may be: a quarter of it is one piece, and each of the four
/// takes its time to come after its answer has begun.
const HIDDEN: u32 = 4;

/// How soon a store answers that is next door. There is nothing to hide then: what the window has at the start comes at
/// 500 MB/s and more, and a larger one only costs work, as its bytes have left the processor's cache when they are sent
/// (a third of all work per byte, a half of it on objects of 64 KiB).
const NEAR: Duration = Duration::from_millis(2);

/// The largest piece while the store is streamed from, in bytes. Against a quarter of [`START`] it halves the work outside
/// of the system per byte; 2 MiB save little more and 8 MiB cost twice as much, as they leave the processor's cache.
const NEAR_PIECE: u64 = 1024 * 1024;

/// So many bytes before the end of what is being read the next read begins while the store is streamed from.
const LEAD: usize = 512 * 1024;

/// Where fewer bytes a second pass, a store is asked in many places at once after all, near as it is: each connection may
/// have its limit. If it is the client that is slow, long pieces would only lie in memory.
const SLOW: f64 = 128e6;

/// After so long a window is judged, however little of it was taken: a slow client is not to hold much memory for minutes.
const LONGEST: Duration = Duration::from_secs(1);

/// How far to read ahead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    target: usize,
    most: usize,
    /// Bytes that the client took, and how many of them since the last judgement.
    passed: usize,
    taken: usize,
    /// When that was.
    judged: Instant,
    /// The store was near and quick then.
    streams: bool,
    /// The socket had to wait for the store since then.
    waited: bool,
    /// Whenever the client took something since then, nothing more was to be read.
    idle: bool,
}

impl Window {
    /// The window of a download whose share may grow to `most` bytes.
    pub fn new(most: usize) -> Window {
        let most = most.max(FIRST);
        Window {
            target: START.min(most),
            most,
            passed: 0,
            taken: 0,
            judged: Instant::now(),
            streams: false,
            waited: false,
            idle: true,
        }
    }

    /// The window in bytes.
    pub fn target(&self) -> usize {
        self.target
    }

    /// How many bytes the share should reach at the least: none in particular while the client finds everything ready.
    pub fn wanted(&self) -> usize {
        match self.streams() {
            _ if !self.waited => 0,
            true => 4 * NEAR_PIECE as usize,
            false => self.target,
        }
    }

    /// How long the next piece of a larger object is to be, in bytes: at most a quarter of the `reach` bytes that could be
    /// had for it, and at first of what the client has taken.
    pub fn piece(&self, reach: usize) -> u64 {
        let (length, longest) = match self.streams() {
            true => (reach / 4, NEAR_PIECE),
            false => (self.target.min(reach) / 4, LARGEST_PIECE),
        };
        let known = (self.passed / 4).max(FIRST_PIECE);
        (length.min(known) as u64).clamp(SMALLEST_PIECE, longest)
    }

    /// Whether a read that is charged with `charge` bytes may begin behind `used` others.
    pub fn admits(&self, used: usize, charge: usize) -> bool {
        if self.streams() {
            used <= LEAD
        } else {
            used + charge <= self.target
        }
    }

    fn streams(&self) -> bool {
        self.streams && self.target >= START
    }

    /// The socket waits for the store.
    pub fn waits(&mut self) {
        self.waited = true;
    }

    /// The client took `bytes`; `idle` says that no read was under way then, `latency` how long the store took of late
    /// until an answer began.
    pub fn taken(&mut self, bytes: usize, idle: bool, latency: Duration) {
        self.passed = self.passed.saturating_add(bytes);
        self.taken = self.taken.saturating_add(bytes);
        self.idle &= idle;
        let now = Instant::now();
        if self.taken < self.target && now - self.judged < LONGEST {
            return;
        }
        let passed = now - std::mem::replace(&mut self.judged, now);
        // The window passed in this time, and is to be compared with what passes in the latency.
        let hides = passed < latency.saturating_sub(NEAR) * HIDDEN;
        let slow = passed.as_secs_f64() * SLOW > self.taken as f64;
        self.streams = latency < NEAR && !slow;
        if self.waited && (hides || self.target < START) {
            self.target = self.target.saturating_mul(2).min(self.most);
        } else if self.idle && !self.waited {
            self.target = (self.target - self.target / 4).max(FIRST);
        }
        self.taken = 0;
        self.waited = false;
        self.idle = true;
    }

    /// What was read ahead lay there until others had need of its memory.
    pub fn gave_way(&mut self) {
        self.target = FIRST;
        self.taken = 0;
    }

    /// The budget had no room for more than `used` bytes: the window is that large, until it grows again.
    pub fn refused(&mut self, used: usize) {
        self.target = used.clamp(FIRST, self.target);
        self.taken = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As long as everything takes here.
    const LONG: Duration = Duration::from_secs(3600);

    /// Takes one window in `steps`, waiting before the first of them where `waits` says so.
    fn pass(window: &mut Window, steps: usize, waits: bool, idle: bool) {
        let step = window.target().div_ceil(steps);
        if waits {
            window.waits();
        }
        for _ in 0..steps {
            window.taken(step, idle, LONG);
        }
    }

    #[test]
    fn it_doubles_while_the_socket_waits() {
        let mut window = Window::new(MOST);
        let mut seen = vec![window.target()];
        for _ in 0..7 {
            pass(&mut window, 10, true, false);
            seen.push(window.target());
        }
        let mib = seen.iter().map(|target| target >> 20);
        assert_eq!(mib.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 32, 32]);
    }

    #[test]
    fn it_shrinks_while_the_client_is_the_slow_one() {
        let mut window = Window::new(MOST);
        for _ in 0..20 {
            let before = window.target();
            pass(&mut window, 4, false, true);
            assert!(window.target() < before || before == FIRST);
        }
        assert_eq!(window.target(), FIRST);
        assert_eq!(window.piece(MOST), SMALLEST_PIECE);
    }

    #[test]
    fn it_stays_where_it_is_just_enough() {
        let mut window = Window::new(MOST);
        for _ in 0..5 {
            pass(&mut window, 3, false, false);
        }
        assert_eq!(window.target(), START);
        // One read under way is enough to show that there is something to wait for.
        window.taken(START / 2, true, LONG);
        window.taken(START / 4, false, LONG);
        window.taken(START / 4, true, LONG);
        assert_eq!(window.target(), START);
    }

    #[tokio::test(start_paused = true)]
    async fn it_grows_only_while_that_hides_more() {
        // A store that answers after 20 ms, and gives 100 MB/s whatever is asked of it at once.
        let (latency, rate) = (NEAR + Duration::from_millis(20), 100e6);
        let mut window = Window::new(MOST);
        for _ in 0..100 {
            let target = window.target();
            tokio::time::advance(Duration::from_secs_f64(target as f64 / rate)).await;
            window.waits();
            window.taken(target, false, latency);
        }
        assert_eq!(window.target(), 8 * START, "what passes in 80 ms");
        // One that is next door.
        let mut near = Window::new(MOST);
        near.waits();
        near.taken(START, false, NEAR);
        assert_eq!(near.target(), START);
        // It has become a hundred times quicker: nothing is given up that is there.
        tokio::time::advance(Duration::from_millis(100)).await;
        window.waits();
        window.taken(8 * START, true, latency / 100);
        assert_eq!(window.target(), 8 * START);
    }

    #[test]
    fn one_wait_is_one_doubling() {
        let mut window = Window::new(MOST);
        for _ in 0..1000 {
            window.waits();
        }
        assert_eq!(window.target(), START, "nothing was taken yet");
        window.taken(START, false, LONG);
        window.taken(2 * START, false, LONG);
        assert_eq!(window.target(), 2 * START);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_next_door_is_streamed_from() {
        let near = Duration::from_micros(300);
        let mut window = Window::new(MOST);
        let mut pass = async |rate: f64, waits: bool, idle: bool| {
            let target = window.target();
            tokio::time::advance(Duration::from_secs_f64(target as f64 / rate)).await;
            if waits {
                window.waits();
            }
            window.taken(target, idle, near);
            window.clone()
        };
        for _ in 0..3 {
            pass(1e9, true, false).await;
        }
        let quick = pass(1e9, true, false).await;
        assert_eq!((quick.target(), quick.piece(MOST)), (START, NEAR_PIECE));
        assert_eq!(quick.piece(START), START as u64 / 4);
        assert!(
            quick.admits(LEAD, MOST),
            "the next one, shortly before the end"
        );
        assert!(!quick.admits(LEAD + 1, 1), "and no other");
        // Each of its connections may have its limit.
        let slow = pass(100e6, true, false).await;
        assert_eq!(slow.piece(MOST), START as u64 / 4);
        assert!(slow.admits(LEAD + 1, START / 4) && !slow.admits(START, 1));
        // A slow client makes any store look quick, and gets little memory.
        for _ in 0..10 {
            pass(1e3, false, true).await;
        }
        let small = pass(1e3, false, true).await;
        assert_eq!((small.target(), small.piece(MOST)), (FIRST, SMALLEST_PIECE));
        // It has become quick: what it had at the start comes back, near as the store is.
        for _ in 0..10 {
            pass(1e9, true, false).await;
        }
        let quick = pass(1e9, true, false).await;
        assert_eq!((quick.target(), quick.piece(MOST)), (START, NEAR_PIECE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_holds_much_for_seconds_only() {
        let mut window = Window::new(MOST);
        for _ in 0..8 {
            tokio::time::advance(LONGEST).await;
            window.taken(1, true, LONG);
        }
        assert_eq!(window.target(), FIRST);
        let mut paused = Window::new(MOST);
        tokio::time::advance(100 * LONGEST).await;
        paused.taken(1, true, LONG);
        assert_eq!(paused.target(), START / 4 * 3, "one pause is one step");
    }

    #[test]
    fn what_gave_way_was_too_much() {
        let mut window = Window::new(MOST);
        window.gave_way();
        assert_eq!(window.target(), FIRST);
        pass(&mut window, 1, true, false);
        assert_eq!(
            window.target(),
            2 * FIRST,
            "it grows again as soon as it is wanted"
        );
    }

    #[test]
    fn what_is_refused_is_asked_for_again_a_window_later() {
        let mut window = Window::new(MOST);
        window.refused(700_000);
        assert_eq!(window.target(), 700_000);
        pass(&mut window, 1, true, false);
        assert_eq!(window.target(), 1_400_000);
        window.refused(0);
        assert_eq!(window.target(), FIRST);
    }

    #[test]
    fn pieces_are_a_quarter_of_the_window() {
        for most in [0, FIRST, 3 * FIRST, MOST / 2, MOST, 2 * MOST] {
            let mut window = Window::new(most);
            for round in 0..200 {
                assert!(window.target() <= most.max(FIRST));
                for reach in [FIRST, most.max(FIRST)] {
                    let piece = window.piece(reach);
                    assert!(piece * 4 <= window.target().min(reach) as u64);
                    assert!((SMALLEST_PIECE..=LARGEST_PIECE).contains(&piece));
                }
                pass(&mut window, 1 + round % 5, round % 3 == 0, round % 7 < 4);
            }
        }
    }
}
