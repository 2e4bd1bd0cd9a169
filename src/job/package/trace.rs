//! What is found again when nobody remembers the job: a note beside the stored manifests for each upload under way, so
//! that no upload is left behind, whatever becomes of the queue.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::job::order::{Order, Target};
use crate::manifest::library::{StateKey, StateSpace};
use crate::store::{Store, StoreError};

/// What stands behind the target's key while it is found out whether the store copies.
const PROBE: &str = ".sheaf-probe";

/// An upload that may be under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The manifest that is packaged.
    pub manifest: Uuid,
    /// Where the archive goes.
    pub target: Target,
}

/// Where the trace of an order is.
fn place(order: &Order) -> String {
    let target = &order.target;
    let digest = Sha256::digest(format!("{}/{}", target.bucket, target.key));
    let mut start = [0; 16];
    start.copy_from_slice(&digest[..16]);
    order.state.key(StateKey::Packaging(
        order.manifest,
        u128::from_be_bytes(start),
    ))
}

/// Notes that an upload is about to begin.
///
/// # Errors
/// As the store says.
pub(super) async fn leave(store: &Store, order: &Order) -> Result<(), StoreError> {
    let trace = Trace {
        manifest: order.manifest,
        target: order.target.clone(),
    };
    let body = serde_json::to_vec(&trace).map_or_else(|_| Bytes::new(), Bytes::from);
    store
        .put(&order.state.bucket, &place(order), "application/json", body)
        .await
}

/// No upload of the order is under way any more.
pub(super) async fn forget(store: &Store, order: &Order) -> Result<(), StoreError> {
    store.delete(&order.state.bucket, &place(order)).await
}

/// The key of the object that a probe writes for a target.
pub(super) fn probe_key(target: &Target) -> String {
    format!("{}{PROBE}", target.key)
}

/// Takes back all uploads to a target, and those of a probe for it.
///
/// # Errors
/// As the store says.
pub async fn abort_all(store: &Store, target: &Target) -> Result<(), StoreError> {
    for key in [&target.key, &probe_key(target)] {
        for upload in store.uploads_of(&target.bucket, key).await? {
            upload.abort().await?;
        }
    }
    Ok(())
}

/// Reads a trace that was left.
pub fn read(bytes: &[u8]) -> Option<Trace> {
    serde_json::from_slice(bytes).ok()
}

/// What the keys of all traces begin with.
pub fn folder(space: &StateSpace) -> String {
    space.packaging()
}
