//! One GetObject, as it is signed and sent.
//! Source: [GetObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).

use std::borrow::Cow;
use std::ops::Range;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use http::Request;
use http_body_util::Empty;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::place::Place;
use super::sign::{EMPTY, Field, timestamp};
use crate::store::dial::Forwarded;

/// What stands for itself in a value of a query (RFC 3986, section 2.3: unreserved); everything else is encoded.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// In a key, `/` stands for itself too.
const PATH: &AsciiSet = &VALUE.remove(b'/');

/// What is asked for.
#[derive(Clone, Debug)]
pub(in crate::store) struct Asked<'a> {
    pub(in crate::store) key: &'a str,
    pub(in crate::store) version_id: Option<&'a str>,
    /// The answer is to have this ETag.
    pub(in crate::store) etag: &'a str,
    /// How many bytes are to come.
    pub(in crate::store) expected: u64,
    /// Which of the object's bytes; all where absent.
    pub(in crate::store) range: Option<Range<u64>>,
    /// The object's checksum is wanted too.
    pub(in crate::store) checksum: bool,
    /// Whoever asks pays.
    pub(in crate::store) payer: bool,
}

/// The most header fields of a request.
const FIELDS: usize = 9;

/// What stands in each request behind the fields that are signed.
const LAST_FIELDS: &str = concat!(
    "accept-encoding: identity\r\nuser-agent: sheaf/",
    env!("CARGO_PKG_VERSION"),
    "\r\n"
);

/// A request that can be sent. What is in it is borrowed where it can be, as one is made for each read.
pub(super) struct Signed<'a> {
    /// Path and query.
    target: String,
    headers: Vec<Field<'a>>,
}

impl Asked<'_> {
    /// The bytes that are to come.
    pub(super) fn expected(&self) -> u64 {
        self.expected
    }

    /// Signs the request, where there are credentials; `None` where it cannot be sent as HTTP.
    pub(super) fn signed<'a>(
        &'a self,
        place: &'a Place,
        credentials: Option<&'a Credentials>,
        now: SystemTime,
    ) -> Option<Signed<'a>> {
        let mut target = String::with_capacity(place.base.len() + 2 * self.key.len());
        target.push_str(&place.base);
        target.extend(utf8_percent_encode(self.key, PATH));
        let path = target.len();
        if let Some(id) = self.version_id {
            target.push_str("?versionId=");
            target.extend(utf8_percent_encode(id, VALUE));
        }
        // In the order of their names, as signatures have them.
        let mut headers: Vec<Field<'a>> = Vec::with_capacity(FIELDS);
        headers.push(("host", Cow::Borrowed(&place.host)));
        headers.push(("if-match", Cow::Borrowed(self.etag)));
        if let Some(Range { start, end }) = &self.range {
            let range = format!("bytes={start}-{}", end - 1);
            headers.push(("range", Cow::Owned(range)));
        }
        if self.checksum {
            headers.push(("x-amz-checksum-mode", Cow::Borrowed("ENABLED")));
        }
        let date = timestamp(now);
        if credentials.is_some() {
            headers.push(("x-amz-content-sha256", Cow::Borrowed(EMPTY)));
            headers.push(("x-amz-date", Cow::Owned(date.clone())));
        }
        if self.payer {
            headers.push(("x-amz-request-payer", Cow::Borrowed("requester")));
        }
        if let Some(token) = credentials.and_then(Credentials::session_token) {
            headers.push(("x-amz-security-token", Cow::Borrowed(token)));
        }
        // What a store calls an ETag must not become a header of its own.
        let sound = |text: &str| !text.bytes().any(|byte| byte.is_ascii_control());
        if !headers.iter().all(|(_, value)| sound(value)) {
            return None;
        }
        if let Some(credentials) = credentials {
            let query = target[path..].trim_start_matches('?');
            let (keys, scope) = (&place.keys, &place.scope);
            let authorization =
                keys.authorization(credentials, scope, &date, &target[..path], query, &headers);
            headers.push(("authorization", Cow::Owned(authorization)));
        }
        Some(Signed { target, headers })
    }
}

impl Signed<'_> {
    /// As HTTP/1.1 has it. For a proxy that forwards it, in absolute form (RFC 9112, section 3.2.2), with what the proxy
    /// wants.
    pub(super) fn text(&self, forwarded: Option<(&Place, &Forwarded)>) -> String {
        let origin = forwarded.map(|(place, _)| place.origin.to_string());
        let origin = origin.as_deref().unwrap_or_default().trim_end_matches('/');
        let authorization =
            forwarded.and_then(|(_, proxy)| proxy.authorization.as_ref()?.to_str().ok());
        let further = authorization.map(|value| format!("proxy-authorization: {value}\r\n"));
        let further = further.as_deref().unwrap_or_default();
        let fields = self.headers.iter();
        let fields: usize = fields
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        let ends = ["GET ", origin, &self.target, " HTTP/1.1\r\n"];
        let around = [LAST_FIELDS, further, "\r\n"];
        let rest = ends.into_iter().chain(around).map(str::len);
        let mut text = String::with_capacity(fields + rest.sum::<usize>());
        text.extend(ends);
        for (name, value) in &self.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.extend(around);
        text
    }

    /// As a request of the [`http`] crate.
    pub(super) fn request(
        &self,
        place: &Place,
    ) -> Result<Request<Empty<bytes::Bytes>>, http::Error> {
        let origin = place.origin.to_string();
        let mut request = Request::get(format!("{}{}", origin.trim_end_matches('/'), self.target));
        for (name, value) in &self.headers {
            request = request.header(*name, &**value);
        }
        request.body(Empty::new())
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use http::HeaderValue;

    use super::*;

    fn place() -> Place {
        Place::at("http://127.0.0.1:9000/b/")
    }

    fn asked() -> Asked<'static> {
        Asked {
            key: "a b/\u{fc}+'.pdf",
            version_id: None,
            etag: "\"e\"",
            expected: 10,
            range: Some(5..15),
            checksum: false,
            payer: true,
        }
    }

    #[test]
    fn a_request_without_credentials_is_not_signed() {
        let (asked, place) = (asked(), place());
        let signed = asked.signed(&place, None, UNIX_EPOCH).unwrap();
        let expected = "GET /b/a%20b/%C3%BC%2B%27.pdf HTTP/1.1\r\nhost: 127.0.0.1:9000\r\nif-match: \"e\"\r\n\
            range: bytes=5-14\r\nx-amz-request-payer: requester\r\naccept-encoding: identity\r\n";
        let text = signed.text(None);
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("\r\n\r\n"));
        let proxy = Forwarded {
            authorization: Some(HeaderValue::from_static("Basic x")),
        };
        let forwarded = signed.text(Some((&place, &proxy)));
        assert!(
            forwarded.starts_with("GET http://127.0.0.1:9000/b/a%20b/"),
            "{forwarded}"
        );
        assert!(forwarded.ends_with("\r\nproxy-authorization: Basic x\r\n\r\n"));
    }

    #[test]
    fn everything_that_matters_is_signed() {
        let credentials = Credentials::new("key", "secret", Some("token".to_owned()), None, "test");
        let asked = Asked {
            version_id: Some("v/1"),
            checksum: true,
            ..asked()
        };
        let place = place();
        let signed = asked.signed(&place, Some(&credentials), UNIX_EPOCH);
        let text = signed.unwrap().text(None);
        assert!(text.starts_with("GET /b/a%20b/%C3%BC%2B%27.pdf?versionId=v%2F1 HTTP/1.1\r\n"));
        assert!(
            text.contains(
                "SignedHeaders=host;if-match;range;x-amz-checksum-mode;x-amz-content-sha256;x-amz-date;\
                 x-amz-request-payer;x-amz-security-token,"
            ),
            "{text}"
        );
        assert!(text.contains("\r\nx-amz-date: 19700101T000000Z\r\n"));
        assert!(text.contains("\r\nx-amz-security-token: token\r\n"));
    }

    #[test]
    fn an_etag_cannot_become_a_header() {
        let asked = Asked {
            etag: "\"e\"\r\nx-evil: 1",
            ..asked()
        };
        assert!(asked.signed(&place(), None, UNIX_EPOCH).is_none());
    }
}
