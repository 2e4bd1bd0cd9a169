//! What the reads of one download have in common: how many are under way, and how soon the store answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The reads of one download. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    under_way: AtomicUsize,
    /// From a request to the first byte of its answer, averaged, in microseconds; 0 before the first.
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
        // Two at once may lose one of them, which is as good as the other.
        let average = match self.0.latency.load(Ordering::Relaxed) {
            0 => after,
            average => average - average / 8 + after / 8,
        };
        self.0.latency.store(average.max(1), Ordering::Relaxed);
    }

    /// How long it takes of late until an answer begins.
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
        traffic.answered(Duration::from_millis(80));
        assert_eq!(traffic.latency(), Duration::from_millis(80));
        traffic.answered(Duration::from_millis(8));
        assert_eq!(traffic.latency(), Duration::from_millis(71));
        for _ in 0..100 {
            traffic.answered(Duration::from_millis(8));
        }
        let now = traffic.latency();
        assert!(
            now > Duration::from_millis(7) && now < Duration::from_millis(9),
            "{now:?}"
        );
    }
}
