//! Who may use the API.
//!
//! With API keys, whoever sends one. Without keys, whoever reaches the listener; where that is a loopback address, a
//! web page in the same machine's browser must still be kept out, so the Host header has to name loopback (against DNS
//! rebinding), and every POST has to be JSON (which a page of another site cannot send unasked).

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use url::Url;

use super::Problem;

/// The shortest key that is taken, in bytes.
const SHORTEST_KEY: usize = 16;

/// The keys that open the API. Kept as SHA-256 digests, so that a comparison tells nothing about a key.
#[derive(Clone, Default)]
pub struct ApiKeys(Vec<[u8; 32]>);

/// Why a list of keys is no good. Never holds a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApiKeys {
    /// A key that could be guessed.
    #[error(
        "API key number {number} has {length} bytes; at least {SHORTEST_KEY} are needed (try: openssl rand -hex 24)"
    )]
    Short {
        /// Its place in the list, from 1 on.
        number: usize,
        /// Its length in bytes.
        length: usize,
    },
    /// A key that cannot stand in a header.
    #[error("API key number {number} has a character other than visible ASCII")]
    Unsendable {
        /// Its place in the list, from 1 on.
        number: usize,
    },
}

impl ApiKeys {
    /// Reads a list with commas or line ends between the keys.
    ///
    /// # Errors
    /// [`InvalidApiKeys`] names the first bad key by its number.
    pub fn parse(list: &str) -> Result<ApiKeys, InvalidApiKeys> {
        let keys = list
            .split([',', '\n'])
            .map(str::trim)
            .filter(|key| !key.is_empty());
        let digests = keys.enumerate().map(|(index, key)| {
            let number = index + 1;
            if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(InvalidApiKeys::Unsendable { number });
            }
            if key.len() < SHORTEST_KEY {
                return Err(InvalidApiKeys::Short {
                    number,
                    length: key.len(),
                });
            }
            Ok(Sha256::digest(key).into())
        });
        Ok(ApiKeys(digests.collect::<Result<_, _>>()?))
    }

    /// Whether there is no key at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn open_for(&self, key: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(key).into();
        // Every key is compared, and whole, so that the time taken does not depend on which one matched.
        self.0.iter().fold(false, |open, known| {
            let difference = known
                .iter()
                .zip(digest)
                .fold(0, |sum, (a, b)| sum | (a ^ b));
            open | (difference == 0)
        })
    }
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKeys({} keys)", self.0.len())
    }
}

/// The rule that decides over requests to the API.
#[derive(Clone, Debug)]
pub struct Door {
    keys: ApiKeys,
    on_loopback: bool,
    public_host: Option<String>,
}

impl Door {
    /// The door of a server that listens on `address`.
    pub fn new(keys: ApiKeys, address: SocketAddr, public_url: Option<&Url>) -> Door {
        let public_host = public_url
            .and_then(Url::host_str)
            .map(str::to_ascii_lowercase);
        Door {
            keys,
            on_loopback: address.ip().to_canonical().is_loopback(),
            public_host,
        }
    }

    /// Lets a request in, or says why not.
    ///
    /// # Errors
    /// 401 `unauthorized` without a right key; 403 `forbidden-host` where there are no keys and the Host header names
    /// neither loopback nor the public URL's host.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if !self.keys.is_empty() {
            let authorization = headers
                .get(header::AUTHORIZATION)
                .and_then(|value| value.to_str().ok());
            return match authorization.and_then(bearer) {
                Some(key) if self.keys.open_for(key) => Ok(()),
                Some(_) => Err(Problem::unauthorized("this API key is not known here")),
                None => Err(Problem::unauthorized(
                    "send an API key: Authorization: Bearer <key>",
                )),
            };
        }
        if !self.on_loopback {
            return Ok(());
        }
        let host = headers
            .get(header::HOST)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        // HTTP/1.0 needs no Host, and no browser leaves it out.
        if host.is_empty() || self.is_ours(host) {
            Ok(())
        } else {
            Err(Problem::forbidden_host(host))
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        is_loopback(&name) || self.public_host.as_ref() == Some(&name)
    }

    /// What URLs of this server begin with, as the client calls it, where the client is on this machine.
    pub fn loopback_url(&self, headers: &HeaderMap) -> Option<String> {
        let host = headers.get(header::HOST)?.to_str().ok()?;
        let name = without_port(host).to_ascii_lowercase();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:[]".contains(&byte);
        let sound = self.on_loopback && is_loopback(&name) && host.bytes().all(plain);
        sound.then(|| format!("http://{host}"))
    }
}

/// The token of `Bearer <token>`; the scheme's case does not matter (RFC 9110, section 11.1).
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_loopback(name: &str) -> bool {
    let loopback = name
        .parse::<IpAddr>()
        .is_ok_and(|ip| ip.to_canonical().is_loopback());
    loopback || name == "localhost"
}

fn without_port(host: &str) -> &str {
    if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const KEY: &str = "0123456789abcdef";

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    fn door(keys: &str, address: &str) -> Door {
        let public = Url::parse("https://files.example.org/").unwrap();
        Door::new(
            ApiKeys::parse(keys).unwrap(),
            address.parse().unwrap(),
            Some(&public),
        )
    }

    #[test]
    fn keys_open_and_nothing_else_does() {
        let door = door(&format!("another-key-of-sixteen,{KEY}"), "0.0.0.0:1");
        let check = |value: &str| door.check(&headers(header::AUTHORIZATION, value));
        assert!(check(&format!("Bearer {KEY}")).is_ok());
        assert!(check(&format!("bearer {KEY}")).is_ok());
        for wrong in [
            "Bearer ",
            "Bearer 0123456789abcdeF",
            "Basic 0123456789abcdef",
            KEY,
            "",
        ] {
            assert_eq!(check(wrong).unwrap_err().status(), 401, "{wrong}");
        }
        assert!(door.check(&HeaderMap::new()).is_err());
    }

    #[test]
    fn keys_are_checked_when_they_are_read() {
        assert!(ApiKeys::parse(" , \n").unwrap().is_empty());
        assert_eq!(
            ApiKeys::parse(&format!("{KEY},short")).unwrap_err(),
            InvalidApiKeys::Short {
                number: 2,
                length: 5
            }
        );
        assert_eq!(
            ApiKeys::parse("0123456789abcdefü").unwrap_err(),
            InvalidApiKeys::Unsendable { number: 1 }
        );
        assert!(!format!("{:?}", ApiKeys::parse(KEY).unwrap()).contains(KEY));
    }

    #[test]
    fn without_keys_loopback_wants_its_own_name() {
        let door = door("", "127.0.0.1:8080");
        for ours in [
            "localhost:8080",
            "127.0.0.1",
            "127.8.9.1:80",
            "[::1]:8080",
            "LOCALHOST",
            "files.example.org",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(door.check(&headers(header::HOST, ours)).is_ok(), "{ours}");
        }
        for theirs in [
            "evil.example",
            "localhost.evil.example",
            "192.168.0.1",
            "[::2]:8080",
            "127.0.0.1.evil.example:80",
        ] {
            assert_eq!(
                door.check(&headers(header::HOST, theirs))
                    .unwrap_err()
                    .status(),
                403,
                "{theirs}"
            );
        }
    }

    #[test]
    fn only_loopback_is_called_as_the_client_calls_it() {
        let url = |address: &str, host: &str| {
            door("", address).loopback_url(&headers(header::HOST, host))
        };
        let base = "127.0.0.1:8080";
        assert_eq!(
            url(base, "localhost:8080").as_deref(),
            Some("http://localhost:8080")
        );
        assert_eq!(
            url(base, "[::1]:8080").as_deref(),
            Some("http://[::1]:8080")
        );
        assert_eq!(url(base, "files.example.org"), None);
        assert_eq!(url(base, "localhost:80/x"), None);
        assert_eq!(
            url("0.0.0.0:8080", "localhost:8080"),
            None,
            "others reach it by another name"
        );
        assert_eq!(door("", base).loopback_url(&HeaderMap::new()), None);
    }

    #[test]
    fn an_open_server_takes_any_name() {
        assert!(
            door("", "0.0.0.0:80")
                .check(&headers(header::HOST, "anything"))
                .is_ok()
        );
    }
}
