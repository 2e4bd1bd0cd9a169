//! Cleaning up: stored manifests whose links have ended, and what stands beside manifests that are gone.

use futures::{StreamExt, pin_mut};
use serde::Serialize;
use uuid::Uuid;

use super::library::{Library, LibraryError};
use super::stored::{HEADER_WITHIN, Header, peek};
use crate::store::{Object, StoreError};

/// How long after its end a manifest is kept, in seconds: downloads that began before may still go on.
const GRACE: u64 = 24 * 60 * 60;

/// What was found, and what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Links that are still there.
    pub kept: u64,
    /// Links that had ended and were removed.
    pub expired: u64,
    /// Sidecars and counted downloads without a manifest, removed.
    pub orphans: u64,
    /// Objects among the manifests that are none; they were left alone.
    pub unknown: u64,
}

impl Library {
    /// Removes what ended more than a day before `now` (Unix seconds).
    ///
    /// # Errors
    /// As the store says; what was removed before stays removed.
    pub async fn sweep(&self, now: u64) -> Result<Swept, LibraryError> {
        let folder = self.links_prefix();
        let pages = self.store().list(self.bucket(), &folder);
        pin_mut!(pages);
        let (mut swept, mut last) = (Swept::default(), None);
        while let Some(page) = pages.next().await {
            for object in page? {
                let name = object.key.strip_prefix(&folder).unwrap_or_default();
                let (id, is_beside) = owner(name);
                match Uuid::try_parse(id) {
                    // A manifest is listed before what stands beside it, and goes together with it.
                    Ok(id) if is_beside && last == Some(id) => {}
                    Ok(_) if is_beside => {
                        self.store().delete(self.bucket(), &object.key).await?;
                        swept.orphans += 1;
                    }
                    Ok(id) => {
                        last = Some(id);
                        match self.header(&object).await? {
                            Some(header) if header.expires.saturating_add(GRACE) < now => {
                                self.revoke(id).await?;
                                swept.expired += 1;
                            }
                            Some(_) => swept.kept += 1,
                            None => swept.unknown += 1,
                        }
                    }
                    Err(_) => swept.unknown += 1,
                }
            }
        }
        Ok(swept)
    }

    /// The header of a stored manifest, of which no more is read.
    pub(super) async fn header(&self, object: &Object) -> Result<Option<Header>, StoreError> {
        let range = 0..object.size.min(HEADER_WITHIN as u64);
        if range.is_empty() {
            return Ok(None);
        }
        let mut body = self
            .store()
            .get(self.bucket(), object, range, false)
            .await?;
        let mut start = Vec::new();
        while let Some(chunk) = body.next().await? {
            start.extend_from_slice(&chunk);
        }
        Ok(peek(&start))
    }
}

/// The id of the manifest that an object below `links/` belongs to, and whether it only stands beside it.
fn owner(name: &str) -> (&str, bool) {
    if let Some((id, download)) = name.split_once(".downloads/") {
        return match Uuid::try_parse(download) {
            Ok(_) => (id, true),
            Err(_) => (name, false),
        };
    }
    match name.strip_suffix(".crc32") {
        Some(id) => (id, true),
        None => (name, false),
    }
}
