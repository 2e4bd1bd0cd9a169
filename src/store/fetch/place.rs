//! Where the objects of a bucket are, as the SDK knows it: its rules for endpoints (regions, partitions, FIPS, dual
//! stack, path style, names that no certificate covers) are many, and change.
//!
//! The SDK is made to sign a URL of an object that need not exist, with keys that are nobody's; nothing is sent. What the
//! URL has before the key is the same for all objects of the bucket.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use http::Uri;
use percent_encoding::percent_decode_str;

use super::sign::{Keys, Scope};
use crate::store::{Bucket, StoreError, StoreErrorKind};

/// Buckets remembered at once.
const MOST: usize = 1024;

/// The key whose URL is made.
const KEY: &str = "k";

/// How directory buckets end. Their requests are signed by session.
/// Source: [naming rules](https://docs.aws.amazon.com/AmazonS3/latest/userguide/directory-bucket-naming-rules.html).
const DIRECTORY_BUCKET: &str = "--x-s3";

/// Where a bucket's objects are.
#[derive(Debug)]
pub(super) struct Place {
    /// Scheme and authority, with `/`.
    pub(super) origin: Uri,
    /// The authority, as the Host header has it.
    pub(super) host: String,
    /// What stands before the key in the path, with its `/`.
    pub(super) base: String,
    /// What signatures are for.
    pub(super) scope: Scope,
    /// What signs.
    pub(super) keys: Keys,
}

/// The places of buckets.
#[derive(Debug)]
pub(super) struct Places {
    client: aws_sdk_s3::Client,
    known: RwLock<HashMap<String, Arc<Place>>>,
}

impl Places {
    /// As `client` would find them. It must have some keys, be they anybody's.
    pub(super) fn new(client: aws_sdk_s3::Client) -> Places {
        Places {
            client,
            known: RwLock::default(),
        }
    }

    /// Where this bucket is; `None` where its requests take more than a signature.
    pub(super) async fn of(&self, bucket: &Bucket) -> Result<Option<Arc<Place>>, StoreErrorKind> {
        if bucket.as_str().ends_with(DIRECTORY_BUCKET) {
            return Ok(None);
        }
        if let Some(place) = self.known(bucket) {
            return Ok(Some(place));
        }
        Box::pin(self.asked(bucket)).await
    }

    /// The same, asked of the SDK.
    async fn asked(&self, bucket: &Bucket) -> Result<Option<Arc<Place>>, StoreErrorKind> {
        let strange = |message: String| StoreErrorKind::Unexpected {
            status: 0,
            code: None,
            message,
        };
        let config = PresigningConfig::expires_in(Duration::from_secs(60))
            .map_err(|error| strange(error.to_string()))?;
        let signed = self
            .client
            .get_object()
            .bucket(bucket.as_str())
            .key(KEY)
            .presigned(config)
            .await
            .map_err(|error| StoreError::from_sdk("GetObject", bucket, None, error).kind)?;
        let Some(place) = Place::of(signed.uri()) else {
            return Ok(None);
        };
        let place = Arc::new(place);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(bucket.as_str().to_owned(), place.clone());
        Ok(Some(place))
    }

    fn known(&self, bucket: &Bucket) -> Option<Arc<Place>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(bucket.as_str()).cloned()
    }
}

impl Place {
    /// Takes a signed URL of [`KEY`] apart; `None` where it is not signed as we sign.
    fn of(url: &str) -> Option<Place> {
        let (path, query) = url.split_once('?')?;
        let uri: Uri = path.parse().ok()?;
        let parameter = |name: &str| {
            let mut all = query.split('&');
            let value = all.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
            Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
        };
        if parameter("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
            return None;
        }
        let credential = parameter("X-Amz-Credential")?;
        let mut scope = credential.rsplit('/');
        let (_, service, region) = (scope.next()?, scope.next()?, scope.next()?);
        let host = uri.authority()?.to_string();
        Some(Place {
            origin: format!("{}://{host}/", uri.scheme_str()?).parse().ok()?,
            base: uri.path().strip_suffix(KEY)?.to_owned(),
            host,
            scope: Scope {
                region: region.to_owned(),
                service: service.to_owned(),
            },
            keys: Keys::default(),
        })
    }
}

#[cfg(test)]
impl Place {
    /// The place of the keys below this URL.
    pub(super) fn at(url: &str) -> Place {
        let signed = format!("{url}{KEY}?{}", tests::SIGNED);
        Place::of(&signed).expect("it is signed as we sign")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const SIGNED: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKID%2F20261122%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Expires=60";

    #[test]
    fn signed_urls_are_taken_apart() {
        for (url, origin, base) in [
            (
                "https://b.s3.eu-west-1.amazonaws.com/k",
                "https://b.s3.eu-west-1.amazonaws.com/",
                "/",
            ),
            ("http://127.0.0.1:9000/b/k", "http://127.0.0.1:9000/", "/b/"),
            ("https://host/below/b/k", "https://host/", "/below/b/"),
        ] {
            let place = Place::of(&format!("{url}?x-id=GetObject&{SIGNED}")).unwrap();
            assert_eq!(place.origin.to_string(), origin);
            assert_eq!(place.base, base);
            assert_eq!(place.host, origin.split('/').nth(2).unwrap());
            let scope = [&place.scope.region, &place.scope.service];
            assert_eq!(scope, ["eu-west-1", "s3"]);
        }
    }

    #[test]
    fn what_is_signed_otherwise_is_left_alone() {
        let others = SIGNED.replace("HMAC", "ECDSA-P256");
        for url in [
            "http://host/b/k".to_owned(),
            format!("http://host/b/k?{others}"),
        ] {
            assert!(Place::of(&url).is_none(), "{url}");
        }
    }
}
