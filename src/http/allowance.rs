//! How much a key may ask for: requests in a time, and requests under way.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a refused request is told to wait for where nothing says when another one ends.
const SOON: Duration = Duration::from_secs(1);

/// So many requests in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    requests: u32,
    per: Duration,
}

impl Rate {
    /// Reads `10/s`, `600/m` or `1000/h`.
    pub fn parse(text: &str) -> Option<Rate> {
        let (requests, unit) = text.split_once('/')?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        let requests = requests.parse().ok().filter(|&requests| requests > 0)?;
        Some(Rate {
            requests,
            per: Duration::from_secs(seconds),
        })
    }

    /// The time that one request takes of it.
    fn each(self) -> Duration {
        self.per / self.requests
    }
}

/// The limits of one key. Without a limit nothing is refused.
#[derive(Debug, Default)]
pub struct Allowance {
    rate: Option<Rate>,
    /// When all requests so far would have been due at the rate. It may run ahead of the clock by one period.
    due: Mutex<Option<Instant>>,
    running: Option<Arc<Semaphore>>,
}

/// A request that was let in; it counts as under way until this is dropped.
#[derive(Debug)]
pub struct Admission {
    _place: Option<OwnedSemaphorePermit>,
}

impl Allowance {
    /// These limits.
    pub fn new(rate: Option<Rate>, running: Option<usize>) -> Allowance {
        Allowance {
            rate,
            due: Mutex::new(None),
            running: running.map(|places| Arc::new(Semaphore::new(places))),
        }
    }

    /// Lets a request in at `now`.
    ///
    /// # Errors
    /// How long to wait before the next one.
    pub fn admit(&self, now: Instant) -> Result<Admission, Duration> {
        let place = match &self.running {
            Some(places) => Some(places.clone().try_acquire_owned().map_err(|_| SOON)?),
            None => None,
        };
        if let Some(rate) = self.rate {
            let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
            let next = due.map_or(now, |due| due.max(now)) + rate.each();
            // A period's worth may come at once.
            let ahead = next.saturating_duration_since(now);
            if ahead > rate.per {
                return Err(ahead - rate.per);
            }
            *due = Some(next);
        }
        Ok(Admission { _place: place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_lets_a_period_at_once_and_then_one_by_one() {
        let allowance = Allowance::new(Rate::parse("3/s"), None);
        let start = Instant::now();
        for _ in 0..3 {
            allowance.admit(start).unwrap();
        }
        let wait = allowance.admit(start).unwrap_err();
        assert!(wait <= Duration::from_millis(334), "{wait:?}");
        allowance.admit(start + wait).unwrap();
        allowance.admit(start + wait).unwrap_err();
        // What is refused is not counted.
        allowance
            .admit(start + wait * 2 + Duration::from_millis(1))
            .unwrap();
        for _ in 0..3 {
            allowance.admit(start + Duration::from_secs(60)).unwrap();
        }
        allowance
            .admit(start + Duration::from_secs(60))
            .unwrap_err();
    }

    #[test]
    fn places_are_given_back() {
        let allowance = Allowance::new(None, Some(2));
        let now = Instant::now();
        let first = allowance.admit(now).unwrap();
        let _second = allowance.admit(now).unwrap();
        assert!(allowance.admit(now).is_err());
        drop(first);
        assert!(allowance.admit(now).is_ok());
        assert!(Allowance::default().admit(now).is_ok());
    }

    #[test]
    fn rates_are_read() {
        assert!(Rate::parse("10/s").is_some() && Rate::parse("1/h").is_some());
        for bad in ["", "10", "0/s", "-1/s", "10/d", "a/s", "10/s "] {
            assert_eq!(Rate::parse(bad), None, "{bad}");
        }
    }
}
