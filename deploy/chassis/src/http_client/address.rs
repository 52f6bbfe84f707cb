//! Which addresses the whole internet routes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Says whether an address is one of the public internet (IANA's registries of special addresses).
///
/// What is not known to be public is not: an address that holds another one within is as public as
/// that one.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match (a, b) {
        // "This network", private, loopback, and everything from multicast on; shared by carriers,
        // link-local, private; benchmarks.
        (0 | 10 | 127 | 224..=255, _)
        | (100, 64..=127)
        | (169, 254)
        | (172, 16..=31)
        | (192, 168)
        | (198, 18 | 19) => true,
        // Protocol assignments, documentation, the old relays to IPv6.
        (192, 0) => matches!(c, 0 | 2),
        (192, 88) => c == 99,
        // Documentation.
        (198, 51) => c == 100,
        (203, 0) => c == 113,
        _ => false,
    };
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let v4_at = |place: usize| {
        let ([a, b], [c, d]) = (segments[place].to_be_bytes(), segments[place + 1].to_be_bytes());
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (segments[0], segments[1]) {
        // IPv4 as seen by a socket of IPv6, and through a translator.
        (0, 0) if segments[2..6] == [0, 0, 0, 0xffff] => v4_at(6),
        (0x64, 0xff9b) if segments[2..6] == [0; 4] => v4_at(6),
        // Through a 6to4 relay.
        (0x2002, _) => v4_at(1),
        // Protocol assignments (Teredo among them), documentation.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) => false,
        (first, _) => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn the_table_of_special_addresses() {
        let public = "1.1.1.1 8.8.8.8 100.63.0.1 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 \
            192.167.0.1 198.17.0.1 198.20.0.1 203.0.114.1 223.255.255.255 2606:4700::1111 \
            2a00:1450::1 2001:200::1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8 2002:808:808::1";
        for address in public.split_whitespace() {
            assert!(is_public(address.parse().unwrap()), "{address} is public");
        }
        let special = "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.0.1 \
            169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 \
            198.18.0.1 198.19.0.1 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 \
            :: ::1 ::7f00:1 fc00::1 fd00::1 fe80::1 fec0::1 ff02::1 2001:db8::1 2001::1 3fff::1 \
            ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::127.0.0.1 64:ff9b:1::1 2002:7f00:1::1 100::1";
        for address in special.split_whitespace() {
            assert!(!is_public(address.parse().unwrap()), "{address} is not public");
        }
    }
}
