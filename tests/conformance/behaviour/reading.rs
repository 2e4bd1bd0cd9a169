//! GetObject and HeadObject: bytes, ranges, and the pin to an ETag.

use sheaf::store::{Object, StoreErrorKind};

use crate::target::{Target, refusal};

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        // xorshift32
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

pub async fn objects_are_read_whole(target: &Target) {
    let content = noise(3_000_000);
    let row = target.row_of("a.pdf", content.clone()).await;
    assert!(target.read(&row).await.unwrap() == content);
}

pub async fn ranges_are_exact(target: &Target) {
    let content = noise(2_000_000);
    let row = target.row_of("a.pdf", content.clone()).await;
    for range in [
        0..1,
        0..1_999_999,
        1..2_000_000,
        1_048_575..1_048_577,
        1_999_999..2_000_000,
        700_000..1_700_000,
    ] {
        let read = target.read_range(&row, range.clone()).await;
        let expected = &content[range.start as usize..range.end as usize];
        assert!(read.unwrap() == expected, "{range:?}");
    }
}

pub async fn a_range_beyond_the_end_is_refused(target: &Target) {
    let row = target.row_of("a.pdf", "content").await;
    let got = target
        .s3
        .get_object()
        .bucket(target.bucket.as_str())
        .key(&row.key)
        .range("bytes=7-9")
        .send()
        .await;
    assert_eq!(refusal(got).0, 416);
}

pub async fn reads_heed_if_match(target: &Target) {
    let stale = target.row_of("a.pdf", "one").await;
    let fresh = target.row_of("a.pdf", "two").await;
    let get = |etag: &str| {
        target
            .s3
            .get_object()
            .bucket(target.bucket.as_str())
            .key(&fresh.key)
            .if_match(etag)
    };
    assert!(get(&fresh.etag).send().await.is_ok());
    assert!(get(&fresh.etag).range("bytes=0-0").send().await.is_ok());
    assert_eq!(refusal(get(&stale.etag).send().await).0, 412);
    let ranged = get(&stale.etag).range("bytes=0-0").send().await;
    assert_eq!(refusal(ranged).0, 412);
    let error = target.read(&stale).await.expect_err("it was replaced");
    assert!(matches!(error.kind, StoreErrorKind::Changed), "{error}");
}

pub async fn heads_heed_if_match(target: &Target) {
    let stale = target.row_of("a.pdf", "one").await;
    let fresh = target.row_of("a.pdf", "two").await;
    let head = |etag: &str| {
        target
            .s3
            .head_object()
            .bucket(target.bucket.as_str())
            .key(&fresh.key)
            .if_match(etag)
            .send()
    };
    assert!(head(&fresh.etag).await.is_ok());
    assert_eq!(refusal(head(&stale.etag).await).0, 412);
}

pub async fn a_missing_key_is_told_apart(target: &Target) {
    let row = target.row_of("a.pdf", "one").await;
    let gone = Object {
        key: target.key("b.pdf"),
        ..row
    };
    let read = target.read(&gone).await;
    let heads = target.store.head_of(&target.bucket, &gone).await;
    for error in [read.err(), heads.err()] {
        let error = error.expect("it is not there");
        assert!(matches!(error.kind, StoreErrorKind::NoSuchKey), "{error}");
    }
}

pub async fn an_empty_object_is_read(target: &Target) {
    let row = target.row_of("a.pdf", "").await;
    assert_eq!(row.size, 0);
    assert!(target.read(&row).await.unwrap().is_empty());
}
