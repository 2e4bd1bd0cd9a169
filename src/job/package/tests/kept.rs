//! What stands afterwards: read back, and swept.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_found_when_it_is_read_back() {
    let place = Place::new();
    let order = place.frozen(&[(3 * MIB, true), (100, true)]).await;
    let (desk, _) = desk();
    package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap();
    let length = place.streamed(&order).await.len();
    // In the data, in the directory.
    for at in [MIB, length - 60] {
        let path = place.dir.path().join("files").join(KEY);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[at] ^= 1;
        let etag = "";
        let open = place.library.open(order.manifest).await.unwrap();
        place
            .means
            .store
            .put(&bucket(), KEY, "application/zip", bytes.clone().into())
            .await
            .unwrap();
        let standing = verify::Standing::found(&open);
        for how in [Verify::Sample, Verify::Full] {
            place
                .means
                .store
                .put(&bucket(), KEY, "application/zip", bytes.clone().into())
                .await
                .unwrap();
            let order = Order {
                verify: how,
                ..order.clone()
            };
            let failure = verify::verify(&place.means, &order, &standing, etag, &desk)
                .await
                .unwrap_err();
            assert!(matches!(failure, Failure::Unsound { .. }), "{failure}");
            assert!(place.object(KEY).await.is_none(), "it is removed");
        }
        bytes[at] ^= 1;
        place
            .means
            .store
            .put(&bucket(), KEY, "application/zip", bytes.into())
            .await
            .unwrap();
        verify::verify(&place.means, &order, &standing, etag, &desk)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_takes_back_what_nobody_remembers() {
    let place = Place::new();
    let order = place.frozen(MIXED).await;
    let at = 6 * MIB as u64;
    let (outcome, _) = stopped(&place, &order, small_parts(), at, |desk| {
        desk.pause.cancel();
    })
    .await;
    assert!(matches!(outcome, Err(Failure::Paused)), "{outcome:?}");
    let (store, space) = (&place.means.store, place.library_space());
    let swept = trace::sweep(store, &space).await.unwrap();
    assert_eq!(swept, trace::SweptPackages::default(), "its link is alive");
    let package = Target {
        bucket: bucket(),
        key: space.key(StateKey::Package(order.manifest)),
    };
    let body = Bytes::from_static(b"archive");
    store
        .put(&bucket(), &package.key, "application/zip", body)
        .await
        .unwrap();
    let link = space.key(StateKey::Link(order.manifest));
    store.delete(&bucket(), &link).await.unwrap();
    let swept = trace::sweep(store, &space).await.unwrap();
    assert_eq!((swept.uploads, swept.packages), (1, 1));
    assert!(place.object(&package.key).await.is_none());
    place.nothing_is_left().await;
}
