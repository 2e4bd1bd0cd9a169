//! CopyObject.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::MetadataDirective;

use super::*;

#[tokio::test]
async fn a_copy_has_content_and_headers_of_its_source() {
    let fixture = Fixture::new();
    let put = fixture
        .s3
        .put_object()
        .bucket(BUCKET)
        .key("a b/ü.pdf")
        .body(ByteStream::from_static(b"content"));
    let etag = put
        .content_type("text/x-test")
        .metadata("colour", "blue")
        .send()
        .await
        .unwrap()
        .e_tag;
    let copy = |key: &str| {
        fixture
            .s3
            .copy_object()
            .bucket(BUCKET)
            .key(key)
            .copy_source("local/a%20b/%C3%BC.pdf")
    };
    let told = copy("c//d")
        .send()
        .await
        .unwrap()
        .copy_object_result
        .unwrap();
    assert_eq!(told.e_tag, etag);
    assert_eq!(told.checksum_crc32, Some(crc32_text(b"content")));
    let got = fixture.get("c//d").await;
    assert_eq!(got.content_type.as_deref(), Some("text/x-test"));
    assert_eq!(got.metadata.unwrap()["colour"], "blue");
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"content");

    let replace = copy("e")
        .metadata_directive(MetadataDirective::Replace)
        .metadata("colour", "red");
    replace.content_type("text/plain").send().await.unwrap();
    let got = fixture.get("e").await;
    assert_eq!(
        (
            got.content_type.as_deref(),
            &*got.metadata.unwrap()["colour"]
        ),
        (Some("text/plain"), "red")
    );

    copy("a b/ü.pdf").send().await.unwrap();
    assert_eq!(fixture.read("a b/ü.pdf").await, b"content", "onto itself");
    assert_eq!(
        code(copy("f").copy_source_if_match("\"other\"").send().await),
        "PreconditionFailed"
    );
    assert_eq!(
        code(
            copy("f")
                .copy_source_if_none_match(etag.unwrap())
                .send()
                .await
        ),
        "PreconditionFailed"
    );
    assert_eq!(
        code(copy("f").copy_source("other/key").send().await),
        "NoSuchBucket"
    );
    assert_eq!(
        code(copy("f").copy_source("local/absent").send().await),
        "NoSuchKey"
    );
    assert_eq!(fixture.get_code("f").await, "NoSuchKey");
}

#[tokio::test]
async fn a_file_that_was_dropped_in_can_be_copied() {
    let fixture = Fixture::new();
    fixture.drop_in("in.pdf", "dropped");
    let copy = fixture
        .s3
        .copy_object()
        .bucket(BUCKET)
        .key("out")
        .copy_source("local/in.pdf");
    copy.send().await.unwrap();
    let got = fixture.get("out").await;
    assert_eq!(got.e_tag, Some(format!("\"{}\"", md5_hex(b"dropped"))));
    assert_eq!(
        got.content_type.as_deref(),
        Some("application/pdf"),
        "as the source was told to be"
    );
}
