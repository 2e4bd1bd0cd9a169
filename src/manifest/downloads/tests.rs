//! What replicas that share a bucket know of each other's downloads, and when.

use super::*;
use crate::store::embedded::{BUCKET, EmbeddedStore};
use crate::store::{Bucket, StoreOptions};

const TRUSTED: Duration = Duration::from_secs(30);

fn times(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap()
}

/// Waits until so many downloads of a link are written.
async fn written(downloads: &Downloads, id: Uuid, count: usize) {
    let folder = downloads.space.key(StateKey::Downloads(id));
    loop {
        let listed = downloads.store.list(&downloads.space.bucket, &folder);
        let listed: Vec<_> = listed.try_concat().await.unwrap();
        if listed.len() == count {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn replicas_count_together_within_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let embedded = EmbeddedStore::open(dir.path(), &dir.path().join(".state")).unwrap();
    let store = Store::embedded(&embedded, &StoreOptions::default());
    let space = StateSpace {
        bucket: Bucket::new(BUCKET).unwrap(),
        prefix: ".sheaf/".to_owned(),
    };
    let replica = || Downloads::new(&store, space.clone(), TRUSTED);
    let (here, there) = (replica(), replica());
    let (id, start) = (Uuid::new_v4(), Instant::now());
    let used_up = async |replica: &Downloads, most: u32, later: Duration| {
        let asked = replica.used_up_at(id, times(most), start + later).await;
        asked.unwrap().is_some()
    };
    assert!(!used_up(&here, 1, Duration::ZERO).await);
    assert!(!used_up(&there, 1, Duration::ZERO).await);
    here.count(id);
    assert!(
        used_up(&here, 1, Duration::ZERO).await,
        "at once where it was counted"
    );
    assert!(!used_up(&here, 2, Duration::ZERO).await);
    written(&here, id, 1).await;
    assert!(!used_up(&there, 1, TRUSTED / 2).await, "not asked yet");
    assert!(used_up(&there, 1, TRUSTED).await);
    there.count(id);
    written(&there, id, 2).await;
    assert!(
        used_up(&here, 2, TRUSTED).await,
        "its own is not counted twice"
    );
    assert!(!used_up(&here, 3, TRUSTED * 2).await);
    assert!(used_up(&replica(), 2, TRUSTED).await, "after a restart");
    let other = here.used_up_since(Uuid::new_v4(), times(1)).await;
    assert!(other.unwrap().is_none(), "each link has its own");
}
