//! What stands afterwards: read back, and swept.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_found_when_it_is_read_back() {
    let place = Place::new();
    let order = place.frozen(&[(3 * MIB, true), (100, true)]).await;
    let whole = place.streamed(&order).await;
    let open = place.library.open(order.manifest).await.unwrap();
    let standing = verify::Standing::found(&open);
    let (desk, _) = desk();
    // In the data, in the directory, and with an end that is missing.
    let damages: [fn(&mut Vec<u8>); 3] = [
        |bytes| bytes[MIB] ^= 1,
        |bytes| *bytes.iter_mut().nth_back(60).unwrap() ^= 1,
        |bytes| bytes.truncate(2 * MIB),
    ];
    for damage in damages {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        for how in [Verify::Sample, Verify::Full] {
            let etag = place.written_for(&order, &bytes).await;
            let order = Order {
                verify: how,
                ..order.clone()
            };
            let failure = verify::verify(&place.means, &order, &standing, &etag, &desk)
                .await
                .unwrap_err();
            assert!(matches!(failure, Failure::Unsound { .. }), "{failure}");
            assert!(place.object(KEY).await.is_none(), "it is removed");
        }
    }
    let etag = place.written_for(&order, &whole).await;
    verify::verify(&place.means, &order, &standing, &etag, &desk)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_the_job_wrote_is_removed() {
    let place = Place::new();
    let order = place.frozen(&[(3 * MIB, true), (100, true)]).await;
    let open = place.library.open(order.manifest).await.unwrap();
    let checkpoint = Checkpoint::default();
    let plan = Plan::streamed(open.frozen.layout(), MIN_PART as u64);
    let standing = verify::Standing::of(&open, &plan, &checkpoint);
    let whole = place.streamed(&order).await;
    let etag = place.written_for(&order, &whole).await;
    let (running, _) = desk();
    let cancelled = desk_that_is_cancelled();
    let newcomer = content(5, 1000);
    let mut damaged = whole.clone();
    damaged[MIB] ^= 1;
    for is_marked in [false, true] {
        let newcomer = match is_marked {
            // Another job's, of the same archive.
            true => {
                place.written_for(&order, &damaged).await;
                &damaged
            }
            false => {
                place.write(&newcomer).await;
                &newcomer
            }
        };
        for desk in [&running, &cancelled] {
            let failure = verify::verify(&place.means, &order, &standing, &etag, desk)
                .await
                .unwrap_err();
            match desk.cancel.is_cancelled() {
                true => assert!(matches!(failure, Failure::Cancelled), "{failure}"),
                false => {
                    assert!(matches!(failure, Failure::Replaced(_)), "{failure}");
                    assert!(failure.to_string().contains("replaced by another object"));
                    assert!(!failure.can_pass());
                }
            }
            assert!(place.object(KEY).await.as_ref() == Some(newcomer));
        }
    }
    place.written_for(&order, &whole).await;
    let failure = verify::verify(&place.means, &order, &standing, &etag, &cancelled)
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::Cancelled), "{failure}");
    assert!(place.object(KEY).await.is_none(), "its own work is removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_while_the_archive_is_read_back_stays() {
    let place = Place::new();
    let newcomer = content(5, 1000);
    for is_cancelled in [false, true] {
        let order = Order {
            verify: Verify::Full,
            replace: true,
            ..place.frozen(MIXED).await
        };
        let (desk, _) = desk();
        let job = package(&place.means, &order, small_parts(), &desk);
        let writing = async {
            until(&desk, |shown| shown.phase == Phase::Verifying).await;
            place.write(&newcomer).await;
            if is_cancelled {
                desk.cancel.cancel();
            }
        };
        let (outcome, ()) = tokio::join!(job, writing);
        let failure = outcome.unwrap_err();
        match failure {
            Failure::Replaced(_) => {}
            Failure::Cancelled if is_cancelled => {}
            failure => panic!("{failure}"),
        }
        assert!(place.object(KEY).await.as_ref() == Some(&newcomer));
        place.nothing_is_left().await;
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
    let swept = trace::sweep(store, &space, |failed| panic!("{failed}")).await;
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
    let swept = trace::sweep(store, &space, |failed| panic!("{failed}")).await;
    assert_eq!((swept.uploads, swept.packages), (1, 1));
    assert!(place.object(&package.key).await.is_none());
    place.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_trace_does_not_keep_the_rest_from_being_swept() {
    let place = Place::new();
    let (store, space) = (&place.means.store, place.library_space());
    let order = |bucket: &str, key: &str| Order {
        manifest: uuid::Uuid::new_v4(),
        state: space.clone(),
        target: Target {
            bucket: Bucket::new(bucket).unwrap(),
            key: key.to_owned(),
        },
        method: Method::Stream,
        verify: Verify::Sample,
        replace: false,
    };
    // No object has this key, and there is no such bucket.
    let refused = order(BUCKET, "");
    let nowhere = [order("nope", "x.zip"), order("nope", "y.zip")];
    let here = order(BUCKET, KEY);
    let id = Some("an upload".to_owned());
    trace::leave(store, &refused, id.clone()).await.unwrap();
    trace::leave(store, &nowhere[0], None).await.unwrap();
    trace::leave(store, &nowhere[1], id).await.unwrap();
    trace::leave(store, &here, None).await.unwrap();
    let package = space.key(StateKey::Package(here.manifest));
    let body = Bytes::from_static(b"archive");
    store
        .put(&bucket(), &package, "application/zip", body)
        .await
        .unwrap();
    let mut failed = Vec::new();
    let swept = trace::sweep(store, &space, |unswept| failed.push(unswept)).await;
    let [unswept] = &failed[..] else {
        panic!("{failed:?}");
    };
    assert_eq!(unswept.target.as_ref(), Some(&refused.target));
    let told = unswept.to_string();
    for part in ["/packaging/", "s3://local/"] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!((swept.uploads, swept.packages), (3, 1));
    let left: Vec<_> = store
        .list(&bucket(), &space.packaging())
        .try_concat()
        .await
        .unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].key.contains(&refused.manifest.to_string()));
}
