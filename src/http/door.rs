//! Who may use the API.
//!
//! With API keys, whoever sends one. Without keys, whoever reaches the listener; where that is a loopback address, a
//! web page in the same machine's browser must still be kept out, so the Host header has to name loopback (against DNS
//! rebinding), and every POST has to be JSON (which a page of another site cannot send unasked).

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use http::{HeaderMap, header};
use url::Url;

use super::Problem;
use super::allowance::Admission;
use super::caller::Caller;
use super::keys::ApiKeys;

/// The rule that decides over requests to the API.
#[derive(Clone, Debug)]
pub struct Door {
    keys: ApiKeys,
    scheme: &'static str,
    on_loopback: bool,
    public_host: Option<String>,
}

impl Door {
    /// The door of a server that listens on `address`, where clients speak `scheme`.
    pub fn new(
        keys: ApiKeys,
        scheme: &'static str,
        address: SocketAddr,
        public_url: Option<&Url>,
    ) -> Door {
        let public_host = public_url
            .and_then(Url::host_str)
            .map(str::to_ascii_lowercase);
        Door {
            keys,
            scheme,
            on_loopback: address.ip().to_canonical().is_loopback(),
            public_host,
        }
    }

    /// Lets a request in, or says why not. The admission is to be kept until the answer has ended.
    ///
    /// # Errors
    /// 401 `unauthorized` without a right key; 429 `too-many-requests` beyond what the key may ask for; 403
    /// `forbidden-host` where there are no keys and the Host header names neither loopback nor the public URL's host.
    pub fn check(&self, headers: &HeaderMap) -> Result<(Caller, Option<Admission>), Problem> {
        if !self.keys.is_empty() {
            return self.unlock(headers);
        }
        if self.on_loopback {
            // HTTP/1.0 needs no Host, and no browser leaves it out.
            for host in headers.get_all(header::HOST) {
                let host = host.to_str().unwrap_or("?");
                if !host.is_empty() && !self.is_ours(host) {
                    return Err(Problem::forbidden_host(host));
                }
            }
        }
        Ok((Caller::default(), None))
    }

    fn unlock(&self, headers: &HeaderMap) -> Result<(Caller, Option<Admission>), Problem> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let text = match (values.next(), values.next()) {
            (Some(only), None) => only.to_str().ok().and_then(bearer),
            _ => None,
        };
        let text = text
            .ok_or_else(|| Problem::unauthorized("send an API key: Authorization: Bearer <key>"))?;
        let key = self.keys.find(text);
        let key = key.ok_or_else(|| Problem::unauthorized("this API key is not known here"))?;
        let admission = key.allowance.admit(Instant::now());
        let admission = admission.map_err(|wait| Problem::too_many_requests(&key.name, wait))?;
        Ok((Caller::with(key.clone()), Some(admission)))
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
        sound.then(|| format!("{}://{host}", self.scheme))
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
            "http",
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
        let mut twice = headers(header::AUTHORIZATION, &format!("Bearer {KEY}"));
        twice.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        assert!(door.check(&twice).is_err(), "which of them is meant?");
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
    fn a_second_host_is_looked_at_as_well() {
        let door = door("", "127.0.0.1:8080");
        let mut both = headers(header::HOST, "localhost");
        both.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert_eq!(door.check(&both).unwrap_err().status(), 403);
        let odd = HeaderValue::from_bytes(b"evil\xff").unwrap();
        assert!(
            door.check(&HeaderMap::from_iter([(header::HOST, odd)]))
                .is_err()
        );
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
