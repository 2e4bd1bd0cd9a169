//! What is found again when nobody remembers the job: a note beside the stored manifests for each upload under way, so
//! that no upload is left behind, whatever becomes of the queue.

use bytes::Bytes;
use futures::{StreamExt, pin_mut};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::job::order::{Order, Target};
use crate::manifest::library::{StateKey, StateSpace};
use crate::store::{Store, StoreError};

/// What stands behind the target's key while it is found out whether the store copies.
const PROBE: &str = ".sheaf-probe";

/// The metadata by which it is known.
pub(super) const PROBE_MARK: &str = "sheaf-probe";

/// The length of an id as text.
const UUID: usize = 36;

/// No note is larger, in bytes.
const LARGEST: usize = 1 << 16;

/// An upload that may be under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The manifest that is packaged.
    pub manifest: Uuid,
    /// Where the archive goes.
    pub target: Target,
    /// The upload, once the store has named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<String>,
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

/// Notes that an upload is about to begin, or has begun.
///
/// # Errors
/// As the store says.
pub(super) async fn leave(
    store: &Store,
    order: &Order,
    upload: Option<String>,
) -> Result<(), StoreError> {
    let trace = Trace {
        manifest: order.manifest,
        target: order.target.clone(),
        upload,
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

/// Takes back all uploads to a target, and what a probe for it has begun or written.
///
/// # Errors
/// As the store says.
pub async fn take_back(store: &Store, target: &Target) -> Result<(), StoreError> {
    let probe = probe_key(target);
    for key in [&target.key, &probe] {
        for upload in store.uploads_of(&target.bucket, key).await? {
            upload.abort().await?;
        }
    }
    // Without the mark it is somebody else's.
    if let Some((Some(_), ..)) = store.marked(&target.bucket, &probe, PROBE_MARK).await? {
        store.delete(&target.bucket, &probe).await?;
    }
    Ok(())
}

/// What a sweep found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SweptPackages {
    /// Uploads whose links are gone, taken back.
    pub uploads: u64,
    /// Archives among sheaf's own objects whose links are gone, removed.
    pub packages: u64,
}

/// Removes what jobs left behind whose links are gone: to be called after links that have ended were removed.
///
/// # Errors
/// As the store says; what was removed before stays removed.
pub async fn sweep(store: &Store, space: &StateSpace) -> Result<SweptPackages, StoreError> {
    let mut swept = SweptPackages::default();
    let folder = space.packaging();
    let pages = store.list(&space.bucket, &folder);
    pin_mut!(pages);
    while let Some(page) = pages.next().await {
        for object in page? {
            let name = object.key.strip_prefix(&folder).unwrap_or_default();
            if is_alive(store, space, name.get(..UUID)).await? {
                continue;
            }
            let read = store.read_whole(&space.bucket, &object.key, None, LARGEST);
            let trace = read
                .await?
                .map(|whole| serde_json::from_slice(&whole.bytes));
            // What is none is left alone.
            let Some(Ok::<Trace, _>(trace)) = trace else {
                continue;
            };
            match &trace.upload {
                Some(id) => {
                    let Target { bucket, key } = &trace.target;
                    store.resume(bucket, key, id).abort().await?;
                }
                None => take_back(store, &trace.target).await?,
            }
            store.delete(&space.bucket, &object.key).await?;
            swept.uploads += 1;
        }
    }
    let folder = space.packages();
    let pages = store.list(&space.bucket, &folder);
    pin_mut!(pages);
    while let Some(page) = pages.next().await {
        for object in page? {
            let name = object.key.strip_prefix(&folder).unwrap_or_default();
            if !is_alive(store, space, name.strip_suffix(".zip")).await? {
                store.delete(&space.bucket, &object.key).await?;
                swept.packages += 1;
            }
        }
    }
    Ok(swept)
}

/// Whether the link of this id is there. What is no id is not ours to remove.
async fn is_alive(store: &Store, space: &StateSpace, id: Option<&str>) -> Result<bool, StoreError> {
    let Some(id) = id.and_then(|id| Uuid::try_parse(id).ok()) else {
        return Ok(true);
    };
    let key = space.key(StateKey::Link(id));
    Ok(store.head(&space.bucket, &key).await?.is_some())
}
