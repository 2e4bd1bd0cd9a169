//! Multipart uploads that outlive the process which began them: their parts are streamed in, or copied by the store.
//!
//! Nothing is aborted unless it is asked for. Parts are sent without a checksum of their own, and the upload is begun
//! without one: a part's is not known before its last byte, stores differ in what they make of it when it follows the
//! body, and some want one for copies too. A part has exactly the length that was announced, or does not come to be.
//!
//! How parts come to be has a file each, `send.rs` and `copy.rs`; what there is of uploads is listed in `list.rs`.
//!
//! Source: [multipart uploads](https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html).

use std::time::Duration;

use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::{Bucket, Store, StoreError, StoreErrorKind};

mod copy;
mod list;
mod send;

/// How long a store may take to put an upload together.
const COMPLETING: Duration = Duration::from_secs(60 * 60);

/// A multipart upload, under way in some process or in none.
#[derive(Clone, Debug)]
pub struct ResumableUpload {
    store: Store,
    bucket: Bucket,
    key: String,
    id: String,
}

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Its number, from 1 on.
    pub number: usize,
    /// Its length in bytes.
    pub size: u64,
    /// Its entity tag, as the store gave it.
    pub etag: String,
}

/// What an object is, apart from its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Nature<'a> {
    /// Its media type.
    pub content_type: &'a str,
    /// The name under which it is saved, as a header (RFC 6266).
    pub disposition: &'a str,
    /// A name and value of its own, kept beside it.
    pub mark: (&'a str, &'a str),
}

impl Store {
    /// Begins an upload. Nothing is visible before [`ResumableUpload::complete`]. Where an answer is lost, the store may have
    /// begun one whose id nobody knows; [`Store::uploads_of`] finds it.
    ///
    /// # Errors
    /// As the store says.
    pub async fn begin_resumable(
        &self,
        bucket: &Bucket,
        key: &str,
        nature: Nature<'_>,
    ) -> Result<ResumableUpload, StoreError> {
        const BEGIN: &str = "CreateMultipartUpload";
        let answer = self
            // Nothing is sent with it that could take long; and the SDK would not say that it asked again.
            .reader
            .create_multipart_upload()
            .bucket(bucket.as_str())
            .key(key)
            .content_type(nature.content_type)
            .content_disposition(nature.disposition)
            .metadata(nature.mark.0, nature.mark.1)
            .set_request_payer(self.payer.clone())
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(BEGIN, bucket, Some(key), error))?;
        match answer.upload_id {
            Some(id) => Ok(self.resume(bucket, key, &id)),
            None => Err(StoreError::new(
                BEGIN,
                bucket,
                Some(key),
                StoreErrorKind::lacks("an upload id"),
            )),
        }
    }

    /// An upload that was begun before. Nothing is asked of the store.
    pub fn resume(&self, bucket: &Bucket, key: &str, id: &str) -> ResumableUpload {
        ResumableUpload {
            store: self.clone(),
            bucket: bucket.clone(),
            key: key.to_owned(),
            id: id.to_owned(),
        }
    }

    /// What an object's own field `name` says, and its length and entity tag; `None` where there is no such object, or the
    /// store does not say: who may write there may not be allowed to read what is not there.
    ///
    /// # Errors
    /// As the store says.
    pub async fn marked(
        &self,
        bucket: &Bucket,
        key: &str,
        name: &str,
    ) -> Result<Option<(Option<String>, u64, String)>, StoreError> {
        let sent = self
            .client
            .head_object()
            .bucket(bucket.as_str())
            .key(key)
            .set_request_payer(self.payer.clone())
            .send()
            .await
            .map_err(|error| StoreError::from_sdk("HeadObject", bucket, Some(key), error));
        match sent {
            Ok(head) => {
                let mark = head.metadata().and_then(|fields| fields.get(name)).cloned();
                let size = head.content_length().unwrap_or_default();
                let size = u64::try_from(size).unwrap_or_default();
                Ok(Some((mark, size, head.e_tag.unwrap_or_default())))
            }
            Err(error)
                if matches!(
                    error.kind,
                    StoreErrorKind::NoSuchKey | StoreErrorKind::AccessDenied { .. }
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl ResumableUpload {
    /// The store's name for it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Makes the object visible, whole, and returns its entity tag.
    ///
    /// # Errors
    /// As the store says; the upload is still there then, unless it is [`StoreErrorKind::NoSuchUpload`]. An answer that
    /// was lost may have been the right one.
    pub async fn complete(&self, parts: &[StoredPart]) -> Result<String, StoreError> {
        const COMPLETE: &str = "CompleteMultipartUpload";
        let parts = parts.iter().map(|part| {
            CompletedPart::builder()
                .part_number(as_number(part.number))
                .e_tag(&part.etag)
                .build()
        });
        let completing = self
            .store
            .sender
            .complete_multipart_upload()
            .bucket(self.bucket.as_str())
            .key(&self.key)
            .upload_id(&self.id)
            .set_request_payer(self.store.payer.clone())
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(parts.collect()))
                    .build(),
            )
            .send();
        let answer = tokio::time::timeout(COMPLETING, completing)
            .await
            .map_err(|_| self.silent(COMPLETE))?
            .map_err(|error| self.refused(COMPLETE, error))?;
        Ok(answer.e_tag.unwrap_or_default())
    }

    /// Takes the upload back, and all of its parts. One that is gone already is no error.
    ///
    /// # Errors
    /// As the store says; it may still be there then.
    pub async fn abort(&self) -> Result<(), StoreError> {
        let aborted = self
            .store
            .client
            .abort_multipart_upload()
            .bucket(self.bucket.as_str())
            .key(&self.key)
            .upload_id(&self.id)
            .set_request_payer(self.store.payer.clone())
            .send()
            .await
            .map_err(|error| self.refused("AbortMultipartUpload", error));
        match aborted {
            Err(error) if !matches!(error.kind, StoreErrorKind::NoSuchUpload) => Err(error),
            _ => Ok(()),
        }
    }

    fn taken(
        &self,
        operation: &'static str,
        number: usize,
        size: u64,
        etag: Option<String>,
    ) -> Result<StoredPart, StoreError> {
        let etag = etag.ok_or_else(|| {
            let kind = StoreErrorKind::lacks("an ETag");
            StoreError::new(operation, &self.bucket, Some(&self.key), kind)
        })?;
        Ok(StoredPart { number, size, etag })
    }

    fn refused<E>(
        &self,
        operation: &'static str,
        error: aws_sdk_s3::error::SdkError<
            E,
            aws_smithy_runtime_api::client::orchestrator::HttpResponse,
        >,
    ) -> StoreError
    where
        E: std::error::Error + aws_sdk_s3::error::ProvideErrorMetadata + Send + Sync + 'static,
    {
        StoreError::from_sdk(operation, &self.bucket, Some(&self.key), error)
    }

    fn silent(&self, operation: &'static str) -> StoreError {
        let kind = StoreErrorKind::Unreachable {
            reason: "it took too long to answer".to_owned(),
        };
        StoreError::new(operation, &self.bucket, Some(&self.key), kind)
    }
}

/// Part numbers end at 10,000.
fn as_number(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
