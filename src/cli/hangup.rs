//! SIGHUP: the files of the certificate are read again, as programs that renew certificates ask for.
//!
//! Without TLS there is nothing to read again. A service is told so in its log and goes on, because `systemctl reload` asks
//! with this signal. A server that was started at a terminal stops in good order, because the signal says that the terminal
//! was closed ([`attended`], [`Signals::and_hangup`](super::signals::Signals::and_hangup)).

use std::io::{self, IsTerminal};

use super::CliError;
use crate::http::Tls;

/// SIGHUP, caught from the moment this is made.
#[derive(Debug)]
pub struct Hangups {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

/// Whether somebody sits at a terminal in front of this process. To be asked at the start: a terminal that was closed is
/// none any more. `nohup` takes all three away.
pub fn attended() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

impl Hangups {
    /// Catches the signal from now on.
    ///
    /// # Errors
    /// [`CliError::Signals`] where the system does not let us.
    #[cfg(unix)]
    pub fn catch() -> Result<Hangups, CliError> {
        use tokio::signal::unix::{SignalKind, signal};
        let signal = signal(SignalKind::hangup()).map_err(CliError::Signals)?;
        Ok(Hangups { signal })
    }

    /// There is no such signal here.
    #[cfg(not(unix))]
    pub fn catch() -> Result<Hangups, CliError> {
        Ok(Hangups {})
    }

    /// Waits for the next one.
    #[cfg(unix)]
    pub async fn next(&mut self) {
        if self.signal.recv().await.is_none() {
            std::future::pending().await
        }
    }

    /// Waits for ever.
    #[cfg(not(unix))]
    pub async fn next(&mut self) {
        std::future::pending().await
    }

    /// Reads the files of `tls` again with each signal, for ever.
    pub async fn reload(mut self, tls: Option<Tls>) {
        loop {
            self.next().await;
            match tls.as_ref().map(Tls::reload) {
                None => tracing::info!("SIGHUP: without TLS there is nothing to read again"),
                Some(Ok(())) => tracing::info!("the certificate was read again"),
                Some(Err(error)) => tracing::error!(%error, "the certificate stays as it was"),
            }
        }
    }
}
