//! Jobs that are stopped, and go on or are called off.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_goes_on_from_its_parts() {
    let place = Place::new();
    let order = place.frozen(MIXED).await;
    let length = place.streamed(&order).await.len() as u64;
    // As another process would, which has learned nothing.
    let place = Place {
        library: Library::new(
            &place.means.store,
            place.library_space(),
            &place.means.budget,
        ),
        ..place
    };
    let (mut checkpoint, mut paused) = (small_parts(), 0);
    let packaged = loop {
        let at = (paused + 1) * length / 4;
        let (outcome, last) =
            stopped(&place, &order, checkpoint, at, |desk| desk.pause.cancel()).await;
        match outcome {
            Ok(packaged) => break packaged,
            Err(Failure::Paused) => paused += 1,
            Err(failure) => panic!("{failure}"),
        }
        checkpoint = last;
        let upload = checkpoint.as_ref().and_then(|last| last.upload.clone());
        assert!(upload.is_some(), "the upload is kept");
    };
    assert!(paused > 0);
    assert_eq!(packaged.bytes, length);
    assert!(place.object(KEY).await.unwrap() == place.streamed(&order).await);
    place.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_job_leaves_nothing() {
    let place = Place::new();
    let order = place.frozen(MIXED).await;
    for at in [0, 6 * MIB as u64, 30 * MIB as u64] {
        let (outcome, _) = stopped(&place, &order, small_parts(), at, |desk| {
            desk.cancel.cancel()
        })
        .await;
        assert!(matches!(outcome, Err(Failure::Cancelled)), "{outcome:?}");
        assert!(place.object(KEY).await.is_none());
        place.nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_was_lost_while_it_was_begun_is_taken_back() {
    let place = Place::new();
    let order = place.frozen(&[(MIB, false)]).await;
    let open = place.library.open(order.manifest).await.unwrap();
    let nature = crate::store::resumable::Nature {
        content_type: "application/zip",
        disposition: "attachment",
        mark: ("sheaf-archive", "x"),
    };
    place
        .means
        .store
        .begin_resumable(&bucket(), KEY, nature)
        .await
        .unwrap();
    let checkpoint = Checkpoint {
        archive: open.frozen.header().etag.clone(),
        part_size: MIN_PART as u64,
        ..Checkpoint::default()
    };
    let (desk, _) = desk();
    package(&place.means, &order, Some(checkpoint), &desk)
        .await
        .unwrap();
    place.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_workers_do_the_parts_of_one_job() {
    let place = Place::new();
    for method in [Method::Stream, Method::Copy] {
        let order = Order {
            method,
            replace: true,
            ..place.frozen(MIXED).await
        };
        let (desk, _) = desk();
        let mut checkpoint = prepare(&place.means, &order, small_parts(), &desk)
            .await
            .unwrap();
        let half = checkpoint.parts / 2;
        let groups = [1..=half, half + 1..=checkpoint.parts].map(|numbers| {
            let (means, order, checkpoint) =
                (place.means.clone(), order.clone(), checkpoint.clone());
            async move {
                let (desk, _) = self::desk();
                package_parts(&means, &order, checkpoint, numbers, &desk)
                    .await
                    .unwrap()
            }
        });
        let [first, second] = groups;
        let (first, second) = tokio::join!(first, second);
        assert!(
            first.done.iter().all(|&(_, last)| last <= half),
            "{first:?}"
        );
        assert!(
            second.done.iter().all(|&(first, _)| first > half),
            "{second:?}"
        );
        // As another process would, which finds no sidecar.
        let sidecar = order.state.key(StateKey::Crc32s(order.manifest));
        place.means.store.delete(&bucket(), &sidecar).await.unwrap();
        checkpoint.take_in(&first);
        checkpoint.take_in(&second);
        package(&place.means, &order, Some(checkpoint), &desk)
            .await
            .unwrap();
        assert!(place.object(KEY).await.unwrap() == place.streamed(&order).await);
        place.nothing_is_left().await;
        place.means.store.delete(&bucket(), KEY).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_begun_is_taken_back_where_others_were_faster() {
    let place = Place::new();
    let order = place.frozen(&[(13 * MIB, true)]).await;
    let whole = place.streamed(&order).await;
    for is_shared in [true, false] {
        let (desk, kept) = desk();
        let checkpoint = prepare(&place.means, &order, small_parts(), &desk)
            .await
            .unwrap();
        assert!(checkpoint.parts > 0);
        place.written_for(&order, &whole).await;
        let mut checkpoint = Some(checkpoint);
        if is_shared {
            let prepared = prepare(&place.means, &order, checkpoint, &desk)
                .await
                .unwrap();
            assert_eq!(prepared.parts, 0, "there is nothing to share");
            checkpoint = kept.last.lock().unwrap().clone();
        }
        let cancelled = desk_that_is_cancelled();
        let failure = package(&place.means, &order, checkpoint, &cancelled)
            .await
            .unwrap_err();
        assert!(matches!(failure, Failure::Cancelled), "{failure}");
        place.nothing_is_left().await;
        assert!(place.object(KEY).await.as_ref() == Some(&whole));
        place.means.store.delete(&bucket(), KEY).await.unwrap();
    }
}
