//! Signature Version 4 of requests without a body, pure.
//!
//! Sources: [signing](https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html). The key that signs
//! is the same for a day, so it is kept: that is four of the seven hashes.

use std::borrow::Cow;
use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::store::sigv4::signing_key;

/// SHA-256 of no bytes at all.
pub(super) const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A header field: its name in lower case, and its value.
pub(super) type Field<'a> = (&'static str, Cow<'a, str>);

/// Room for most Authorization headers, in bytes.
const HEADER: usize = 320;

/// What is signed for: a region and a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) region: String,
    pub(super) service: String,
}

/// The key that was derived last.
#[derive(Default)]
pub(super) struct Keys(RwLock<Option<Derived>>);

struct Derived {
    date: String,
    secret: String,
    scope: Scope,
    mac: Hmac<Sha256>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(** redacted **)")
    }
}

/// A hash in hexadecimal digits.
fn digits(hash: &[u8]) -> [u8; 64] {
    let mut digits = [0; 64];
    // Its length is that of SHA-256.
    let _ = hex::encode_to_slice(hash, &mut digits);
    digits
}

/// A moment as signatures have it: `20261122T031231Z`.
pub(super) fn timestamp(now: SystemTime) -> String {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let moment = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, clock) = (moment.date(), moment.time());
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

impl Keys {
    /// The Authorization header of a GET of `path` and `query` (both as they are sent) with these headers, their names in
    /// lower case and in order, at `timestamp`.
    pub(super) fn authorization(
        &self,
        credentials: &Credentials,
        scope: &Scope,
        timestamp: &str,
        path: &str,
        query: &str,
        headers: &[Field<'_>],
    ) -> String {
        let date = &timestamp[..8];
        let mut canonical = Sha256::new();
        for text in ["GET\n", path, "\n", query, "\n"] {
            canonical.update(text);
        }
        let mut header = String::with_capacity(HEADER);
        let Scope { region, service } = scope;
        let key = credentials.access_key_id();
        header.extend(["AWS4-HMAC-SHA256 Credential=", key, "/"]);
        let scope_at = header.len();
        header.extend([date, "/", region, "/", service, "/aws4_request"]);
        let scope_at = scope_at..header.len();
        header.push_str(", SignedHeaders=");
        let names_at = header.len();
        for (n, (name, value)) in headers.iter().enumerate() {
            for text in [*name, ":", value.trim(), "\n"] {
                canonical.update(text);
            }
            header.extend([if n > 0 { ";" } else { "" }, *name]);
        }
        for text in ["\n", &header[names_at..], "\n", EMPTY] {
            canonical.update(text);
        }
        let mut mac = self.mac(credentials.secret_access_key(), date, scope);
        for text in [
            "AWS4-HMAC-SHA256\n",
            timestamp,
            "\n",
            &header[scope_at],
            "\n",
        ] {
            mac.update(text.as_bytes());
        }
        mac.update(&digits(&canonical.finalize()));
        header.push_str(", Signature=");
        let signature = digits(&mac.finalize().into_bytes());
        header.extend(signature.map(char::from));
        header
    }

    fn mac(&self, secret: &str, date: &str, scope: &Scope) -> Hmac<Sha256> {
        if let Some(derived) = &*self.0.read().unwrap_or_else(PoisonError::into_inner)
            && derived.date == date
            && derived.secret == secret
            && derived.scope == *scope
        {
            return derived.mac.clone();
        }
        let parts = [date, &scope.region, &scope.service, "aws4_request"];
        let mac = signing_key(secret, parts);
        let derived = Derived {
            date: date.to_owned(),
            secret: secret.to_owned(),
            scope: scope.clone(),
            mac: mac.clone(),
        };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(derived);
        mac
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Source: "GET Object" of
    /// [the examples](https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
    #[test]
    fn the_documented_example_is_signed_alike() {
        let keys = Keys::default();
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "test",
        );
        let scope = Scope {
            region: "us-east-1".to_owned(),
            service: "s3".to_owned(),
        };
        let headers: [Field<'_>; 4] = [
            ("host", "examplebucket.s3.amazonaws.com".into()),
            ("range", "bytes=0-9".into()),
            ("x-amz-content-sha256", EMPTY.into()),
            ("x-amz-date", "20130524T000000Z".into()),
        ];
        for _ in 0..2 {
            let header = keys.authorization(
                &credentials,
                &scope,
                "20130524T000000Z",
                "/test.txt",
                "",
                &headers,
            );
            assert_eq!(
                header,
                "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                 SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
                 Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
            );
        }
        // Another day, another key.
        let other = keys.authorization(&credentials, &scope, "20130525T000000Z", "/", "", &headers);
        assert!(other.contains("/20130525/"));
        assert!(!other.ends_with("0bdb41"));
    }

    #[test]
    fn moments_are_written_in_full() {
        let moment = UNIX_EPOCH + Duration::from_secs(1_369_353_600 + 3661);
        assert_eq!(timestamp(moment), "20130524T010101Z");
    }
}
