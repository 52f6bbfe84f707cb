//! A bare answer: what HTTP costs when nothing stands behind it.
//!
//! A POST is read to its end first, and answered 201. The body has the form of a place in line, so
//! that who asked reads it as one.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Answers everything with as many bytes of JSON, until it is dropped.
pub async fn serve(listener: TcpListener, body_bytes: usize) {
    let body = Bytes::from(body(body_bytes));
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

/// At least so long as that of an empty token.
fn body(bytes: usize) -> String {
    const FRAME: &str = "{\"number\":1,\"token\":\"\"}";
    format!("{{\"number\":1,\"token\":\"{}\"}}", "x".repeat(bytes.saturating_sub(FRAME.len())))
}

async fn connection(stream: TcpStream, body: Bytes) {
    let answer = service_fn(move |request| answer(request, body.clone()));
    // A client that goes away ends its own connection only.
    drop(stream.set_nodelay(true));
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
}

async fn answer(request: Request<Incoming>, body: Bytes) -> hyper::Result<Response<Full<Bytes>>> {
    let is_post = request.method() == Method::POST;
    let status = if is_post { StatusCode::CREATED } else { StatusCode::OK };
    if is_post {
        request.into_body().collect().await?;
    }
    let answer = Response::builder().status(status).header("content-type", "application/json");
    Ok(answer.body(Full::new(body)).expect("the header is well-formed"))
}

#[cfg(test)]
mod tests {
    use super::body;

    #[test]
    fn a_body_has_the_size_that_is_asked_for_and_reads_as_a_place() {
        for bytes in [24, 200, 431] {
            let body = body(bytes);
            assert_eq!(body.len(), bytes);
            let place: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert!(place["number"] == 1 && place["token"].is_string(), "{place}");
        }
    }
}
