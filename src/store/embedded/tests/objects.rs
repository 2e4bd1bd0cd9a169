//! One object: put, get, head, delete; ranges, conditions, checksums.

use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_sdk_s3::types::{ChecksumMode, Delete, ObjectAttributes, ObjectIdentifier};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;

use super::*;

/// A body whose length the SDK cannot see, in small chunks, breaking off with an error where asked to.
pub(super) fn stream(content: Vec<u8>, fails: bool) -> ByteStream {
    let mut frames: Vec<Result<Frame<Bytes>, std::io::Error>> = content
        .chunks(60_000)
        .map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))))
        .collect();
    if fails {
        frames.push(Err(std::io::Error::other("cut off")));
    }
    ByteStream::new(SdkBody::from_body_1_x(StreamBody::new(
        futures::stream::iter(frames),
    )))
}

#[tokio::test]
async fn what_is_put_is_got() {
    let fixture = Fixture::new();
    let content = noise(700_001, 1);
    let etag = fixture.put("a/b c/ü.pdf", content.clone()).await;
    assert_eq!(etag, format!("\"{}\"", md5_hex(&content)));
    let got = fixture.get("a/b c/ü.pdf").await;
    assert_eq!(got.e_tag.as_deref(), Some(&*etag));
    assert_eq!(got.content_length, Some(700_001));
    assert_eq!(got.checksum_crc32, Some(crc32_text(&content)));
    assert_eq!(
        got.content_type.as_deref(),
        Some("application/octet-stream")
    );
    assert!(got.body.collect().await.unwrap().to_vec() == content);
    let path = fixture.dir.path().join("a/b c/ü.pdf");
    assert!(
        std::fs::read(path).unwrap() == content,
        "the object is a plain file in the folder"
    );
    assert_eq!(fixture.count_state("temp"), 0);
}

#[tokio::test]
async fn headers_and_metadata_persist() {
    let fixture = Fixture::new();
    let put = fixture
        .s3
        .put_object()
        .bucket(BUCKET)
        .key("x.bin")
        .body(ByteStream::from_static(b"x"));
    let put = put
        .content_type("text/x-test")
        .cache_control("no-store")
        .content_disposition("inline");
    put.content_language("de")
        .metadata("colour", "blue")
        .send()
        .await
        .unwrap();
    let head = fixture
        .reopen()
        .head_object()
        .bucket(BUCKET)
        .key("x.bin")
        .send()
        .await
        .unwrap();
    assert_eq!(head.content_type.as_deref(), Some("text/x-test"));
    assert_eq!(head.cache_control.as_deref(), Some("no-store"));
    assert_eq!(head.content_disposition.as_deref(), Some("inline"));
    assert_eq!(head.content_language.as_deref(), Some("de"));
    assert_eq!(head.metadata.unwrap()["colour"], "blue");
}

#[tokio::test]
async fn a_streamed_body_of_many_chunks_arrives() {
    let fixture = Fixture::new();
    let content = noise(3_000_000, 2);
    let put = fixture
        .s3
        .put_object()
        .bucket(BUCKET)
        .key("s")
        .content_length(3_000_000);
    put.body(stream(content.clone(), false))
        .send()
        .await
        .unwrap();
    assert!(fixture.read("s").await == content);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_the_old_object() {
    let fixture = Fixture::new();
    fixture.put("s", "old").await;
    for (length, fails) in [(3_000_000, true), (3_000_001, false)] {
        let put = fixture
            .s3
            .put_object()
            .bucket(BUCKET)
            .key("s")
            .content_length(length);
        put.body(stream(noise(3_000_000, 2), fails))
            .send()
            .await
            .unwrap_err();
        assert_eq!(fixture.read("s").await, b"old");
    }
    assert_eq!(fixture.keys("").await, ["s"]);
    assert_eq!(fixture.count_state("temp"), 0);
    assert_eq!(std::fs::read_dir(fixture.dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_digest_that_does_not_match_leaves_the_old_object() {
    let fixture = Fixture::new();
    fixture.put("d", "old").await;
    let put = || {
        fixture
            .s3
            .put_object()
            .bucket(BUCKET)
            .key("d")
            .body(ByteStream::from_static(b"new"))
    };
    let wrong32 = "AAAAAA==";
    let wrong256 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    assert_eq!(
        code(put().checksum_crc32(wrong32).send().await),
        "BadDigest"
    );
    assert_eq!(
        code(put().checksum_crc32_c(wrong32).send().await),
        "BadDigest"
    );
    assert_eq!(
        code(put().checksum_crc64_nvme("AAAAAAAAAAA=").send().await),
        "BadDigest"
    );
    assert_eq!(
        code(put().checksum_sha256(wrong256).send().await),
        "BadDigest"
    );
    assert_eq!(
        code(put().content_md5("AAAAAAAAAAAAAAAAAAAAAA==").send().await),
        "BadDigest"
    );
    assert_eq!(fixture.read("d").await, b"old");
    put()
        .checksum_crc32(crc32_text(b"new"))
        .send()
        .await
        .unwrap();
    assert_eq!(fixture.read("d").await, b"new");
}

#[tokio::test]
async fn deleting_leaves_nothing() {
    let fixture = Fixture::new();
    for key in ["plain", "a//b"] {
        fixture.put(key, "x").await;
        for _ in 0..2 {
            fixture
                .s3
                .delete_object()
                .bucket(BUCKET)
                .key(key)
                .send()
                .await
                .unwrap();
        }
        assert_eq!(fixture.get_code(key).await, "NoSuchKey");
        let head = fixture
            .s3
            .head_object()
            .bucket(BUCKET)
            .key(key)
            .send()
            .await;
        assert!(head.unwrap_err().into_service_error().is_not_found());
    }
    assert_eq!(
        fixture.count_state("records")
            + fixture.count_state("objects")
            + fixture.count_state("temp"),
        0
    );
    assert_eq!(std::fs::read_dir(fixture.dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn several_are_deleted_at_once() {
    let fixture = Fixture::new();
    for key in ["a", "b", "c<&>", "ctl\u{1}"] {
        fixture.put(key, "x").await;
    }
    let named = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let list = Delete::builder()
        .objects(named("a"))
        .objects(named("c<&>"))
        .objects(named("ctl\u{1}"))
        .objects(named("absent"))
        .build()
        .unwrap();
    let done = fixture
        .s3
        .delete_objects()
        .bucket(BUCKET)
        .delete(list)
        .send()
        .await
        .unwrap();
    assert_eq!(done.deleted().len(), 4);
    assert_eq!(done.errors().len(), 0);
    assert_eq!(fixture.keys("").await, ["b"]);
}

#[tokio::test]
async fn attributes_of_an_object_in_one_piece() {
    let fixture = Fixture::new();
    fixture.put("k", "abc").await;
    let request = fixture.s3.get_object_attributes().bucket(BUCKET).key("k");
    let request = request
        .object_attributes(ObjectAttributes::Checksum)
        .object_attributes(ObjectAttributes::Etag)
        .object_attributes(ObjectAttributes::ObjectParts)
        .object_attributes(ObjectAttributes::ObjectSize);
    let told = request.send().await.unwrap();
    assert_eq!(told.e_tag.unwrap().trim_matches('"'), md5_hex(b"abc"));
    assert_eq!(told.object_size, Some(3));
    assert_eq!(
        told.checksum.unwrap().checksum_crc32,
        Some(crc32_text(b"abc"))
    );
    assert!(told.object_parts.is_none());
}

#[tokio::test]
async fn the_bucket_is_the_only_one() {
    let fixture = Fixture::new();
    let s3 = &fixture.s3;
    let buckets = s3.list_buckets().send().await.unwrap();
    assert_eq!(
        buckets
            .buckets()
            .iter()
            .map(|bucket| bucket.name.as_deref())
            .collect::<Vec<_>>(),
        [Some(BUCKET)]
    );
    s3.head_bucket().bucket(BUCKET).send().await.unwrap();
    s3.get_bucket_location()
        .bucket(BUCKET)
        .send()
        .await
        .unwrap();
    assert_eq!(
        s3.get_bucket_versioning()
            .bucket(BUCKET)
            .send()
            .await
            .unwrap()
            .status,
        None
    );
    assert_eq!(
        code(s3.list_object_versions().bucket(BUCKET).send().await),
        "NotImplemented"
    );
    assert_eq!(
        code(s3.get_object().bucket("other").key("k").send().await),
        "NoSuchBucket"
    );
    assert_eq!(
        code(s3.list_objects_v2().bucket("other").send().await),
        "NoSuchBucket"
    );
    assert!(
        s3.head_bucket()
            .bucket("other")
            .send()
            .await
            .unwrap_err()
            .into_service_error()
            .is_not_found()
    );
    fixture.put("k", "x").await;
    assert_eq!(
        code(
            s3.get_object()
                .bucket(BUCKET)
                .key("k")
                .version_id("v1")
                .send()
                .await
        ),
        "NoSuchVersion"
    );
    let got = s3
        .get_object()
        .bucket(BUCKET)
        .key("k")
        .version_id("null")
        .checksum_mode(ChecksumMode::Enabled);
    got.send().await.unwrap();
}
