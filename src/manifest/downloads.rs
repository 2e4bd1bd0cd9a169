//! How often the archives of links were downloaded whole, for links that have a number of downloads.
//!
//! Each complete download is a small object beside the stored manifest, so that replicas, which share nothing but the
//! bucket, count together: what one counted the others know within [`TRUSTED_FOR`](super::library::TRUSTED_FOR).

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use futures::TryStreamExt;
use tracing::warn;
use uuid::Uuid;

use super::issue::unix;
use super::library::{Library, StateKey, StateSpace};
use super::stored::CONTENT_TYPE;
use crate::store::{Store, StoreError};

/// Links whose downloads are known here at the most; others are asked for again.
const MOST: usize = 10_000;

/// Complete downloads. Clones share what is known.
#[derive(Clone, Debug)]
pub struct Downloads {
    store: Store,
    space: StateSpace,
    /// How long what the store said is taken for current.
    trusted_for: Duration,
    known: Arc<Mutex<HashMap<Uuid, Known>>>,
}

/// What is known of one link.
#[derive(Debug, Default)]
struct Known {
    /// When each download was complete, in Unix seconds.
    done: HashMap<Uuid, i64>,
    /// When the store was asked last.
    asked: Option<Instant>,
}

impl Downloads {
    /// The downloads of the links in `space`; what other servers counted is known within `trusted_for`.
    pub fn new(store: &Store, space: StateSpace, trusted_for: Duration) -> Downloads {
        Downloads {
            store: store.clone(),
            space,
            trusted_for,
            known: Arc::default(),
        }
    }

    /// Since when (Unix seconds) a link has been downloaded whole `most` times, if it has.
    ///
    /// # Errors
    /// As the store says, where it has to be asked.
    pub async fn used_up_since(
        &self,
        id: Uuid,
        most: NonZeroU32,
    ) -> Result<Option<i64>, StoreError> {
        self.used_up_at(id, most, Instant::now()).await
    }

    async fn used_up_at(
        &self,
        id: Uuid,
        most: NonZeroU32,
        now: Instant,
    ) -> Result<Option<i64>, StoreError> {
        let is_fresh = |known: &Known| {
            let asked = known.asked.map(|at| now.saturating_duration_since(at));
            asked.is_some_and(|age| age < self.trusted_for)
        };
        {
            let known = self.lock();
            if let Some(known) = known.get(&id) {
                let since = known.since(most);
                // It never becomes less.
                if since.is_some() || is_fresh(known) {
                    return Ok(since);
                }
            }
        }
        let folder = self.space.key(StateKey::Downloads(id));
        let listed = self.store.list(&self.space.bucket, &folder);
        let listed: Vec<_> = listed.try_concat().await?;
        let mut all = self.lock();
        if all.len() >= MOST {
            all.retain(|_, known| is_fresh(known));
        }
        let known = all.entry(id).or_default();
        known.asked = Some(now);
        for object in listed {
            let name = object.key.strip_prefix(&folder).unwrap_or_default();
            if let Ok(download) = Uuid::try_parse(name) {
                known.done.entry(download).or_insert(object.modified);
            }
        }
        Ok(known.since(most))
    }

    /// A download of a link is complete. It counts here at once, and elsewhere when it is written.
    pub fn count(&self, id: Uuid) {
        let (download, now) = (Uuid::new_v4(), unix(SystemTime::now()));
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        self.lock()
            .entry(id)
            .or_default()
            .done
            .insert(download, now);
        let key = self.space.key(StateKey::Download(id, download));
        let (store, bucket) = (self.store.clone(), self.space.bucket.clone());
        tokio::spawn(async move {
            let body = format!("{now}\n").into();
            if let Err(error) = store.put(&bucket, &key, CONTENT_TYPE, body).await {
                warn!(%error, %id, "a complete download is counted on this server only");
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Library {
    /// Removes what tells of a link's downloads. What cannot be removed now is swept later.
    pub(super) async fn forget_downloads(&self, id: Uuid) {
        let listed = self.store().list(self.bucket(), &self.downloads_prefix(id));
        let removed = async {
            let mut listed = std::pin::pin!(listed);
            while let Some(page) = listed.try_next().await? {
                for object in page {
                    self.store().delete(self.bucket(), &object.key).await?;
                }
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = removed.await {
            warn!(%error, %id, "what tells of a link's downloads could not be removed");
        }
    }
}

impl Known {
    fn since(&self, most: NonZeroU32) -> Option<i64> {
        let mut times: Vec<i64> = self.done.values().copied().collect();
        times.sort_unstable();
        times.get(most.get() as usize - 1).copied()
    }
}

#[cfg(test)]
mod tests;
