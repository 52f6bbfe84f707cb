//! Both kinds of connection keep the habits of their door.

use super::{Connection, Door, Question, Socket};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Answers everything, and counts the connections that were opened to it.
struct Host {
    door: Door,
    address: SocketAddr,
    opened: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Host {
    async fn with_reuse_max(reuse_max: u32) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let opened = Arc::new(AtomicUsize::new(0));
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&opened)));
        let door = Door { reuse_max, ..Door::new(&format!("http://{address}")).unwrap() };
        Self { door, address, opened, _serving: serving }
    }

    fn opened(&self) -> usize {
        // Relaxed: a connection counts before it answers, and we have heard its answer.
        self.opened.load(Ordering::Relaxed)
    }
}

async fn serve(listener: TcpListener, opened: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        // Relaxed: only a count.
        opened.fetch_add(1, Ordering::Relaxed);
        connections.spawn(answer(stream));
    }
}

/// One answer for each question that comes; questions here fit into one packet.
async fn answer(mut stream: TcpStream) {
    let mut question = [0; 1_024];
    while let Ok(1..) = stream.read(&mut question).await {
        stream.write_all(ANSWER).await.unwrap();
    }
}

#[tokio::test]
async fn a_new_connection_is_opened_after_as_many_questions_as_the_door_says() {
    // Seven questions, two on each connection; then all on one.
    for (reuse_max, opened) in [(2, 4), (7, 1), (0, 1)] {
        let host = Host::with_reuse_max(reuse_max).await;
        let mut socket = Socket::new(&host.door, host.address, 0);
        for _ in 0..7 {
            let reply = socket.ask(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
            assert_eq!((reply.status, reply.body), (200, &b"ok"[..]));
        }
        assert_eq!(host.opened(), opened, "a socket with {reuse_max}");

        let host = Host::with_reuse_max(reuse_max).await;
        let mut connection = Connection::new(&host.door, 0);
        for _ in 0..7 {
            assert_eq!(connection.ask(Question::get("/")).await.unwrap().status, 200);
        }
        assert_eq!(host.opened(), opened, "a connection with {reuse_max}");
    }
}
