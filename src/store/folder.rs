//! One folder of a bucket: ListObjectsV2 with a delimiter.

use aws_sdk_s3::types::EncodingType;

use super::list::decode;
use super::{Bucket, Store, StoreError, StoreErrorKind};

const OPERATION: &str = "ListObjectsV2";

/// A page of a folder: what lies in it, and what lies deeper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderPage {
    /// Prefixes of deeper folders, whole, with `/` at the end.
    pub folders: Vec<String>,
    /// Keys of objects in it, whole, with their lengths in bytes.
    pub files: Vec<(String, u64)>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl Store {
    /// A page of what begins with `prefix`, up to the next `/`; `from` is where the page before ended. Source:
    /// [ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).
    ///
    /// # Errors
    /// [`StoreErrorKind::BadListing`] where a key is not UTF-8; else as the store says.
    pub async fn folder(
        &self,
        bucket: &Bucket,
        prefix: &str,
        from: Option<&str>,
        most: i32,
    ) -> Result<FolderPage, StoreError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(bucket.as_str())
            .prefix(prefix)
            .delimiter("/")
            .max_keys(most)
            .set_continuation_token(from.map(str::to_owned))
            .encoding_type(EncodingType::Url)
            .set_request_payer(self.payer.clone())
            .send()
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, bucket, None, error))?;
        let encoded = page.encoding_type() == Some(&EncodingType::Url);
        let text = |text: &str| match encoded {
            true => decode(text).ok_or_else(|| {
                let reason = "a key is not UTF-8";
                StoreError::new(
                    OPERATION,
                    bucket,
                    None,
                    StoreErrorKind::BadListing { reason },
                )
            }),
            false => Ok(text.to_owned()),
        };
        let mut found = FolderPage {
            next: page.next_continuation_token.clone(),
            ..FolderPage::default()
        };
        for folder in page.common_prefixes() {
            found
                .folders
                .push(text(folder.prefix().unwrap_or_default())?);
        }
        for object in page.contents() {
            let size = u64::try_from(object.size().unwrap_or_default()).unwrap_or_default();
            found
                .files
                .push((text(object.key().unwrap_or_default())?, size));
        }
        Ok(found)
    }
}
