//! SIGINT and SIGTERM: the first one ends in good order, the second at once.

use std::io;

use super::CliError;
use super::output::note;

/// The exit code after the second signal.
const AT_ONCE: i32 = 1;

/// Both signals, caught from the moment this is made.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// Catches the signals from now on.
    ///
    /// # Errors
    /// [`CliError::Signals`] where the system does not let us.
    pub fn catch() -> Result<Signals, CliError> {
        Signals::register().map_err(CliError::Signals)
    }

    #[cfg(unix)]
    fn register() -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    #[cfg(not(unix))]
    fn register() -> io::Result<Signals> {
        Ok(Signals {})
    }

    /// Waits for the next signal.
    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }

    /// Waits for the next signal.
    #[cfg(not(unix))]
    async fn next(&mut self) {
        // Without a handler the signal ends the process by itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends with the first signal; a second one then ends the process.
    pub async fn shutdown(mut self) {
        self.next().await;
        note("stopping once the downloads under way are done; a second signal stops at once");
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(AT_ONCE);
        });
    }
}

/// Runs a command until it is done or a signal comes. What it holds is given back either way.
///
/// # Errors
/// The command's own, or [`CliError::Interrupted`].
pub async fn until_interrupted<T>(
    command: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    let mut signals = Signals::catch()?;
    tokio::select! {
        outcome = command => outcome,
        () = signals.next() => Err(CliError::Interrupted),
    }
}
