//! PutObject, CopyObject, DeleteObject and DeleteObjects.

use std::io::Read;
use std::sync::Arc;

use s3s::S3Request;
use s3s::dto::*;

use super::error::OpError;
use super::get::{check_version, signed};
use super::incoming::{self, Claims, Received, crc32_text};
use super::object::{self, Conditions};
use super::publish::Condition;
use super::record::{Headers, Record, Stamp};
use super::{BUCKET, Backend, blocking, xml_text};

/// A record for an object that was written in one go. Its stamp is set when the file is in place.
fn record_of(key: String, received: &Received, headers: Headers) -> Record {
    Record {
        key,
        stamp: Stamp {
            size: received.size,
            modified_ns: 0,
            inode: 0,
        },
        etag: Some(hex::encode(received.md5)),
        crc32: Some(received.crc32),
        composite: false,
        parts: Vec::new(),
        headers,
    }
}

/// PutObject.
pub(super) async fn put_object(
    backend: &Backend,
    request: S3Request<PutObjectInput>,
) -> Result<PutObjectOutput, OpError> {
    let claims = Claims::of(&request.headers, request.trailing_headers)?;
    let input = request.input;
    let condition = Condition {
        if_match: input.if_match,
        if_none_match: input.if_none_match,
    };
    let headers = Headers {
        content_type: input.content_type,
        cache_control: input.cache_control,
        content_disposition: input.content_disposition,
        content_encoding: input.content_encoding,
        content_language: input.content_language,
        metadata: input.metadata.into_iter().flatten().collect(),
    };
    let (disk, key) = (Arc::clone(&backend.disk), input.key.clone());
    let temp = blocking(move || disk.temp_for(&key)).await?;
    let received = incoming::receive(input.body, claims, temp).await?;
    let record = record_of(input.key.clone(), &received, headers);
    let output = PutObjectOutput {
        checksum_crc32: Some(crc32_text(received.crc32)),
        checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
        e_tag: record.etag.clone().map(ETag::Strong),
        size: Some(signed(received.size)),
        ..PutObjectOutput::default()
    };
    backend.commit(received.temp, record, condition).await?;
    Ok(output)
}

/// The key that a copy reads from.
pub(super) fn source_key(source: &CopySource) -> Result<String, OpError> {
    match source {
        CopySource::Bucket {
            bucket,
            key,
            version_id,
        } => {
            if &**bucket != BUCKET {
                return Err(OpError::NoSuchBucket);
            }
            check_version(version_id.as_deref())?;
            Ok(key.to_string())
        }
        CopySource::AccessPoint { .. } | CopySource::Outpost { .. } => {
            Err(OpError::InvalidArgument {
                name: "x-amz-copy-source",
            })
        }
    }
}

/// CopyObject.
pub(super) async fn copy_object(
    backend: &Backend,
    input: CopyObjectInput,
) -> Result<CopyObjectOutput, OpError> {
    let from = source_key(&input.copy_source)?;
    let conditions = Conditions {
        if_match: input.copy_source_if_match,
        if_none_match: input.copy_source_if_none_match,
        if_modified_since: input.copy_source_if_modified_since,
        if_unmodified_since: input.copy_source_if_unmodified_since,
    };
    let replaced = input
        .metadata_directive
        .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE)
        .then(|| Headers {
            content_type: input.content_type,
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            content_encoding: input.content_encoding,
            content_language: input.content_language,
            metadata: input.metadata.into_iter().flatten().collect(),
        });
    let (disk, key) = (Arc::clone(&backend.disk), input.key);
    let (temp, record) = blocking(move || {
        let mut source = object::open_blocking(&disk, &from)?;
        conditions.check_source(&source)?;
        let received = incoming::copy(
            (&mut source.file).take(source.stamp.size),
            disk.temp_for(&key)?,
        )?;
        check_unchanged(&source)?;
        let content_type = Some(source.content_type(&from));
        let kept = || Headers {
            content_type,
            ..source
                .record
                .map(|record| record.headers)
                .unwrap_or_default()
        };
        let record = record_of(key, &received, replaced.unwrap_or_else(kept));
        Ok((received.temp, record))
    })
    .await?;
    let (etag, crc32) = (record.etag.clone(), record.crc32);
    let stamp = backend.commit(temp, record, Condition::default()).await?;
    Ok(CopyObjectOutput {
        copy_object_result: Some(CopyObjectResult {
            checksum_crc32: crc32.map(crc32_text),
            checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
            e_tag: etag.map(ETag::Strong),
            last_modified: Some(stamp.modified().into()),
            ..CopyObjectResult::default()
        }),
        ..CopyObjectOutput::default()
    })
}

/// Refuses a copy whose source was written in place meanwhile. Blocks.
pub(super) fn check_unchanged(source: &object::Opened) -> Result<(), OpError> {
    let now = source
        .file
        .metadata()
        .map_err(OpError::io("look at the source"))?;
    if Stamp::of(&now) == source.stamp {
        Ok(())
    } else {
        Err(OpError::ChangedWhileRead)
    }
}

/// DeleteObject.
pub(super) async fn delete_object(
    backend: &Backend,
    input: DeleteObjectInput,
) -> Result<DeleteObjectOutput, OpError> {
    check_version(input.version_id.as_deref())?;
    let condition = Condition {
        if_match: input.if_match,
        if_none_match: None,
    };
    backend.delete(input.key, condition).await?;
    Ok(DeleteObjectOutput::default())
}

/// DeleteObjects: each key by itself, with an error of its own.
pub(super) async fn delete_objects(backend: &Backend, input: Delete) -> DeleteObjectsOutput {
    let quiet = input.quiet.unwrap_or(false);
    let mut deleted = Vec::new();
    let mut errors = Vec::new();
    for ObjectIdentifier {
        key,
        version_id,
        e_tag,
        ..
    } in input.objects
    {
        let condition = Condition {
            if_match: e_tag.map(ETagCondition::ETag),
            if_none_match: None,
        };
        let outcome = match check_version(version_id.as_deref()) {
            Ok(()) => backend.delete(key.clone(), condition).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) if quiet => {}
            Ok(()) => deleted.push(DeletedObject {
                key: xml_text(key),
                ..DeletedObject::default()
            }),
            Err(error) => {
                let error = s3s::S3Error::from(error);
                errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: xml_text(key),
                    message: error.message().map(str::to_owned),
                    version_id: None,
                });
            }
        }
    }
    DeleteObjectsOutput {
        deleted: (!deleted.is_empty()).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..DeleteObjectsOutput::default()
    }
}
