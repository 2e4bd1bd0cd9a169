//! What a job needs to go on after a crash.
//!
//! Invariant: a part counts as done only once what was learned of it is kept as well, so that nothing of a part that
//! is done has to be read again.

use serde::{Deserialize, Serialize};

use super::order::Method;

/// What a job needs to go on after a crash: small, and kept as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The entity tag of the archive, in quotes: a checkpoint of another one is of no use.
    pub archive: String,
    /// The multipart upload; absent while one is being begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
    /// The length of parts that are uploaded, in bytes.
    pub part_size: u64,
    /// [`Method::Stream`] or [`Method::Copy`], as it was decided.
    pub method: Method,
    /// Why nothing is copied within the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Parts of the plan.
    pub parts: usize,
    /// Runs of parts that are done, first and last, numbered from 1 on.
    #[serde(default)]
    pub done: Vec<(usize, usize)>,
    /// What is known of objects that lie in several parts.
    #[serde(default)]
    pub fragments: Vec<Fragment>,
    /// Rows that other workers have hashed whole, and their CRC-32s, until they stand in the manifest's sidecar.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned: Vec<(usize, u32)>,
}

/// The CRC-32 of a run of bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    /// The object's row.
    pub row: usize,
    /// Where the run begins, in bytes.
    pub start: u64,
    /// Where it ends.
    pub end: u64,
    /// Its CRC-32.
    pub crc32: u32,
}

/// Parts of an upload that one of several workers has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartsDone {
    /// Runs of parts that are done, first and last, numbered from 1 on. Others that were asked for need something that
    /// another worker learns, and are left to whoever finishes the job.
    pub done: Vec<(usize, usize)>,
    /// What was learned of objects that lie in several parts.
    #[serde(default)]
    pub fragments: Vec<Fragment>,
    /// Rows that were hashed whole, and their CRC-32s.
    #[serde(default)]
    pub learned: Vec<(usize, u32)>,
}

impl Checkpoint {
    /// Takes over what another worker has done.
    pub fn take_in(&mut self, parts: &PartsDone) {
        self.done.extend_from_slice(&parts.done);
        self.fragments.extend_from_slice(&parts.fragments);
        self.learned.extend_from_slice(&parts.learned);
    }
}
