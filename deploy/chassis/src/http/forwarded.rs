//! Who asks, when proxies stand before this server.

use std::net::{IpAddr, SocketAddr};

use http::HeaderName;

use super::lines::Lines;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address that stands for whoever asks over a connection from `peer`.
///
/// Each proxy adds whom it has heard from at the end, so the list is read from there, past those
/// that are trusted; what stands before the first stranger is the stranger's own word. A list that
/// cannot be read there counts as none: the proxy itself asks.
pub(super) fn asker(trusted: &[IpAddr], peer: SocketAddr, headers: Lines<'_>) -> SocketAddr {
    let is_trusted = |address: IpAddr| trusted.contains(&address.to_canonical());
    if trusted.is_empty() || !is_trusted(peer.ip()) {
        return peer;
    }
    for line in headers.all(&FORWARDED_FOR).into_iter().rev() {
        for hop in line.rsplit(|&byte| byte == b',') {
            let hop = std::str::from_utf8(hop).ok().map(str::trim);
            let Some(address) = hop.and_then(|hop| hop.parse::<IpAddr>().ok()) else { return peer };
            if !is_trusted(address) {
                return SocketAddr::new(address, 0);
            }
        }
    }
    peer
}

#[cfg(test)]
mod tests {
    use super::asker;
    use http::HeaderMap;
    use std::net::IpAddr;

    fn asked_by(peer: &str, lines: &[&str]) -> String {
        let trusted: [IpAddr; 2] = [[127, 0, 0, 1].into(), [10, 0, 0, 9].into()];
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().expect("a header's value"));
        }
        let peer = (peer.parse::<IpAddr>().expect("an address"), 5).into();
        asker(&trusted, peer, (&headers).into()).ip().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_says_who_asks_and_only_of_whom_it_has_heard_itself() {
        assert_eq!(asked_by("198.51.100.7", &["203.0.113.5"]), "198.51.100.7");
        assert_eq!(asked_by("127.0.0.1", &["203.0.113.5"]), "203.0.113.5");
        assert_eq!(asked_by("::ffff:127.0.0.1", &["203.0.113.5"]), "203.0.113.5");
        assert_eq!(asked_by("127.0.0.1", &["192.0.2.1, 203.0.113.5"]), "203.0.113.5");
        assert_eq!(asked_by("127.0.0.1", &["192.0.2.1", "203.0.113.5"]), "203.0.113.5");
        assert_eq!(asked_by("127.0.0.1", &["203.0.113.5, 10.0.0.9"]), "203.0.113.5");
        assert_eq!(asked_by("127.0.0.1", &["2001:db8::1"]), "2001:db8::1");
        for unreadable in [&[][..], &["203.0.113.5, junk"], &[""], &["10.0.0.9"]] {
            assert_eq!(asked_by("127.0.0.1", unreadable), "127.0.0.1", "{unreadable:?}");
        }
    }
}
