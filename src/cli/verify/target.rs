//! What is named as an archive on the command line: a file, a URL, or `s3://bucket/key`.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::cli::{InvalidS3Url, S3Url};

/// Where an archive is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file of this machine.
    File(PathBuf),
    /// An `http` or `https` URL.
    Url(Url),
    /// An object of the store, its key in place of the prefix.
    Object(S3Url),
}

/// Why a text names no archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// Nothing at all.
    #[error("the name is empty")]
    Empty,
    /// A scheme that is not known.
    #[error("{scheme}:// is not known: give a file, an http(s) URL, or s3://bucket/key")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// A malformed URL.
    #[error("the URL is malformed: {0}")]
    Url(url::ParseError),
    /// Not a bucket's name after `s3://`.
    #[error(transparent)]
    Object(#[from] InvalidS3Url),
    /// `s3://bucket` without a key.
    #[error("{bucket} names a bucket; the archive's key is missing")]
    NoKey {
        /// What was given.
        bucket: S3Url,
    },
}

impl Target {
    /// Reads a target as it stands on a command line. What has no `://` is a file.
    ///
    /// # Errors
    /// [`InvalidTarget`] says what is malformed.
    pub fn parse(text: OsString) -> Result<Target, InvalidTarget> {
        if text.is_empty() {
            return Err(InvalidTarget::Empty);
        }
        let Some((scheme, rest)) = text.to_str().and_then(|text| text.split_once("://")) else {
            return Ok(Target::File(text.into()));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => {
                let mut url =
                    Url::parse(&format!("{scheme}://{rest}")).map_err(InvalidTarget::Url)?;
                url.set_fragment(None);
                Ok(Target::Url(url))
            }
            "s3" => {
                let object: S3Url = format!("{scheme}://{rest}").parse()?;
                if object.prefix.is_empty() {
                    return Err(InvalidTarget::NoKey { bucket: object });
                }
                Ok(Target::Object(object))
            }
            scheme if scheme.contains(['/', '\\', '.']) => Ok(Target::File(text.into())),
            scheme => Err(InvalidTarget::Scheme {
                scheme: scheme.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::File(path) => write!(f, "{}", path.display()),
            Target::Url(url) => write!(f, "{url}"),
            Target::Object(object) => write!(f, "{object}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidTarget, Target};

    fn parse(text: &str) -> Result<Target, InvalidTarget> {
        Target::parse(text.into())
    }

    #[test]
    fn targets_are_told_apart() {
        assert_eq!(parse("a b.zip"), Ok(Target::File("a b.zip".into())));
        assert_eq!(parse("./x://y"), Ok(Target::File("./x://y".into())));
        assert_eq!(
            parse("HTTP://h/a.zip#part").unwrap().to_string(),
            "http://h/a.zip"
        );
        assert_eq!(
            parse("s3://my-bucket/a%20/b.zip").unwrap().to_string(),
            "s3://my-bucket/a%20/b.zip"
        );
    }

    #[test]
    fn malformed_targets_are_refused() {
        assert_eq!(parse(""), Err(InvalidTarget::Empty));
        assert!(matches!(
            parse("ftp://h/a"),
            Err(InvalidTarget::Scheme { .. })
        ));
        assert!(matches!(parse("http://"), Err(InvalidTarget::Url(_))));
        assert!(matches!(parse("s3://x/a"), Err(InvalidTarget::Object(_))));
        assert!(matches!(
            parse("s3://my-bucket"),
            Err(InvalidTarget::NoKey { .. })
        ));
        assert!(matches!(
            parse("s3://my-bucket/"),
            Err(InvalidTarget::NoKey { .. })
        ));
    }
}
