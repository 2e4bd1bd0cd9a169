//! The answers to reads: listings, GET, HEAD and GetObjectAttributes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Options;
use super::answer::{Answer, element, http_date, iso_date, push_element};
use super::faults::Failure;
use super::object::{Checksum, Restore, SyntheticObject, encode};
use super::requests::{Operation, Request};

/// The objects by key; `str` sorts by bytes, as S3 does.
pub type Objects = BTreeMap<String, Arc<SyntheticObject>>;

/// What `encoding-type=url` leaves alone; a space becomes `+`, as on AWS.
const LITERAL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/')
    .remove(b' ');

/// One page of ListObjectsV2.
pub fn list(objects: &Objects, request: &Request, options: &Options) -> Result<Answer, Failure> {
    let prefix = request.parameter("prefix").unwrap_or_default();
    let url = request.parameter("encoding-type") == Some("url");
    let encode = |text: &str| match url {
        true => url_encoded(text),
        false => text.to_owned(),
    };
    let max_keys = match request.parameter("max-keys") {
        Some(max) => max
            .parse::<usize>()
            .map_err(|_| Failure::INVALID_REQUEST)?
            .min(options.page_size),
        None => options.page_size,
    };
    let after = match request.parameter("continuation-token") {
        Some(token) => Some(last_key(token).ok_or(Failure::INVALID_REQUEST)?),
        None if options.starts_after => request.parameter("start-after").map(str::to_owned),
        None => None,
    };
    let start = match &after {
        Some(after) if after.as_str() >= prefix => Bound::Excluded(after.as_str()),
        _ => Bound::Included(prefix),
    };
    let rest = objects
        .range::<str, _>((start, Bound::Unbounded))
        .map(|(_, object)| object);
    let mut rest = rest
        .take_while(|object| object.key.starts_with(prefix))
        .peekable();
    let restore_status = request
        .header("x-amz-optional-object-attributes")
        .is_some_and(|all| all.contains("Restore"));

    let mut contents = String::new();
    let mut dates = Dates::default();
    let mut count = 0;
    let mut last = None;
    while count < max_keys
        && let Some(object) = rest.next()
    {
        contents.push_str("<Contents>");
        row(
            &mut contents,
            &mut dates,
            object,
            &encode(&object.key),
            restore_status,
        );
        contents.push_str("</Contents>");
        count += 1;
        last = Some(object);
    }
    let mut inside = element("Name", &request.bucket) + &element("Prefix", encode(prefix));
    inside += &element("KeyCount", count.to_string());
    inside += &element("MaxKeys", max_keys.to_string());
    if let Some(kind) = request.parameter("encoding-type") {
        inside += &element("EncodingType", kind);
    }
    inside += &element(
        "IsTruncated",
        (last.is_some() && rest.peek().is_some()).to_string(),
    );
    if let (Some(last), Some(_)) = (last, rest.peek()) {
        let token = format!("{}-{}", request.page() + 1, hex::encode(&last.key));
        inside += &element("NextContinuationToken", token);
    }
    Ok(Answer::xml("ListBucketResult", &(inside + &contents)))
}

/// A key as the request wants it in XML.
pub fn encoded(request: &Request, key: &str) -> String {
    match request.parameter("encoding-type") {
        Some("url") => url_encoded(key),
        _ => key.to_owned(),
    }
}

fn url_encoded(key: &str) -> String {
    let encoded: Cow<'_, str> = utf8_percent_encode(key, LITERAL).into();
    match encoded.contains(' ') {
        true => encoded.replace(' ', "+"),
        false => encoded.into_owned(),
    }
}

fn last_key(token: &str) -> Option<String> {
    String::from_utf8(hex::decode(token.split_once('-')?.1).ok()?).ok()
}

/// The times of a listing. Neighbours are often of the same second.
#[derive(Default)]
pub struct Dates(Option<(i64, String)>);

impl Dates {
    fn of(&mut self, unix: i64) -> &str {
        if self.0.as_ref().is_none_or(|(before, _)| *before != unix) {
            self.0 = Some((unix, iso_date(unix)));
        }
        self.0.as_ref().map_or("", |(_, text)| text)
    }
}

/// Adds what a listing says of one object.
pub fn row(
    xml: &mut String,
    dates: &mut Dates,
    object: &SyntheticObject,
    key: &str,
    restore_status: bool,
) {
    push_element(xml, "Key", key);
    push_element(xml, "LastModified", dates.of(object.last_modified));
    // Hexadecimal digits, dashes and quotes.
    for part in ["<ETag>&quot;", &object.etag, "&quot;</ETag>"] {
        xml.push_str(part);
    }
    xml.push_str(match object.checksum {
        Checksum::Unknown => "",
        Checksum::FullObject | Checksum::Claimed(_) => {
            "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        }
        Checksum::Composite { .. } => {
            "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType>"
        }
    });
    push_element(xml, "Size", &object.size().to_string());
    push_element(
        xml,
        "StorageClass",
        object.storage_class.unwrap_or("STANDARD"),
    );
    if let (Some(restore), true) = (object.restore, restore_status) {
        xml.push_str("<RestoreStatus>");
        let under_way = restore == Restore::InProgress;
        push_element(xml, "IsRestoreInProgress", &under_way.to_string());
        if restore == Restore::Done {
            let expires = iso_date(object.last_modified + 365 * 86_400);
            push_element(xml, "RestoreExpiryDate", &expires);
        }
        xml.push_str("</RestoreStatus>");
    }
}

/// GET or HEAD of an object.
pub fn object(object: &SyntheticObject, request: &Request) -> Result<Answer, Failure> {
    let names = |list: &str| {
        list.split(',')
            .any(|etag| etag.trim() == "*" || etag.trim().trim_matches('"') == object.etag)
    };
    if request.header("if-match").is_some_and(|list| !names(list)) {
        return Err(Failure::PRECONDITION_FAILED);
    }
    let quoted = format!("\"{}\"", object.etag);
    if request.header("if-none-match").is_some_and(names) {
        return Ok(Answer::empty(304).header("etag", quoted));
    }
    if request.operation == Operation::GetObject && object.is_unreadable() {
        return Err(Failure::INVALID_OBJECT_STATE);
    }
    let size = object.size();
    let ranged = request
        .header("range")
        .map(|range| parse_range(range, size).ok_or(Failure::INVALID_RANGE))
        .transpose()?;
    let mut answer = Answer::empty(200)
        .header("etag", quoted)
        .header("last-modified", http_date(object.last_modified))
        .header("content-type", "application/octet-stream")
        .header("accept-ranges", "bytes");
    answer.content = object.content.clone();
    answer.range = 0..size;
    // A checksum of the whole says nothing about a range: S3 returns none there.
    if let (Some("ENABLED"), None) = (request.header("x-amz-checksum-mode"), &ranged)
        && let Some((value, kind)) = object.checksum_headers()
    {
        answer = answer
            .header("x-amz-checksum-crc32", value)
            .header("x-amz-checksum-type", kind);
    }
    if let Some(class) = object.storage_class {
        answer = answer.header("x-amz-storage-class", class);
    }
    if let Some(tier) = object.archive_tier {
        answer = answer.header("x-amz-archive-status", tier);
    }
    if let Some(disposition) = request.parameter("response-content-disposition") {
        answer = answer.header("content-disposition", disposition);
    }
    if let Some(range) = ranged {
        answer = answer.header(
            "content-range",
            format!("bytes {}-{}/{size}", range.start, range.end - 1),
        );
        answer.status = 206;
        answer.range = range;
    }
    Ok(if request.operation == Operation::HeadObject {
        answer.without_body()
    } else {
        answer
    })
}

/// One range of RFC 9110, section 14.1.2. `None` where it is malformed or cannot be satisfied.
fn parse_range(header: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = header.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first, last) {
        ("", suffix) => size.saturating_sub(suffix.parse().ok()?)..size,
        (first, "") => first.parse().ok()?..size,
        (first, last) => first.parse().ok()?..size.min(last.parse::<u64>().ok()?.checked_add(1)?),
    };
    (range.start < range.end).then_some(range)
}

/// GetObjectAttributes: the checksum, and a page of the parts.
pub fn attributes(object: &SyntheticObject, request: &Request) -> Result<Answer, Failure> {
    let number = |name: &str| {
        request
            .header(name)
            .and_then(|text| text.parse::<usize>().ok())
    };
    let marker = number("x-amz-part-number-marker").unwrap_or(0);
    let most = number("x-amz-max-parts").unwrap_or(1000).min(1000);
    let mut inside =
        element("ETag", &object.etag) + &element("ObjectSize", object.size().to_string());
    if let Some((value, kind)) = object.checksum_headers() {
        let checksum = element("ChecksumCRC32", value) + &element("ChecksumType", kind);
        inside += &format!("<Checksum>{checksum}</Checksum>");
    }
    if let Checksum::Composite { .. } = object.checksum {
        let parts = object.parts();
        let page = parts.iter().enumerate().skip(marker).take(most);
        let mut list = element("PartsCount", parts.len().to_string());
        list += &element("PartNumberMarker", marker.to_string());
        list += &element(
            "NextPartNumberMarker",
            parts.len().min(marker + most).to_string(),
        );
        list += &element("MaxParts", most.to_string());
        list += &element("IsTruncated", (parts.len() > marker + most).to_string());
        for (index, (size, crc32)) in page {
            let part = element("PartNumber", (index + 1).to_string())
                + &element("Size", size.to_string())
                + &element("ChecksumCRC32", encode(*crc32));
            list += &format!("<Part>{part}</Part>");
        }
        inside += &format!("<ObjectParts>{list}</ObjectParts>");
    }
    let answer = Answer::xml("GetObjectAttributesResponse", &inside);
    Ok(answer.header("last-modified", http_date(object.last_modified)))
}
