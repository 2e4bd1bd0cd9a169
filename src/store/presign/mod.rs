//! S3's own signed URLs: whoever holds one may read the object until it expires, without credentials.

pub(super) mod identity;
mod signer;

use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::Credentials;
use aws_sdk_s3::presigning::PresigningConfig;

use super::{Bucket, Store, StoreError, StoreErrorKind};
pub use signer::Subject;
use signer::{SAMPLE, Template};

/// The longest life of a presigned URL, 7 days.
/// Source: [presigned URLs](https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html).
pub const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// With less of their life left than this, credentials are asked for anew before more is signed with them.
const EARLY: Duration = Duration::from_secs(60);

const OPERATION: &str = "GetObject";

/// Signs URLs of one bucket that all live from one moment to another.
///
/// It keeps the credentials that it was made with: see [`Signer::renewed`].
#[derive(Clone)]
pub struct Signer {
    store: Store,
    bucket: Bucket,
    now: SystemTime,
    expires_in: Duration,
    /// `None` where the SDK signs otherwise than is known here.
    template: Option<Template>,
    session_ends: Option<SystemTime>,
}

impl Store {
    /// A signer of URLs that live for `expires_in` from `now` on.
    ///
    /// # Errors
    /// [`StoreErrorKind::NoCredentials`] where there is nothing to sign with.
    pub async fn signer(
        &self,
        bucket: &Bucket,
        now: SystemTime,
        expires_in: Duration,
    ) -> Result<Signer, StoreError> {
        let credentials = self.credentials(bucket).await?;
        let sample = self.sdk_url(bucket, &SAMPLE, now, expires_in).await?;
        let template = Template::new(&sample, credentials.secret_access_key());
        if template.is_none() {
            tracing::debug!(%bucket, "URLs are signed by the SDK, one by one");
        }
        Ok(Signer {
            store: self.clone(),
            bucket: bucket.clone(),
            now,
            expires_in,
            template,
            session_ends: credentials.expiry(),
        })
    }

    /// Signs a URL that reads one object, or the version of it that is named, for `expires_in` from `now` on, and saves it
    /// under the name in `disposition`. For more than one, [`Store::signer`] is many times faster.
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
        let subject = Subject {
            key,
            version: version_id,
            disposition: disposition.as_deref(),
        };
        self.sdk_url(bucket, &subject, now, expires_in).await
    }

    /// A URL, signed by the SDK.
    async fn sdk_url(
        &self,
        bucket: &Bucket,
        subject: &Subject<'_>,
        now: SystemTime,
        expires_in: Duration,
    ) -> Result<String, StoreError> {
        let fails = |message: String| {
            StoreError::new(
                OPERATION,
                bucket,
                Some(subject.key),
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
            .key(subject.key)
            .set_version_id(subject.version.map(str::to_owned))
            .set_response_content_disposition(subject.disposition.map(str::to_owned))
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
            .map_err(|error| StoreError::from_sdk(OPERATION, bucket, Some(subject.key), error))?;
        Ok(request.uri().to_owned())
    }

    /// The credentials that sign now: those of the SDK.
    async fn credentials(&self, bucket: &Bucket) -> Result<Credentials, StoreError> {
        let none = |reason: String| {
            StoreError::new(
                OPERATION,
                bucket,
                None,
                StoreErrorKind::NoCredentials { reason },
            )
        };
        let kept = self
            .credentials
            .as_ref()
            .ok_or_else(|| none("nobody is named who could sign URLs".to_owned()))?;
        let credentials = kept.credentials().await;
        credentials.map_err(|error| none(super::error::innermost(&error)))
    }
}

impl Signer {
    /// The URL of one object.
    ///
    /// # Errors
    /// As [`Store::presign_get`], where the SDK signs.
    pub async fn url(&self, subject: &Subject<'_>) -> Result<String, StoreError> {
        match &self.template {
            Some(template) => Ok(template.url(subject)),
            None => {
                let (bucket, store) = (&self.bucket, &self.store);
                store
                    .sdk_url(bucket, subject, self.now, self.expires_in)
                    .await
            }
        }
    }

    /// The same, or one with newer credentials where these end soon.
    ///
    /// # Errors
    /// [`StoreErrorKind::NoCredentials`] where there are none any more.
    pub async fn renewed(self) -> Result<Signer, StoreError> {
        let soon = SystemTime::now() + EARLY;
        if self.session_ends.is_none_or(|end| end > soon) {
            return Ok(self);
        }
        self.store
            .signer(&self.bucket, self.now, self.expires_in)
            .await
    }

    /// When the URLs end: when they were asked to, or when the credentials do that sign them.
    pub fn ends(&self) -> SystemTime {
        let asked = self.now + self.expires_in;
        self.session_ends.map_or(asked, |end| end.min(asked))
    }
}

#[cfg(test)]
mod tests;
