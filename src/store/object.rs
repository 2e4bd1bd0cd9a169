//! Reading one object: GetObject, every read pinned to the ETag of the listing.

use std::ops::Range;
use std::time::{Duration, Instant};

use aws_sdk_s3::types::{ChecksumMode, ChecksumType};
use aws_smithy_types::byte_stream::ByteStream;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::error::innermost;
use super::fetch::{self, Answer, Asked, Fetched};
use super::{Bucket, Object, Store, StoreError, StoreErrorKind};
use crate::measure;

const GET: &str = "GetObject";

/// The bytes of one read, as they come.
///
/// Yields exactly the bytes that were asked for, or an error: never fewer without one.
#[derive(Debug)]
pub struct ObjectBody {
    crc32: Option<u32>,
    source: Source,
    bucket: Bucket,
    key: String,
    received: u64,
    expected: u64,
    read_timeout: Duration,
    /// Given back when the connection is free again.
    _permit: Option<OwnedSemaphorePermit>,
}

/// Where the bytes come from.
#[derive(Debug)]
enum Source {
    Fetched(fetch::Body),
    Sdk(ByteStream),
}

/// What the answer to a read says before its bytes.
struct Opened {
    etag: Option<String>,
    length: Option<u64>,
    /// Which bytes of the object come, where it is not all of them.
    range: Option<String>,
    crc32: Option<u32>,
    source: Source,
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
        let asked = Asked {
            key: &object.key,
            version_id: object.version_id.as_deref(),
            etag: &object.etag,
            expected,
            range: (!whole).then(|| range.clone()),
            checksum: checksum && whole,
            payer: self.payer.is_some(),
        };
        let fetched = self.fetcher.get(bucket, &asked).await;
        let opened = match fetched {
            Ok(Fetched::Answer(answer)) => Opened::fetched(*answer),
            Ok(Fetched::BeyondUs) => Box::pin(self.get_by_sdk(bucket, asked)).await?,
            Err(kind) => return Err(StoreError::new(GET, bucket, Some(&object.key), kind)),
        };
        let fails = |kind| StoreError::new(GET, bucket, Some(&object.key), kind);
        // Not every store heeds If-Match, nor every store Range.
        if opened
            .etag
            .as_ref()
            .is_some_and(|etag| *etag != object.etag)
        {
            return Err(fails(StoreErrorKind::Changed));
        }
        if let Some(length) = opened.length.filter(|&length| length != expected) {
            // Under the same ETag the object has not changed: this one answer is wrong.
            return Err(fails(match opened.etag {
                Some(_) => StoreErrorKind::Body {
                    received: 0,
                    expected,
                    reason: format!("the store announced {length} bytes"),
                },
                None => StoreErrorKind::Changed,
            }));
        }
        if !whole && !opened.is_of(&range) {
            return Err(fails(StoreErrorKind::Body {
                received: 0,
                expected,
                reason: match opened.range {
                    Some(other) => format!("the store answered with {other}"),
                    None => "the store answered with the whole object".to_owned(),
                },
            }));
        }
        Ok(ObjectBody {
            crc32: opened.crc32,
            source: opened.source,
            bucket: bucket.clone(),
            key: object.key.clone(),
            received: 0,
            expected,
            read_timeout: self.read_timeout,
            _permit: permit,
        })
    }

    /// The same read by the SDK, for buckets whose requests take more than a signature.
    async fn get_by_sdk(&self, bucket: &Bucket, asked: Asked<'_>) -> Result<Opened, StoreError> {
        let range = asked
            .range
            .map(|range| format!("bytes={}-{}", range.start, range.end - 1));
        let answer = self
            .reader
            .get_object()
            .bucket(bucket.as_str())
            .key(asked.key)
            .set_version_id(asked.version_id.map(str::to_owned))
            .if_match(asked.etag)
            .set_request_payer(self.payer.clone())
            .set_range(range)
            .set_checksum_mode(asked.checksum.then_some(ChecksumMode::Enabled))
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(GET, bucket, Some(asked.key), error))?;
        Ok(Opened {
            etag: answer.e_tag().map(str::to_owned),
            length: answer
                .content_length()
                .and_then(|length| u64::try_from(length).ok()),
            range: answer.content_range().map(str::to_owned),
            crc32: full_object(answer.checksum_crc32(), answer.checksum_type()),
            source: Source::Sdk(answer.body),
        })
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

impl Opened {
    fn fetched(answer: Answer) -> Opened {
        let field = |name: &str| answer.headers.get(name)?.to_str().ok();
        let kind = field("x-amz-checksum-type").map(ChecksumType::from);
        Opened {
            etag: field("etag").map(str::to_owned),
            length: field("content-length").and_then(|length| length.parse().ok()),
            range: field("content-range").map(str::to_owned),
            crc32: full_object(field("x-amz-checksum-crc32"), kind.as_ref()),
            source: Source::Fetched(answer.body),
        }
    }

    /// Whether it says that it has these bytes of the object, as an answer with a part must.
    /// Source: RFC 9110, section 14.4.
    fn is_of(&self, range: &Range<u64>) -> bool {
        let first_and_last = format!("bytes {}-{}/", range.start, range.end - 1);
        let said = self.range.as_deref();
        said.is_some_and(|said| said.starts_with(&first_and_last))
    }
}

impl Source {
    /// The next bytes, or why there are none.
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        match self {
            Source::Fetched(body) => body.next().await.map_err(|error| innermost(&error)),
            Source::Sdk(stream) => {
                let next = stream.next().await.transpose();
                next.map_err(|error| innermost(&error))
            }
        }
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
        match tokio::time::timeout(self.read_timeout, self.source.next()).await {
            Ok(Ok(Some(chunk))) => {
                self.received += chunk.len() as u64;
                if self.received > self.expected {
                    return Err(self.broken("more bytes came than were asked for".to_owned()));
                }
                Ok(Some(chunk))
            }
            Ok(Err(reason)) => Err(self.broken(reason)),
            Ok(Ok(None)) => Err(self.broken("the store ended the body early".to_owned())),
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
pub(super) fn full_object(crc32: Option<&str>, kind: Option<&ChecksumType>) -> Option<u32> {
    if kind == Some(&ChecksumType::Composite) {
        return None;
    }
    let bytes = STANDARD.decode(crc32?).ok()?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

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
