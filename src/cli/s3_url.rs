//! `s3://bucket/prefix`, as it stands on the command line.

use std::fmt;
use std::str::FromStr;

use crate::store::{Bucket, InvalidBucket};

const SCHEME: &str = "s3://";

/// A bucket, and a prefix in it that may be empty. Nothing is decoded: the prefix stands as keys do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Url {
    /// The bucket.
    pub bucket: Bucket,
    /// What stands after the slash that follows the bucket.
    pub prefix: String,
}

/// Why a text is no such URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidS3Url {
    /// It begins otherwise.
    #[error("it must have the form s3://bucket/prefix")]
    Scheme,
    /// The bucket's name breaks the naming rules.
    #[error(transparent)]
    Bucket(#[from] InvalidBucket),
}

impl FromStr for S3Url {
    type Err = InvalidS3Url;

    fn from_str(text: &str) -> Result<S3Url, InvalidS3Url> {
        let scheme = text.get(..SCHEME.len()).ok_or(InvalidS3Url::Scheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(InvalidS3Url::Scheme);
        }
        let rest = &text[SCHEME.len()..];
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Ok(S3Url {
            bucket: Bucket::new(bucket)?,
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_and_prefix() {
        for (text, bucket, prefix) in [
            ("s3://my-bucket", "my-bucket", ""),
            ("s3://my-bucket/", "my-bucket", ""),
            ("S3://local/reports/2024/", "local", "reports/2024/"),
            ("s3://local//a%20b ü?x#y", "local", "/a%20b ü?x#y"),
        ] {
            let url: S3Url = text.parse().unwrap();
            assert_eq!(
                (url.bucket.as_str(), url.prefix.as_str()),
                (bucket, prefix),
                "{text}"
            );
            assert_eq!(url.to_string().parse(), Ok(url));
        }
    }

    #[test]
    fn anything_else_says_what_is_wrong() {
        for text in [
            "",
            "s3:/",
            "my-bucket/reports",
            "https://my-bucket/",
            "ü3://local",
        ] {
            assert_eq!(text.parse::<S3Url>(), Err(InvalidS3Url::Scheme), "{text}");
        }
        for text in ["s3://", "s3:///key", "s3://a/b", "s3://my bucket/"] {
            assert!(
                matches!(text.parse::<S3Url>(), Err(InvalidS3Url::Bucket(_))),
                "{text}"
            );
        }
    }
}
