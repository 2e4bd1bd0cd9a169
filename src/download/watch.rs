//! Whether a link is still there while its archive is on its way.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;
use uuid::Uuid;

use crate::manifest::{Library, LibraryError};

/// Pause between two tries to ask, where the store fails.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Asks whenever the last answer is too old to be trusted, beside the download, for as long as it lives.
#[derive(Debug)]
pub struct Watch {
    ended: oneshot::Receiver<LibraryError>,
    _asking: AbortOnDropHandle<()>,
}

impl Watch {
    /// Begins to watch a link that was there a moment ago.
    pub fn over(library: &Library, id: Uuid) -> Watch {
        let (sender, ended) = oneshot::channel();
        let library = library.clone();
        let asking = tokio::spawn(async move {
            // That nobody wants to know any more is no news.
            let _ = sender.send(ask(&library, id).await);
        });
        Watch {
            ended,
            _asking: AbortOnDropHandle::new(asking),
        }
    }

    /// Waits for the link's end, which may never come. To be called again until it has.
    pub async fn ended(&mut self) -> LibraryError {
        match (&mut self.ended).await {
            Ok(error) => error,
            Err(_) => std::future::pending().await,
        }
    }
}

/// Asks until the link has ended. A store that fails is given as long again as an answer is trusted.
async fn ask(library: &Library, id: Uuid) -> LibraryError {
    let mut trusted = Instant::now();
    loop {
        match library.open_until(id).await {
            Ok((_, until)) => trusted = until,
            Err(LibraryError::Store(error)) if trusted.elapsed() < library.trusted_for() => {
                warn!(%error, %id, "cannot ask whether a link is still there");
                tokio::time::sleep(ASK_AGAIN.min(library.trusted_for())).await;
                continue;
            }
            Err(error) => return error,
        }
        tokio::time::sleep_until(trusted).await;
    }
}
