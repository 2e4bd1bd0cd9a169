//! SIGINT and SIGTERM, and SIGHUP where it is to mean the same: the first one ends in good order, the second at once.

use std::io;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::CliError;
use super::hangup::Hangups;
use super::output::note;

/// The exit code after the second signal.
const AT_ONCE: i32 = 1;

/// The signals, caught from the moment this is made.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    hangup: Option<Hangups>,
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
            hangup: None,
        })
    }

    #[cfg(not(unix))]
    fn register() -> io::Result<Signals> {
        Ok(Signals { hangup: None })
    }

    /// Takes SIGHUP for one of them.
    pub fn and_hangup(mut self, hangup: Hangups) -> Signals {
        self.hangup = Some(hangup);
        self
    }

    /// Waits for the next signal.
    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = hung_up(&mut self.hangup) => {}
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

    /// Runs what `serve` makes of a future that ends with the first signal; a second signal ends the process.
    ///
    /// No task outlives it, so that nobody waits for one when the process ends.
    pub async fn around<F: Future>(
        mut self,
        serve: impl FnOnce(WaitForCancellationFutureOwned) -> F,
    ) -> F::Output {
        let stop = CancellationToken::new();
        let serving = serve(stop.clone().cancelled_owned());
        tokio::select! {
            outcome = serving => outcome,
            () = self.twice(&stop) => std::process::exit(AT_ONCE),
        }
    }

    /// The same, for what has no downloads to wait for and says by itself what became of it.
    pub async fn quietly<F: Future>(
        mut self,
        work: impl FnOnce(WaitForCancellationFutureOwned) -> F,
    ) -> F::Output {
        let stop = CancellationToken::new();
        let working = work(stop.clone().cancelled_owned());
        let twice = async {
            self.next().await;
            stop.cancel();
            self.next().await;
        };
        tokio::select! {
            outcome = working => outcome,
            () = twice => std::process::exit(AT_ONCE),
        }
    }

    /// Cancels `stop` with the first signal, and ends with the second.
    async fn twice(&mut self, stop: &CancellationToken) {
        self.next().await;
        note("stopping once the downloads under way are done; a second signal stops at once");
        stop.cancel();
        self.next().await;
    }
}

/// Waits for SIGHUP where it counts, else for ever.
#[cfg(unix)]
async fn hung_up(hangup: &mut Option<Hangups>) {
    match hangup {
        Some(hangup) => hangup.next().await,
        None => std::future::pending().await,
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
