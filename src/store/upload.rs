//! Writing objects: PutObject, and multipart uploads that leave nothing behind when they fail.

use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::{Bucket, Store, StoreError, StoreErrorKind};

/// The smallest part of a multipart upload, the last one apart: 5 MiB.
/// Source: [multipart upload limits](https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
pub const MIN_PART: usize = 5 << 20;

/// The most parts that one multipart upload can have.
pub const MAX_PARTS: usize = 10_000;

impl Store {
    /// Writes an object in one request.
    ///
    /// # Errors
    /// As the store says; nothing is visible then.
    pub async fn put(
        &self,
        bucket: &Bucket,
        key: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<(), StoreError> {
        self.client
            .put_object()
            .bucket(bucket.as_str())
            .key(key)
            .content_type(content_type)
            .set_request_payer(self.payer.clone())
            .body(body.into())
            .send()
            .await
            .map(drop)
            .map_err(|error| StoreError::from_sdk("PutObject", bucket, Some(key), error))
    }

    /// Begins a multipart upload. Nothing is visible before [`Upload::complete`].
    ///
    /// # Errors
    /// As the store says.
    pub async fn begin_upload(
        &self,
        bucket: &Bucket,
        key: &str,
        content_type: &str,
    ) -> Result<Upload, StoreError> {
        let answer = self
            .client
            .create_multipart_upload()
            .bucket(bucket.as_str())
            .key(key)
            .content_type(content_type)
            // The SDK sends each part with its CRC-32. Garage keeps those only where the upload was begun with it, and
            // then refuses a completion that names them.
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .set_request_payer(self.payer.clone())
            .send()
            .await
            .map_err(|error| {
                StoreError::from_sdk("CreateMultipartUpload", bucket, Some(key), error)
            })?;
        let id = answer.upload_id.ok_or_else(|| {
            let kind = StoreErrorKind::lacks("an upload id");
            StoreError::new("CreateMultipartUpload", bucket, Some(key), kind)
        })?;
        Ok(Upload {
            target: Some(Target {
                store: self.clone(),
                bucket: bucket.clone(),
                key: key.to_owned(),
                id,
            }),
        })
    }
}

/// A multipart upload under way. Dropped before [`Upload::complete`], it is aborted in the background; where the
/// caller can wait, [`Upload::abort`] does so in sight.
#[derive(Debug)]
pub struct Upload {
    target: Option<Target>,
}

#[derive(Clone, Debug)]
struct Target {
    store: Store,
    bucket: Bucket,
    key: String,
    id: String,
}

/// A part that the store has taken.
#[derive(Debug)]
pub struct Part(CompletedPart);

impl Upload {
    /// Sends part `number` (from 1 on). The future borrows nothing, so several can be under way.
    ///
    /// # Errors
    /// As the store says; the upload is still there then.
    pub fn part(
        &self,
        number: usize,
        body: Bytes,
    ) -> impl Future<Output = Result<Part, StoreError>> + Send + 'static + use<> {
        let target = self.target.clone();
        async move {
            let Some(Target {
                store,
                bucket,
                key,
                id,
            }) = target
            else {
                unreachable!("the target leaves only with the upload itself")
            };
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            let answer = store
                .client
                .upload_part()
                .bucket(bucket.as_str())
                .key(&key)
                .upload_id(id)
                .part_number(number)
                .set_request_payer(store.payer.clone())
                .body(body.into())
                .send()
                .await
                .map_err(|error| StoreError::from_sdk("UploadPart", &bucket, Some(&key), error))?;
            let part = CompletedPart::builder()
                .part_number(number)
                .set_e_tag(answer.e_tag)
                .set_checksum_crc32(answer.checksum_crc32)
                .build();
            Ok(Part(part))
        }
    }

    /// Makes the object visible, whole.
    ///
    /// # Errors
    /// As the store says; the upload is aborted then.
    pub async fn complete(mut self, mut parts: Vec<Part>) -> Result<(), StoreError> {
        let Some(target) = self.target.clone() else {
            return Ok(());
        };
        parts.sort_by_key(|part| part.0.part_number());
        let parts = parts.into_iter().map(|part| part.0).collect();
        let completed = target
            .store
            .client
            .complete_multipart_upload()
            .bucket(target.bucket.as_str())
            .key(&target.key)
            .upload_id(&target.id)
            .set_request_payer(target.store.payer.clone())
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(parts))
                    .build(),
            )
            .send()
            .await
            .map_err(|error| {
                StoreError::from_sdk(
                    "CompleteMultipartUpload",
                    &target.bucket,
                    Some(&target.key),
                    error,
                )
            });
        match completed {
            Ok(_) => {
                self.target = None;
                Ok(())
            }
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    /// Takes the upload back. A failure is only logged: the caller already has the error that led here.
    ///
    /// A caller who goes away meanwhile does not keep the upload from being taken back.
    pub async fn abort(mut self) {
        if let Some(target) = self.target.take() {
            // It never fails but by a panic, which the runtime reports.
            let _ = tokio::spawn(target.abort()).await;
        }
    }
}

impl Target {
    async fn abort(self) {
        let aborted = self
            .store
            .client
            .abort_multipart_upload()
            .bucket(self.bucket.as_str())
            .key(&self.key)
            .upload_id(&self.id)
            .set_request_payer(self.store.payer.clone())
            .send()
            .await;
        if let Err(error) = aborted {
            let error =
                StoreError::from_sdk("AbortMultipartUpload", &self.bucket, Some(&self.key), error);
            tracing::warn!(%error, "a multipart upload could not be aborted; a lifecycle rule for incomplete uploads removes it");
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let (Some(target), Ok(runtime)) =
            (self.target.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(target.abort());
        }
    }
}
