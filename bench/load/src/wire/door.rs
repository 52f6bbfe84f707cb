//! Where a crowd knocks, and how it holds its connections.

use anyhow::{Context as _, ensure};
use hyper::Uri;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::lookup_host;

/// 127.0.0.2 to 127.0.0.254: the last number of an address is one byte, and 255 is for broadcasts.
pub const SOURCES_MAX: u8 = 253;

/// The public address of a system, and the habits of those who connect to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// `HOST:PORT`.
    pub authority: String,
    /// Local addresses that connections come from in turn: 127.0.0.2 and following, at most
    /// [`SOURCES_MAX`]. With 0 the system chooses, which on loopback is always the same one.
    pub sources: u8,
    /// Questions after which a connection is closed and opened anew; 0 keeps it for ever.
    pub reuse_max: u32,
}

impl Door {
    /// `target` is an address such as `http://127.0.0.1:8080`.
    pub fn new(target: &str) -> anyhow::Result<Self> {
        let uri: Uri = target.parse().context("read the target's address")?;
        ensure!(uri.scheme_str() == Some("http"), "the target is an http:// address");
        let authority = uri.authority().context("the target has no host")?.to_string();
        Ok(Self { authority, sources: 0, reuse_max: 0 })
    }

    /// Connections come from so many local addresses, if the target is on loopback: nothing
    /// elsewhere can be reached from them.
    pub async fn come_from(&mut self, sources: u8) -> anyhow::Result<()> {
        let found = lookup_host(&self.authority).await.context("find the target")?;
        let is_local = |address: SocketAddr| address.is_ipv4() && address.ip().is_loopback();
        self.sources = if found.into_iter().any(is_local) { sources } else { 0 };
        Ok(())
    }

    /// The local address of the connection with this number.
    pub fn source(&self, number: usize) -> Option<Ipv4Addr> {
        assert!(self.sources <= SOURCES_MAX);
        let turn = u8::try_from(number.checked_rem(usize::from(self.sources))?).ok()?;
        Some(Ipv4Addr::new(127, 0, 0, 2 + turn))
    }
}

#[cfg(test)]
mod tests {
    use super::{Door, SOURCES_MAX};
    use std::net::Ipv4Addr;

    #[test]
    fn connections_come_from_the_local_addresses_in_turn() {
        let mut door = Door::new("http://127.0.0.1:8080").unwrap();
        assert_eq!((door.authority.as_str(), door.source(3)), ("127.0.0.1:8080", None));
        door.sources = 2;
        let sources = [0, 1, 2].map(|number| door.source(number).unwrap());
        assert_eq!(sources.map(|source| source.octets()[3]), [2, 3, 2]);
        assert_eq!(sources[0], Ipv4Addr::new(127, 0, 0, 2));
        assert!(Door::new("https://127.0.0.1").is_err());
    }

    #[test]
    fn the_last_local_address_is_one() {
        let mut door = Door::new("http://127.0.0.1:8080").unwrap();
        door.sources = SOURCES_MAX;
        assert_eq!(door.source(252).unwrap().octets(), [127, 0, 0, 254]);
        assert_eq!(door.source(253).unwrap().octets(), [127, 0, 0, 2]);
    }

    #[tokio::test]
    async fn only_a_target_on_loopback_is_reached_from_local_addresses() {
        for (target, sources) in [
            ("http://127.0.0.1:8080", 4),
            ("http://127.0.3.7:8080", 4),
            // Addresses that are written out are asked of nobody.
            ("http://192.0.2.1:8080", 0),
            ("http://[::1]:8080", 0),
        ] {
            let mut door = Door::new(target).unwrap();
            door.come_from(4).await.unwrap();
            assert_eq!(door.sources, sources, "{target}");
        }
    }
}
