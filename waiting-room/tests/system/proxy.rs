//! A way to a server that can be slow.

use chassis::tasks;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Takes connections for a server; ends with its runtime.
pub struct Proxy {
    pub address: String,
    delay_ms: Arc<AtomicU64>,
}

impl Proxy {
    /// In front of the server at `address`.
    pub async fn before(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().to_string();
        let delay_ms = Arc::new(AtomicU64::new(0));
        let (server, delay) = (address.to_owned(), Arc::clone(&delay_ms));
        tasks::spawn("test-proxy", async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&server).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let out = pass_on(from_client, to_server, Arc::clone(&delay));
                tasks::spawn("test-proxy", out);
                let back = pass_on(from_server, to_client, Arc::new(AtomicU64::new(0)));
                tasks::spawn("test-proxy", back);
            }
        });
        Self { address: own, delay_ms }
    }

    /// What is sent to the server from here on takes so long.
    pub fn slow_down(&self, delay: Duration) {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap();
        self.delay_ms.store(delay_ms, Ordering::Relaxed);
    }
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay_ms: Arc<AtomicU64>) {
    let mut bytes = vec![0; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let delay = delay_ms.load(Ordering::Relaxed);
        if 0 < delay {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
