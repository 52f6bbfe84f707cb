//! Who has how many connections open.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::metrics;

pub(super) struct Slots {
    open_max: u32,
    peer_open_max: u32,
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
    pub(super) fn new(open_max: u32, peer_open_max: u32) -> Arc<Slots> {
        Arc::new(Slots { open_max, peer_open_max, open: Mutex::default() })
    }

    pub(super) fn take(self: &Arc<Slots>, address: IpAddr) -> Result<Slot, Full> {
        let peer = group(address);
        let mut open = self.lock();
        if self.open_max <= open.total {
            return Err(Full::Server);
        }
        let of_peer = open.by_peer.get(&peer).copied().unwrap_or(0);
        if self.peer_open_max <= of_peer {
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
    use super::{Full, Slots};

    #[test]
    fn caps_hold_for_all_and_for_one_network() {
        let slots = Slots::new(3, 2);
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
