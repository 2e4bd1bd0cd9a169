//! The object store: everything that sheaf asks of S3, and nothing else uses the SDK.
//!
//! [`Store`] is a cheap handle on one SDK client. Each operation has a file of its own:
//!
//! | file | operation |
//! |---|---|
//! | [`allowed`] | which buckets may be touched |
//! | [`connect`] | credentials, endpoint, connection pool → [`Store`] |
//! | [`list`] | ListObjectsV2, many pages at once |
//! | [`versions`] | ListObjectVersions: what is the latest |
//! | [`object`] | GetObject and HeadObject, pinned to an ETag |
//! | `fetch` | object bodies, past the SDK |
//! | `network` | the SDK's requests over sockets |
//! | `client` | requests to any server, over connections of `dial` |
//! | `dial` | new connections: TCP, TLS, proxies |
//! | [`checksum`] | HeadObject of a key, checksums of parts |
//! | [`state`] | sheaf's own objects, whole |
//! | [`upload`] | PutObject, multipart uploads that leave nothing behind |
//! | [`parts`] | an object of unknown length, as it comes |
//! | [`resumable`] | multipart uploads that outlive their process; copies within the store |
//! | [`patience`] | how often a broken read is asked for again |
//! | [`presign`] | S3's own signed URLs |
//! | [`error`] | what went wrong, told to a person |
//! | [`embedded`] | a store of our own over a plain folder |

pub mod allowed;
pub mod checksum;
pub(crate) mod client;
pub mod connect;
mod dial;
pub mod embedded;
pub mod error;
mod fetch;
pub mod folder;
mod identity;
pub mod list;
mod network;
pub mod object;
pub mod parts;
pub mod patience;
pub mod presign;
pub mod resumable;
mod sigv4;
pub mod state;
pub mod upload;
pub mod versions;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aws_sdk_s3::types::RequestPayer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::Semaphore;

pub use allowed::{AllowedBuckets, NotAllowed};
pub use checksum::Headed;
pub use connect::{ConnectError, Identity, StoreOptions};
pub use error::{StoreError, StoreErrorKind};
pub use object::ObjectBody;
pub use parts::{PartWriter, WriteError};
pub use patience::Patience;
pub use resumable::{ResumableUpload, StoredPart};
pub use upload::Upload;
pub use versions::Versioning;

/// A bucket name, checked.
///
/// Source: [bucket naming rules](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html),
/// with the upper-case letters, underscores and 255 characters that older buckets and other stores allow.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Bucket(Arc<str>);

/// Why a text is no bucket name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} is not a bucket name: 3 to 255 letters, digits, '.', '-' and '_', beginning and ending with a letter or digit"
)]
pub struct InvalidBucket {
    /// The text that was given.
    pub name: String,
}

impl Bucket {
    /// Checks a bucket name.
    ///
    /// # Errors
    /// [`InvalidBucket`] where the text breaks the naming rules.
    pub fn new(name: &str) -> Result<Bucket, InvalidBucket> {
        let bytes = name.as_bytes();
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let sound = (3..=255).contains(&bytes.len())
            && edge(bytes.first())
            && edge(bytes.last())
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(b))
            && !name.contains("..");
        if sound {
            Ok(Bucket(name.into()))
        } else {
            Err(InvalidBucket {
                name: name.to_owned(),
            })
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Bucket {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bucket {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bucket, D::Error> {
        let name = String::deserialize(deserializer)?;
        Bucket::new(&name).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// One object as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The whole key, decoded.
    pub key: String,
    /// Length in bytes.
    pub size: u64,
    /// The entity tag, in the quotes that the store gave it.
    pub etag: String,
    /// Last-Modified, Unix seconds.
    pub modified: i64,
    /// The store announces a CRC-32 over the whole object (`ChecksumType` FULL_OBJECT).
    pub has_crc32: bool,
    /// The store announces CRC-32s of the object's parts (`ChecksumType` COMPOSITE).
    pub has_part_crc32s: bool,
    /// The version of the object in a versioned bucket: what names it is read, whatever was written or deleted since.
    pub version_id: Option<String>,
    /// The object may lie in an archive tier of Intelligent-Tiering, which only a HEAD tells.
    pub may_be_archived: bool,
    /// The object lies in an archive tier without a restored copy and cannot be read now.
    pub archived: bool,
}

/// A handle on one object store. Clones share connections and credentials.
#[derive(Clone, Debug)]
pub struct Store {
    client: aws_sdk_s3::Client,
    /// Reads objects, and leaves it to its callers to try again: they have to for bodies anyway, and know where to go on.
    fetcher: fetch::Fetcher,
    /// Does the same for the few buckets that [`fetch`] cannot read from.
    reader: aws_sdk_s3::Client,
    /// Sends what takes long or is made while it is sent: no clock of the SDK's runs, no body is hashed beforehand, and
    /// nothing is sent a second time by itself.
    sender: aws_sdk_s3::Client,
    /// Signs URLs for the name under which recipients reach the store.
    presigner: aws_sdk_s3::Client,
    credentials: Option<identity::Kept>,
    /// Sent with every request on objects of others.
    payer: Option<RequestPayer>,
    read_timeout: Duration,
    /// Reads of objects that may be under way at once. Where they waited for a connection instead, the time to connect
    /// could run out.
    reads: Arc<Semaphore>,
    /// The store has shown that its listings cannot begin behind a key.
    lists_in_sequence: Arc<AtomicBool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_are_checked() {
        for name in ["local", "my-bucket", "a.b.c", "Old_Bucket9", "abc"] {
            assert_eq!(Bucket::new(name).unwrap().as_str(), name);
        }
        for name in [
            "",
            "ab",
            "-abc",
            "abc.",
            "a b",
            "a/b",
            "a..b",
            "ü-bucket",
            &"a".repeat(256),
        ] {
            assert!(Bucket::new(name).is_err(), "{name}");
        }
    }
}
