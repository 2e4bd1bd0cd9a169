//! The task that reads one piece into its buffer. It waits for the store only, never for the client.

use std::ops::Range;
use std::sync::Arc;

use crc32fast::Hasher;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use super::budget::Share;
use super::buffer::Buffer;
use super::piece::Span;
use super::reads::Reads;
use super::repair::MendedRead;
use super::traffic::Traffic;
use crate::measure;
use crate::store::StoreError;

/// What to do with a piece.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) span: Arc<Span>,
    pub(super) range: Range<u64>,
    /// Find out about the stored CRC-32 too.
    pub(super) stored: bool,
    /// Hash the bytes and do not keep them.
    pub(super) hash_only: bool,
    /// Nothing is passed on before all of the piece has come.
    pub(super) whole: bool,
}

/// Begins to read; the read ends with the handle. `traffic` counts it while it is under way.
pub(super) fn start<R: Reads>(
    reads: &R,
    order: Order,
    buffer: Arc<Buffer>,
    share: Share,
    traffic: &Traffic,
) -> AbortOnDropHandle<()> {
    let (reads, traffic, under_way) = (reads.clone(), traffic.clone(), traffic.begin());
    // In a box, because tokio copies a future four times on its way into a task.
    AbortOnDropHandle::new(tokio::spawn(Box::pin(async move {
        let read = read(&reads, &order, &buffer, &traffic).await;
        drop(under_way);
        match read {
            Ok(crc32) if order.hash_only => buffer.finish_hashed(crc32),
            Ok(_) => buffer.finish(&share),
            Err(error) => buffer.fail(error),
        }
    })))
}

/// Reads the piece, and returns its CRC-32.
///
/// Reads once more, once, where the bytes are not what the store's checksum says and nothing of them was passed on: a bit
/// that was flipped on the way is mended so. What comes then stands, and is for the taker to judge.
async fn read<R: Reads>(
    reads: &R,
    order: &Order,
    buffer: &Buffer,
    traffic: &Traffic,
) -> Result<u32, StoreError> {
    let object = &order.span.object;
    if order.stored && order.range != (0..object.size) {
        // Ranged answers have no checksum, so it is asked for beside them.
        let stored = async {
            buffer.store(reads.stored_crc32(object).await?);
            Ok(())
        };
        let both = async { tokio::try_join!(body(reads, order, buffer, traffic), stored) };
        let (came, ()) = Box::pin(both).await?;
        return Ok(came.computed);
    }
    let came = body(reads, order, buffer, traffic).await?;
    let is_right = came.stored.is_none_or(|stored| stored == came.computed);
    if is_right || !order.whole {
        return Ok(came.computed);
    }
    let key = object.key.as_str();
    measure::store_retry("checksum");
    warn!(
        key,
        "what came is not what the store's checksum says; it is read once more"
    );
    buffer.clear();
    let came = Box::pin(body(reads, order, buffer, traffic)).await?;
    Ok(came.computed)
}

/// What is known of a body when all of it has come.
struct Came {
    /// Its CRC-32.
    computed: u32,
    /// The CRC-32 that the store sent along.
    stored: Option<u32>,
}

async fn body<R: Reads>(
    reads: &R,
    order: &Order,
    buffer: &Buffer,
    traffic: &Traffic,
) -> Result<Came, StoreError> {
    let object = &order.span.object;
    let whole = order.range == (0..object.size);
    let asked = order.stored && whole;
    let asked_at = Instant::now();
    let mut read = MendedRead::open(reads, object, order.range.clone(), asked).await?;
    let mut stored = None;
    if asked {
        stored = match read.crc32() {
            None => reads.stored_crc32(object).await?,
            stored => stored,
        };
        buffer.store(stored);
    }
    traffic.answered(asked_at.elapsed());
    let mut hasher = Hasher::new();
    while let Some(chunk) = read.next().await? {
        hasher.update(&chunk);
        if !order.hash_only {
            buffer.push(chunk, hasher.clone());
        }
    }
    Ok(Came {
        computed: hasher.finalize(),
        stored,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_ahead::reads::BucketReads;

    #[test]
    fn a_read_is_a_small_future() {
        fn of<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> F) -> usize {
            size_of::<F>()
        }
        let size = of(|reads: &'static BucketReads, order, buffer, traffic| {
            read(reads, order, buffer, traffic)
        });
        assert!(size <= 3 * 1024, "{size} bytes");
    }
}
