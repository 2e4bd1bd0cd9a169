//! Versioned buckets: whether a bucket keeps versions, and ListObjectVersions, of which only the latest are taken.

use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, ChecksumType, EncodingType, ObjectVersion,
    ObjectVersionStorageClass, OptionalObjectAttributes,
};
use futures::stream::{self, Stream};

use super::list::{decode, may_be_archived};
use super::{Bucket, Object, Store, StoreError, StoreErrorKind};

const STATUS: &str = "GetBucketVersioning";
const LIST: &str = "ListObjectVersions";
const HEAD: &str = "HeadObject";

/// What is known about the versions that a bucket keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioning {
    /// It keeps none, or the store knows no versions.
    Off,
    /// It keeps them, or has kept them once.
    On,
    /// The credentials may not ask.
    Untold,
}

impl Store {
    /// Whether a bucket keeps versions.
    /// Source: [GetBucketVersioning](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html).
    ///
    /// # Errors
    /// As the store says, where it could not be asked at all; a store that does not know the call has no versions.
    pub async fn versioning(&self, bucket: &Bucket) -> Result<Versioning, StoreError> {
        let asked = self
            .client
            .get_bucket_versioning()
            .bucket(bucket.as_str())
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(STATUS, bucket, None, error));
        match asked {
            Ok(answer) => Ok(match answer.status() {
                Some(BucketVersioningStatus::Enabled | BucketVersioningStatus::Suspended) => {
                    Versioning::On
                }
                _ => Versioning::Off,
            }),
            Err(error) => match error.kind {
                StoreErrorKind::AccessDenied { .. } => Ok(Versioning::Untold),
                StoreErrorKind::Unexpected {
                    status: 400..=499 | 501,
                    ..
                } => Ok(Versioning::Off),
                _ => Err(error),
            },
        }
    }

    /// The latest versions of the objects under a prefix, a page at a time, in the order of their keys' bytes; those
    /// whose latest version is a delete marker are not there, as in a plain listing. A page may be empty.
    ///
    /// Every stream fails at most once, and then ends. Source:
    /// [ListObjectVersions](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html).
    ///
    /// # Errors
    /// [`StoreErrorKind::BadListing`] where the keys are not in byte order or a page repeats; else as the store says.
    pub fn list_latest(
        &self,
        bucket: &Bucket,
        prefix: &str,
    ) -> impl Stream<Item = Result<Vec<Object>, StoreError>> + Send + 'static + use<> {
        let start = Cursor {
            store: self.clone(),
            bucket: bucket.clone(),
            prefix: prefix.to_owned(),
            last_key: None,
            next: Some(Marker::default()),
        };
        stream::try_unfold(start, |mut cursor| async move {
            let page = cursor.page().await?;
            Ok(page.map(|objects| (objects, cursor)))
        })
    }

    /// Whether the version that `object` names may be read: that takes another permission than reading the latest.
    /// Source: [HeadObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html).
    ///
    /// # Errors
    /// As the store says, but for a denial.
    pub async fn may_read_version(
        &self,
        bucket: &Bucket,
        object: &Object,
    ) -> Result<bool, StoreError> {
        let asked = self
            .client
            .head_object()
            .bucket(bucket.as_str())
            .key(&object.key)
            .set_version_id(object.version_id.clone())
            .set_request_payer(self.payer.clone())
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(HEAD, bucket, Some(&object.key), error));
        match asked {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind, StoreErrorKind::AccessDenied { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Where a page begins: behind this version of this key, both as the store gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Marker {
    key: Option<String>,
    version: Option<String>,
}

struct Cursor {
    store: Store,
    bucket: Bucket,
    prefix: String,
    last_key: Option<String>,
    next: Option<Marker>,
}

impl Cursor {
    async fn page(&mut self) -> Result<Option<Vec<Object>>, StoreError> {
        let Some(marker) = self.next.take() else {
            return Ok(None);
        };
        let page = self
            .store
            .client
            .list_object_versions()
            .bucket(self.bucket.as_str())
            .prefix(&self.prefix)
            .set_key_marker(marker.key.clone())
            .set_version_id_marker(marker.version.clone())
            // As in ListObjectsV2: a key with a control character makes plain XML unreadable.
            .encoding_type(EncodingType::Url)
            .set_request_payer(self.store.payer.clone())
            .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(LIST, &self.bucket, None, error))?;
        let encoded = page.encoding_type() == Some(&EncodingType::Url);
        if page.is_truncated() == Some(true) {
            let key = page
                .next_key_marker()
                .ok_or_else(|| self.nonsense("a page is truncated but names no next one"))?;
            let next = Marker {
                key: Some(self.key(key.to_owned(), encoded)?),
                version: page.next_version_id_marker().map(str::to_owned),
            };
            if next == marker {
                return Err(self.nonsense("a page names itself as the next one"));
            }
            self.next = Some(next);
        }
        let mut objects = Vec::new();
        for listed in page.versions.unwrap_or_default() {
            if listed.is_latest != Some(true) {
                continue;
            }
            let object = self.object(listed, encoded)?;
            if self
                .last_key
                .as_ref()
                .is_some_and(|last| *last >= object.key)
            {
                return Err(self.nonsense("the keys are not in byte order"));
            }
            self.last_key = Some(object.key.clone());
            objects.push(object);
        }
        Ok(Some(objects))
    }

    fn object(&self, listed: ObjectVersion, encoded: bool) -> Result<Object, StoreError> {
        let lacks = |what: &'static str| self.nonsense(what);
        let key = listed
            .key
            .ok_or_else(|| lacks("an object version has no key"))?;
        let size = listed
            .size
            .and_then(|size| u64::try_from(size).ok())
            .ok_or_else(|| lacks("an object version has no size"))?;
        let modified = listed
            .last_modified
            .ok_or_else(|| lacks("an object version has no modification time"))?;
        let restored = listed
            .restore_status
            .is_some_and(|status| status.restore_expiry_date.is_some());
        // The enumeration of this call has but one value; the others come as they are written.
        let class = listed
            .storage_class
            .as_ref()
            .map(ObjectVersionStorageClass::as_str);
        let in_archive = matches!(class, Some("GLACIER" | "DEEP_ARCHIVE"));
        let crc32 = listed
            .checksum_algorithm
            .is_some_and(|algorithms| algorithms.contains(&ChecksumAlgorithm::Crc32));
        Ok(Object {
            key: self.key(key, encoded)?,
            size,
            etag: listed
                .e_tag
                .ok_or_else(|| lacks("an object version has no ETag"))?,
            modified: modified.secs(),
            has_crc32: crc32 && listed.checksum_type == Some(ChecksumType::FullObject),
            has_part_crc32s: crc32 && listed.checksum_type == Some(ChecksumType::Composite),
            version_id: listed.version_id,
            may_be_archived: may_be_archived(class, size),
            archived: in_archive && !restored,
        })
    }

    fn key(&self, key: String, encoded: bool) -> Result<String, StoreError> {
        if !encoded {
            return Ok(key);
        }
        decode(&key).ok_or_else(|| self.nonsense("a key is not UTF-8"))
    }

    fn nonsense(&self, reason: &'static str) -> StoreError {
        StoreError::new(
            LIST,
            &self.bucket,
            None,
            StoreErrorKind::BadListing { reason },
        )
    }
}
