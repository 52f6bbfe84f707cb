//! Who has how many connections open.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::HttpLimits;
use crate::metrics;

pub(super) struct Slots {
    open_max: u32,
    peer_open_max: u32,
    /// Not bounded each for itself: many people ask over their connections.
    proxies: Vec<IpAddr>,
    // `total` is the sum of `by_peer`, which holds no zeros, so that it is no larger than `total`.
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: u32,
    by_peer: HashMap<IpAddr, u32>,
}

/// One open connection; dropping it frees the place.
pub(super) struct Slot {
    slots: Arc<Slots>,
    peer: IpAddr,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Server,
    Peer,
}

impl Full {
    pub(super) fn cause(self) -> &'static str {
        match self {
            Full::Server => "cap",
            Full::Peer => "peer_cap",
        }
    }
}

impl Slots {
    pub(super) fn new(limits: &HttpLimits) -> Arc<Slots> {
        let (open_max, peer_open_max) = (limits.connections_max, limits.peer_connections_max);
        let proxies = limits.trusted_proxies.clone();
        Arc::new(Slots { open_max, peer_open_max, proxies, open: Mutex::default() })
    }

    pub(super) fn take(self: &Arc<Slots>, address: IpAddr) -> Result<Slot, Full> {
        let peer = group(address);
        let mut open = self.lock();
        if self.open_max <= open.total {
            return Err(Full::Server);
        }
        let of_peer = open.by_peer.get(&peer).copied().unwrap_or(0);
        let is_bounded = !self.proxies.contains(&address.to_canonical());
        if is_bounded && self.peer_open_max <= of_peer {
            return Err(Full::Peer);
        }
        open.by_peer.insert(peer, of_peer + 1);
        open.total += 1;
        metrics::connection_opened();
        Ok(Slot { slots: self.clone(), peer })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        metrics::connection_closed();
        let mut open = self.slots.lock();
        open.total -= 1;
        let of_peer = open.by_peer.get_mut(&self.peer).expect("counted when the slot was taken");
        *of_peer -= 1;
        if *of_peer == 0 {
            open.by_peer.remove(&self.peer);
        }
    }
}

/// One household or machine: an IPv4 address, or a /64, of which every host has 2^64 addresses to
/// choose from.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, HttpLimits, Slots};

    fn slots(open_max: u32, peer_open_max: u32, proxy: Option<&str>) -> std::sync::Arc<Slots> {
        Slots::new(&HttpLimits {
            connections_max: open_max,
            peer_connections_max: peer_open_max,
            trusted_proxies: proxy.iter().map(|proxy| proxy.parse().expect("address")).collect(),
            ..HttpLimits::default()
        })
    }

    #[test]
    fn a_proxy_that_is_trusted_may_have_all_of_them() {
        let slots = slots(3, 1, Some("10.0.0.9"));
        let take = |address: &str| slots.take(address.parse().expect("address"));
        let kept = [take("10.0.0.9").expect("free"), take("::ffff:10.0.0.9").expect("the same")];
        let other = take("10.0.0.1").expect("free");
        assert_eq!(take("10.0.0.9").err(), Some(Full::Server));
        drop((kept, other));
    }

    #[test]
    fn caps_hold_for_all_and_for_one_network() {
        let slots = slots(3, 2, None);
        let take = |address: &str| slots.take(address.parse().expect("address"));
        let first = take("2001:db8::1").expect("free");
        let second = take("2001:db8::ffff:2").expect("free");
        assert_eq!(take("2001:db8:0:0:1::").err(), Some(Full::Peer));
        let other = take("10.0.0.1").expect("another network");
        assert_eq!(take("10.0.0.2").err(), Some(Full::Server));
        drop(other);
        let mapped = take("::ffff:10.0.0.2").expect("free again");
        drop((first, second));
        let direct = take("10.0.0.2").expect("second of this address");
        assert_eq!(take("10.0.0.2").err(), Some(Full::Peer));
        drop((mapped, direct));
        assert_eq!(slots.lock().total, 0);
        assert!(slots.lock().by_peer.is_empty());
    }
}
