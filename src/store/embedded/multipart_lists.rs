//! ListParts and ListMultipartUploads.

use std::sync::Arc;

use s3s::dto::{Part as ListedPart, *};
use time::OffsetDateTime;

use super::error::OpError;
use super::get::{count, signed};
use super::incoming::crc32_text;
use super::multipart::checksum_type;
use super::uploads::Upload;
use super::{BUCKET, Backend, blocking, listing, xml_text};

/// ListParts.
pub(super) async fn list_parts(
    backend: &Backend,
    input: ListPartsInput,
) -> Result<ListPartsOutput, OpError> {
    let limit = listing::limit(input.max_parts, "max-parts")?;
    let after = input.part_number_marker.unwrap_or(0);
    let disk = Arc::clone(&backend.disk);
    let (id, key) = (input.upload_id.clone(), input.key.clone());
    let (upload, kept) = blocking(move || {
        let upload = disk.upload(&id, &key)?;
        let parts = disk.parts(&upload)?;
        Ok((upload, parts))
    })
    .await?;
    let rest: Vec<_> = kept
        .into_iter()
        .filter(|part| part.number > after)
        .collect();
    let truncated = rest.len() > limit;
    let parts: Vec<ListedPart> = rest
        .into_iter()
        .take(limit)
        .map(|part| ListedPart {
            checksum_crc32: Some(crc32_text(part.crc32)),
            e_tag: Some(ETag::Strong(hex::encode(part.md5))),
            last_modified: Some(OffsetDateTime::from(part.modified).into()),
            part_number: Some(part.number),
            size: Some(signed(part.size)),
            ..ListedPart::default()
        })
        .collect();
    Ok(ListPartsOutput {
        bucket: Some(BUCKET.to_owned()),
        checksum_type: upload.algorithm.is_some().then(|| checksum_type(&upload)),
        checksum_algorithm: upload.algorithm.map(ChecksumAlgorithm::from),
        is_truncated: Some(truncated),
        key: xml_text(input.key),
        max_parts: Some(count(limit)),
        next_part_number_marker: parts.last().and_then(|part| part.part_number),
        part_number_marker: Some(after),
        parts: Some(parts),
        upload_id: Some(input.upload_id),
        ..ListPartsOutput::default()
    })
}

/// ListMultipartUploads. A delimiter is not supported and does not group.
pub(super) async fn list_uploads(
    backend: &Backend,
    input: ListMultipartUploadsInput,
) -> Result<ListMultipartUploadsOutput, OpError> {
    let spelling = listing::Spelling::of(input.encoding_type.as_ref())?;
    let limit = listing::limit(input.max_uploads, "max-uploads")?;
    let disk = Arc::clone(&backend.disk);
    let all = blocking(move || disk.all_uploads()).await?;
    let prefix = input.prefix.unwrap_or_default();
    let key_marker = input.key_marker.unwrap_or_default();
    let id_marker = input.upload_id_marker.unwrap_or_default();
    // The marked upload may be gone by now; uploads of one key are then told again rather than missed.
    let at_marker = all
        .iter()
        .position(|upload| upload.key == key_marker && upload.id == id_marker);
    let is_after = |at: usize, upload: &Upload| match at_marker {
        Some(marker) => at > marker,
        None if id_marker.is_empty() => upload.key > key_marker || key_marker.is_empty(),
        None => upload.key >= key_marker,
    };
    let rest: Vec<&Upload> = all
        .iter()
        .enumerate()
        .filter(|(at, upload)| upload.key.starts_with(&prefix) && is_after(*at, upload))
        .map(|(_, upload)| upload)
        .collect();
    let page = &rest[..rest.len().min(limit)];
    let truncated = rest.len() > page.len();
    let last = page.last().filter(|_| truncated);
    Ok(ListMultipartUploadsOutput {
        bucket: Some(BUCKET.to_owned()),
        is_truncated: Some(truncated),
        max_uploads: Some(count(limit)),
        next_key_marker: last.map(|upload| spelling.text(&upload.key)),
        next_upload_id_marker: last.map(|upload| upload.id.clone()),
        uploads: Some(page.iter().map(|upload| listed(upload, spelling)).collect()),
        prefix: Some(spelling.text(&prefix)),
        key_marker: Some(spelling.text(&key_marker)),
        upload_id_marker: Some(id_marker),
        encoding_type: input.encoding_type,
        ..ListMultipartUploadsOutput::default()
    })
}

fn listed(upload: &Upload, spelling: listing::Spelling) -> MultipartUpload {
    let begun =
        OffsetDateTime::from_unix_timestamp(upload.begun).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    MultipartUpload {
        checksum_algorithm: upload.algorithm.clone().map(ChecksumAlgorithm::from),
        checksum_type: upload.algorithm.is_some().then(|| checksum_type(upload)),
        initiated: Some(begun.into()),
        key: Some(spelling.text(&upload.key)),
        upload_id: Some(upload.id.clone()),
        ..MultipartUpload::default()
    }
}
