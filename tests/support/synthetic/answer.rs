//! Answers before they become HTTP responses, and the little XML they need.

use std::fmt::Write;
use std::ops::Range;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::content::Content;
use super::faults::Failure;

/// A status, headers, and the range of a content that is the body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub content: Content,
    pub range: Range<u64>,
}

impl Answer {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Answer {
            status,
            headers: HeaderMap::new(),
            content: Content::Bytes(Bytes::new()),
            range: 0..0,
        }
    }

    /// An XML document whose root element is `root`.
    pub fn xml(root: &str, inside: &str) -> Self {
        Answer::document(format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><{root}>{inside}</{root}>"#
        ))
    }

    /// A text that is passed off as XML.
    pub fn document(document: String) -> Self {
        let mut answer = Answer::empty(200).header("content-type", "application/xml");
        answer.range = 0..document.len() as u64;
        answer.content = Content::Bytes(document.into());
        answer
    }

    /// An S3 error document.
    pub fn failure(failure: Failure) -> Self {
        let inside = element("Code", failure.code)
            + &element("Message", failure.message)
            + &element("RequestId", "1");
        let answer = Answer {
            status: failure.status,
            ..Answer::xml("Error", &inside)
        };
        match failure.region {
            Some(region) => answer.header("x-amz-bucket-region", region),
            None => answer,
        }
    }

    /// With one header more. Values that no header can carry are a mistake of the test.
    pub fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        let value = HeaderValue::from_str(value.as_ref()).expect("a header value");
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    /// The same answer for HEAD: the length, and no body.
    pub fn without_body(mut self) -> Self {
        let length = (self.range.end - self.range.start).to_string();
        self.range = 0..0;
        self.header("content-length", length)
    }
}

/// `<name>text</name>`, escaped.
pub fn element(name: &str, text: impl AsRef<str>) -> String {
    let mut xml = String::new();
    push_element(&mut xml, name, text.as_ref());
    xml
}

/// Adds `<name>text</name>`, escaped, to `xml`. Listings of a million keys are made of these.
pub fn push_element(xml: &mut String, name: &str, text: &str) {
    let tag = |xml: &mut String, opening| {
        [opening, name, ">"]
            .iter()
            .for_each(|part| xml.push_str(part))
    };
    tag(xml, "<");
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| matches!(c, '&' | '<' | '>' | '"') || c.is_control()) {
        let (plain, special) = rest.split_at(at);
        xml.push_str(plain);
        let mut after = special.chars();
        match after.next() {
            Some('&') => xml.push_str("&amp;"),
            Some('<') => xml.push_str("&lt;"),
            Some('>') => xml.push_str("&gt;"),
            Some('"') => xml.push_str("&quot;"),
            // As S3 writes them. XML 1.0 allows but three of these, which is why listings are asked for url-encoded.
            Some(control) => write!(xml, "&#x{:X};", control as u32).expect("a string"),
            None => {}
        }
        rest = after.as_str();
    }
    xml.push_str(rest);
    tag(xml, "</");
}

/// The time of a listing.
pub fn iso_date(unix: i64) -> String {
    DateTime::from_secs(unix)
        .fmt(Format::DateTime)
        .expect("a date")
        .replace('Z', ".000Z")
}

/// The time of a header.
pub fn http_date(unix: i64) -> String {
    DateTime::from_secs(unix)
        .fmt(Format::HttpDate)
        .expect("a date")
}
