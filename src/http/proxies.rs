//! Who the client is, where proxies stand in between.
//!
//! `X-Forwarded-For` can be written by anybody, so it is read only where the connection comes from a proxy that the
//! configuration names, and only as far as such proxies wrote it. No other forwarded header is read at all: the name
//! under which clients reach sheaf is configured (`--public-url`).

use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word is taken.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// These networks.
    pub fn new(networks: Vec<IpNet>) -> TrustedProxies {
        TrustedProxies(networks)
    }

    /// Whether a connection comes from one of them.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }

    /// The address of the client: the peer, or whom the nearest proxy that is not trusted was asked by.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let values: Vec<&str> = headers
            .get_all(FORWARDED_FOR)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .collect();
        // Each proxy appends whom it was asked by, so the last word is the nearest proxy's.
        for forwarded in values.into_iter().rev() {
            if !self.trusts(client) {
                break;
            }
            match forwarded.trim().parse::<IpAddr>() {
                Ok(address) => client = address.to_canonical(),
                Err(_) => break,
            }
        }
        client
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let networks = trusted
            .iter()
            .map(|network| network.parse().unwrap())
            .collect();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        let proxies = TrustedProxies::new(networks);
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_proxies_that_are_trusted_are_believed() {
        assert_eq!(client(&[], "192.0.2.1", &["203.0.113.9"]), "192.0.2.1");
        assert_eq!(
            client(&["10.0.0.0/8"], "192.0.2.1", &["203.0.113.9"]),
            "192.0.2.1"
        );
        assert_eq!(
            client(&["10.0.0.0/8"], "10.1.2.3", &["203.0.113.9"]),
            "203.0.113.9"
        );
        assert_eq!(
            client(&["10.0.0.0/8"], "::ffff:10.1.2.3", &["203.0.113.9"]),
            "203.0.113.9"
        );
    }

    #[test]
    fn what_the_client_wrote_itself_is_not_believed() {
        let ten = &["10.0.0.0/8"];
        assert_eq!(
            client(ten, "10.1.2.3", &["198.51.100.7, 203.0.113.9"]),
            "203.0.113.9"
        );
        assert_eq!(
            client(ten, "10.1.2.3", &["198.51.100.7", "203.0.113.9, 10.9.9.9"]),
            "203.0.113.9"
        );
        assert_eq!(
            client(ten, "10.1.2.3", &["203.0.113.9, nonsense"]),
            "10.1.2.3"
        );
        assert_eq!(client(ten, "10.1.2.3", &[]), "10.1.2.3");
    }
}
