//! How often a broken read is asked for again, and after what pause: one rule for all that reads on from where it broke.

use std::time::Duration;

/// Bytes after which a read counts as well again.
const PROGRESS: u64 = 1 << 20;

/// Pause after the first break; it doubles with each further one. Half of it, at the least, is waited.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Counts the breaks of one read.
#[derive(Clone, Debug)]
pub struct Patience {
    tries: u32,
    breaks: u32,
    since_break: u64,
}

impl Patience {
    /// Patience that ends with the `tries`-th break in a row, with less than a mebibyte between them.
    pub fn new(tries: u32) -> Patience {
        Patience {
            tries,
            breaks: 0,
            since_break: 0,
        }
    }

    /// Some bytes have come.
    pub fn came(&mut self, bytes: usize) {
        self.since_break = self.since_break.saturating_add(bytes as u64);
    }

    /// The read broke: how long to wait before it is asked for again; `None` where that has been done often enough.
    pub fn pause(&mut self) -> Option<Duration> {
        if std::mem::take(&mut self.since_break) >= PROGRESS {
            self.breaks = 0;
        }
        self.breaks += 1;
        if self.breaks >= self.tries {
            return None;
        }
        let longest = FIRST_PAUSE * 2u32.saturating_pow(self.breaks - 1);
        // Many reads break together when a store has trouble, and should not come back together.
        Some(longest.mul_f64(0.5 + fastrand::f64() / 2.0))
    }

    /// The breaks in a row, so far.
    pub fn breaks(&self) -> u32 {
        self.breaks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let mut patience = Patience::new(4);
        for longest in [100, 200, 400] {
            let pause = patience.pause().unwrap();
            let longest = Duration::from_millis(longest);
            assert!(pause >= longest / 2 && pause <= longest, "{pause:?}");
        }
        assert_eq!(patience.pause(), None);
        assert_eq!(patience.breaks(), 4);
    }

    #[test]
    fn progress_renews_it() {
        let mut patience = Patience::new(2);
        for _ in 0..10 {
            assert!(patience.pause().is_some());
            patience.came(PROGRESS as usize / 2);
            patience.came(PROGRESS as usize / 2);
        }
        assert!(patience.pause().is_some());
        patience.came(PROGRESS as usize - 1);
        assert!(patience.pause().is_none());
    }
}
