//! Writing objects: PutObject, and multipart uploads that leave nothing behind when they fail.

use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::{Bucket, Patience, Store, StoreError, StoreErrorKind};

/// The smallest part of a multipart upload, the last one apart: 5 MiB.
/// Source: [multipart upload limits](https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
pub const MIN_PART: usize = 5 << 20;

/// The most parts that one multipart upload can have.
pub const MAX_PARTS: usize = 10_000;

/// How often the store is asked to begin an upload.
const TRIES: u32 = 3;

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
    /// Where an answer is lost, the store may have begun one whose id nobody knows; it is looked for and taken back when
    /// the upload ends, in whatever way.
    ///
    /// # Errors
    /// As the store says.
    pub async fn begin_upload(
        &self,
        bucket: &Bucket,
        key: &str,
        content_type: &str,
    ) -> Result<Upload, StoreError> {
        let mut target = Target {
            store: self.clone(),
            bucket: bucket.clone(),
            key: key.to_owned(),
            id: None,
            has_twins: false,
        };
        let mut patience = Patience::new(TRIES);
        loop {
            let error = match target.begin(content_type).await {
                Ok(id) => {
                    target.id = Some(id);
                    let target = Some(target);
                    return Ok(Upload { target });
                }
                Err(error) => error,
            };
            target.has_twins |= error.kind.may_have_been_done();
            match patience.pause() {
                Some(pause) if error.kind.can_pass() => tokio::time::sleep(pause).await,
                _ => {
                    target.abort().await;
                    return Err(error);
                }
            }
        }
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
    /// Absent while it is begun.
    id: Option<String>,
    /// Whether the store may have uploads of this key that nobody was told of.
    has_twins: bool,
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
                ..
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
                .set_upload_id(id)
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
    /// As the store says; [`Upload::abort`] takes it back then. An answer that was lost may have been the right one.
    pub async fn complete(&mut self, mut parts: Vec<Part>) -> Result<(), StoreError> {
        let Some(target) = &self.target else {
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
            .set_upload_id(target.id.clone())
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
        completed?;
        if let Some(target) = self.target.take() {
            target.abort_twins().await;
        }
        Ok(())
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
    async fn begin(&self, content_type: &str) -> Result<String, StoreError> {
        const BEGIN: &str = "CreateMultipartUpload";
        let (bucket, key) = (&self.bucket, Some(self.key.as_str()));
        let answer = self
            .store
            // The SDK would not say that it asked again.
            .reader
            .create_multipart_upload()
            .bucket(bucket.as_str())
            .key(&self.key)
            .content_type(content_type)
            // The SDK sends each part with its CRC-32. Garage keeps those only where the upload was begun with it, and
            // then refuses a completion that names them.
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .set_request_payer(self.store.payer.clone())
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(BEGIN, bucket, key, error))?;
        let lacks = || StoreError::new(BEGIN, bucket, key, StoreErrorKind::lacks("an upload id"));
        answer.upload_id.ok_or_else(lacks)
    }

    async fn abort(self) {
        if let Some(id) = &self.id {
            let upload = self.store.resume(&self.bucket, &self.key, id);
            if let Err(error) = upload.abort().await {
                tracing::warn!(%error, "a multipart upload could not be aborted; a lifecycle rule for incomplete uploads removes it");
            }
        }
        self.abort_twins().await;
    }

    /// Takes back what the store began without being heard.
    async fn abort_twins(&self) {
        if !self.has_twins {
            return;
        }
        let aborted = async {
            for upload in self.store.uploads_of(&self.bucket, &self.key).await? {
                upload.abort().await?;
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = aborted.await {
            tracing::warn!(%error, "a multipart upload may be left whose beginning was not answered; a lifecycle rule for incomplete uploads removes it");
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
