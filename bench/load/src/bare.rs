//! A bare hyper server in this process: what the same answer costs without Usher.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A running server; ends when dropped.
pub struct Bare {
    pub target: String,
    _accepting: JoinSet<()>,
}

impl Bare {
    /// Answers everything with `body_bytes` bytes of JSON.
    pub async fn start(body_bytes: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let target = format!("http://{}", listener.local_addr()?);
        let body = Bytes::from(format!("\"{}\"", "x".repeat(body_bytes.saturating_sub(2))));
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, body.clone()));
            }
        });
        Ok(Self { target, _accepting: accepting })
    }
}

async fn serve(stream: TcpStream, body: Bytes) {
    let answer = service_fn(move |_: Request<Incoming>| {
        let body = Full::new(body.clone());
        let answer = Response::builder().header("content-type", "application/json").body(body);
        async { Ok::<_, Infallible>(answer.expect("the header is well-formed")) }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    // A client that goes away ends its own connection only.
    drop(stream.set_nodelay(true));
    drop(connection.serve_connection(TokioIo::new(stream), answer).await);
}
