//! GetObject, HeadObject and GetObjectAttributes.

use std::sync::Arc;

use http::StatusCode;
use s3s::dto::*;
use s3s::{S3Response, S3Result};

use super::Backend;
use super::error::OpError;
use super::object::{self, Opened, Verdict, Wanted};
use super::reading::FileBody;
use super::record::Headers;

/// The answer to a GET or HEAD, but for the body.
struct Answer {
    opened: Opened,
    span: Option<std::ops::Range<u64>>,
    head: HeadObjectOutput,
}

async fn answer(backend: &Backend, wanted: &Wanted) -> Result<Answer, OpError> {
    check_version(wanted.version.as_deref())?;
    let opened = object::open(&backend.disk, &wanted.key).await?;
    let modified = opened.stamp.modified();
    if wanted.conditions.check(&opened.etag, modified)? == Verdict::NotModified {
        return Err(OpError::NotModified {
            etag: opened.etag,
            modified,
        });
    }
    let mut head = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        e_tag: Some(ETag::Strong(opened.etag.clone())),
        last_modified: Some(modified.into()),
        ..HeadObjectOutput::default()
    };
    let span = opened.span(wanted)?;
    let size = opened.stamp.size;
    let length = span.as_ref().map_or(size, |span| span.end - span.start);
    head.content_length = Some(signed(length));
    head.content_type = Some(opened.content_type(&wanted.key));
    if let Some(span) = &span {
        // An empty part of an empty object has no last byte to name.
        head.content_range =
            (length > 0).then(|| format!("bytes {}-{}/{size}", span.start, span.end - 1));
    } else if wanted.checksum
        && let Some((crc32, kind)) = opened.checksum()
    {
        head.checksum_crc32 = Some(crc32);
        head.checksum_type = Some(kind);
    }
    if let Some(record) = &opened.record {
        let Headers {
            cache_control,
            content_disposition,
            content_encoding,
            content_language,
            metadata,
            ..
        } = record.headers.clone();
        head.cache_control = cache_control;
        head.content_disposition = content_disposition;
        head.content_encoding = content_encoding;
        head.content_language = content_language;
        head.metadata = Some(metadata.into_iter().collect());
        head.parts_count = wanted.part_number.map(|_| count(record.parts.len().max(1)));
    }
    Ok(Answer { opened, span, head })
}

/// HeadObject.
pub(super) async fn head_object(
    backend: &Backend,
    input: HeadObjectInput,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let head = answer(backend, &input.into()).await?.head;
    let status = head
        .content_range
        .is_some()
        .then_some(StatusCode::PARTIAL_CONTENT);
    let mut response = S3Response::new(head);
    response.status = status;
    Ok(response)
}

/// GetObject.
pub(super) async fn get_object(
    backend: &Backend,
    input: GetObjectInput,
) -> S3Result<S3Response<GetObjectOutput>> {
    let wanted = Wanted::from(input);
    let Answer { opened, span, head } = answer(backend, &wanted).await?;
    let known = opened
        .record
        .as_ref()
        .is_some_and(|record| record.crc32.is_some());
    let body = match span {
        Some(span) => FileBody::new(opened.file, opened.stamp, span),
        None if known => FileBody::new(opened.file, opened.stamp, 0..opened.stamp.size),
        None => FileBody::learning(
            opened.file,
            opened.stamp,
            Arc::clone(&backend.disk),
            wanted.key,
        ),
    };
    Ok(S3Response::new(GetObjectOutput {
        accept_ranges: head.accept_ranges,
        body: Some(StreamingBlob::new(body)),
        cache_control: head.cache_control,
        checksum_crc32: head.checksum_crc32,
        checksum_type: head.checksum_type,
        content_disposition: head.content_disposition,
        content_encoding: head.content_encoding,
        content_language: head.content_language,
        content_length: head.content_length,
        content_range: head.content_range,
        content_type: head.content_type,
        e_tag: head.e_tag,
        last_modified: head.last_modified,
        metadata: head.metadata,
        parts_count: head.parts_count,
        ..GetObjectOutput::default()
    }))
}

/// GetObjectAttributes.
pub(super) async fn attributes(
    backend: &Backend,
    input: GetObjectAttributesInput,
) -> Result<GetObjectAttributesOutput, OpError> {
    check_version(input.version_id.as_deref())?;
    let opened = object::open(&backend.disk, &input.key).await?;
    let wants = |name: &str| {
        input
            .object_attributes
            .iter()
            .any(|attribute| attribute.as_str() == name)
    };
    let checksum = opened.checksum().map(|(crc32, kind)| Checksum {
        checksum_crc32: Some(crc32),
        checksum_type: Some(kind),
        ..Checksum::default()
    });
    let parts = opened
        .record
        .as_ref()
        .map_or(&[][..], |record| &record.parts);
    let after = input.part_number_marker.unwrap_or(0);
    let limit = usize::try_from(input.max_parts.unwrap_or(1000))
        .map_err(|_| OpError::InvalidArgument {
            name: "x-amz-max-parts",
        })?
        .min(1000);
    let rest: Vec<_> = parts.iter().filter(|part| part.number > after).collect();
    let page: Vec<ObjectPart> = rest
        .iter()
        .take(limit)
        .map(|part| ObjectPart {
            checksum_crc32: Some(super::incoming::crc32_text(part.crc32)),
            part_number: Some(part.number),
            size: Some(signed(part.size)),
            ..ObjectPart::default()
        })
        .collect();
    let listed = GetObjectAttributesParts {
        is_truncated: Some(rest.len() > limit),
        max_parts: Some(count(limit)),
        next_part_number_marker: page.last().and_then(|part| part.part_number),
        part_number_marker: Some(after),
        total_parts_count: Some(count(parts.len())),
        parts: Some(page),
    };
    Ok(GetObjectAttributesOutput {
        checksum: checksum.filter(|_| wants(ObjectAttributes::CHECKSUM)),
        e_tag: wants(ObjectAttributes::ETAG).then(|| ETag::Strong(opened.etag.clone())),
        last_modified: Some(opened.stamp.modified().into()),
        object_parts: (wants(ObjectAttributes::OBJECT_PARTS) && !parts.is_empty())
            .then_some(listed),
        object_size: wants(ObjectAttributes::OBJECT_SIZE).then(|| signed(opened.stamp.size)),
        storage_class: wants(ObjectAttributes::STORAGE_CLASS)
            .then(|| StorageClass::from_static(StorageClass::STANDARD)),
        ..GetObjectAttributesOutput::default()
    })
}

/// The bucket is unversioned: the only version that it knows is `null`.
pub(super) fn check_version(version: Option<&str>) -> Result<(), OpError> {
    match version {
        None | Some("" | "null") => Ok(()),
        Some(_) => Err(OpError::NoSuchVersion),
    }
}

/// A length as S3's types have it. No file system has longer files.
pub(super) fn signed(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

pub(super) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
