//! S3's own signed URLs: whoever holds one may read the object until it expires, without credentials.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::ProvideCredentials;
use aws_sdk_s3::presigning::PresigningConfig;

use super::{Bucket, Store, StoreError, StoreErrorKind};

/// The longest life of a presigned URL, 7 days.
/// Source: [presigned URLs](https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html).
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const OPERATION: &str = "GetObject";

impl Store {
    /// Signs a URL that reads one object, or the version of it that is named, for `expires_in` from `now` on, and saves it under the name in `disposition`.
    ///
    /// # Errors
    /// [`StoreErrorKind::NoCredentials`] where there is nothing to sign with.
    pub async fn presign_get(
        &self,
        bucket: &Bucket,
        key: &str,
        version_id: Option<&str>,
        now: SystemTime,
        expires_in: Duration,
        disposition: Option<String>,
    ) -> Result<String, StoreError> {
        let fails = |message: String| {
            StoreError::new(
                OPERATION,
                bucket,
                Some(key),
                StoreErrorKind::Unexpected {
                    status: 0,
                    code: None,
                    message,
                },
            )
        };
        let requester_pays = self.payer.is_some();
        let config = PresigningConfig::builder()
            .start_time(now)
            .expires_in(expires_in)
            .build()
            .map_err(|error| fails(error.to_string()))?;
        let request = self
            .presigner
            .get_object()
            .bucket(bucket.as_str())
            .key(key)
            .set_version_id(version_id.map(str::to_owned))
            .set_response_content_disposition(disposition)
            .customize()
            .mutate_request(move |request| {
                // As a header it would have to be sent by whoever holds the URL.
                if requester_pays {
                    let joint = if request.uri().contains('?') {
                        '&'
                    } else {
                        '?'
                    };
                    let uri = format!("{}{joint}x-amz-request-payer=requester", request.uri());
                    let _ = request.set_uri(uri);
                }
            })
            .presigned(config)
            .await
            .map_err(|error| StoreError::from_sdk(OPERATION, bucket, Some(key), error))?;
        Ok(request.uri().to_owned())
    }

    /// When the credentials that sign end, where they do: no presigned URL outlives them.
    ///
    /// # Errors
    /// [`StoreErrorKind::NoCredentials`] where there are none.
    pub async fn credentials_expire(
        &self,
        bucket: &Bucket,
    ) -> Result<Option<SystemTime>, StoreError> {
        let none = |reason: String| {
            StoreError::new(
                OPERATION,
                bucket,
                None,
                StoreErrorKind::NoCredentials { reason },
            )
        };
        let provider = self
            .credentials
            .as_ref()
            .ok_or_else(|| none("nobody is named who could sign URLs".to_owned()))?;
        let credentials = provider
            .provide_credentials()
            .await
            .map_err(|error| none(super::error::innermost(&error)))?;
        Ok(credentials.expiry())
    }
}
