//! Many presigned URLs of one bucket, which differ in the object only.
//!
//! The SDK signs one URL for an object that does not exist; what it makes of bucket, endpoint, region and time is taken
//! from there. The signing key is derived once (it is the same for a whole day), and each URL costs an encoding, one
//! SHA-256 and one HMAC. That the result is the SDK's is not only tested: every signer signs the sample anew and compares,
//! and one that comes to another result leaves signing to the SDK.
//!
//! Source: [Signature Version 4](https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::store::sigv4::signing_key;

/// The object of the sample, and what the sample has where a URL has its own.
pub(super) const SAMPLE: Subject<'static> = Subject {
    key: "sample",
    version: Some("sampleversion"),
    disposition: Some("sampledisposition"),
};

const SIGNATURE: &str = "X-Amz-Signature=";

/// What a URL is for.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The whole key.
    pub key: &'a str,
    /// The version, where it is to be a particular one.
    pub version: Option<&'a str>,
    /// How the answer names the file: the value of its Content-Disposition header.
    pub disposition: Option<&'a str>,
}

/// A parameter of the query, in the order of the URL.
#[derive(Clone, Debug)]
struct Parameter {
    /// `name=value`, encoded, or `name=` where the value is the URL's own.
    text: String,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Constant,
    Version,
    Disposition,
    Signature,
}

/// See the module.
#[derive(Clone)]
pub(super) struct Template {
    /// Scheme and authority: `https://host:port`.
    origin: String,
    /// What paths begin with, up to the slash before the key.
    base: String,
    /// In the order of the URL.
    query: Vec<Parameter>,
    /// Indexes of `query`, in canonical order.
    canonical: Vec<usize>,
    /// The last lines of the canonical request, after the query.
    headers: String,
    /// `AWS4-HMAC-SHA256`, date and scope, a line each.
    head: String,
    key: Hmac<Sha256>,
}

impl Template {
    /// Takes a sample apart that the SDK has signed. `None` where it does not have the expected form, or where signing it
    /// anew gives another result.
    pub(super) fn new(sample: &str, secret: &str) -> Option<Template> {
        let (rest, query) = sample.split_once('?')?;
        let start = rest.find("://")? + 3;
        let path = start + rest[start..].find('/')?;
        let (origin, path) = rest.split_at(path);
        let base = path.strip_suffix(SAMPLE.key)?;
        let find = |name: &str| {
            let value = query.split('&').find_map(|part| part.strip_prefix(name))?;
            value.strip_prefix('=')
        };
        let date = find("X-Amz-Date")?;
        let credential = find("X-Amz-Credential")?.replace("%2F", "/");
        let (_, scope) = credential.split_once('/')?;
        let query: Vec<Parameter> = query.split('&').map(Parameter::new).collect();
        let mut canonical: Vec<usize> = (0..query.len())
            .filter(|&index| query[index].value != Value::Signature)
            .collect();
        canonical.sort_by_key(|&index| query[index].name());
        let template = Template {
            origin: origin.to_owned(),
            base: base.to_owned(),
            query,
            canonical,
            headers: format!("\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD", &origin[start..]),
            head: format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n"),
            key: signing_key(secret, scope.split('/')),
        };
        (template.url(&SAMPLE) == sample).then_some(template)
    }

    pub(super) fn url(&self, subject: &Subject<'_>) -> String {
        let mut path = String::with_capacity(self.base.len() + subject.key.len() + 64);
        path += &self.base;
        encode(subject.key, true, &mut path);
        let mut request = String::with_capacity(1024);
        request += "GET\n";
        request += &path;
        request.push('\n');
        let ordered = self.canonical.iter().map(|&index| &self.query[index]);
        append(ordered, subject, "", &mut request);
        request += &self.headers;
        let digest = hex::encode(Sha256::digest(request.as_bytes()));
        let signature = self
            .key
            .clone()
            .chain_update(&self.head)
            .chain_update(digest);
        let mut url = String::with_capacity(request.len() + self.origin.len() + 96);
        url += &self.origin;
        url += &path;
        url.push('?');
        let signature = hex::encode(signature.finalize().into_bytes());
        append(self.query.iter(), subject, &signature, &mut url);
        url
    }
}

impl Parameter {
    fn new(text: &str) -> Parameter {
        let own = |value: Option<&str>| value.and_then(|value| text.strip_suffix(value));
        let (text, value) = if let Some(name) = own(SAMPLE.version) {
            (name, Value::Version)
        } else if let Some(name) = own(SAMPLE.disposition) {
            (name, Value::Disposition)
        } else if text.starts_with(SIGNATURE) {
            (SIGNATURE, Value::Signature)
        } else {
            (text, Value::Constant)
        };
        Parameter {
            text: text.to_owned(),
            value,
        }
    }

    fn name(&self) -> &str {
        self.text.split('=').next().unwrap_or_default()
    }
}

fn append<'a>(
    parameters: impl Iterator<Item = &'a Parameter>,
    subject: &Subject<'_>,
    signature: &str,
    to: &mut String,
) {
    let mut first = true;
    for parameter in parameters {
        let own = match parameter.value {
            Value::Constant => Some(""),
            Value::Version => subject.version,
            Value::Disposition => subject.disposition,
            Value::Signature => Some(signature),
        };
        let Some(own) = own else {
            continue;
        };
        if !std::mem::take(&mut first) {
            to.push('&');
        }
        to.push_str(&parameter.text);
        encode(own, false, to);
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters, and slashes where they divide.
fn encode(text: &str, path: bool, to: &mut String) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || (path && byte == b'/')
        {
            continue;
        }
        if plain < at {
            to.push_str(&text[plain..at]);
        }
        to.push('%');
        to.push(HEX[usize::from(byte >> 4)]);
        to.push(HEX[usize::from(byte & 15)]);
        plain = at + 1;
    }
    to.push_str(&text[plain..]);
}
