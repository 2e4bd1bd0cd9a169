//! What is found again when nobody remembers the job: a note beside the stored manifests for each upload under way, so
//! that no upload is left behind, whatever becomes of the queue.

use bytes::Bytes;
use futures::{StreamExt, pin_mut};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::job::order::{Order, Target};
use crate::manifest::library::{StateKey, StateSpace};
use crate::store::{Object, Store, StoreError, StoreErrorKind};

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

/// Takes back all uploads to a target, and what a probe for it has begun or written. Where there is no such bucket,
/// there is nothing.
///
/// # Errors
/// As the store says.
pub async fn take_back(store: &Store, target: &Target) -> Result<(), StoreError> {
    let taken = async {
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
    };
    or_no_bucket(taken.await)
}

fn or_no_bucket(taken: Result<(), StoreError>) -> Result<(), StoreError> {
    match taken {
        Err(error) if matches!(error.kind, StoreErrorKind::NoSuchBucket) => Ok(()),
        taken => taken,
    }
}

/// What a sweep found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SweptPackages {
    /// Uploads whose links are gone, taken back.
    pub uploads: u64,
    /// Archives among sheaf's own objects whose links are gone, removed.
    pub packages: u64,
}

/// Something that a sweep could not look at or remove.
#[derive(Debug, thiserror::Error)]
#[error("{} could not be swept{}: {error}", key.escape_default(), target.as_ref().map(|it| format!(", an upload to s3://{}/{}", it.bucket, it.key.escape_default())).unwrap_or_default())]
pub struct Unswept {
    /// An object among sheaf's own, or the folder of several.
    pub key: String,
    /// Where the upload of a trace goes, where that is known.
    pub target: Option<Target>,
    /// Why.
    pub error: StoreError,
}

/// Removes what jobs left behind whose links are gone: to be called after links that have ended were removed. What fails
/// is passed to `tell`, and does not keep the rest from being swept.
pub async fn sweep(
    store: &Store,
    space: &StateSpace,
    mut tell: impl FnMut(Unswept),
) -> SweptPackages {
    let trace = async |key: &str, name: &str| sweep_trace(store, space, key, name).await;
    let package = async |key: &str, name: &str| sweep_package(store, space, key, name).await;
    SweptPackages {
        uploads: sweep_folder(store, space, &space.packaging(), trace, &mut tell).await,
        packages: sweep_folder(store, space, &space.packages(), package, &mut tell).await,
    }
}

/// Has each object of a folder swept, by its key and its name there. How many of them are gone.
async fn sweep_folder(
    store: &Store,
    space: &StateSpace,
    folder: &str,
    sweep: impl AsyncFn(&str, &str) -> Result<bool, Box<Unswept>>,
    tell: &mut impl FnMut(Unswept),
) -> u64 {
    let mut swept = 0;
    let pages = store.list(&space.bucket, folder);
    pin_mut!(pages);
    while let Some(page) = pages.next().await {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                tell(unswept(folder, error));
                break;
            }
        };
        for Object { key, .. } in page {
            let name = key.strip_prefix(folder).unwrap_or_default();
            match sweep(&key, name).await {
                Ok(is_swept) => swept += u64::from(is_swept),
                Err(failed) => tell(*failed),
            }
        }
    }
    swept
}

/// Whether there was a trace of a link that is gone, and is not there any more.
async fn sweep_trace(
    store: &Store,
    space: &StateSpace,
    key: &str,
    name: &str,
) -> Result<bool, Box<Unswept>> {
    let mut target = None;
    let swept = async {
        if is_alive(store, space, name.get(..UUID)).await? {
            return Ok(false);
        }
        let read = store.read_whole(&space.bucket, key, None, LARGEST);
        let trace = read
            .await?
            .map(|whole| serde_json::from_slice(&whole.bytes));
        // What is none is left alone.
        let Some(Ok::<Trace, _>(trace)) = trace else {
            return Ok(false);
        };
        let to = &*target.insert(trace.target);
        match &trace.upload {
            Some(id) => or_no_bucket(store.resume(&to.bucket, &to.key, id).abort().await)?,
            None => take_back(store, to).await?,
        }
        store.delete(&space.bucket, key).await?;
        Ok(true)
    };
    let swept: Result<bool, StoreError> = swept.await;
    swept.map_err(|error| {
        Box::new(Unswept {
            target,
            ..unswept(key, error)
        })
    })
}

/// Whether there was an archive of a link that is gone, and is not there any more.
async fn sweep_package(
    store: &Store,
    space: &StateSpace,
    key: &str,
    name: &str,
) -> Result<bool, Box<Unswept>> {
    let swept = async {
        if is_alive(store, space, name.strip_suffix(".zip")).await? {
            return Ok(false);
        }
        store.delete(&space.bucket, key).await?;
        Ok(true)
    };
    swept.await.map_err(|error| Box::new(unswept(key, error)))
}

fn unswept(key: &str, error: StoreError) -> Unswept {
    Unswept {
        key: key.to_owned(),
        target: None,
        error,
    }
}

/// Whether the link of this id is there. What is no id is not ours to remove.
async fn is_alive(store: &Store, space: &StateSpace, id: Option<&str>) -> Result<bool, StoreError> {
    let Some(id) = id.and_then(|id| Uuid::try_parse(id).ok()) else {
        return Ok(true);
    };
    let key = space.key(StateKey::Link(id));
    Ok(store.head(&space.bucket, &key).await?.is_some())
}
