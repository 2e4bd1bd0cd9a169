//! Places for connections: how many there are in all, and how many one address may have.
//!
//! A [`Place`] is given back when it is dropped, and lives as long as its connection.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::excess::Limit;
use super::proxies::TrustedProxies;
use crate::measure;

/// Bits of an IPv6 address that tell one client from another: whoever has one address has all of its network
/// (RFC 6177 §2).
const NETWORK: u32 = 64;

/// The places of one door.
#[derive(Clone, Debug)]
pub struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Under this name they are counted.
    door: &'static str,
    most: usize,
    most_per_address: usize,
    /// Everybody comes through them, so their places are not one client's. Who stands behind is known only once a
    /// request has come.
    proxies: TrustedProxies,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place that a connection has.
#[derive(Debug)]
pub struct Place {
    places: Places,
    address: Option<IpAddr>,
}

impl Places {
    /// So many places, of which one address has `most_per_address` at the most, unless it is one of `proxies`.
    pub fn new(
        door: &'static str,
        most: usize,
        most_per_address: usize,
        proxies: TrustedProxies,
    ) -> Places {
        measure::connections(door, 0);
        Places(Arc::new(Shared {
            door,
            most,
            most_per_address,
            proxies,
            taken: Mutex::default(),
        }))
    }

    /// A place for a connection from there.
    ///
    /// # Errors
    /// The limit that leaves none: that of the address before that of all.
    pub fn take(&self, peer: IpAddr) -> Result<Place, Limit> {
        let address = match self.0.proxies.trusts(peer) {
            true => None,
            false => Some(client(peer)),
        };
        let mut taken = self.taken();
        if let Some(address) = address {
            let here = taken.by_address.get(&address).copied().unwrap_or(0);
            if here >= self.0.most_per_address {
                return Err(Limit::ConnectionsPerAddress);
            }
        }
        if taken.all >= self.0.most {
            return Err(Limit::Connections);
        }
        taken.all += 1;
        if let Some(address) = address {
            *taken.by_address.entry(address).or_default() += 1;
        }
        measure::connections(self.0.door, taken.all);
        Ok(Place {
            places: self.clone(),
            address,
        })
    }

    /// Whether no place is left.
    pub fn are_taken(&self) -> bool {
        self.taken().all >= self.0.most
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Whether others wait for one.
    pub fn is_wanted(&self) -> bool {
        self.places.are_taken()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Some(address) = self.address
            && let Some(here) = taken.by_address.get_mut(&address)
        {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&address);
            }
        }
        measure::connections(self.places.0.door, taken.all);
    }
}

/// Who counts as one client.
fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) >> (128 - NETWORK) << (128 - NETWORK);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(most: usize, most_per_address: usize) -> Places {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        Places::new("test", most, most_per_address, proxies)
    }

    fn take(places: &Places, peer: &str) -> Result<Place, Limit> {
        places.take(peer.parse().unwrap())
    }

    #[test]
    fn places_are_given_back() {
        let places = places(2, 2);
        let first = take(&places, "192.0.2.1").unwrap();
        assert!(!first.is_wanted());
        let second = take(&places, "192.0.2.2").unwrap();
        assert!(first.is_wanted());
        assert_eq!(take(&places, "192.0.2.3").unwrap_err(), Limit::Connections);
        drop(second);
        take(&places, "192.0.2.3").unwrap();
        drop(first);
        assert!(places.taken().by_address.is_empty(), "nobody is remembered");
        assert_eq!(places.taken().all, 0);
    }

    #[test]
    fn one_address_does_not_have_them_all() {
        let places = places(10, 2);
        let mut held = vec![
            take(&places, "192.0.2.1").unwrap(),
            take(&places, "::ffff:192.0.2.1").unwrap(),
        ];
        assert_eq!(
            take(&places, "192.0.2.1").unwrap_err(),
            Limit::ConnectionsPerAddress
        );
        held.push(take(&places, "192.0.2.2").unwrap());
        held.remove(0);
        held.push(take(&places, "192.0.2.1").unwrap());
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let places = places(10, 1);
        let _held = take(&places, "2001:db8:0:1::1").unwrap();
        assert!(take(&places, "2001:db8:0:1:ffff::2").is_err());
        assert!(take(&places, "2001:db8:0:2::1").is_ok());
    }

    #[test]
    fn proxies_that_are_trusted_stand_for_many() {
        let places = places(3, 1);
        let held: Vec<Place> = (0..3).map(|_| take(&places, "10.1.2.3").unwrap()).collect();
        assert_eq!(take(&places, "10.1.2.3").unwrap_err(), Limit::Connections);
        drop(held);
    }
}
