//! Reading one object: GetObject and HeadObject, every read pinned to the ETag of the listing.

use std::ops::Range;
use std::time::{Duration, Instant};

use aws_sdk_s3::types::ChecksumMode;
use aws_smithy_types::byte_stream::ByteStream;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::error::innermost;
use super::{Bucket, Object, Store, StoreError, StoreErrorKind};
use crate::measure;

const GET: &str = "GetObject";
const HEAD: &str = "HeadObject";

/// The bytes of one read, as they come.
///
/// Yields exactly the bytes that were asked for, or an error: never fewer without one.
#[derive(Debug)]
pub struct ObjectBody {
    crc32: Option<u32>,
    stream: ByteStream,
    bucket: Bucket,
    key: String,
    received: u64,
    expected: u64,
    read_timeout: Duration,
    /// Given back when the connection is free again.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Store {
    /// Opens a read of an object, or of a range of its bytes, as long as it still has the ETag of the listing.
    ///
    /// It waits until one of the connections for reads is free, which the body then keeps to its end.
    ///
    /// A request that fails is not repeated here.
    ///
    /// With `checksum` the store is asked for the object's CRC-32, which it gives for whole objects only.
    /// Source: [GetObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
    ///
    /// # Errors
    /// [`StoreErrorKind::NoSuchKey`] and [`StoreErrorKind::Changed`] where the object is not what was listed.
    pub async fn get(
        &self,
        bucket: &Bucket,
        object: &Object,
        range: Range<u64>,
        checksum: bool,
    ) -> Result<ObjectBody, StoreError> {
        let whole = range == (0..object.size);
        let expected = range.end - range.start;
        // Nobody closes the semaphore.
        let queued = Instant::now();
        let permit = self.reads.clone().acquire_owned().await.ok();
        measure::queue_wait(queued.elapsed());
        let answer = self
            .reader
            .get_object()
            .bucket(bucket.as_str())
            .key(&object.key)
            .set_version_id(object.version_id.clone())
            .if_match(&object.etag)
            .set_request_payer(self.payer.clone())
            .set_range((!whole).then(|| format!("bytes={}-{}", range.start, range.end - 1)))
            .set_checksum_mode((checksum && whole).then_some(ChecksumMode::Enabled))
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(GET, bucket, Some(&object.key), error))?;
        let fails = |kind| StoreError::new(GET, bucket, Some(&object.key), kind);
        // Not every store heeds If-Match, nor every store Range.
        if answer.e_tag().is_some_and(|etag| etag != object.etag) {
            return Err(fails(StoreErrorKind::Changed));
        }
        let length = answer
            .content_length()
            .and_then(|length| u64::try_from(length).ok());
        if let Some(length) = length.filter(|&length| length != expected) {
            // Under the same ETag the object has not changed: this one answer is wrong.
            return Err(fails(match answer.e_tag() {
                Some(_) => StoreErrorKind::Body {
                    received: 0,
                    expected,
                    reason: format!("the store announced {length} bytes"),
                },
                None => StoreErrorKind::Changed,
            }));
        }
        Ok(ObjectBody {
            crc32: full_object(answer.checksum_crc32(), answer.checksum_type()),
            stream: answer.body,
            bucket: bucket.clone(),
            key: object.key.clone(),
            received: 0,
            expected,
            read_timeout: self.read_timeout,
            _permit: permit,
        })
    }

    /// The CRC-32 that the store keeps of a whole object, where it keeps one.
    /// Source: [HeadObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html).
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn stored_crc32(
        &self,
        bucket: &Bucket,
        object: &Object,
    ) -> Result<Option<u32>, StoreError> {
        let answer = self
            .client
            .head_object()
            .bucket(bucket.as_str())
            .key(&object.key)
            .set_version_id(object.version_id.clone())
            .if_match(&object.etag)
            .set_request_payer(self.payer.clone())
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(HEAD, bucket, Some(&object.key), error))?;
        Ok(full_object(answer.checksum_crc32(), answer.checksum_type()))
    }

    /// Asks whether the bucket is there and may be listed.
    ///
    /// # Errors
    /// [`StoreErrorKind::NoSuchBucket`], [`StoreErrorKind::AccessDenied`], or as the store says.
    pub async fn head_bucket(&self, bucket: &Bucket) -> Result<(), StoreError> {
        self.client
            .head_bucket()
            .bucket(bucket.as_str())
            .send()
            .await
            .map(drop)
            .map_err(|error| StoreError::from_sdk("HeadBucket", bucket, None, error))
    }
}

impl ObjectBody {
    /// The store's own CRC-32 of the whole object, where it was asked for and is there.
    pub fn crc32(&self) -> Option<u32> {
        self.crc32
    }

    /// The next chunk, or `None` after the last.
    ///
    /// The clock of the read timeout runs only while a chunk is awaited here, so that a caller who comes back late
    /// (because its own client reads slowly) is never taken for a store that stands still.
    ///
    /// # Errors
    /// [`StoreErrorKind::Body`] where the body breaks, ends early, runs over or stands still.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.received == self.expected {
            return Ok(None);
        }
        match tokio::time::timeout(self.read_timeout, self.stream.next()).await {
            Ok(Some(Ok(chunk))) => {
                self.received += chunk.len() as u64;
                if self.received > self.expected {
                    return Err(self.broken("more bytes came than were asked for".to_owned()));
                }
                Ok(Some(chunk))
            }
            Ok(Some(Err(error))) => Err(self.broken(innermost(&error))),
            Ok(None) => Err(self.broken("the store ended the body early".to_owned())),
            Err(_) => Err(self.broken(format!(
                "no byte came for {} s",
                self.read_timeout.as_secs_f32()
            ))),
        }
    }

    fn broken(&self, reason: String) -> StoreError {
        let kind = StoreErrorKind::Body {
            received: self.received,
            expected: self.expected,
            reason,
        };
        StoreError::new(GET, &self.bucket, Some(&self.key), kind)
    }
}

/// A checksum counts only where it covers the whole object: `…-3` is a checksum of three parts' checksums.
pub(super) fn full_object(
    crc32: Option<&str>,
    kind: Option<&aws_sdk_s3::types::ChecksumType>,
) -> Option<u32> {
    if kind == Some(&aws_sdk_s3::types::ChecksumType::Composite) {
        return None;
    }
    let bytes = STANDARD.decode(crc32?).ok()?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::full_object;
    use aws_sdk_s3::types::ChecksumType;

    #[test]
    fn only_checksums_of_whole_objects_count() {
        assert_eq!(
            full_object(Some("y/Q5Jg=="), None),
            Some(0xCBF4_3926),
            "the check value of CRC-32/ISO-HDLC"
        );
        assert_eq!(
            full_object(Some("y/Q5Jg=="), Some(&ChecksumType::FullObject)),
            Some(0xCBF4_3926)
        );
        assert_eq!(
            full_object(Some("y/Q5Jg=="), Some(&ChecksumType::Composite)),
            None
        );
        assert_eq!(full_object(Some("y/Q5Jg==-3"), None), None);
        assert_eq!(full_object(None, None), None);
    }
}
