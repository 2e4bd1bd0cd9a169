//! The answers to writes: PUT, DELETE and multipart uploads. What is written is kept in memory.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};

use super::answer::{Answer, element};
use super::faults::Failure;
use super::object::{Checksum, SyntheticObject};
use super::requests::Request;

/// An upload that is neither completed nor aborted.
#[derive(Debug)]
pub struct Upload {
    pub key: String,
    parts: BTreeMap<u32, Bytes>,
}

/// Open uploads by id.
pub type Uploads = BTreeMap<String, Upload>;

/// The payload of a PUT: the body, without the framing of `aws-chunked` where the client used it.
pub fn payload(request: &Request, body: Bytes) -> Result<Bytes, Failure> {
    let streaming = request
        .header("x-amz-content-sha256")
        .is_some_and(|value| value.starts_with("STREAMING-"));
    let chunked = request
        .header("content-encoding")
        .is_some_and(|value| value.contains("aws-chunked"));
    if streaming || chunked {
        unframe(&body).ok_or(Failure::INVALID_REQUEST)
    } else {
        Ok(body)
    }
}

/// Takes the chunks out of `aws-chunked`: `size-in-hex[;extension]\r\n data \r\n`, until a chunk of size 0.
fn unframe(body: &[u8]) -> Option<Bytes> {
    let mut left = body;
    let mut data = BytesMut::new();
    loop {
        let end = left.windows(2).position(|pair| pair == b"\r\n")?;
        let head = std::str::from_utf8(&left[..end]).ok()?;
        let size = usize::from_str_radix(head.split(';').next()?, 16).ok()?;
        if size == 0 {
            return Some(data.freeze());
        }
        data.extend_from_slice(left.get(end + 2..end + 2 + size)?);
        left = left.get(end + 4 + size..)?;
    }
}

/// The object that a PUT makes. It has a full-object CRC-32 where the client sent one.
pub fn written(request: &Request, payload: Bytes) -> SyntheticObject {
    let sent = request.header("x-amz-checksum-crc32").is_some()
        || request
            .header("x-amz-trailer")
            .is_some_and(|trailer| trailer.contains("crc32"));
    let checksum = if sent {
        Checksum::FullObject
    } else {
        Checksum::Unknown
    };
    SyntheticObject::of(request.key.clone(), payload).checksum(checksum)
}

/// CreateMultipartUpload.
pub fn create(uploads: &mut Uploads, request: &Request, id: String) -> Answer {
    let inside = element("Bucket", &request.bucket)
        + &element("Key", &request.key)
        + &element("UploadId", &id);
    uploads.insert(
        id,
        Upload {
            key: request.key.clone(),
            parts: BTreeMap::new(),
        },
    );
    Answer::xml("InitiateMultipartUploadResult", &inside)
}

/// UploadPart.
pub fn upload_part(
    uploads: &mut Uploads,
    request: &Request,
    payload: Bytes,
) -> Result<Answer, Failure> {
    let number = request
        .parameter("partNumber")
        .and_then(|number| number.parse().ok());
    let number = number.ok_or(Failure::INVALID_REQUEST)?;
    let id = request.parameter("uploadId").unwrap_or_default();
    let upload = uploads.get_mut(id).ok_or(Failure::NO_SUCH_UPLOAD)?;
    let etag = format!("\"{}\"", hex::encode(Md5::digest(&payload)));
    upload.parts.insert(number, payload);
    Ok(Answer::empty(200).header("etag", etag))
}

/// ListParts, all on one page.
pub fn list_parts(uploads: &Uploads, request: &Request) -> Result<Answer, Failure> {
    let id = request.parameter("uploadId").unwrap_or_default();
    let upload = uploads.get(id).ok_or(Failure::NO_SUCH_UPLOAD)?;
    let part = |(number, payload): (&u32, &Bytes)| {
        let etag = format!("\"{}\"", hex::encode(Md5::digest(payload)));
        let inside = element("PartNumber", number.to_string())
            + &element("ETag", etag)
            + &element("Size", payload.len().to_string());
        format!("<Part>{inside}</Part>")
    };
    let parts: String = upload.parts.iter().map(part).collect();
    let inside = element("UploadId", id) + &parts + &element("IsTruncated", "false");
    Ok(Answer::xml("ListPartsResult", &inside))
}

/// CompleteMultipartUpload. The parts are those uploaded, in order; the client's list is not compared.
pub fn complete(
    uploads: &mut Uploads,
    request: &Request,
) -> Result<(Answer, SyntheticObject), Failure> {
    let id = request.parameter("uploadId").unwrap_or_default();
    let upload = uploads.remove(id).ok_or(Failure::NO_SUCH_UPLOAD)?;
    let whole: Vec<u8> = upload
        .parts
        .values()
        .flat_map(|part| part.iter().copied())
        .collect();
    let mut digests = Md5::new();
    upload
        .parts
        .values()
        .for_each(|part| digests.update(Md5::digest(part)));
    let mut object = SyntheticObject::of(upload.key, whole);
    object.etag = format!("{}-{}", hex::encode(digests.finalize()), upload.parts.len());
    let inside = element("Bucket", &request.bucket)
        + &element("Key", &object.key)
        + &element("ETag", format!("\"{}\"", object.etag));
    Ok((
        Answer::xml("CompleteMultipartUploadResult", &inside),
        object,
    ))
}

/// AbortMultipartUpload.
pub fn abort(uploads: &mut Uploads, request: &Request) -> Result<Answer, Failure> {
    let id = request.parameter("uploadId").unwrap_or_default();
    uploads
        .remove(id)
        .map(|_| Answer::empty(204))
        .ok_or(Failure::NO_SUCH_UPLOAD)
}
