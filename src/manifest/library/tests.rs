//! What replicas that share a bucket know of each other's links, and when.

use std::time::SystemTime;

use futures::TryStreamExt;
use tempfile::TempDir;

use super::*;
use crate::link::KeyRing;
use crate::manifest::stored::{Freezer, Row};
use crate::manifest::{Chosen, IssueError, Selection, Wish, issue};
use crate::read_ahead::DEFAULT_BUDGET;
use crate::store::StoreOptions;
use crate::store::embedded::{BUCKET, EmbeddedStore};

struct Place {
    store: Store,
    _dir: TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let files = dir.path().join("files");
        std::fs::create_dir(&files).unwrap();
        std::fs::write(files.join("a.pdf"), "content").unwrap();
        let embedded = EmbeddedStore::open(&files, &dir.path().join("state")).unwrap();
        Place {
            store: Store::embedded(&embedded, &StoreOptions::default()),
            _dir: dir,
        }
    }

    fn replica(&self) -> Library {
        self.replica_within(DEFAULT_BUDGET)
    }

    fn replica_within(&self, budget: usize) -> Library {
        let space = StateSpace {
            bucket: bucket(),
            prefix: ".sheaf/".to_owned(),
        };
        Library::new(&self.store, space, &MemoryBudget::new(budget))
    }
}

fn bucket() -> Bucket {
    Bucket::new(BUCKET).unwrap()
}

fn frozen(count: usize) -> Frozen {
    until(count, 1)
}

fn until(count: usize, expires: u64) -> Frozen {
    let mut freezer = Freezer::new(&bucket(), "");
    for n in 0..count {
        freezer.push(&Row {
            key: format!("{n:06}.pdf"),
            size: 7,
            etag: format!("\"{n}\""),
            modified: 0,
            crc32: Some(7),
            announced: false,
            version: None,
        });
    }
    freezer.finish("x.zip", 0, expires)
}

/// The library, once everything that is open has become too old to be trusted.
async fn later(library: &Library, id: Uuid) -> Result<Arc<Open>, LibraryError> {
    let book = library.shelves.of(id);
    if let Some(known) = book.lock().await.as_mut() {
        known.until = Instant::now();
    }
    library.open(id).await
}

#[tokio::test]
async fn a_revocation_holds_everywhere_within_its_time() {
    let place = Place::new();
    let (here, there) = (place.replica(), place.replica());
    let id = here.put(&frozen(2)).await.unwrap();
    let open = there.open(id).await.unwrap();
    here.revoke(id).await.unwrap();
    assert!(
        matches!(here.open(id).await, Err(LibraryError::Revoked)),
        "at once where it was revoked"
    );
    let (_, until) = there.open_until(id).await.expect("trusted for a while");
    assert!(until < Instant::now() + Duration::from_secs(30));
    let revoked = later(&there, id).await;
    assert!(matches!(revoked, Err(LibraryError::Revoked)));
    assert_eq!(open.frozen.header().count, 2, "who has it, has it");
}

#[tokio::test]
async fn what_did_not_change_is_not_loaded_again() {
    let place = Place::new();
    let library = place.replica();
    let id = library.put(&frozen(2)).await.unwrap();
    let first = library.open(id).await.unwrap();
    assert!(Arc::ptr_eq(&first, &library.open(id).await.unwrap()));
    let again = later(&library, id).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again), "304");
}

#[tokio::test]
async fn loads_that_coincide_are_one() {
    let place = Place::new();
    let library = place.replica();
    let id = library.put(&frozen(1000)).await.unwrap();
    let loads = (0..8).map(|_| library.open(id));
    let opened = futures::future::try_join_all(loads).await.unwrap();
    assert!(opened.iter().all(|open| Arc::ptr_eq(open, &opened[0])));
}

#[tokio::test]
async fn a_broken_link_is_broken_everywhere_and_its_claim_is_remembered() {
    let place = Place::new();
    let (here, there) = (place.replica(), place.replica());
    let id = here.put(&frozen(2)).await.unwrap();
    let open = here.open(id).await.unwrap();
    there.open(id).await.unwrap();
    here.disprove(&open, 1).await;
    let broken = |outcome: Result<_, LibraryError>| matches!(outcome, Err(LibraryError::Broken { key }) if key == "000001.pdf");
    assert!(broken(here.open(id).await.map(drop)));
    let there = later(&there, id).await;
    assert!(broken(there.map(drop)));
    let distrusted = here.distrusted().await.unwrap();
    assert!(!distrusted.has(BUCKET, &open.frozen.row(0).unwrap()));
    assert!(distrusted.has(BUCKET, &open.frozen.row(1).unwrap()));
}

#[tokio::test]
async fn what_is_no_manifest_is_not_opened() {
    let place = Place::new();
    let library = place.replica();
    let id = Uuid::new_v4();
    let key = format!(".sheaf/links/{id}");
    let bucket = bucket();
    let put = place
        .store
        .put(&bucket, &key, CONTENT_TYPE, "nonsense".into());
    put.await.unwrap();
    assert!(matches!(
        library.open(id).await,
        Err(LibraryError::Stored(_))
    ));
}

#[tokio::test]
async fn what_replicas_learn_adds_up() {
    let place = Place::new();
    let (here, there) = (place.replica(), place.replica());
    let id = here.put(&frozen(3)).await.unwrap();
    let (ours, theirs) = (here.open(id).await.unwrap(), there.open(id).await.unwrap());
    ours.learned.learn(0, 10).unwrap();
    theirs.learned.learn(2, 12).unwrap();
    here.keep_learned(&ours).await;
    there.keep_learned(&theirs).await;
    let third = place.replica();
    let open = third.open(id).await.unwrap();
    third.load_learned(&open).await;
    assert_eq!(
        [0, 1, 2].map(|row| open.learned.get(row)),
        [Some(10), None, Some(12)]
    );
}

/// The ids of manifests of so many rows, none of them open.
async fn stored(place: &Place, counts: &[usize]) -> Vec<Uuid> {
    let library = place.replica();
    let mut ids = Vec::new();
    for count in counts {
        ids.push(library.put(&frozen(*count)).await.unwrap());
    }
    ids
}

fn held<const N: usize>(library: &Library, ids: [Uuid; N]) -> [bool; N] {
    ids.map(|id| library.shelves.has(id))
}

#[tokio::test]
async fn old_manifests_give_way_to_new_ones() {
    let place = Place::new();
    let ids = stored(&place, &[3000; 4]).await;
    let weight = place.replica().open(ids[0]).await.unwrap().weight();
    let library = place.replica_within(weight * 2 * KEPT + weight);
    for id in [ids[0], ids[1], ids[0], ids[2]] {
        library.open(id).await.unwrap();
    }
    assert_eq!(
        held(&library, [ids[0], ids[1], ids[2]]),
        [true, false, true]
    );
    let in_use = (
        library.open(ids[0]).await.unwrap(),
        library.open(ids[2]).await.unwrap(),
    );
    library.open(ids[1]).await.unwrap();
    library.open(ids[3]).await.unwrap();
    assert_eq!(held(&library, [ids[0], ids[2], ids[3]]), [true, true, true]);
    assert!(
        !held(&library, [ids[1]])[0],
        "it was the one that nobody used"
    );
    assert_eq!(library.budget().kept(), 3 * weight);
    drop(in_use);
    drop(library);
}

#[tokio::test]
async fn downloads_have_precedence_over_what_nobody_uses() {
    let place = Place::new();
    let ids = stored(&place, &[3000; 2]).await;
    let library = place.replica_within(8 << 20);
    let used = library.open(ids[0]).await.unwrap();
    library.open(ids[1]).await.unwrap();
    assert!(library.budget().kept() > used.weight());
    let mut shares = Vec::new();
    while let Ok(share) = library.budget().admit() {
        shares.push(share);
    }
    assert_eq!(held(&library, [ids[0], ids[1]]), [true, false]);
    assert_eq!(library.budget().kept(), used.weight());
    let refused = library.open(ids[1]).await;
    assert!(matches!(refused, Err(LibraryError::Overloaded(_))));
    assert!(library.open(ids[0]).await.is_ok(), "it is open");
    drop(shares);
    assert!(library.open(ids[1]).await.is_ok());
    drop(used);
    library.shelves.let_go(usize::MAX);
    assert_eq!(library.budget().kept(), 0);
}

#[tokio::test]
async fn what_is_too_large_for_the_memory_is_refused_before_it_is_read() {
    let place = Place::new();
    let ids = stored(&place, &[30_000]).await;
    let library = place.replica_within(1 << 20);
    let refused = library.open(ids[0]).await;
    let Err(LibraryError::TooLarge { needed, total }) = refused else {
        panic!("{refused:?}");
    };
    assert!(needed > total && total == 1 << 20);
    assert_eq!((library.budget().kept(), library.budget().peak()), (0, 0));
}

#[tokio::test]
async fn claims_that_prove_wrong_at_the_same_time_are_all_remembered() {
    let place = Place::new();
    let replicas: Vec<Library> = (0..4).map(|_| place.replica()).collect();
    let id = replicas[0].put(&frozen(4)).await.unwrap();
    let open = replicas[0].open(id).await.unwrap();
    let noted = (0..4).map(|row| replicas[row].disprove(&open, row));
    futures::future::join_all(noted).await;
    let distrusted = place.replica().distrusted().await.unwrap();
    for row in 0..4 {
        assert!(
            distrusted.has(BUCKET, &open.frozen.row(row).unwrap()),
            "{row}"
        );
    }
}

#[tokio::test]
async fn links_live_as_long_as_is_sensible() {
    let place = Place::new();
    let keys = KeyRing::parse(&KeyRing::generate()).unwrap();
    for seconds in [0, 11 * 366 * 86_400] {
        let wish = Wish {
            chosen: Chosen::Selection(Selection::new(bucket(), "", &[]).unwrap()),
            filename: None,
            expires_in: Duration::from_secs(seconds),
            scan: None,
            passphrase: None,
            max_downloads: None,
            base: "http://h".to_owned(),
        };
        let issued = issue(
            &place.store,
            &place.replica(),
            &keys,
            wish,
            SystemTime::now(),
        )
        .await;
        assert!(matches!(issued, Err(IssueError::InvalidExpiry { .. })));
    }
}

#[tokio::test]
async fn what_has_ended_is_swept_with_its_sidecar() {
    const DAY: u64 = 86_400;
    let place = Place::new();
    let library = place.replica();
    let mut ids = Vec::new();
    for expires in [1, 2] {
        let id = library.put(&until(100, expires)).await.unwrap();
        let open = library.open(id).await.unwrap();
        open.learned.learn(0, 7).unwrap();
        library.keep_learned(&open).await;
        ids.push(id);
    }
    let put = async |name: String| {
        let key = format!(".sheaf/links/{name}");
        place
            .store
            .put(&bucket(), &key, CONTENT_TYPE, "x".into())
            .await
            .unwrap();
    };
    put(format!("{}.crc32", Uuid::new_v4())).await;
    // Downloads that were counted go with their link, and without one at once.
    for id in &ids {
        put(format!("{id}.downloads/{}", Uuid::new_v4())).await;
    }
    put(format!("{}.downloads/{}", Uuid::new_v4(), Uuid::new_v4())).await;
    put(format!("{}.downloads/other", Uuid::new_v4())).await;
    put("notes.txt".to_owned()).await;
    put(Uuid::new_v4().to_string()).await;
    let swept = library.sweep(DAY + 2).await.unwrap();
    let counts = (swept.kept, swept.expired, swept.orphans, swept.unknown);
    assert_eq!(counts, (1, 1, 2, 3));
    assert!(matches!(
        library.open(ids[0]).await,
        Err(LibraryError::Revoked)
    ));
    assert!(library.open(ids[1]).await.is_ok());
    let again = library.sweep(DAY + 2).await.unwrap();
    let counts = (again.kept, again.expired, again.orphans, again.unknown);
    assert_eq!(counts, (1, 0, 0, 3), "nothing is left of it");
    let left = place
        .store
        .list(&bucket(), &format!(".sheaf/links/{}", ids[0]));
    let left: Vec<_> = left.try_concat().await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    let kept = place
        .store
        .list(&bucket(), &format!(".sheaf/links/{}", ids[1]));
    let kept: Vec<_> = kept.try_concat().await.unwrap();
    assert_eq!(kept.len(), 3, "the manifest, its sidecar, and a download");
}
