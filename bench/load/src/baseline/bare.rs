//! A bare answer: what HTTP costs when nothing stands behind it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Answers everything with as many bytes of JSON, until it is dropped.
pub async fn serve(listener: TcpListener, body_bytes: usize) {
    let body = Bytes::from(format!("\"{}\"", "x".repeat(body_bytes.saturating_sub(2))));
    let mut connections = JoinSet::new();
    loop {
        // Both are cancel-safe. Without connections the first is never ready.
        tokio::select! {
            Some(_) = connections.join_next() => {}
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(connection(stream, body.clone()));
            }
        }
    }
}

async fn connection(stream: TcpStream, body: Bytes) {
    let answer = service_fn(move |_: Request<Incoming>| {
        let body = Full::new(body.clone());
        let answer = Response::builder().header("content-type", "application/json").body(body);
        async { Ok::<_, Infallible>(answer.expect("the header is well-formed")) }
    });
    // A client that goes away ends its own connection only.
    drop(stream.set_nodelay(true));
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
}
