//! The listener that all baselines share: hyper, one task a connection, small packets at once.

use anyhow::Context as _;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::net::Ipv4Addr;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// Connections that may wait to be accepted: a crowd that comes at once loses none.
const WAITING_MAX: u32 = 4_096;

/// Listens on a port of loopback (0: a free one), and says which.
pub fn listen(port: u16) -> anyhow::Result<(TcpListener, u16)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into()).context("listen")?;
    let listener = socket.listen(WAITING_MAX).context("listen")?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        // Both are cancel-safe. Without connections the first is never ready.
        tokio::select! {
            Some(_) = connections.join_next() => {}
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(connection(stream, router.clone()));
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router) {
    // A client that goes away ends its own connection only.
    drop(stream.set_nodelay(true));
    let service = TowerToHyperService::new(router);
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}
