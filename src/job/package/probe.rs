//! Whether the store copies parts of objects: a small object is put together of two copied ranges and an uploaded byte,
//! read back where the pieces meet, and deleted.
//!
//! What a store must do: copy ranges, of different lengths within one upload; refuse to copy from an object that has
//! another entity tag; and have the bytes in the end.

use std::ops::Range;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::plan::{Plan, Source};
use super::{Means, trace};
use crate::job::{Failure, Order};
use crate::manifest::Open;
use crate::store::resumable::Nature;
use crate::store::upload::MIN_PART;
use crate::store::{Bucket, Object, ResumableUpload, Store, StoreError, StoreErrorKind};

const LEAST: u64 = MIN_PART as u64;

/// Bytes on each side of a border that are read back.
const AROUND: u64 = 64;

/// The last byte of the probe.
const LAST: u8 = b'!';

/// Why the store cannot do what the plan asks of it; `None` where it can.
///
/// # Errors
/// The store fails at what it has to be able to do in any case, or in a way that says nothing about copies and may pass.
pub(super) async fn probe(
    means: &Means,
    order: &Order,
    open: &Open,
    plan: &Plan,
) -> Result<Option<String>, Failure> {
    let mut rows = plan.parts().iter().filter_map(|part| match part.source {
        Source::Copy { row, .. } => Some(row),
        Source::Stream => None,
    });
    let Some(row) = rows.next().and_then(|row| open.frozen.row(row)) else {
        return Ok(Some("nothing would be copied".to_owned()));
    };
    let store = &means.store;
    let target = &order.target.bucket;
    let key = trace::probe_key(&order.target);
    let nature = Nature {
        content_type: "application/octet-stream",
        disposition: "attachment",
        mark: (trace::PROBE_MARK, "1"),
    };
    let upload = store.begin_resumable(target, &key, nature).await?;
    let probe = Probe {
        store,
        upload: &upload,
        from: &open.bucket,
        source: row.object(),
        target,
        key: &key,
    };
    let outcome = probe.run().await;
    // It may have been completed, or not.
    upload.abort().await?;
    store.delete(target, &key).await?;
    match outcome {
        Ok(reason) => Ok(reason),
        // The object is what the archive needs, whatever the method.
        Err(error)
            if matches!(
                error.kind,
                StoreErrorKind::NoSuchKey | StoreErrorKind::Changed | StoreErrorKind::Archived
            ) =>
        {
            Err(error.into())
        }
        Err(error) if says_nothing(&error) => Err(error.into()),
        Err(error) => Ok(Some(error.to_string())),
    }
}

/// Whether another time may show that the store copies. One that has no such call says so with 501.
fn says_nothing(error: &StoreError) -> bool {
    let is_unknown = matches!(error.kind, StoreErrorKind::Unexpected { status: 501, .. });
    error.kind.can_pass() && !is_unknown
}

struct Probe<'a> {
    store: &'a Store,
    upload: &'a ResumableUpload,
    from: &'a Bucket,
    source: Object,
    target: &'a Bucket,
    key: &'a str,
}

impl Probe<'_> {
    async fn run(&self) -> Result<Option<String>, StoreError> {
        let size = self.source.size;
        let other = Object {
            etag: "\"00000000000000000000000000000000\"".to_owned(),
            ..self.source.clone()
        };
        match self.upload.copy(1, self.from, &other, 0..LEAST).await {
            Err(error) if matches!(error.kind, StoreErrorKind::Changed) => {}
            Err(error) if says_nothing(&error) => return Err(error),
            Err(error) => return Ok(Some(error.to_string())),
            Ok(_) => {
                let reason =
                    "it copies from an object that was replaced (x-amz-copy-source-if-match)";
                return Ok(Some(reason.to_owned()));
            }
        }
        // Two lengths, and both at least 5 MiB.
        let (head, rest) = (0..LEAST, size - LEAST - 1..size);
        let (sender, last) = mpsc::channel(1);
        // There is room for one.
        let _ = sender.try_send(Bytes::from_static(&[LAST]));
        let parts = [
            self.upload.copy(1, self.from, &self.source, head).await?,
            self.upload.copy(2, self.from, &self.source, rest).await?,
            self.upload.send(3, 1, last).await?,
        ];
        self.upload.complete(&parts).await?;
        self.compare().await
    }

    /// The probe, as it should be, where its pieces meet.
    async fn compare(&self) -> Result<Option<String>, StoreError> {
        let wrong = || Ok(Some("it put a copy together wrongly".to_owned()));
        let Some(probe) = self.store.head(self.target, self.key).await? else {
            return wrong();
        };
        let probe = probe.object;
        let length = 2 * LEAST + 2;
        if probe.size != length {
            return wrong();
        }
        let rest = self.source.size - LEAST - 1;
        let border = self.read(self.target, &probe, LEAST - AROUND..LEAST + AROUND);
        let before = self.read(self.from, &self.source, LEAST - AROUND..LEAST);
        let behind = self.read(self.from, &self.source, rest..rest + AROUND);
        let end = self.read(self.target, &probe, length - AROUND..length);
        let size = self.source.size;
        let last = self.read(self.from, &self.source, size - (AROUND - 1)..size);
        let (border, before, behind, end, last) =
            futures::try_join!(border, before, behind, end, last)?;
        match border == [before, behind].concat() && end == [last, vec![LAST]].concat() {
            true => Ok(None),
            false => wrong(),
        }
    }

    async fn read(
        &self,
        bucket: &Bucket,
        object: &Object,
        range: Range<u64>,
    ) -> Result<Vec<u8>, StoreError> {
        let mut body = self.store.get(bucket, object, range, false).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}
