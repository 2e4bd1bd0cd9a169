//! Where sheaf keeps its own objects, and their keys.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::manifest::distrust::Digest;
use crate::store::Bucket;

/// Where links are, below the state prefix.
const LINKS: &str = "links/";

/// Where archives go that were packaged for nowhere else.
const PACKAGES: &str = "packages/";

/// Where it is noted that uploads are under way.
const PACKAGING: &str = "packaging/";

/// Where claims are that proved wrong.
const DISTRUSTED: &str = "distrusted/";

/// Where sheaf keeps its own objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSpace {
    /// Their bucket.
    pub bucket: Bucket,
    /// What all their keys begin with.
    pub prefix: String,
}

/// One of sheaf's own objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKey {
    /// The stored manifest of a link.
    Link(Uuid),
    /// The CRC-32s that were learned of its rows.
    Crc32s(Uuid),
    /// What the keys of a link's complete downloads begin with.
    Downloads(Uuid),
    /// One complete download of a link.
    Download(Uuid, Uuid),
    /// The archive of a link, where it was packaged for nowhere else.
    Package(Uuid),
    /// An upload of a link's archive that may be under way; the number stands for its target.
    Packaging(Uuid, u128),
    /// A claimed CRC-32 that proved wrong.
    Distrusted(Digest),
}

impl StateSpace {
    /// The key of an object.
    pub fn key(&self, key: StateKey) -> String {
        let prefix = &self.prefix;
        match key {
            StateKey::Link(id) => format!("{prefix}{LINKS}{id}"),
            StateKey::Crc32s(id) => format!("{prefix}{LINKS}{id}.crc32"),
            StateKey::Downloads(id) => format!("{prefix}{LINKS}{id}.downloads/"),
            StateKey::Download(id, download) => {
                format!("{prefix}{LINKS}{id}.downloads/{download}")
            }
            StateKey::Package(id) => format!("{prefix}{PACKAGES}{id}.zip"),
            StateKey::Packaging(id, target) => format!("{prefix}{PACKAGING}{id}-{target:032x}"),
            StateKey::Distrusted(digest) => format!("{prefix}{DISTRUSTED}{digest}"),
        }
    }

    /// What the keys of stored manifests and their sidecars begin with.
    pub fn links(&self) -> String {
        format!("{}{LINKS}", self.prefix)
    }

    /// What the keys of notes begin with that uploads are under way.
    pub fn packaging(&self) -> String {
        format!("{}{PACKAGING}", self.prefix)
    }

    /// What the keys of archives begin with that were packaged for nowhere else.
    pub fn packages(&self) -> String {
        format!("{}{PACKAGES}", self.prefix)
    }

    /// What the keys of claims begin with that proved wrong.
    pub fn distrusted(&self) -> String {
        format!("{}{DISTRUSTED}", self.prefix)
    }
}
