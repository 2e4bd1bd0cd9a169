//! What went over a limit: counted each time, and told in the log now and then.
//!
//! A request that is refused has a line of its own like every request. Of connections that are cut off or turned away there
//! may be millions, so their lines are bounded: one in [`PAUSE`] for each limit, with how many there were since the last.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use crate::measure;

/// Between two lines about the same limit.
pub const PAUSE: Duration = Duration::from_secs(10);

/// A limit that can be gone over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Connections open at once.
    Connections,
    /// Those of one address.
    ConnectionsPerAddress,
    /// The length of a URL.
    Url,
    /// The header fields of a request, their number and their size.
    Headers,
    /// The size of a body.
    Body,
    /// How long a body may take.
    BodyTime,
    /// How long a head may take.
    HeadTime,
    /// How long a connection may be idle.
    Idle,
    /// How long a client may take nothing of an answer.
    Stall,
    /// What a client may do to an HTTP/2 connection: take back requests, break streams, send headers without end.
    Flood,
    /// What an API key may ask for.
    Key,
    /// Tries of passphrases.
    Passphrases,
    /// The memory budget.
    Memory,
}

/// How many there are.
const LIMITS: usize = 13;

impl Limit {
    /// Its name among what is counted.
    pub fn name(self) -> &'static str {
        match self {
            Limit::Connections => "connections",
            Limit::ConnectionsPerAddress => "connections-per-address",
            Limit::Url => "url",
            Limit::Headers => "headers",
            Limit::Body => "body",
            Limit::BodyTime => "body-time",
            Limit::HeadTime => "head-time",
            Limit::Idle => "idle",
            Limit::Stall => "stall",
            Limit::Flood => "flood",
            Limit::Key => "key",
            Limit::Passphrases => "passphrases",
            Limit::Memory => "memory",
        }
    }

    /// The limit that a problem of this type tells of.
    pub fn of(kind: &str) -> Option<Limit> {
        Some(match kind {
            "url-too-long" => Limit::Url,
            "headers-too-large" => Limit::Headers,
            "body-too-large" | "body-too-deep" => Limit::Body,
            "body-too-slow" => Limit::BodyTime,
            "too-many-requests" => Limit::Key,
            "passphrase-throttled" => Limit::Passphrases,
            "overloaded" => Limit::Memory,
            _ => return None,
        })
    }

    /// A request was refused for it; the request's own line says so.
    pub fn refused(self) {
        measure::over_limit(self.name());
    }

    /// A connection of `client` was cut off or turned away for it.
    pub fn cut_off(self, client: Option<IpAddr>) {
        measure::over_limit(self.name());
        let told = TOLD[self as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .count(Instant::now());
        if let Some(times) = told {
            let client = client.map(tracing::field::display);
            let limit = self.name();
            match self {
                // An idle client has done nothing that an operator need know of.
                Limit::Idle => debug!(limit, times, client, "idle connections were closed"),
                _ => warn!(limit, times, client, "connections went over a limit"),
            }
        }
    }
}

/// What was told of each limit by this process.
static TOLD: [Mutex<Told>; LIMITS] = [const {
    Mutex::new(Told {
        last: None,
        untold: 0,
    })
}; LIMITS];

#[derive(Debug)]
struct Told {
    last: Option<Instant>,
    untold: u64,
}

impl Told {
    /// Counts one more. Returns how many there were since the last line, where it is time for another.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        let due = self
            .last
            .is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        due.then(|| {
            self.last = Some(now);
            std::mem::take(&mut self.untold)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_have_few_lines() {
        let mut told = Told {
            last: None,
            untold: 0,
        };
        let start = Instant::now();
        let times = (0..1_000_000_u32).filter_map(|i| {
            // A million in 25 seconds.
            told.count(start + Duration::from_micros(25) * i)
        });
        let times: Vec<u64> = times.collect();
        assert_eq!(times, [1, 400_000, 400_000]);
    }

    #[test]
    fn problems_of_limits_are_known() {
        use crate::http::problem::kinds;
        for kind in kinds::ALL.iter().copied().flatten() {
            let told = matches!(kind.status, 413 | 414 | 431 | 408)
                || matches!(
                    kind.name,
                    "too-many-requests" | "passphrase-throttled" | "overloaded" | "body-too-deep"
                );
            assert_eq!(Limit::of(kind.name).is_some(), told, "{}", kind.name);
        }
        assert_eq!(Limit::Memory as usize + 1, LIMITS);
    }
}
