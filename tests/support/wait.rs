//! Waiting for what can only be looked at: the files and the state of another process.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// How long anything may take on a machine that is busy.
const LONGEST: Duration = Duration::from_secs(60);

/// Looks until there is something to see. What is not there within a minute is a failure.
pub async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(start.elapsed() < LONGEST, "{what} did not come");
        sleep(PAUSE).await;
    }
}
