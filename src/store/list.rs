//! ListObjectsV2, page by page, in the order of the keys' bytes.

use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumType, EncodingType, ObjectStorageClass, OptionalObjectAttributes,
};
use futures::stream::{self, Stream};
use percent_encoding::percent_decode_str;

use super::{Bucket, Object, Store, StoreError, StoreErrorKind};

const OPERATION: &str = "ListObjectsV2";

impl Store {
    /// The objects under a prefix, a page (of at most 1,000) at a time. The next page is asked for when it is polled.
    ///
    /// Every stream fails at most once, and then ends. Source:
    /// [ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).
    ///
    /// # Errors
    /// [`StoreErrorKind::BadListing`] where the keys are not in byte order or a page repeats; else as the store says.
    pub fn list(
        &self,
        bucket: &Bucket,
        prefix: &str,
    ) -> impl Stream<Item = Result<Vec<Object>, StoreError>> + Send + 'static + use<> {
        self.list_in_pages(bucket, prefix, || None)
    }

    /// The same, where `most` says before each page how many objects are to be on it at the most.
    pub fn list_in_pages<F>(
        &self,
        bucket: &Bucket,
        prefix: &str,
        most: F,
    ) -> impl Stream<Item = Result<Vec<Object>, StoreError>> + Send + 'static + use<F>
    where
        F: Fn() -> Option<i32> + Send + Sync + 'static,
    {
        let start = Cursor {
            store: self.clone(),
            bucket: bucket.clone(),
            prefix: prefix.to_owned(),
            last_key: None,
            next: Next::First,
            most,
        };
        stream::try_unfold(start, |mut cursor| async move {
            let page = cursor.page().await?;
            Ok(page.map(|objects| (objects, cursor)))
        })
    }
}

struct Cursor<F> {
    store: Store,
    bucket: Bucket,
    prefix: String,
    last_key: Option<String>,
    next: Next,
    most: F,
}

enum Next {
    First,
    Token(String),
    Done,
}

impl<F: Fn() -> Option<i32>> Cursor<F> {
    async fn page(&mut self) -> Result<Option<Vec<Object>>, StoreError> {
        let token = match std::mem::replace(&mut self.next, Next::Done) {
            Next::First => None,
            Next::Token(token) => Some(token),
            Next::Done => return Ok(None),
        };
        let page = self
            .store
            .client
            .list_objects_v2()
            .bucket(self.bucket.as_str())
            .prefix(&self.prefix)
            .set_continuation_token(token.clone())
            .set_max_keys((self.most)())
            // A key with a control character makes a plain XML listing unreadable, on every store.
            .encoding_type(EncodingType::Url)
            .set_request_payer(self.store.payer.clone())
            .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &self.bucket, None, error))?;
        if page.is_truncated() == Some(true) {
            let next = page
                .next_continuation_token()
                .ok_or_else(|| self.nonsense("a page is truncated but names no next one"))?;
            if token.as_deref() == Some(next) {
                return Err(self.nonsense("a page names itself as the next one"));
            }
            self.next = Next::Token(next.to_owned());
        }
        let encoded = page.encoding_type() == Some(&EncodingType::Url);
        let objects: Vec<Object> = page
            .contents
            .unwrap_or_default()
            .into_iter()
            .map(|listed| self.object(listed, encoded))
            .collect::<Result<_, _>>()?;
        for object in &objects {
            if self
                .last_key
                .as_ref()
                .is_some_and(|last| *last >= object.key)
            {
                return Err(self.nonsense("the keys are not in byte order"));
            }
            // One allocation a page instead of one a key would be possible; a listing costs far more than this.
            self.last_key = Some(object.key.clone());
        }
        Ok(Some(objects))
    }

    fn object(
        &self,
        listed: aws_sdk_s3::types::Object,
        encoded: bool,
    ) -> Result<Object, StoreError> {
        let key = listed
            .key
            .ok_or_else(|| self.nonsense("an object has no key"))?;
        let key = if encoded {
            decode(&key).ok_or_else(|| self.nonsense("a key is not UTF-8"))?
        } else {
            key
        };
        let size = listed
            .size
            .and_then(|size| u64::try_from(size).ok())
            .ok_or_else(|| self.nonsense("an object has no size"))?;
        let etag = listed
            .e_tag
            .ok_or_else(|| self.nonsense("an object has no ETag"))?;
        let modified = listed
            .last_modified
            .ok_or_else(|| self.nonsense("an object has no modification time"))?;
        let restored = listed
            .restore_status
            .is_some_and(|status| status.restore_expiry_date.is_some());
        let in_archive = matches!(
            listed.storage_class,
            Some(ObjectStorageClass::Glacier | ObjectStorageClass::DeepArchive)
        );
        let crc32 = listed
            .checksum_algorithm
            .is_some_and(|algorithms| algorithms.contains(&ChecksumAlgorithm::Crc32));
        Ok(Object {
            size,
            etag,
            modified: modified.secs(),
            has_crc32: crc32 && listed.checksum_type == Some(ChecksumType::FullObject),
            has_part_crc32s: crc32 && listed.checksum_type == Some(ChecksumType::Composite),
            version_id: None,
            archived: in_archive && !restored,
            key,
        })
    }

    fn nonsense(&self, reason: &'static str) -> StoreError {
        StoreError::new(
            OPERATION,
            &self.bucket,
            None,
            StoreErrorKind::BadListing { reason },
        )
    }
}

/// Undoes `encoding-type=url`, which is the encoding of HTML forms: a plus sign is a space.
pub(super) fn decode(encoded: &str) -> Option<String> {
    let spaced = encoded.replace('+', " ");
    percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(|key| key.into_owned())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn keys_are_decoded() {
        assert_eq!(
            decode("a+b%2Bc%01/%C3%BC.pdf").as_deref(),
            Some("a b+c\u{1}/ü.pdf")
        );
        assert_eq!(decode("%FF"), None);
    }
}
