//! One page of ListObjectsV2, checked and decoded.

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumType, EncodingType, OptionalObjectAttributes};
use percent_encoding::percent_decode_str;

use super::answer::Answer;
use super::document::Listed;
use super::plan::Page;
use super::segment::From;
use crate::store::{Bucket, Object, Store, StoreError, StoreErrorKind};

const OPERATION: &str = "ListObjectsV2";

/// What all pages of a listing have in common.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub store: Store,
    pub bucket: Bucket,
    pub prefix: String,
}

impl Place {
    /// Asks for a page of at most `most` objects. Where it is not to be `patient`, a store that asks to slow down is
    /// obeyed by whoever asked, instead of here.
    ///
    /// # Errors
    /// [`StoreErrorKind::BadListing`] where the answer makes no sense; else as the store says.
    pub(super) async fn page(
        &self,
        from: From,
        most: Option<i32>,
        patient: bool,
    ) -> Result<Page<Object>, StoreError> {
        let client = if patient {
            &self.store.client
        } else {
            &self.store.reader
        };
        let (token, after) = match from {
            From::Beginning => (None, None),
            From::Token(token) => (Some(token), None),
            From::After(key) => (None, Some(key)),
        };
        let answer = Answer::default();
        let output = client
            .list_objects_v2()
            .bucket(self.bucket.as_str())
            .prefix(&self.prefix)
            .set_continuation_token(token.clone())
            .set_start_after(after)
            .set_max_keys(most)
            // A key with a control character makes a plain XML listing unreadable, on every store.
            .encoding_type(EncodingType::Url)
            .set_request_payer(self.store.payer.clone())
            .optional_object_attributes(OptionalObjectAttributes::RestoreStatus)
            .customize()
            .interceptor(answer.clone())
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, &self.bucket, None, error))?;
        let page = match answer.take() {
            Some(listed) => listed,
            None => self.told(output)?,
        };
        let next = if page.truncated {
            let next = page
                .next
                .ok_or_else(|| self.nonsense("a page is truncated but names no next one"))?;
            if token.as_ref() == Some(&next) {
                return Err(self.nonsense("a page names itself as the next one"));
            }
            Some(next)
        } else {
            None
        };
        Ok(Page {
            rows: page.rows,
            next,
        })
    }

    /// What the SDK has read.
    fn told(&self, page: ListObjectsV2Output) -> Result<Listed, StoreError> {
        let encoded = page.encoding_type() == Some(&EncodingType::Url);
        let truncated = page.is_truncated() == Some(true);
        let rows = page.contents.unwrap_or_default().into_iter();
        Ok(Listed {
            rows: rows
                .map(|listed| self.object(listed, encoded))
                .collect::<Result<_, _>>()?,
            truncated,
            next: page.next_continuation_token,
        })
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
        let class = listed.storage_class.as_ref().map(|class| class.as_str());
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
            may_be_archived: may_be_archived(class, size),
            archived: in_archive(class) && !restored,
            key,
        })
    }

    /// An answer that makes no sense.
    pub(super) fn nonsense(&self, reason: &'static str) -> StoreError {
        StoreError::new(
            OPERATION,
            &self.bucket,
            None,
            StoreErrorKind::BadListing { reason },
        )
    }
}

/// Whether objects of this class lie in an archive, and can be read only from a restored copy.
pub(super) fn in_archive(class: Option<&str>) -> bool {
    matches!(class, Some("GLACIER" | "DEEP_ARCHIVE"))
}

/// Whether an object may have been moved to an archive tier: smaller ones than 128 KiB never are.
/// Source: [Intelligent-Tiering](https://docs.aws.amazon.com/AmazonS3/latest/userguide/intelligent-tiering-overview.html).
pub(in crate::store) fn may_be_archived(class: Option<&str>, size: u64) -> bool {
    class == Some("INTELLIGENT_TIERING") && size >= 128 << 10
}

/// Undoes `encoding-type=url`, which is the encoding of HTML forms: a plus sign is a space.
pub(in crate::store) fn decode(encoded: &str) -> Option<String> {
    if !encoded.contains(['+', '%']) {
        return Some(encoded.to_owned());
    }
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
