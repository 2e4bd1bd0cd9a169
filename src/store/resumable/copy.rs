//! Parts that the store copies from its own objects.

use std::ops::Range;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{ResumableUpload, StoredPart, as_number};
use crate::store::{Bucket, Object, StoreError, StoreErrorKind};

/// How long a store may take to copy a part, which has 5 GiB at the most.
const COPYING: Duration = Duration::from_secs(15 * 60);

/// What stands for itself in a key (RFC 3986 §2.3), and the slash.
const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

impl ResumableUpload {
    /// Has the store copy a range of an object, as long as that still has the entity tag of its row.
    /// Source: [UploadPartCopy](https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html).
    ///
    /// # Errors
    /// [`StoreErrorKind::Changed`] and [`StoreErrorKind::NoSuchKey`] about the object; else as the store says.
    pub async fn copy(
        &self,
        number: usize,
        from: &Bucket,
        object: &Object,
        range: Range<u64>,
    ) -> Result<StoredPart, StoreError> {
        const COPY: &str = "UploadPartCopy";
        let mut source = format!("{from}/{}", utf8_percent_encode(&object.key, KEY));
        if let Some(version) = &object.version_id {
            source.push_str("?versionId=");
            source.extend(utf8_percent_encode(version, KEY));
        }
        let copying = self
            .store
            .sender
            .upload_part_copy()
            .bucket(self.bucket.as_str())
            .key(&self.key)
            .upload_id(&self.id)
            .part_number(as_number(number))
            .copy_source(source)
            .copy_source_range(format!("bytes={}-{}", range.start, range.end - 1))
            .copy_source_if_match(&object.etag)
            .set_request_payer(self.store.payer.clone())
            .send();
        let about_source = |kind| StoreError::new(COPY, from, Some(&object.key), kind);
        let answer = tokio::time::timeout(COPYING, copying)
            .await
            .map_err(|_| self.silent(COPY))?
            .map_err(|error| {
                let error = self.refused(COPY, error);
                match error.kind {
                    StoreErrorKind::Changed
                    | StoreErrorKind::NoSuchKey
                    | StoreErrorKind::AccessDenied { .. }
                    | StoreErrorKind::Archived => about_source(error.kind),
                    _ => error,
                }
            })?;
        let etag = answer.copy_part_result.and_then(|result| result.e_tag);
        self.taken(COPY, number, range.end - range.start, etag)
    }
}
