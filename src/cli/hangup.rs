//! SIGHUP: the files of the certificate are read again, as programs that renew certificates ask for.

use std::convert::Infallible;

use crate::http::Tls;

/// Reads the files of `tls` again with each SIGHUP, for ever. Without TLS the signal keeps its meaning: it ends the process.
#[cfg(unix)]
pub async fn reloading(tls: Option<Tls>) -> Infallible {
    use tokio::signal::unix::{SignalKind, signal};
    let Some(tls) = tls else {
        return std::future::pending().await;
    };
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            tracing::warn!(%error, "SIGHUP cannot be caught: a new certificate needs a new start");
            return std::future::pending().await;
        }
    };
    loop {
        if hangups.recv().await.is_none() {
            return std::future::pending().await;
        }
        match tls.reload() {
            Ok(()) => tracing::info!("the certificate was read again"),
            Err(error) => tracing::error!(%error, "the certificate stays as it was"),
        }
    }
}

/// There is no such signal here.
#[cfg(not(unix))]
pub async fn reloading(_: Option<Tls>) -> Infallible {
    std::future::pending().await
}
