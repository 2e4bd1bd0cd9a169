//! ListObjectsV2 and ListObjects: pages of the index, in the order of the keys' bytes.
//!
//! Invariant: a continuation token carries the place where its page ended, so it outlives the process.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::*;

use super::error::OpError;
use super::get::{count, signed};
use super::index::{Cursor, Page};
use super::record::Stamp;
use super::{BUCKET, Backend, blocking};

/// S3's limit for the keys of a page.
const MAX_KEYS: i32 = 1000;

/// What `encoding-type=url` leaves as it is. A space becomes `%20`: some clients do not know `+`.
const URL_KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// How the texts of a listing are spelled.
#[derive(Clone, Copy)]
pub(super) struct Spelling {
    url: bool,
}

impl Spelling {
    pub(super) fn of(encoding: Option<&EncodingType>) -> Result<Spelling, OpError> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Spelling { url: false }),
            Some(EncodingType::URL) => Ok(Spelling { url: true }),
            Some(_) => Err(OpError::InvalidArgument {
                name: "encoding-type",
            }),
        }
    }

    pub(super) fn text(self, text: &str) -> String {
        if self.url {
            url_text(text)
        } else {
            text.to_owned()
        }
    }
}

/// A key as `encoding-type=url` spells it.
pub(super) fn url_text(text: &str) -> String {
    utf8_percent_encode(text, URL_KEPT).to_string()
}

/// ListObjectsV2.
pub(super) async fn list_v2(
    backend: &Backend,
    input: ListObjectsV2Input,
) -> Result<ListObjectsV2Output, OpError> {
    let spelling = Spelling::of(input.encoding_type.as_ref())?;
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.filter(|delimiter| !delimiter.is_empty());
    let token = input.continuation_token.filter(|token| !token.is_empty());
    let limit = limit(input.max_keys, "max-keys")?;
    let start_after = input.start_after.filter(|key| !key.is_empty());
    let after = match (&token, &start_after) {
        (Some(token), _) => Some(read_token(token)?),
        (None, Some(key)) => Some(Cursor::Key(key.clone())),
        (None, None) => None,
    };
    backend
        .index
        .refresh(&backend.disk, &prefix, token.is_none())
        .await?;
    let page = backend
        .index
        .page(&prefix, delimiter.as_deref(), after.as_ref(), limit);
    Ok(ListObjectsV2Output {
        name: Some(BUCKET.to_owned()),
        key_count: Some(count(page.rows.len() + page.prefixes.len())),
        max_keys: Some(count(limit)),
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.as_ref().map(write_token),
        common_prefixes: common_prefixes(&page, spelling),
        contents: Some(contents(backend, page.rows, spelling).await?),
        continuation_token: token,
        prefix: Some(spelling.text(&prefix)),
        delimiter: delimiter.map(|delimiter| spelling.text(&delimiter)),
        start_after: start_after.map(|key| spelling.text(&key)),
        encoding_type: input.encoding_type,
        request_charged: None,
    })
}

/// ListObjects, the first version.
pub(super) async fn list_v1(
    backend: &Backend,
    input: ListObjectsInput,
) -> Result<ListObjectsOutput, OpError> {
    let spelling = Spelling::of(input.encoding_type.as_ref())?;
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.filter(|delimiter| !delimiter.is_empty());
    let marker = input.marker.unwrap_or_default();
    let limit = limit(input.max_keys, "max-keys")?;
    // A marker that is a common prefix was the last of the page before: all keys below it have been told.
    let is_prefix = delimiter.as_ref().is_some_and(|delimiter| {
        marker
            .strip_prefix(&prefix)
            .and_then(|rest| rest.strip_suffix(delimiter))
            .is_some()
    });
    let after = match (marker.is_empty(), is_prefix) {
        (true, _) => None,
        (false, true) => Some(Cursor::Prefix(marker.clone())),
        (false, false) => Some(Cursor::Key(marker.clone())),
    };
    backend
        .index
        .refresh(&backend.disk, &prefix, after.is_none())
        .await?;
    let page = backend
        .index
        .page(&prefix, delimiter.as_deref(), after.as_ref(), limit);
    let next = page
        .next
        .as_ref()
        .map(|(Cursor::Key(text) | Cursor::Prefix(text))| spelling.text(text));
    Ok(ListObjectsOutput {
        name: Some(BUCKET.to_owned()),
        max_keys: Some(count(limit)),
        is_truncated: Some(page.next.is_some()),
        next_marker: next,
        common_prefixes: common_prefixes(&page, spelling),
        contents: Some(contents(backend, page.rows, spelling).await?),
        marker: Some(spelling.text(&marker)),
        prefix: Some(spelling.text(&prefix)),
        delimiter: delimiter.map(|delimiter| spelling.text(&delimiter)),
        encoding_type: input.encoding_type,
        request_charged: None,
    })
}

async fn contents(
    backend: &Backend,
    rows: Vec<(Box<str>, Stamp)>,
    spelling: Spelling,
) -> Result<Vec<Object>, OpError> {
    let disk = std::sync::Arc::clone(&backend.disk);
    blocking(move || {
        let object = |(key, stamp): (Box<str>, Stamp)| {
            let brief = disk.sidecars.brief(&key, &stamp);
            let etag = brief
                .as_ref()
                .and_then(|brief| brief.etag.as_deref().map(str::to_owned));
            let known = brief.filter(|brief| brief.has_crc32);
            Object {
                checksum_algorithm: known
                    .is_some()
                    .then(|| vec![ChecksumAlgorithm::from_static(ChecksumAlgorithm::CRC32)]),
                checksum_type: known.map(|brief| {
                    let kind = if brief.composite {
                        ChecksumType::COMPOSITE
                    } else {
                        ChecksumType::FULL_OBJECT
                    };
                    ChecksumType::from_static(kind)
                }),
                e_tag: Some(ETag::Strong(etag.unwrap_or_else(|| stamp.etag()))),
                key: Some(spelling.text(&key)),
                last_modified: Some(stamp.modified().into()),
                owner: None,
                restore_status: None,
                size: Some(signed(stamp.size)),
                storage_class: Some(ObjectStorageClass::from_static(
                    ObjectStorageClass::STANDARD,
                )),
            }
        };
        Ok(rows.into_iter().map(object).collect())
    })
    .await
}

fn common_prefixes(page: &Page, spelling: Spelling) -> Option<Vec<CommonPrefix>> {
    let prefix = |text: &String| CommonPrefix {
        prefix: Some(spelling.text(text)),
    };
    (!page.prefixes.is_empty()).then(|| page.prefixes.iter().map(prefix).collect())
}

/// The size of a page: at most S3's limit, which is also the default.
pub(super) fn limit(asked: Option<i32>, name: &'static str) -> Result<usize, OpError> {
    usize::try_from(asked.unwrap_or(MAX_KEYS).min(MAX_KEYS))
        .map_err(|_| OpError::InvalidArgument { name })
}

fn write_token(cursor: &Cursor) -> String {
    let text = match cursor {
        Cursor::Key(key) => format!("k{key}"),
        Cursor::Prefix(prefix) => format!("p{prefix}"),
    };
    URL_SAFE_NO_PAD.encode(text)
}

fn read_token(token: &str) -> Result<Cursor, OpError> {
    let text = URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let cursor = text.as_deref().and_then(|text| {
        let key = text
            .strip_prefix('k')
            .map(|key| Cursor::Key(key.to_owned()));
        key.or_else(|| {
            text.strip_prefix('p')
                .map(|prefix| Cursor::Prefix(prefix.to_owned()))
        })
    });
    cursor.ok_or(OpError::InvalidArgument {
        name: "continuation-token",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_and_garbage_is_refused() {
        for cursor in [
            Cursor::Key("a/ü\u{1}".into()),
            Cursor::Prefix("p/".into()),
            Cursor::Key(String::new()),
        ] {
            assert_eq!(read_token(&write_token(&cursor)).unwrap(), cursor);
        }
        for token in ["", "!", "eGFi"] {
            assert!(read_token(token).is_err(), "{token:?}");
        }
    }
}
