//! Which uploads and which of their parts a store has.

use super::{ResumableUpload, StoredPart};
use crate::store::{Bucket, Store, StoreError, StoreErrorKind};

/// A page that leads nowhere would be asked for without end.
const REPEATS: StoreErrorKind = StoreErrorKind::BadListing {
    reason: "a page names itself as the next one",
};

impl Store {
    /// All uploads of one key that are under way.
    /// Source: [ListMultipartUploads](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html).
    ///
    /// # Errors
    /// [`StoreErrorKind::BadListing`] where a page repeats; else as the store says.
    pub async fn uploads_of(
        &self,
        bucket: &Bucket,
        key: &str,
    ) -> Result<Vec<ResumableUpload>, StoreError> {
        const LIST: &str = "ListMultipartUploads";
        let (mut found, mut marker) = (Vec::new(), (None, None));
        loop {
            let page = self
                .client
                .list_multipart_uploads()
                .bucket(bucket.as_str())
                .prefix(key)
                .set_key_marker(marker.0.clone())
                .set_upload_id_marker(marker.1.clone())
                .send()
                .await
                .map_err(|error| StoreError::from_sdk(LIST, bucket, Some(key), error))?;
            let of_key = page.uploads().iter().filter(|one| one.key() == Some(key));
            found.extend(
                of_key
                    .filter_map(|one| one.upload_id())
                    .map(|id| self.resume(bucket, key, id)),
            );
            if page.is_truncated() != Some(true) || page.next_key_marker().is_none() {
                return Ok(found);
            }
            let next = (page.next_key_marker, page.next_upload_id_marker);
            if next == marker {
                return Err(StoreError::new(LIST, bucket, Some(key), REPEATS));
            }
            marker = next;
        }
    }
}

impl ResumableUpload {
    /// The parts that the store has, in the order of their numbers.
    /// Source: [ListParts](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html).
    ///
    /// # Errors
    /// [`StoreErrorKind::NoSuchUpload`] where it was completed or aborted; [`StoreErrorKind::BadListing`] where a page
    /// repeats.
    pub async fn parts(&self) -> Result<Vec<StoredPart>, StoreError> {
        const LIST: &str = "ListParts";
        let (mut parts, mut marker) = (Vec::new(), None);
        loop {
            let page = self
                .store
                .client
                .list_parts()
                .bucket(self.bucket.as_str())
                .key(&self.key)
                .upload_id(&self.id)
                .set_part_number_marker(marker.clone())
                .set_request_payer(self.store.payer.clone())
                .send()
                .await
                .map_err(|error| self.refused(LIST, error))?;
            parts.extend(page.parts().iter().filter_map(|part| {
                Some(StoredPart {
                    number: usize::try_from(part.part_number()?).ok()?,
                    size: u64::try_from(part.size()?).ok()?,
                    etag: part.e_tag()?.to_owned(),
                })
            }));
            if page.is_truncated() != Some(true) || page.next_part_number_marker().is_none() {
                parts.sort_by_key(|part| part.number);
                return Ok(parts);
            }
            let next = page.next_part_number_marker;
            if next == marker {
                return Err(StoreError::new(
                    LIST,
                    &self.bucket,
                    Some(&self.key),
                    REPEATS,
                ));
            }
            marker = next;
        }
    }
}
