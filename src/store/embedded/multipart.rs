//! The calls of an upload in parts, from CreateMultipartUpload to Complete or Abort.

use std::io::{Read, Seek, SeekFrom};
use std::ops::RangeInclusive;
use std::sync::Arc;

use s3s::S3Request;
use s3s::dto::*;
use time::OffsetDateTime;

use super::error::OpError;
use super::get::signed;
use super::incoming::{self, Claims, crc32_text};
use super::object::{self, Conditions, checksum_text};
use super::publish::Condition;
use super::put::{check_unchanged, source_key};
use super::record::Headers;
use super::uploads::{Named, Upload};
use super::{BUCKET, Backend, blocking, listing, xml_text};

/// S3's part numbers.
const NUMBERS: RangeInclusive<i32> = 1..=10_000;

/// What kind of checksum the object of an upload gets.
pub(super) fn checksum_type(upload: &Upload) -> ChecksumType {
    ChecksumType::from_static(if upload.composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    })
}

/// CreateMultipartUpload.
pub(super) async fn create(
    backend: &Backend,
    input: CreateMultipartUploadInput,
) -> Result<CreateMultipartUploadOutput, OpError> {
    let upload = Upload {
        id: String::new(),
        key: input.key,
        headers: Headers {
            content_type: input.content_type,
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            content_encoding: input.content_encoding,
            content_language: input.content_language,
            metadata: input.metadata.into_iter().flatten().collect(),
        },
        algorithm: input
            .checksum_algorithm
            .as_ref()
            .map(|algorithm| algorithm.as_str().to_owned()),
        composite: input
            .checksum_type
            .as_ref()
            .is_some_and(|kind| kind.as_str() == ChecksumType::COMPOSITE),
        begun: 0,
    };
    let disk = Arc::clone(&backend.disk);
    let upload = blocking(move || disk.begin(upload)).await?;
    Ok(CreateMultipartUploadOutput {
        bucket: Some(BUCKET.to_owned()),
        checksum_type: upload.algorithm.is_some().then(|| checksum_type(&upload)),
        checksum_algorithm: upload.algorithm.map(ChecksumAlgorithm::from),
        key: xml_text(upload.key),
        upload_id: Some(upload.id),
        ..CreateMultipartUploadOutput::default()
    })
}

async fn find(backend: &Backend, id: String, key: String) -> Result<Upload, OpError> {
    let disk = Arc::clone(&backend.disk);
    blocking(move || disk.upload(&id, &key)).await
}

fn check_number(number: i32) -> Result<i32, OpError> {
    if NUMBERS.contains(&number) {
        Ok(number)
    } else {
        Err(OpError::InvalidArgument { name: "partNumber" })
    }
}

/// UploadPart.
pub(super) async fn upload_part(
    backend: &Backend,
    request: S3Request<UploadPartInput>,
) -> Result<UploadPartOutput, OpError> {
    let claims = Claims::of(&request.headers, request.trailing_headers)?;
    let input = request.input;
    let number = check_number(input.part_number)?;
    let upload = find(backend, input.upload_id, input.key).await?;
    let disk = Arc::clone(&backend.disk);
    let temp = blocking(move || disk.temp_for_part()).await?;
    let received = incoming::receive(input.body, claims, temp).await?;
    let output = UploadPartOutput {
        checksum_crc32: Some(crc32_text(received.crc32)),
        e_tag: Some(ETag::Strong(hex::encode(received.md5))),
        ..UploadPartOutput::default()
    };
    let disk = Arc::clone(&backend.disk);
    blocking(move || disk.keep_part(&upload, number, received)).await?;
    Ok(output)
}

/// UploadPartCopy.
pub(super) async fn upload_part_copy(
    backend: &Backend,
    input: UploadPartCopyInput,
) -> Result<UploadPartCopyOutput, OpError> {
    let number = check_number(input.part_number)?;
    let from = source_key(&input.copy_source)?;
    let conditions = Conditions {
        if_match: input.copy_source_if_match,
        if_none_match: input.copy_source_if_none_match,
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    let invalid = OpError::InvalidArgument {
        name: "x-amz-copy-source-range",
    };
    let range = match input.copy_source_range.as_deref().map(Range::parse) {
        None => None,
        Some(Ok(Range::Int {
            first,
            last: Some(last),
        })) => Some((first, last)),
        Some(_) => return Err(invalid),
    };
    let upload = find(backend, input.upload_id, input.key).await?;
    let disk = Arc::clone(&backend.disk);
    let result = blocking(move || {
        let mut source = object::open_blocking(&disk, &from)?;
        conditions.check_source(&source)?;
        let size = source.stamp.size;
        // A range that ends behind the object is an error here, unlike in a GET.
        let (start, end) = match range {
            Some((_, last)) if last >= size => return Err(OpError::RangeNotSatisfiable { size }),
            Some((first, last)) => (first, last + 1),
            None => (0, size),
        };
        source
            .file
            .seek(SeekFrom::Start(start))
            .map_err(OpError::io("read the source"))?;
        let received = incoming::copy((&mut source.file).take(end - start), disk.temp_for_part()?)?;
        check_unchanged(&source)?;
        let result = CopyPartResult {
            checksum_crc32: Some(crc32_text(received.crc32)),
            e_tag: Some(ETag::Strong(hex::encode(received.md5))),
            last_modified: Some(OffsetDateTime::now_utc().into()),
            ..CopyPartResult::default()
        };
        disk.keep_part(&upload, number, received)?;
        Ok(result)
    })
    .await?;
    Ok(UploadPartCopyOutput {
        copy_part_result: Some(result),
        ..UploadPartCopyOutput::default()
    })
}

/// CompleteMultipartUpload.
pub(super) async fn complete(
    backend: &Backend,
    input: CompleteMultipartUploadInput,
) -> Result<CompleteMultipartUploadOutput, OpError> {
    let mut named = Vec::new();
    for part in input
        .multipart_upload
        .and_then(|list| list.parts)
        .unwrap_or_default()
    {
        let number = part.part_number.unwrap_or_default();
        let etag = part
            .e_tag
            .map(ETag::into_value)
            .ok_or(OpError::InvalidPart { number })?;
        named.push(Named {
            number,
            etag,
            crc32: part.checksum_crc32,
        });
    }
    let upload = find(backend, input.upload_id, input.key).await?;
    let disk = Arc::clone(&backend.disk);
    let (upload, temp, record) = blocking(move || {
        let (temp, record) = disk.join_parts(&upload, &named)?;
        Ok((upload, temp, record))
    })
    .await?;
    let sum = record
        .crc32
        .map(|crc32| checksum_text(crc32, record.composite.then_some(record.parts.len())));
    let (crc32, kind) = sum.unzip();
    if input
        .checksum_crc32
        .is_some_and(|claim| crc32.as_ref() != Some(&claim))
    {
        return Err(OpError::BadDigest {
            algorithm: "x-amz-checksum-crc32",
        });
    }
    if let Some(size) = input.mpu_object_size
        && signed(record.stamp.size) != size
    {
        return Err(OpError::InvalidArgument {
            name: "x-amz-mp-object-size",
        });
    }
    let etag = record.etag.clone();
    let condition = Condition {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
    };
    backend.commit(temp, record, condition).await?;
    let key = upload.key.clone();
    let disk = Arc::clone(&backend.disk);
    blocking(move || disk.end(&upload)).await?;
    Ok(CompleteMultipartUploadOutput {
        bucket: Some(BUCKET.to_owned()),
        checksum_crc32: crc32,
        checksum_type: kind,
        e_tag: etag.map(ETag::Strong),
        location: Some(format!("/{BUCKET}/{}", listing::url_text(&key))),
        key: xml_text(key),
        ..CompleteMultipartUploadOutput::default()
    })
}

/// AbortMultipartUpload.
pub(super) async fn abort(
    backend: &Backend,
    input: AbortMultipartUploadInput,
) -> Result<AbortMultipartUploadOutput, OpError> {
    let disk = Arc::clone(&backend.disk);
    blocking(move || disk.end(&disk.upload(&input.upload_id, &input.key)?)).await?;
    Ok(AbortMultipartUploadOutput::default())
}
