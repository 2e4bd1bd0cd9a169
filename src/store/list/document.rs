//! The answer of ListObjectsV2 as XML, read in one pass; pure.
//!
//! The SDK spends five times as long on an object's row, most of it on going through the document twice, and that is a
//! sixth of all that an object of 64 KiB costs the server. Whatever is not understood here, or not complete, is left to
//! the SDK: [`Listed::read`] says `None`, and neither guesses nor judges.
//!
//! Source: [ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).

use std::borrow::Cow;

use aws_smithy_types::date_time::{DateTime, Format};

use super::page::{decode, in_archive, may_be_archived};
use crate::store::Object;

/// What a page of a listing says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) rows: Vec<Object>,
    pub(super) truncated: bool,
    /// The token of the next page.
    pub(super) next: Option<String>,
}

/// One element named Contents, as it stands there.
#[derive(Default)]
struct Row<'a> {
    key: Option<Cow<'a, str>>,
    size: Option<u64>,
    etag: Option<Cow<'a, str>>,
    modified: Option<i64>,
    class: Option<Cow<'a, str>>,
    has_crc32: bool,
    checksum_type: Option<Cow<'a, str>>,
    restored: bool,
}

impl Listed {
    /// Reads a document; `None` where it is anything but a listing in plain XML with all that rows must have.
    pub(super) fn read(document: &[u8]) -> Option<Listed> {
        let mut xml = Xml {
            rest: str::from_utf8(document).ok()?,
        };
        while let Some(rest) = xml.rest.trim_start().strip_prefix("<?") {
            (_, xml.rest) = rest.split_once("?>")?;
        }
        let Some(Token::Open("ListBucketResult")) = xml.between() else {
            return None;
        };
        let (mut rows, mut encoded, mut listed) = (Vec::new(), false, Listed::default());
        loop {
            match xml.between()? {
                Token::Open("Contents") => rows.push(Row::read(&mut xml)?),
                Token::Open("IsTruncated") => {
                    listed.truncated = xml.leaf("IsTruncated")?.parse().ok()?;
                }
                Token::Open("NextContinuationToken") => {
                    listed.next = Some(xml.leaf("NextContinuationToken")?.into_owned());
                }
                Token::Open("EncodingType") => encoded = xml.leaf("EncodingType")? == "url",
                Token::Open(other) => xml.skip(other)?,
                Token::Empty(_) => {}
                Token::Close("ListBucketResult") => break,
                Token::Close(_) | Token::Text(_) => return None,
            }
        }
        let rows = rows.into_iter().map(|row| row.object(encoded));
        listed.rows = rows.collect::<Option<_>>()?;
        xml.rest.trim().is_empty().then_some(listed)
    }
}

impl<'a> Row<'a> {
    fn read(xml: &mut Xml<'a>) -> Option<Row<'a>> {
        let mut row = Row::default();
        loop {
            match xml.between()? {
                Token::Open("Key") => row.key = Some(xml.leaf("Key")?),
                Token::Open("Size") => row.size = Some(xml.leaf("Size")?.parse().ok()?),
                Token::Open("ETag") => row.etag = Some(xml.leaf("ETag")?),
                Token::Open("LastModified") => {
                    let text = xml.leaf("LastModified")?;
                    let moment = DateTime::from_str(&text, Format::DateTimeWithOffset).ok()?;
                    row.modified = Some(moment.secs());
                }
                Token::Open("StorageClass") => row.class = Some(xml.leaf("StorageClass")?),
                Token::Open("ChecksumAlgorithm") => {
                    row.has_crc32 |= xml.leaf("ChecksumAlgorithm")? == "CRC32";
                }
                Token::Open("ChecksumType") => row.checksum_type = Some(xml.leaf("ChecksumType")?),
                Token::Open("RestoreStatus") => loop {
                    match xml.between()? {
                        Token::Open("RestoreExpiryDate") => {
                            xml.leaf("RestoreExpiryDate")?;
                            row.restored = true;
                        }
                        Token::Open(other) => xml.skip(other)?,
                        Token::Close("RestoreStatus") => break,
                        _ => return None,
                    }
                },
                Token::Open(other) => xml.skip(other)?,
                Token::Empty(_) => {}
                Token::Close("Contents") => return Some(row),
                Token::Close(_) | Token::Text(_) => return None,
            }
        }
    }

    fn object(self, encoded: bool) -> Option<Object> {
        let (key, size) = (self.key?, self.size?);
        let class = self.class.as_deref();
        let checksum_type = self.checksum_type.as_deref();
        Some(Object {
            key: match encoded {
                true => decode(&key)?,
                false => key.into_owned(),
            },
            size,
            etag: self.etag?.into_owned(),
            modified: self.modified?,
            has_crc32: self.has_crc32 && checksum_type == Some("FULL_OBJECT"),
            has_part_crc32s: self.has_crc32 && checksum_type == Some("COMPOSITE"),
            version_id: None,
            may_be_archived: may_be_archived(class, size),
            archived: in_archive(class) && !self.restored,
        })
    }
}

/// What is still to be read of a document.
struct Xml<'a> {
    rest: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
enum Token<'a> {
    Open(&'a str),
    Close(&'a str),
    /// An element without content: `<Name/>`.
    Empty(&'a str),
    Text(&'a str),
}

impl<'a> Xml<'a> {
    /// The next tag or text. Comments, CDATA sections and what else begins with `<!` or `<?` are not understood.
    fn next(&mut self) -> Option<Token<'a>> {
        let Some(tag) = self.rest.strip_prefix('<') else {
            let (text, rest) = self.rest.split_at(find(self.rest, b'<')?);
            self.rest = rest;
            return Some(Token::Text(text));
        };
        let end = find(tag, b'>')?;
        self.rest = &tag[end + 1..];
        let tag = &tag[..end];
        if let Some(name) = tag.strip_prefix('/') {
            return Some(Token::Close(name.trim_ascii_end()));
        }
        let (tag, empty) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let end = tag.bytes().position(|byte| byte.is_ascii_whitespace());
        let (name, attributes) = tag.split_at(end.unwrap_or(tag.len()));
        // One that holds a `>` was cut in its middle.
        let quotes = |quote| attributes.bytes().filter(|byte| *byte == quote).count();
        let cut = quotes(b'"') % 2 == 1 || quotes(b'\'') % 2 == 1;
        if name.is_empty() || name.starts_with(['!', '?']) || cut {
            return None;
        }
        Some(match empty {
            true => Token::Empty(name),
            false => Token::Open(name),
        })
    }

    /// The next tag, behind nothing but white space.
    fn between(&mut self) -> Option<Token<'a>> {
        self.rest = self.rest.trim_ascii_start();
        self.next()
    }

    /// The text of the element that was just opened, which has no others in it.
    fn leaf(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let text = match self.next()? {
            Token::Text(text) => text,
            Token::Close(end) if end == name => return Some(Cow::Borrowed("")),
            _ => return None,
        };
        match self.next()? {
            Token::Close(end) if end == name => resolved(text),
            _ => None,
        }
    }

    /// Goes to the end of the element that was just opened.
    fn skip(&mut self, name: &'a str) -> Option<()> {
        let mut open = vec![name];
        while let Some(name) = open.last() {
            match self.next()? {
                Token::Open(inner) => open.push(inner),
                Token::Close(end) if end == *name => drop(open.pop()),
                Token::Close(_) => return None,
                Token::Empty(_) | Token::Text(_) => {}
            }
        }
        Some(())
    }
}

/// Where a byte stands first. Texts are so short here that the search for long ones takes half of all the time.
fn find(text: &str, wanted: u8) -> Option<usize> {
    text.bytes().position(|byte| byte == wanted)
}

/// The text without entities and character references (XML 1.0, sections 4.1 and 4.6).
fn resolved(text: &str) -> Option<Cow<'_, str>> {
    if find(text, b'&').is_none() {
        return Some(Cow::Borrowed(text));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, reference)) = rest.split_once('&') {
        out.push_str(before);
        let (name, behind) = reference.split_once(';')?;
        out.push(match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "apos" => '\'',
            "quot" => '"',
            _ => {
                let number = name.strip_prefix('#')?;
                let number = match number.strip_prefix('x') {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => number.parse(),
                };
                char::from_u32(number.ok()?)?
            }
        });
        rest = behind;
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

#[cfg(test)]
mod tests;
