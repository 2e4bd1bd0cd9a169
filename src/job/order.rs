//! What is to be packaged, and what became of it: what a queue keeps as JSON.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::manifest::StateSpace;
use crate::manifest::library::StateKey;
use crate::store::{AllowedBuckets, Bucket, NotAllowed};

/// What is to be packaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The stored manifest: the id of its link.
    pub manifest: Uuid,
    /// Where it is stored.
    pub state: StateSpace,
    /// Where the archive goes.
    pub target: Target,
    /// How it gets there.
    #[serde(default)]
    pub method: Method,
    /// How much of it is read back.
    #[serde(default)]
    pub verify: Verify,
    /// Whether what stands at the target may be replaced. If not, it is looked at before the upload begins, and once more
    /// right before the archive takes its place.
    #[serde(default)]
    pub replace: bool,
}

/// An object to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
pub struct Target {
    /// Its bucket.
    #[cfg_attr(test, schema(value_type = String))]
    pub bucket: Bucket,
    /// Its key.
    pub key: String,
}

impl Target {
    /// Whether the archive of a link may be here: in one of these buckets, or where it is kept for its link alone, among
    /// sheaf's own objects. Who may write the queue names the place, and not only the API.
    ///
    /// # Errors
    /// [`NotAllowed`] where it may not.
    pub fn check(
        &self,
        link: Uuid,
        space: Option<&StateSpace>,
        allowed: &AllowedBuckets,
    ) -> Result<(), NotAllowed> {
        let own = |space: &StateSpace| {
            self.bucket == space.bucket && self.key == space.key(StateKey::Package(link))
        };
        match space.is_some_and(own) {
            true => Ok(()),
            false => allowed.check(&self.bucket),
        }
    }
}

/// How the bytes of objects get into the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Large objects are copied within the store where it can do that, and all else is streamed
    #[default]
    Auto,
    /// Every byte passes through this process, and is hashed
    Stream,
    /// Large objects are copied within the store; the job fails where it cannot do that
    Copy,
}

/// How much of the archive is read back once it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// The directory, and the CRC-32s of a sample of the entries
    #[default]
    Sample,
    /// Every byte
    Full,
}

/// An archive that stands in its bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packaged {
    /// Where.
    pub target: Target,
    /// Its length in bytes.
    pub bytes: u64,
    /// The entity tag that the store gave it, in quotes.
    pub etag: String,
    /// The entity tag of the same archive behind its link, in quotes: what it is made of.
    pub archive: String,
    /// Files in it.
    pub entries: u64,
    /// [`Method::Stream`] or [`Method::Copy`], as it was done in the end.
    pub method: Method,
    /// Why nothing was copied within the store, where that was asked for or left open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Bytes that the store copied by itself.
    pub copied: u64,
    /// Entries whose data was read back and hashed.
    pub verified: u64,
}
