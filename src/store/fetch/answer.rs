//! The answer to a read: its bytes as they come, or what the store says instead.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;

use super::pool::Pooled;
use crate::store::StoreErrorKind;
use crate::store::error::Refusal;

/// The most of an error's text that is read, in bytes.
const REFUSAL: usize = 64 * 1024;

/// The answer to a read: its head, and its bytes as they come.
#[derive(Debug)]
pub(in crate::store) struct Answer {
    pub(in crate::store) headers: HeaderMap,
    pub(in crate::store) body: Body,
}

/// The bytes of an answer.
#[derive(Debug)]
pub(in crate::store) enum Body {
    Line(Box<Pooled>),
    InProcess(Box<s3s::Body>),
}

impl Answer {
    /// What it says where it is none.
    pub(super) async fn refused(
        &mut self,
        status: StatusCode,
        timeout: Duration,
    ) -> StoreErrorKind {
        let text = self.text(timeout).await;
        let (code, message) = (element(&text, "Code"), element(&text, "Message"));
        let region = self.headers.get("x-amz-bucket-region");
        let refusal = Refusal {
            status: status.as_u16(),
            code: code.as_deref(),
            message: message.as_deref().unwrap_or_default(),
            region: region.and_then(|region| region.to_str().ok()),
        };
        refusal.kind("GetObject", true)
    }

    /// The text of an error, as far as it comes.
    async fn text(&mut self, timeout: Duration) -> String {
        let mut text = Vec::new();
        let all = async {
            while let Ok(Some(chunk)) = self.body.next().await {
                text.extend_from_slice(&chunk);
                if text.len() > REFUSAL {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(timeout, all).await;
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Body {
    /// The next bytes, never none, or `None` after the last.
    pub(in crate::store) async fn next(&mut self) -> Result<Option<Bytes>, io::Error> {
        match self {
            Body::Line(line) => line.next().await.map_err(io::Error::other),
            Body::InProcess(body) => loop {
                match body.frame().await {
                    None => return Ok(None),
                    Some(frame) => {
                        if let Ok(data) = frame.map_err(io::Error::other)?.into_data()
                            && !data.is_empty()
                        {
                            return Ok(Some(data));
                        }
                    }
                }
            },
        }
    }
}

/// The text of the first element of this name inside `<Error>`.
/// Source: [error responses](https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, error) = xml.split_once("<Error")?;
    let (_, rest) = error.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let mut text = text.trim().to_owned();
    // XML 1.0, section 4.6. The ampersand comes last: what it escapes must not be taken for an entity.
    for (entity, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&apos;", "'"),
        ("&#39;", "'"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&amp;", "&"),
    ] {
        if text.contains(entity) {
            text = text.replace(entity, character);
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_out_of_their_xml() {
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AuthorizationHeaderMalformed</Code>\
            <Message>the region &apos;us-east-1&apos; is wrong &amp;amp; expecting &#39;eu-west-1&#39;</Message></Error>";
        assert_eq!(
            element(xml, "Code").unwrap(),
            "AuthorizationHeaderMalformed"
        );
        assert_eq!(
            element(xml, "Message").unwrap(),
            "the region 'us-east-1' is wrong &amp; expecting 'eu-west-1'"
        );
        assert_eq!(element(xml, "Key"), None);
        assert_eq!(element("<html><Code>x</Code></html>", "Code"), None);
    }
}
