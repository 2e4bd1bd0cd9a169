//! One object: put, get, head, delete; ranges, conditions, checksums.

use aws_sdk_s3::primitives::{ByteStream, DateTime, SdkBody};
use aws_sdk_s3::types::{ChecksumMode, Delete, ObjectAttributes, ObjectIdentifier};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;

use super::*;

/// A body whose length the SDK cannot see, in small chunks, breaking off with an error where asked to.
fn stream(content: Vec<u8>, fails: bool) -> ByteStream {
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
async fn ranges_are_slices() {
    let fixture = Fixture::new();
    let content = noise(600_000, 3);
    fixture.put("r", content.clone()).await;
    let get = |range: &str| fixture.s3.get_object().bucket(BUCKET).key("r").range(range);
    for (range, span) in [
        ("bytes=0-0", 0..1),
        ("bytes=5-", 5..600_000),
        ("bytes=-7", 599_993..600_000),
        ("bytes=-9999999", 0..600_000),
        ("bytes=262143-262144", 262_143..262_145),
        ("bytes=100-99999999", 100..600_000),
    ] {
        let got = get(range).send().await.unwrap();
        assert_eq!(got.content_length, Some(span.len() as i64));
        let text = format!("bytes {}-{}/600000", span.start, span.end - 1);
        assert_eq!(got.content_range, Some(text));
        assert_eq!(
            got.checksum_crc32, None,
            "the checksum is that of the whole object"
        );
        assert!(
            got.body.collect().await.unwrap().to_vec() == content[span],
            "{range}"
        );
    }
    let error = get("bytes=600000-").send().await.unwrap_err();
    let response = error.raw_response().unwrap();
    assert_eq!(response.status().as_u16(), 416);
    assert_eq!(
        response.headers().get("content-range"),
        Some("bytes */600000")
    );
    let head = fixture
        .s3
        .head_object()
        .bucket(BUCKET)
        .key("r")
        .range("bytes=1-2")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (head.content_length, head.content_range.as_deref()),
        (Some(2), Some("bytes 1-2/600000"))
    );
    fixture.put("empty", "").await;
    assert_eq!(fixture.read("empty").await, b"");
    assert_eq!(
        code(
            fixture
                .s3
                .get_object()
                .bucket(BUCKET)
                .key("empty")
                .range("bytes=0-")
                .send()
                .await
        ),
        "InvalidRange"
    );
}

#[tokio::test]
async fn conditions_are_honoured_on_reads() {
    let fixture = Fixture::new();
    let etag = fixture.put("c", "content").await;
    let get = || fixture.s3.get_object().bucket(BUCKET).key("c");
    let status = |error: SdkError<_, HttpResponse>| {
        let response = error.raw_response().unwrap();
        (
            response.status().as_u16(),
            response.headers().get("etag").map(str::to_owned),
        )
    };
    get().if_match(&etag).send().await.unwrap();
    assert_eq!(
        code(get().if_match("\"other\"").send().await),
        "PreconditionFailed"
    );
    assert_eq!(
        status(get().if_none_match(&etag).send().await.unwrap_err()),
        (304, Some(etag.clone()))
    );
    get().if_none_match("\"other\"").send().await.unwrap();
    let modified = get().send().await.unwrap().last_modified.unwrap();
    let before = DateTime::from_secs(modified.secs() - 1);
    assert_eq!(
        status(get().if_modified_since(modified).send().await.unwrap_err()).0,
        304
    );
    get().if_modified_since(before).send().await.unwrap();
    assert_eq!(
        code(get().if_unmodified_since(before).send().await),
        "PreconditionFailed"
    );
    // RFC 9110, section 13.2.2: If-Match stands above If-Unmodified-Since.
    get()
        .if_match(&etag)
        .if_unmodified_since(before)
        .send()
        .await
        .unwrap();
    let head = fixture.s3.head_object().bucket(BUCKET).key("c");
    assert_eq!(
        head.if_match("\"other\"")
            .send()
            .await
            .unwrap_err()
            .raw_response()
            .unwrap()
            .status()
            .as_u16(),
        412
    );
}

#[tokio::test]
async fn conditions_are_honoured_on_writes() {
    let fixture = Fixture::new();
    let put = |text: &'static str| {
        fixture
            .s3
            .put_object()
            .bucket(BUCKET)
            .key("c")
            .body(ByteStream::from_static(text.as_bytes()))
    };
    assert_eq!(
        code(put("x").if_match("\"other\"").send().await),
        "NoSuchKey"
    );
    let etag = put("1")
        .if_none_match("*")
        .send()
        .await
        .unwrap()
        .e_tag
        .unwrap();
    assert_eq!(
        code(put("2").if_none_match("*").send().await),
        "PreconditionFailed"
    );
    assert_eq!(
        code(put("2").if_match("\"other\"").send().await),
        "PreconditionFailed"
    );
    assert_eq!(fixture.read("c").await, b"1");
    put("2").if_match(&etag).send().await.unwrap();
    assert_eq!(fixture.read("c").await, b"2");
    let delete = fixture.s3.delete_object().bucket(BUCKET).key("c");
    assert_eq!(
        code(delete.if_match(&etag).send().await),
        "PreconditionFailed"
    );
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
    for key in ["a", "b", "c<&>"] {
        fixture.put(key, "x").await;
    }
    let named = |key: &str| ObjectIdentifier::builder().key(key).build().unwrap();
    let list = Delete::builder()
        .objects(named("a"))
        .objects(named("c<&>"))
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
    assert_eq!(done.deleted().len(), 3);
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
    assert_eq!(told.e_tag, Some(md5_hex(b"abc")));
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
