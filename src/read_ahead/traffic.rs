//! What the reads of one download have in common: how many are under way, and how soon the store answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// After so many answers that take longer, the least has become two thirds of them or more.
const FORGETS: u64 = 64;

/// The reads of one download. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    under_way: AtomicUsize,
    /// The least of late from a request to the first byte of its answer, in microseconds; 0 before the first.
    latency: AtomicU64,
}

/// A read under way, for as long as it lives.
#[derive(Debug)]
pub(super) struct UnderWay(Traffic);

impl Traffic {
    /// A read begins.
    pub(super) fn begin(&self) -> UnderWay {
        self.0.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    /// How many reads are under way.
    pub(super) fn under_way(&self) -> usize {
        self.0.under_way.load(Ordering::Relaxed)
    }

    /// An answer has begun, so long after it was asked for.
    pub(super) fn answered(&self, after: Duration) {
        let after = u64::try_from(after.as_micros()).unwrap_or(u64::MAX).max(1);
        // What comes on top of the least is time in queues, which more reads at once only make longer.
        let least = match self.0.latency.load(Ordering::Relaxed) {
            0 => after,
            least if after <= least => after,
            least => least + (after - least) / FORGETS,
        };
        // Two at once may lose one of them, which is as good as the other.
        self.0.latency.store(least, Ordering::Relaxed);
    }

    /// How long it takes at the least of late until an answer begins.
    pub(super) fn latency(&self) -> Duration {
        Duration::from_micros(self.0.latency.load(Ordering::Relaxed))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_counted_while_they_last() {
        let traffic = Traffic::default();
        let both = (traffic.begin(), traffic.begin());
        assert_eq!(traffic.under_way(), 2);
        drop(both.0);
        assert_eq!(traffic.under_way(), 1);
        drop(both.1);
        assert_eq!(traffic.under_way(), 0);
    }

    #[test]
    fn the_latency_follows_what_is_seen() {
        let traffic = Traffic::default();
        assert_eq!(traffic.latency(), Duration::ZERO);
        let after = |milliseconds, times| {
            for _ in 0..times {
                traffic.answered(Duration::from_millis(milliseconds));
            }
            traffic.latency()
        };
        assert_eq!(after(8, 1), Duration::from_millis(8));
        let queued = after(72, 1);
        assert_eq!(queued, Duration::from_millis(9), "a little is forgotten");
        assert!(after(72, 64) > Duration::from_millis(45));
        assert_eq!(after(8, 1), Duration::from_millis(8));
    }
}
