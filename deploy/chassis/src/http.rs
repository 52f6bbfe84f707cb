//! The HTTP server: an accept loop that bounds what a stranger can take.
//!
//! - Over a connection cap: the connection is accepted, answered 503 in canned bytes, and closed.
//!   Not accepting would hide the overload from load balancers, whose probes would hang in the
//!   backlog.
//! - A request head must arrive within `head_ms`, an answer begin within `request_ms`; then its
//!   body may run on, as long as the reader takes something every `write_stall_ms`.
//! - A connection on which nothing happens for `idle_ms` is closed, at the latest after twice that
//!   time.
//! - At shutdown the listener closes, idle connections close, others have `drain_ms` to end.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use schema::DurationMs;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket};

use crate::{Error, Shutdown, tasks};

mod accept;
mod body;
mod bypass;
mod connection;
mod date;
mod forwarded;
mod framing;
mod lines;
mod respond;
mod shortcut;
mod slots;
mod stream;
mod taking;
mod timer;
mod watch;

pub use lines::Lines;
pub use shortcut::{Direct, Head, Routes, Shortcut, Whole};

/// How many connections the kernel may hold for us before we accept them.
///
/// A crowd that arrives within one scheduling delay of 50 ms at 20,000 connections a second is
/// 1,000; beyond the backlog a client waits for its own retry, a second. The kernel lowers this to
/// its `somaxconn`.
const BACKLOG: u32 = 4_096;

/// Who asks, in the extensions of every request: the address at the other end of the connection, or
/// behind a trusted proxy the address that it names, with port 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// What a stranger can take of this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpLimits {
    /// Open connections; more are answered 503.
    ///
    /// Each costs a file handle and about 20 KB. The rest of the process needs some 1,000 handles
    /// of its own, so this stays well below the limit of the process.
    pub connections_max: u32,
    /// Open connections from one address (IPv6: from one /64); more are answered 503.
    ///
    /// Behind a proxy all fans share its address: name it in `trusted_proxies`, whose connections
    /// are not counted.
    pub peer_connections_max: u32,
    /// Proxies whose `X-Forwarded-For` is believed: the last address in it that is not one of them
    /// is who asks. From anybody else the header says nothing.
    pub trusted_proxies: Vec<IpAddr>,
    /// From the first byte of a request's head, or from the connection's begin, to the head's end.
    pub head_ms: DurationMs,
    /// Header lines in a request; more are answered 431. Browsers send about 20, proxies add 10.
    pub header_count_max: u32,
    /// Bytes of a request's head (more are answered 431), and bytes kept per connection for either
    /// direction.
    pub buffer_bytes_max: u32,
    /// Requests at the same time on one HTTP/2 connection.
    pub stream_count_max: u32,
    /// Between two requests on a connection. Longer than a proxy's own keep-alive time (nginx: 60
    /// s), or the proxy sends requests into connections that close under them.
    pub idle_ms: DurationMs,
    /// From a request's head to the head of the answer; longer is answered 503.
    pub request_ms: DurationMs,
    /// Bytes of a request's body that an extractor collects; more are answered 413.
    ///
    /// A route raises it with `axum::extract::DefaultBodyLimit`. A route that takes the raw `Body`
    /// has no limit.
    pub body_bytes_max: u32,
    /// How long a client may take none of the bytes that wait for it.
    pub write_stall_ms: DurationMs,
    /// From the begin of the shutdown to the end of the last connection.
    pub drain_ms: DurationMs,
}

impl Default for HttpLimits {
    fn default() -> HttpLimits {
        HttpLimits {
            connections_max: 10_000,
            peer_connections_max: 256,
            trusted_proxies: Vec::new(),
            head_ms: DurationMs::from_secs(5),
            header_count_max: 64,
            buffer_bytes_max: 64 * 1024,
            stream_count_max: 100,
            idle_ms: DurationMs::from_secs(75),
            request_ms: DurationMs::from_secs(15),
            body_bytes_max: 64 * 1024,
            write_stall_ms: DurationMs::from_secs(30),
            drain_ms: DurationMs::from_secs(10),
        }
    }
}

impl HttpLimits {
    /// Asserts what the limits must be for the server to work at all, and their relations.
    pub fn check(&self) {
        assert!(0 < self.peer_connections_max);
        assert!(self.peer_connections_max <= self.connections_max);
        assert!(16 <= self.header_count_max, "a browser sends about 20 header lines");
        assert!(self.header_count_max <= 100, "above 100 each request allocates for its headers");
        assert!(8_192 <= self.buffer_bytes_max, "hyper needs 8 KiB");
        assert!(0 < self.stream_count_max);
        assert!(0 < self.body_bytes_max);
        assert!(0 < self.head_ms.0);
        assert!(0 < self.write_stall_ms.0);
        assert!(0 < self.request_ms.0);
        assert!(self.head_ms <= self.idle_ms, "a head may come as late as the next request");
    }
}

/// Listens on `address`; port 0 takes a free one.
///
/// # Errors
/// [`Error::AddressTaken`] if another process listens there.
pub fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let open = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // A restart must not wait for the old connections' last minute.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().map_err(|source| match source.kind() {
        std::io::ErrorKind::AddrInUse => {
            Error::AddressTaken { port: address.port(), ip: address.ip() }
        }
        _ => Error::io(format!("listen on {address}"), source),
    })
}

/// Serves `routes` on `listener` until `shutdown` closes the doors, then drains.
///
/// Every request carries [`Peer`] in its extensions. The listener closes at once when the doors
/// close; this returns when the last connection has ended, after `drain_ms` at the latest.
pub async fn serve(
    listener: TcpListener,
    routes: impl Into<Routes>,
    limits: HttpLimits,
    shutdown: Shutdown,
) -> Result<(), Error> {
    limits.check();
    let _door = shutdown.open_door();
    let drain = Duration::from(limits.drain_ms);
    let server = accept::Server::new(routes.into(), limits, shutdown.clone());
    let listening = tasks::spawn_front("http-listener", async move {
        server.accept_until_shutdown(&listener, &shutdown).await;
        drop(listener);
        server.drain(drain).await;
    });
    // It ends by itself; its panic is reported, and begins the shutdown, where it happens.
    listening.await.unwrap_or_default();
    Ok(())
}

#[cfg(test)]
mod tests;
