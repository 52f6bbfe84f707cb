//! Somebody else's site: knows nothing of rooms, and remembers who came to it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What every page of it says.
pub const PAGE: &str = "the site's own page";

/// A site on a loopback port. It ends with the test.
pub struct Site {
    pub address: SocketAddr,
    /// Heads of the requests that came, with what was read of their bodies.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let heads = Arc::clone(&seen);
        chassis::tasks::spawn("site", async move {
            while let Ok((stream, _)) = listener.accept().await {
                chassis::tasks::spawn("site-visit", answer(stream, Arc::clone(&heads)));
            }
        });
        Self { address, seen }
    }

    /// What has come since the last look.
    pub fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

/// Answers one request and hangs up.
async fn answer(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>) {
    let mut read = Vec::new();
    while !read.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 4_096];
        let Ok(count @ 1..) = stream.read(&mut part).await else { return };
        read.extend_from_slice(&part[..count]);
    }
    let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
    seen.lock().unwrap().push(text);
    let length = PAGE.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    // A HEAD wants the head alone, and nginx cuts what is too much.
    let answer = stream.write_all(format!("{head}{PAGE}").as_bytes()).await;
    answer.unwrap_or_default();
}
