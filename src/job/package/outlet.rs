//! Where a part's bytes go out to the store, and how it is told that the store takes none: up to the last of them.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long the store may take no byte of a part.
const STALL: Duration = Duration::from_secs(60);

/// Frames that wait for the store.
const FRAMES: usize = 2;

/// Takes frames for the store.
#[derive(Debug)]
pub(super) struct Outlet {
    frames: mpsc::Sender<Bytes>,
}

/// The store took nothing for too long.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it took no byte for {} s", STALL.as_secs())]
pub(super) struct Stalled;

impl Outlet {
    /// An outlet, and what comes out of it.
    pub(super) fn new() -> (Outlet, mpsc::Receiver<Bytes>) {
        let (frames, bytes) = mpsc::channel(FRAMES);
        (Outlet { frames }, bytes)
    }

    /// Takes a frame as soon as there is room. Whether it is wanted: a store that has answered wants no more.
    ///
    /// # Errors
    /// [`Stalled`] where there was no room for too long.
    pub(super) async fn put(&self, frame: Bytes) -> Result<bool, Stalled> {
        let put = timeout(STALL, self.frames.send(frame)).await;
        Ok(put.map_err(|_| Stalled)?.is_ok())
    }

    /// Waits until the frames that wait are taken, or not wanted any more.
    ///
    /// # Errors
    /// [`Stalled`] where they were not taken for too long.
    pub(super) async fn finish(self) -> Result<(), Stalled> {
        // There is room for all of them when none waits.
        match timeout(STALL, self.frames.reserve_many(FRAMES)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Stalled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Bytes = Bytes::from_static(b"frame");

    #[tokio::test(start_paused = true)]
    async fn a_store_that_takes_nothing_is_told_of() {
        let (outlet, _bytes) = Outlet::new();
        for _ in 0..FRAMES {
            assert_eq!(outlet.put(FRAME).await, Ok(true));
        }
        assert_eq!(outlet.put(FRAME).await, Err(Stalled));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_frames_are_watched_too() {
        for taken in 0..=FRAMES {
            let (outlet, mut bytes) = Outlet::new();
            for _ in 0..FRAMES {
                assert_eq!(outlet.put(FRAME).await, Ok(true));
            }
            for _ in 0..taken {
                assert_eq!(bytes.recv().await, Some(FRAME));
            }
            let expected = if taken < FRAMES { Err(Stalled) } else { Ok(()) };
            assert_eq!(outlet.finish().await, expected, "{taken} taken");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_wants_no_more_is_not_waited_for() {
        let (outlet, bytes) = Outlet::new();
        assert_eq!(outlet.put(FRAME).await, Ok(true));
        drop(bytes);
        assert_eq!(outlet.put(FRAME).await, Ok(false));
        assert_eq!(outlet.finish().await, Ok(()));
    }
}
