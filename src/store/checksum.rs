//! What a store knows of one object beyond its listing: HeadObject, and the checksums of parts.

use aws_sdk_s3::types::{
    ArchiveStatus, ChecksumMode, ChecksumType, ObjectAttributes, ObjectPart, StorageClass,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc32fast::Hasher;

use super::object::full_object;
use super::{Bucket, Object, Store, StoreError, StoreErrorKind};

const HEAD: &str = "HeadObject";
const ATTRIBUTES: &str = "GetObjectAttributes";

/// An object as HeadObject shows it.
#[derive(Clone, Debug)]
pub struct Headed {
    /// As a listing would show it.
    pub object: Object,
    /// The store's CRC-32 of the whole object.
    pub crc32: Option<u32>,
    /// The version that was seen, where the bucket has versions. Reading by it takes a permission of its own, so
    /// [`Headed::object`] does not name it.
    pub version_id: Option<String>,
}

impl Store {
    /// Asks about one object by its key; `None` where there is none.
    /// Source: [HeadObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html).
    ///
    /// # Errors
    /// As the store says.
    pub async fn head(&self, bucket: &Bucket, key: &str) -> Result<Option<Headed>, StoreError> {
        match self.asked(bucket, key, None).await {
            Err(error) if matches!(error.kind, StoreErrorKind::NoSuchKey) => Ok(None),
            told => told.map(Some),
        }
    }

    /// Asks about one object of a listing, pinned to its ETag and its version.
    ///
    /// # Errors
    /// [`StoreErrorKind::NoSuchKey`] and [`StoreErrorKind::Changed`] where it is not what was listed any more.
    pub async fn head_of(&self, bucket: &Bucket, object: &Object) -> Result<Headed, StoreError> {
        self.asked(bucket, &object.key, Some(object)).await
    }

    async fn asked(
        &self,
        bucket: &Bucket,
        key: &str,
        pin: Option<&Object>,
    ) -> Result<Headed, StoreError> {
        let answer = self
            .client
            .head_object()
            .bucket(bucket.as_str())
            .key(key)
            .set_version_id(pin.and_then(|object| object.version_id.clone()))
            .set_if_match(pin.map(|object| object.etag.clone()))
            .set_request_payer(self.payer.clone())
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(HEAD, bucket, Some(key), error))?;
        let lacks =
            |what: &str| StoreError::new(HEAD, bucket, Some(key), StoreErrorKind::lacks(what));
        let size = answer
            .content_length()
            .and_then(|length| u64::try_from(length).ok());
        let in_archive = matches!(
            answer.storage_class(),
            Some(StorageClass::Glacier | StorageClass::DeepArchive)
        ) || matches!(
            answer.archive_status(),
            Some(ArchiveStatus::ArchiveAccess | ArchiveStatus::DeepArchiveAccess)
        );
        // `ongoing-request="false", expiry-date="…"` is a copy that can be read.
        let restored = answer
            .restore()
            .is_some_and(|restore| restore.contains("ongoing-request=\"false\""));
        let crc32 = full_object(answer.checksum_crc32(), answer.checksum_type());
        let composite = answer.checksum_crc32().is_some()
            && answer.checksum_type() == Some(&ChecksumType::Composite);
        Ok(Headed {
            object: Object {
                key: key.to_owned(),
                size: size.ok_or_else(|| lacks("a length"))?,
                etag: answer.e_tag().ok_or_else(|| lacks("an ETag"))?.to_owned(),
                modified: answer
                    .last_modified()
                    .ok_or_else(|| lacks("a modification time"))?
                    .secs(),
                has_crc32: crc32.is_some(),
                has_part_crc32s: composite,
                version_id: None,
                may_be_archived: false,
                archived: in_archive && !restored,
            },
            version_id: answer.version_id().map(str::to_owned),
            crc32,
        })
    }

    /// The CRC-32 of a whole object, put together from those of its parts; `None` where the store does not tell them
    /// all, or where they do not add up to the object that was listed.
    /// Source: [GetObjectAttributes](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html).
    ///
    /// # Errors
    /// As the store says; many stores do not have this call.
    pub async fn combined_crc32(
        &self,
        bucket: &Bucket,
        object: &Object,
    ) -> Result<Option<u32>, StoreError> {
        let (mut whole, mut marker) = (Combined::default(), None);
        loop {
            let page = self
                .client
                .get_object_attributes()
                .bucket(bucket.as_str())
                .key(&object.key)
                .set_version_id(object.version_id.clone())
                .set_request_payer(self.payer.clone())
                .object_attributes(ObjectAttributes::Etag)
                .object_attributes(ObjectAttributes::ObjectParts)
                .set_part_number_marker(marker.clone())
                .send()
                .await
                .map_err(|error| {
                    StoreError::from_sdk(ATTRIBUTES, bucket, Some(&object.key), error)
                })?;
            let etag = page.e_tag().unwrap_or_default();
            if etag.trim_matches('"') != object.etag.trim_matches('"') {
                return Ok(None);
            }
            let Some(parts) = page.object_parts() else {
                return Ok(None);
            };
            if parts.parts().iter().any(|part| !whole.add(part)) {
                return Ok(None);
            }
            if parts.is_truncated() != Some(true) {
                break;
            }
            let next = parts.next_part_number_marker().map(str::to_owned);
            // A page that leads nowhere would be asked for without end.
            if next.is_none() || next == marker {
                return Ok(None);
            }
            marker = next;
        }
        Ok((whole.size == object.size).then(|| whole.crc32.finalize()))
    }
}

/// The parts so far, in order.
#[derive(Default)]
struct Combined {
    crc32: Hasher,
    size: u64,
}

impl Combined {
    /// Appends a part; `false` where it does not tell its size or its CRC-32.
    fn add(&mut self, part: &ObjectPart) -> bool {
        let size = part.size().and_then(|size| u64::try_from(size).ok());
        let crc32 = part
            .checksum_crc32()
            .and_then(|text| STANDARD.decode(text).ok())
            .and_then(|bytes| bytes.try_into().ok().map(u32::from_be_bytes));
        let (Some(size), Some(crc32)) = (size, crc32) else {
            return false;
        };
        self.crc32
            .combine(&Hasher::new_with_initial_len(crc32, size));
        self.size = self.size.saturating_add(size);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|n| ((n * n) >> 3) as u8).collect();
        let mut combined = Combined::default();
        for part in bytes.chunks(3000) {
            let part = ObjectPart::builder()
                .size(part.len() as i64)
                .checksum_crc32(STANDARD.encode(crc32fast::hash(part).to_be_bytes()))
                .build();
            assert!(combined.add(&part));
        }
        assert_eq!(combined.size, 10_000);
        assert_eq!(combined.crc32.finalize(), crc32fast::hash(&bytes));
        let without = ObjectPart::builder().size(5).build();
        assert!(!Combined::default().add(&without));
    }
}
