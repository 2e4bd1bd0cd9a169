//! CRC-32: kept, told, announced; of whole objects and of parts.

use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadOutput;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
    ObjectAttributes,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sheaf::store::Object;
use sheaf::store::upload::MIN_PART;

use super::multipart::upload;
use crate::target::{Target, body, refusal};

const CONTENT: &str = "123456789";
/// The check value of CRC-32/ISO-HDLC.
const CRC32: u32 = 0xcbf4_3926;

fn text(crc32: u32) -> String {
    BASE64_STANDARD.encode(crc32.to_be_bytes())
}

pub async fn crc32_is_kept(target: &Target) {
    let row = target.row_of("a.pdf", CONTENT).await;
    let headed = target.store.head_of(&target.bucket, &row).await;
    assert_eq!(headed.unwrap().crc32, Some(CRC32));
}

pub async fn crc32_is_told_by_get(target: &Target) {
    let row = target.row_of("a.pdf", CONTENT).await;
    let whole = 0..row.size;
    let body = target.store.get(&target.bucket, &row, whole, true).await;
    assert_eq!(body.unwrap().crc32(), Some(CRC32));
}

pub async fn crc32_is_announced_in_listings(target: &Target) {
    assert!(target.row_of("a.pdf", CONTENT).await.has_crc32);
}

pub async fn a_wrong_crc32_is_refused(target: &Target) {
    let put = target
        .s3
        .put_object()
        .bucket(target.bucket.as_str())
        .key(target.key("a.pdf"))
        .checksum_crc32(text(CRC32 ^ 1))
        .body(body(CONTENT))
        .send()
        .await;
    assert_eq!(refusal(put).0, 400);
    assert!(target.names().await.is_empty());
}

/// However an object came to be: what the store tells as the CRC-32 of the whole is that, and what the listing
/// announces is told.
pub async fn no_untrue_crc32_is_told(target: &Target) {
    let parts = [vec![b'a'; MIN_PART], b"tail".to_vec()];
    let whole = crc32fast::hash(&parts.concat());
    upload(target, "parts.pdf", &parts).await;
    composite(target, "composite.pdf", &parts).await;
    target.put("put.pdf", CONTENT).await;
    let bare = target.s3.put_object().bucket(target.bucket.as_str());
    let unsummed = bare.key(target.key("sha.pdf")).body(body(CONTENT));
    let unsummed = unsummed.checksum_algorithm(ChecksumAlgorithm::Sha256);
    unsummed.send().await.expect("an object with SHA-256");
    let rows = target.list(target.prefix()).await.unwrap();
    assert_eq!(rows.len(), 4);
    for row in rows {
        let truth = if row.size > 100 { whole } else { CRC32 };
        let (head, get) = told(target, &row).await;
        for told in [head, get] {
            assert!(told.is_none_or(|told| told == truth), "{}", row.key);
            assert!(told.is_some() || !row.has_crc32, "{} announced", row.key);
        }
    }
}

async fn told(target: &Target, row: &Object) -> (Option<u32>, Option<u32>) {
    let head = target.store.head_of(&target.bucket, row).await;
    let whole = 0..row.size;
    let get = target.store.get(&target.bucket, row, whole, true).await;
    (head.unwrap().crc32, get.unwrap().crc32())
}

/// A checksum of the parts' checksums says how many they were.
pub async fn composite_crc32_is_marked(target: &Target) {
    let parts = [vec![b'a'; MIN_PART], b"tail".to_vec()];
    composite(target, "a.pdf", &parts).await;
    let head = target
        .s3
        .head_object()
        .bucket(target.bucket.as_str())
        .key(target.key("a.pdf"))
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await
        .expect("a head");
    let both: Vec<u8> = parts
        .iter()
        .flat_map(|part| crc32fast::hash(part).to_be_bytes())
        .collect();
    let expected = format!("{}-2", text(crc32fast::hash(&both)));
    assert_eq!(head.checksum_crc32(), Some(expected.as_str()));
    assert!(!target.row("a.pdf").await.has_crc32);
}

/// What is needed to combine the CRC-32 of an object from those of its parts.
pub async fn part_checksums_are_told(target: &Target) {
    let parts = [vec![b'a'; MIN_PART], b"tail".to_vec()];
    composite(target, "a.pdf", &parts).await;
    let attributes = target
        .s3
        .get_object_attributes()
        .bucket(target.bucket.as_str())
        .key(target.key("a.pdf"))
        .object_attributes(ObjectAttributes::ObjectParts)
        .object_attributes(ObjectAttributes::Checksum)
        .send()
        .await
        .unwrap_or_else(|error| panic!("no attributes: {error:?}"));
    let told = attributes.object_parts().expect("parts").parts();
    let told: Vec<_> = told
        .iter()
        .map(|part| (part.size(), part.checksum_crc32().map(str::to_owned)))
        .collect();
    let expected = parts
        .iter()
        .map(|part| (Some(part.len() as i64), Some(text(crc32fast::hash(part)))));
    assert_eq!(told, expected.collect::<Vec<_>>());
}

/// What packaging would have of an archive that it writes in parts.
pub async fn whole_object_crc32_of_parts_is_kept(target: &Target) {
    let parts = [vec![b'a'; MIN_PART], b"tail".to_vec()];
    let whole = text(crc32fast::hash(&parts.concat()));
    let begun = begin(target, "a.pdf", ChecksumType::FullObject).await;
    let completed = send(target, &begun, &parts).await;
    target
        .s3
        .complete_multipart_upload()
        .bucket(target.bucket.as_str())
        .key(begun.key().unwrap())
        .upload_id(begun.upload_id().unwrap())
        .checksum_crc32(&whole)
        .checksum_type(ChecksumType::FullObject)
        .multipart_upload(completed)
        .send()
        .await
        .expect("an object");
    let row = target.row("a.pdf").await;
    let headed = target.store.head_of(&target.bucket, &row).await;
    assert_eq!(headed.unwrap().crc32.map(text), Some(whole));
}

/// An object of several parts, each with its CRC-32.
pub async fn composite(target: &Target, name: &str, parts: &[Vec<u8>]) {
    let begun = begin(target, name, ChecksumType::Composite).await;
    let completed = send(target, &begun, parts).await;
    target
        .s3
        .complete_multipart_upload()
        .bucket(target.bucket.as_str())
        .key(target.key(name))
        .upload_id(begun.upload_id().unwrap())
        .multipart_upload(completed)
        .send()
        .await
        .unwrap_or_else(|error| panic!("{error:?}"));
}

async fn begin(target: &Target, name: &str, kind: ChecksumType) -> CreateMultipartUploadOutput {
    let begun = target
        .s3
        .create_multipart_upload()
        .bucket(target.bucket.as_str())
        .key(target.key(name))
        .checksum_algorithm(ChecksumAlgorithm::Crc32)
        .checksum_type(kind)
        .send()
        .await;
    begun.unwrap_or_else(|error| panic!("{error:?}"))
}

async fn send(
    target: &Target,
    begun: &CreateMultipartUploadOutput,
    parts: &[Vec<u8>],
) -> CompletedMultipartUpload {
    let mut completed = CompletedMultipartUpload::builder();
    for (number, part) in (1..).zip(parts) {
        let sent = target
            .s3
            .upload_part()
            .bucket(target.bucket.as_str())
            .key(begun.key().unwrap())
            .upload_id(begun.upload_id().unwrap())
            .part_number(number)
            .checksum_crc32(text(crc32fast::hash(part)))
            .body(body(part.clone()))
            .send()
            .await
            .unwrap_or_else(|error| panic!("part {number}: {error:?}"));
        let part = CompletedPart::builder()
            .part_number(number)
            .e_tag(sent.e_tag().unwrap())
            .checksum_crc32(text(crc32fast::hash(part)));
        completed = completed.parts(part.build());
    }
    completed.build()
}
