//! sheaf's own objects: read whole, asked for again only if they changed, and deleted.

use std::time::Duration;

use aws_smithy_types::byte_stream::ByteStream;
use bytes::{Bytes, BytesMut};

use super::error::innermost;
use super::{Bucket, Store, StoreError, StoreErrorKind};

const GET: &str = "GetObject";

/// A whole object and its entity tag.
#[derive(Clone, Debug)]
pub struct Whole {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its entity tag, as the store gave it; empty where the store gives none.
    pub etag: String,
}

/// The answer to a read of a whole object, whose bytes are still to come.
#[derive(Debug)]
pub struct Incoming {
    bucket: Bucket,
    key: String,
    body: ByteStream,
    etag: String,
    length: Option<usize>,
    limit: usize,
    read_timeout: Duration,
}

impl Incoming {
    /// How many bytes come, or may come where the store does not say, in bytes.
    pub fn length(&self) -> usize {
        self.length.unwrap_or(self.limit)
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`StoreErrorKind::Body`] where the body breaks; [`StoreErrorKind::Unexpected`] where it is too large.
    pub async fn read(mut self) -> Result<Whole, StoreError> {
        let mut bytes = BytesMut::with_capacity(self.length.unwrap_or_default());
        loop {
            let next = tokio::time::timeout(self.read_timeout, self.body.next()).await;
            let reason = match next {
                Ok(Some(Ok(chunk))) if bytes.len() + chunk.len() <= self.limit => {
                    bytes.extend_from_slice(&chunk);
                    continue;
                }
                Ok(Some(Ok(_))) => return Err(self.fails(too_large(self.limit))),
                Ok(None) if self.length.is_none_or(|length| length == bytes.len()) => break,
                Ok(None) => "the store ended the body early".to_owned(),
                Ok(Some(Err(error))) => innermost(&error),
                Err(_) => format!("no byte came for {} s", self.read_timeout.as_secs_f32()),
            };
            return Err(self.fails(StoreErrorKind::Body {
                received: bytes.len() as u64,
                expected: self.length.unwrap_or_default() as u64,
                reason,
            }));
        }
        Ok(Whole {
            bytes: bytes.freeze(),
            etag: self.etag,
        })
    }

    fn fails(&self, kind: StoreErrorKind) -> StoreError {
        StoreError::new(GET, &self.bucket, Some(&self.key), kind)
    }
}

fn too_large(limit: usize) -> StoreErrorKind {
    StoreErrorKind::Unexpected {
        status: 200,
        code: None,
        message: format!("with more than {limit} bytes, which none of sheaf's objects has"),
    }
}

impl Store {
    /// Reads a whole object of at most `limit` bytes; `None` where it still has the ETag `known`.
    ///
    /// # Errors
    /// As [`Store::open_whole`] and [`Incoming::read`].
    pub async fn read_whole(
        &self,
        bucket: &Bucket,
        key: &str,
        known: Option<&str>,
        limit: usize,
    ) -> Result<Option<Whole>, StoreError> {
        match self.open_whole(bucket, key, known, limit).await? {
            Some(incoming) => incoming.read().await.map(Some),
            None => Ok(None),
        }
    }

    /// Asks for a whole object of at most `limit` bytes; `None` where it still has the ETag `known`.
    /// Source: [GetObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
    ///
    /// # Errors
    /// [`StoreErrorKind::NoSuchKey`] where it is not there; [`StoreErrorKind::Unexpected`] where it is too large.
    pub async fn open_whole(
        &self,
        bucket: &Bucket,
        key: &str,
        known: Option<&str>,
        limit: usize,
    ) -> Result<Option<Incoming>, StoreError> {
        let sent = self
            .client
            .get_object()
            .bucket(bucket.as_str())
            .key(key)
            .set_if_none_match(known.filter(|etag| !etag.is_empty()).map(str::to_owned))
            .send()
            .await;
        let answer = match sent {
            Ok(answer) => answer,
            Err(error) => {
                let status = error.raw_response().map(|answer| answer.status().as_u16());
                if known.is_some() && status == Some(304) {
                    return Ok(None);
                }
                return Err(StoreError::from_sdk(GET, bucket, Some(key), error));
            }
        };
        let length = answer
            .content_length()
            .and_then(|length| usize::try_from(length).ok());
        if length.is_some_and(|length| length > limit) {
            return Err(StoreError::new(GET, bucket, Some(key), too_large(limit)));
        }
        Ok(Some(Incoming {
            bucket: bucket.clone(),
            key: key.to_owned(),
            body: answer.body,
            etag: answer.e_tag.unwrap_or_default(),
            length,
            limit,
            read_timeout: self.read_timeout,
        }))
    }

    /// Deletes an object; that it is not there is no error.
    /// Source: [DeleteObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html).
    ///
    /// # Errors
    /// [`StoreErrorKind::AccessDenied`], or as the store says.
    pub async fn delete(&self, bucket: &Bucket, key: &str) -> Result<(), StoreError> {
        let sent = self
            .client
            .delete_object()
            .bucket(bucket.as_str())
            .key(key)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk("DeleteObject", bucket, Some(key), error));
        match sent {
            Err(error) if !matches!(error.kind, StoreErrorKind::NoSuchKey) => Err(error),
            _ => Ok(()),
        }
    }
}
