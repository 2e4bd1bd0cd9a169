//! Manifests of many prefixes at once: one result each, whatever becomes of the others.

use futures::{FutureExt, StreamExt, stream};

use super::publish::{ManifestError, PublishOptions, Published, publish};
use super::selection::Selection;
use crate::store::Store;
use crate::store::list::Pace;

/// Manifests that are made at once.
pub const AT_ONCE: usize = 4;

/// The most prefixes of one request.
pub const MOST: usize = 1000;

/// Makes a manifest of each selection, [`AT_ONCE`] at a time. The results are in the order of the selections; one that
/// fails leaves the others alone.
pub async fn publish_each(
    store: &Store,
    selections: Vec<Selection>,
    options: &PublishOptions,
) -> Vec<Result<Published, ManifestError>> {
    let together = selections.len().clamp(1, AT_ONCE);
    // What listings hold ahead is shared as well.
    let options = PublishOptions {
        pace: Pace {
            ahead: options.pace.ahead / together,
            ..options.pace
        },
        ..options.clone()
    };
    let runs = selections.into_iter().map(|selection| {
        let (store, options) = (store.clone(), options.clone());
        async move { publish(&store, &selection, &options).await }.boxed()
    });
    stream::iter(runs).buffered(together).collect().await
}
