//! What is written, and what is not touched.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_archive_is_packaged_as_its_link_gives_it() {
    let place = Place::new();
    let order = place.frozen(MIXED).await;
    let (desk, kept) = desk();
    let packaged = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap();
    let expected = place.streamed(&order).await;
    assert!(place.object(KEY).await.unwrap() == expected);
    assert_eq!(packaged.bytes, expected.len() as u64);
    assert_eq!(packaged.method, Method::Stream);
    assert_eq!((packaged.entries, packaged.copied), (9, 0));
    let shown = desk.progress.shown();
    assert_eq!(shown.parts, shown.parts_total);
    assert_eq!(
        (shown.bytes, shown.bytes_total),
        (packaged.bytes, packaged.bytes)
    );
    let last = kept.last.lock().unwrap().clone().unwrap();
    assert_eq!(last.done, [(1, last.parts)]);
    assert!(
        last.fragments.is_empty(),
        "put together, all of them: {last:?}"
    );
    place.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_objects_are_copied_within_the_store() {
    let place = Place::new();
    let order = Order {
        method: Method::Copy,
        ..place.frozen(MIXED).await
    };
    let (desk, _) = desk();
    let packaged = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap();
    assert!(place.object(KEY).await.unwrap() == place.streamed(&order).await);
    assert_eq!(packaged.method, Method::Copy);
    assert!(packaged.copied > 20 * MIB as u64, "{packaged:?}");
    assert_eq!(desk.progress.shown().copied, packaged.copied);
    place.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_little_is_streamed_unless_copying_is_asked_for() {
    let place = Place::new();
    let order = Order {
        method: Method::Auto,
        ..place.frozen(&[(13 * MIB, true), (100, true)]).await
    };
    let (desk, _) = desk();
    let packaged = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap();
    assert_eq!(packaged.method, Method::Stream);
    assert_eq!(packaged.note, desk.progress.shown().note);
    assert!(packaged.note.unwrap().contains("64 MiB"));
    let order = Order {
        method: Method::Copy,
        target: Target {
            bucket: bucket(),
            key: "other.zip".to_owned(),
        },
        ..place.frozen(&[(MIB, true)]).await
    };
    let failure = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::CannotCopy { .. }), "{failure}");
    place.nothing_is_left().await;
}

/// Where it may replace what stands at the target, it does.
async fn replaces(place: &Place, order: Order, desk: &Desk) {
    let replacing = Order {
        replace: true,
        ..order
    };
    package(&place.means, &replacing, small_parts(), desk)
        .await
        .unwrap();
    assert!(place.object(KEY).await.unwrap() == place.streamed(&replacing).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_is_found_and_what_is_another_object_is_not_touched() {
    let place = Place::new();
    let order = place.frozen(&[(MIB, true), (2 * MIB, false)]).await;
    let (desk, _) = desk();
    let first = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap();
    let again = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap();
    assert_eq!(first.etag, again.etag);
    assert!(again.note.unwrap().contains("already"));
    let (written, whole) = (place.modified(KEY).await, place.streamed(&order).await);
    let same = place.frozen_again(&order).await;
    let again = package(&place.means, &same, small_parts(), &desk)
        .await
        .unwrap();
    assert_eq!(first.etag, again.etag);
    assert_eq!(
        again.verified, 2,
        "nobody remembers a CRC-32, so all is read"
    );
    let cancelled = desk_that_is_cancelled();
    let failure = package(&place.means, &same, small_parts(), &cancelled)
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::Cancelled));
    assert_eq!(place.modified(KEY).await, written, "it is let be");
    let other = place.frozen(&[(MIB, true), (5, true)]).await;
    let failure = package(&place.means, &other, small_parts(), &desk)
        .await
        .unwrap_err();
    assert!(matches!(failure, Failure::Exists(_)) && !failure.can_pass());
    assert!(place.object(KEY).await.unwrap() == whole);
    replaces(&place, other, &desk).await;
    place.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_to_the_target_during_the_upload_is_not_touched() {
    let place = Place::new();
    let order = place.frozen(MIXED).await;
    let newcomer = content(5, 1000);
    let (desk, _) = desk();
    let job = package(&place.means, &order, small_parts(), &desk);
    let writing = async {
        until(&desk, |shown| shown.parts > 0).await;
        place.write(&newcomer).await;
        assert_eq!(desk.progress.shown().phase, Phase::Uploading);
    };
    let (outcome, ()) = tokio::join!(job, writing);
    let failure = outcome.unwrap_err();
    assert!(matches!(failure, Failure::Exists(_)), "{failure}");
    assert!(place.object(KEY).await.as_ref() == Some(&newcomer));
    place.nothing_is_left().await;
    replaces(&place, order, &desk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_object_ends_the_job_by_name() {
    let place = Place::new();
    for method in [Method::Stream, Method::Copy] {
        let order = Order {
            method,
            ..place.frozen(&[(13 * MIB, true), (14 * MIB, true)]).await
        };
        let changed = Bytes::from(content(9, 14 * MIB));
        let store = &place.means.store;
        store
            .put(&bucket(), "in/001.pdf", "application/pdf", changed)
            .await
            .unwrap();
        let (desk, _) = desk();
        let failure = package(&place.means, &order, small_parts(), &desk)
            .await
            .unwrap_err();
        assert_eq!(failure.key(), Some("in/001.pdf"), "{failure}");
        assert!(!failure.can_pass());
        assert!(place.object(KEY).await.is_none());
        place.nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_false_claim_of_an_object_in_several_parts_ends_the_job() {
    let place = Place::new();
    let honest = place.frozen(&[(13 * MIB, true)]).await;
    let open = place.library.open(honest.manifest).await.unwrap();
    let mut freezer = Freezer::new(&bucket(), "in/");
    freezer.push(&Row {
        crc32: Some(7),
        ..open.frozen.row(0).unwrap()
    });
    let manifest = place
        .library
        .put(&freezer.finish("in.zip", 0, 1))
        .await
        .unwrap();
    let (desk, _) = desk();
    let order = Order { manifest, ..honest };
    let failure = package(&place.means, &order, small_parts(), &desk)
        .await
        .unwrap_err();
    assert!(
        matches!(
            &failure,
            Failure::Archive(DownloadError::WrongCrc32 { stored: 7, .. })
        ),
        "{failure}"
    );
    assert!(place.object(KEY).await.is_none());
    place.nothing_is_left().await;
}

#[tokio::test]
async fn a_job_reads_from_and_writes_to_allowed_buckets_alone() {
    let place = Place::new();
    let order = place.frozen(&[(1000, true)]).await;
    let elsewhere = Bucket::new("elsewhere").unwrap();
    let means = Means {
        allowed: AllowedBuckets::new(vec![elsewhere]),
        ..place.means.clone()
    };
    let (desk, _) = desk();
    let failure = package(&means, &order, None, &desk).await.unwrap_err();
    assert!(matches!(failure, Failure::Bucket(_)), "{failure}");
    assert!(!failure.can_pass());
    // Its link's own place may be written to, but the objects are where nothing may be read.
    let order = Order {
        target: Target {
            bucket: order.state.bucket.clone(),
            key: order.state.key(StateKey::Package(order.manifest)),
        },
        ..order
    };
    let failure = package(&means, &order, None, &desk).await.unwrap_err();
    let is_of_manifest = matches!(failure, Failure::Manifest(LibraryError::Bucket(_)));
    assert!(is_of_manifest, "{failure}");
    assert!(!failure.can_pass());
    place.nothing_is_left().await;
    package(&place.means, &order, None, &desk).await.unwrap();
}
