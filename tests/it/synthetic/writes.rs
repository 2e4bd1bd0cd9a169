//! The synthetic store keeps what is written to it.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::CompletedMultipartUpload;

use super::start;
use crate::support::sdk;
use crate::support::synthetic::content::{content_bytes, content_crc32};
use crate::support::synthetic::object::Checksum;

#[tokio::test]
async fn what_is_written_can_be_read() {
    let store = start([]).await;
    let s3 = sdk::client(&store.endpoint());
    let put = || {
        s3.put_object()
            .bucket("bench")
            .key("a/b")
            .body(ByteStream::from_static(b"hello"))
    };
    put().send().await.unwrap();
    assert_eq!(store.object("a/b").unwrap().checksum, Checksum::FullObject);
    let again = put().if_none_match("*").send().await.unwrap_err();
    assert_eq!(again.code(), Some("PreconditionFailed"));

    // A file is streamed as `aws-chunked`.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content_bytes("f", 300_000)).unwrap();
    let body = ByteStream::from_path(file.path()).await.unwrap();
    s3.put_object()
        .bucket("bench")
        .key("f")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(
        store.object("f").unwrap().crc32(),
        content_crc32("f", 300_000)
    );

    let upload = s3
        .create_multipart_upload()
        .bucket("bench")
        .key("m")
        .send()
        .await
        .unwrap();
    let id = upload.upload_id().unwrap();
    for (number, text) in [(2, "world"), (1, "hello ")] {
        let part = s3
            .upload_part()
            .bucket("bench")
            .key("m")
            .upload_id(id)
            .part_number(number);
        part.body(ByteStream::from_static(text.as_bytes()))
            .send()
            .await
            .unwrap();
    }
    assert_eq!(
        (store.open_uploads(), store.object("m").is_none()),
        (vec!["m".to_owned()], true)
    );
    let complete = s3
        .complete_multipart_upload()
        .bucket("bench")
        .key("m")
        .upload_id(id);
    complete
        .multipart_upload(CompletedMultipartUpload::builder().build())
        .send()
        .await
        .unwrap();
    let read = s3
        .get_object()
        .bucket("bench")
        .key("m")
        .send()
        .await
        .unwrap();
    assert_eq!(
        read.body.collect().await.unwrap().into_bytes(),
        "hello world"
    );
    assert!(store.open_uploads().is_empty());
    let abort = s3
        .abort_multipart_upload()
        .bucket("bench")
        .key("m")
        .upload_id(id);
    assert_eq!(abort.send().await.unwrap_err().code(), Some("NoSuchUpload"));
}
