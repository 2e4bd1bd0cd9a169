//! UploadPartCopy: what packaging by server-side copy asks for.

use aws_sdk_s3::operation::upload_part_copy::UploadPartCopyOutput;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart, CopyPartResult,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sheaf::store::Object;
use sheaf::store::upload::MIN_PART;

use crate::target::{Target, refusal};

/// The bytes of the source: more than 5 MiB, below which no range can be copied.
fn source() -> Vec<u8> {
    (0..MIN_PART + 1000).map(|at| (at % 251) as u8).collect()
}

/// Begins an upload of `copy.pdf`.
async fn begin(target: &Target, checksum: Option<ChecksumAlgorithm>) -> String {
    let begun = target.s3.create_multipart_upload();
    let begun = begun
        .bucket(target.bucket.as_str())
        .key(target.key("copy.pdf"));
    let begun = begun.set_checksum_algorithm(checksum);
    begun.send().await.expect("an upload").upload_id.unwrap()
}

/// Copies all bytes of the source but the first 1000, if it still is what it was.
async fn copy(
    target: &Target,
    id: &str,
    source: &Object,
) -> Result<
    UploadPartCopyOutput,
    aws_sdk_s3::error::SdkError<
        aws_sdk_s3::operation::upload_part_copy::UploadPartCopyError,
        aws_smithy_runtime_api::client::orchestrator::HttpResponse,
    >,
> {
    target
        .s3
        .upload_part_copy()
        .bucket(target.bucket.as_str())
        .key(target.key("copy.pdf"))
        .upload_id(id)
        .part_number(1)
        .copy_source(format!("{}/{}", target.bucket, source.key))
        .copy_source_range(format!("bytes=1000-{}", source.size - 1))
        .copy_source_if_match(&source.etag)
        .send()
        .await
}

async fn copied(target: &Target, id: &str, source: &Object) -> CopyPartResult {
    let copied = copy(target, id, source).await;
    let copied = copied.unwrap_or_else(|error| panic!("not copied: {error:?}"));
    copied.copy_part_result.expect("a result")
}

pub async fn a_part_is_copied_from_a_range(target: &Target) {
    let content = source();
    let row = target.row_of("source.pdf", content.clone()).await;
    let id = begin(target, None).await;
    let result = copied(target, &id, &row).await;
    let part = CompletedPart::builder().part_number(1);
    let part = part.e_tag(result.e_tag().unwrap());
    let parts = CompletedMultipartUpload::builder().parts(part.build());
    let complete = target.s3.complete_multipart_upload();
    let complete = complete
        .bucket(target.bucket.as_str())
        .key(target.key("copy.pdf"));
    let complete = complete.upload_id(&id).multipart_upload(parts.build());
    complete.send().await.expect("an object");
    let copy = target.row("copy.pdf").await;
    assert!(target.read(&copy).await.unwrap() == content[1000..]);
}

pub async fn copies_heed_if_match(target: &Target) {
    let stale = target.row_of("source.pdf", source()).await;
    let mut other = source();
    other[0] ^= 1;
    let fresh = target.row_of("source.pdf", other).await;
    let id = begin(target, None).await;
    assert_eq!(refusal(copy(target, &id, &stale).await).0, 412);
    copied(target, &id, &fresh).await;
}

pub async fn copied_parts_tell_their_crc32(target: &Target) {
    let content = source();
    let row = target.row_of("source.pdf", content.clone()).await;
    let id = begin(target, Some(ChecksumAlgorithm::Crc32)).await;
    let result = copied(target, &id, &row).await;
    let expected = BASE64_STANDARD.encode(crc32fast::hash(&content[1000..]).to_be_bytes());
    assert_eq!(result.checksum_crc32(), Some(expected.as_str()));
}
