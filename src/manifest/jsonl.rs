//! One line of a presigned manifest.
//!
//! The contract: one JSON object a line, `key` and `url` first, further fields after them.

use serde::Serialize;

use crate::store::Object;

/// The media type of a manifest: newline-delimited JSON.
pub const CONTENT_TYPE: &str = "application/x-ndjson";

/// Such a key's URL has a path segment that clients resolve away before they ask (RFC 3986 §5.2.4), percent-encoded
/// dots included (WHATWG URL), so they would ask for another object.
const DOT_SEGMENT: &str = "the key has a '.' or '..' segment, which most clients drop from the URL: take this object from the ZIP";

const ARCHIVED: &str =
    "the object is in an archive tier: the URL fails until the object is restored";

/// One line of a manifest: the fields in the order in which they are written.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// The whole key.
    pub key: &'a str,
    /// S3's own signed URL.
    pub url: &'a str,
    /// Length in bytes.
    pub size: u64,
    /// The entity tag, in quotes, as S3 gives it and If-Match takes it.
    pub etag: &'a str,
    /// What a reader should know before using the URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

impl<'a> Line<'a> {
    /// The line of one object.
    pub fn new(object: &'a Object, url: &'a str) -> Line<'a> {
        let note = if object.archived {
            Some(ARCHIVED)
        } else {
            has_dot_segment(&object.key).then_some(DOT_SEGMENT)
        };
        Line {
            key: &object.key,
            url,
            size: object.size,
            etag: &object.etag,
            note,
        }
    }

    /// Appends the line, with its newline.
    pub fn write(&self, to: &mut Vec<u8>) {
        // Serialising strings and numbers into memory has no way to fail.
        if serde_json::to_writer(&mut *to, self).is_ok() {
            to.push(b'\n');
        }
    }
}

/// Whether a URL of this key is normalised into another one.
pub fn has_dot_segment(key: &str) -> bool {
    key.split('/').any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str, archived: bool) -> Object {
        Object {
            key: key.to_owned(),
            size: 7,
            etag: "\"abc\"".to_owned(),
            modified: 0,
            has_crc32: false,
            has_part_crc32s: false,
            version_id: None,
            may_be_archived: false,
            archived,
        }
    }

    fn written(object: &Object) -> String {
        let mut line = Vec::new();
        Line::new(object, "https://host/x?a=b&c").write(&mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn fields_have_their_order() {
        assert_eq!(
            written(&object("a/ü \"x\"\n.pdf", false)),
            "{\"key\":\"a/ü \\\"x\\\"\\n.pdf\",\"url\":\"https://host/x?a=b&c\",\"size\":7,\"etag\":\"\\\"abc\\\"\"}\n"
        );
    }

    #[test]
    fn notes_stand_where_a_url_is_of_no_use() {
        let note = |key, archived| Line::new(&object(key, archived), "u").note;
        assert_eq!(note("a/../b.pdf", false), Some(DOT_SEGMENT));
        assert_eq!(note("./b.pdf", false), Some(DOT_SEGMENT));
        assert_eq!(note("a/..", false), Some(DOT_SEGMENT));
        assert_eq!(note("a/..b/c..pdf", false), None);
        assert_eq!(note("a//b", false), None);
        assert_eq!(note("a.pdf", true), Some(ARCHIVED));
        assert!(written(&object("../a", false)).ends_with("from the ZIP\"}\n"));
    }
}
