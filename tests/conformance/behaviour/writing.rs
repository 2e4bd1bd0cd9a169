//! PutObject and DeleteObject.

use aws_sdk_s3::primitives::ByteStream;

use crate::target::{Target, body, refusal};

pub async fn an_object_is_replaced(target: &Target) {
    let first = target.row_of("a.pdf", "one").await;
    let second = target.row_of("a.pdf", "two").await;
    assert_ne!(first.etag, second.etag);
    assert_eq!(target.names().await, ["a.pdf"]);
    assert_eq!(target.read(&second).await.unwrap(), b"two");
}

pub async fn if_none_match_keeps_an_object(target: &Target) {
    let put = |content: &'static str| {
        let put = target.s3.put_object().bucket(target.bucket.as_str());
        let put = put.key(target.key("a.pdf")).if_none_match("*");
        put.body(body(content)).send()
    };
    put("one").await.expect("nothing is there yet");
    assert_eq!(refusal(put("two").await).0, 412);
    let row = target.row("a.pdf").await;
    assert_eq!(target.read(&row).await.unwrap(), b"one");
}

pub async fn the_content_type_is_kept(target: &Target) {
    let (key, bucket) = (target.key("a.jsonl"), &target.bucket);
    let put = target
        .store
        .put(bucket, &key, "application/x-ndjson", "x".into());
    put.await.unwrap();
    let head = target.s3.head_object().bucket(bucket.as_str()).key(&key);
    let head = head.send().await.expect("a head");
    assert_eq!(head.content_type(), Some("application/x-ndjson"));
}

pub async fn a_deletion_is_idempotent(target: &Target) {
    target.put("a.pdf", "one").await;
    for _ in 0..2 {
        let delete = target.s3.delete_object().bucket(target.bucket.as_str());
        let deleted = delete.key(target.key("a.pdf")).send().await;
        deleted.expect("a deletion");
    }
    assert!(target.names().await.is_empty());
}

/// The SDK sends what it cannot hold in memory in signed chunks with the checksum behind them.
pub async fn a_streamed_body_is_taken(target: &Target) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), vec![b'a'; 300_000]).unwrap();
    let streamed = ByteStream::from_path(file.path()).await.unwrap();
    let put = target.s3.put_object().bucket(target.bucket.as_str());
    let put = put.key(target.key("a.pdf")).body(streamed).send().await;
    put.unwrap_or_else(|error| panic!("refused: {error:?}"));
    let row = target.row("a.pdf").await;
    assert!(target.read(&row).await.unwrap() == vec![b'a'; 300_000]);
}
