//! What header and URL signatures have in common: the key that signs.
//!
//! Source: [Signature Version 4](https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html).

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The key for a day, a region and a service: each part of the scope keyed by what came before it. `scope` has them in
/// that order, and `aws4_request` behind them.
pub(super) fn signing_key<'a>(
    secret: &str,
    scope: impl IntoIterator<Item = &'a str>,
) -> Hmac<Sha256> {
    let first = keyed(format!("AWS4{secret}").as_bytes());
    scope.into_iter().fold(first, |mac, part| {
        keyed(&mac.chain_update(part).finalize().into_bytes())
    })
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test cases 2 and 6: a key shorter than a block, and one that is longer.
    #[test]
    fn keys_of_any_length_are_taken() {
        let mac = |key: &[u8], text: &[u8]| {
            let mut mac = keyed(key);
            mac.update(text);
            hex::encode(mac.finalize().into_bytes())
        };
        assert_eq!(
            mac(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            mac(
                &[0xAA; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First"
            ),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
