//! Ranges and conditions.

use aws_sdk_s3::primitives::{ByteStream, DateTime};

use super::*;

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
