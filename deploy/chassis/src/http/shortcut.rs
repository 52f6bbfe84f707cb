//! Answers that need no router.
//!
//! Nearly all requests of an on-sale are polls of one shape. A router and its layers cost each of
//! them more than the answer itself, so whoever serves them may look at a request first.

use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::lines::Lines;
use crate::clock::Monotonic;

/// What a [`Shortcut`] sees of a request.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    pub method: &'a Method,
    /// As it was sent: nothing is decoded.
    pub path: &'a str,
    pub headers: Lines<'a>,
    pub peer: SocketAddr,
}

/// An answer, and the pattern of the route that would have given it.
#[derive(Debug)]
pub struct Direct {
    pub route: &'static str,
    /// Whole: nothing is waited for.
    pub response: Response<Bytes>,
}

/// A request with its whole body.
#[derive(Debug, Clone, Copy)]
pub struct Whole<'a> {
    /// As [`Shortcut::takes`] said it.
    pub route: &'static str,
    pub head: Head<'a>,
    /// `None` if it did not arrive whole.
    pub body: Option<&'a [u8]>,
    /// When its head was whole.
    pub begun: Monotonic,
}

/// Answers requests that it knows.
pub trait Shortcut: Send + Sync {
    /// The answer to a request without a body, for which nothing has to be waited for.
    ///
    /// `None` leaves the request to the router; nothing must have happened to it then.
    fn answer(&self, head: &Head<'_>) -> Option<Direct>;

    /// The pattern of the route whose answer [`Shortcut::take`] gives once the request's body is
    /// whole; `None` leaves it to the router. Nothing must have happened to it by that.
    fn takes(&self, head: &Head<'_>) -> Option<&'static str>;

    /// The answer to a request that it takes, on its way. What it needs of the request is read at
    /// once.
    fn take(self: Arc<Self>, request: &Whole<'_>) -> BoxFuture<'static, Response<Bytes>>;
}

/// All that a listener answers with.
#[derive(Clone)]
pub struct Routes {
    pub router: Router,
    /// Asked before the router for requests without query and trace.
    pub shortcut: Option<Arc<dyn Shortcut>>,
}

impl From<Router> for Routes {
    fn from(router: Router) -> Routes {
        Routes { router, shortcut: None }
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("shortcut", &self.shortcut.is_some()).finish_non_exhaustive()
    }
}

/// The shortcut's answer, if it has one; `Err` if a bug of it came to light.
pub(super) fn answer(
    shortcut: &dyn Shortcut,
    request: &Request<Incoming>,
    peer: SocketAddr,
) -> Result<Option<Response<Bytes>>, ()> {
    if request.uri().query().is_some() || !request.body().is_end_stream() {
        return Ok(None);
    }
    let (method, path) = (request.method(), request.uri().path());
    let headers = Lines::from(request.headers());
    let head = Head { method, path, headers, peer };
    // Unwind safety: as for the router, what a request shares with others is behind locks that
    // outlive a panic.
    let direct = catch_unwind(AssertUnwindSafe(|| shortcut.answer(&head))).map_err(drop)?;
    Ok(direct.map(|direct| direct.response))
}

/// The route by which the shortcut takes the request with its body, which is known to be no longer
/// than `body_bytes_max`.
pub(super) fn takes(
    shortcut: &dyn Shortcut,
    request: &Request<Incoming>,
    peer: SocketAddr,
    body_bytes_max: u32,
) -> Option<&'static str> {
    let is_short = |&bytes: &u64| bytes <= u64::from(body_bytes_max);
    request.body().size_hint().upper().filter(is_short)?;
    if request.uri().query().is_some() {
        return None;
    }
    let (method, path) = (request.method(), request.uri().path());
    let headers = Lines::from(request.headers());
    let head = Head { method, path, headers, peer };
    // Unwind safety: as in `answer`. What has a bug here is left to the router.
    catch_unwind(AssertUnwindSafe(|| shortcut.takes(&head))).unwrap_or_default()
}

/// The answer to a request that the shortcut takes.
pub(super) async fn take(
    shortcut: Arc<dyn Shortcut>,
    route: &'static str,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Response<Bytes> {
    let begun = Monotonic::now();
    let (parts, body) = request.into_parts();
    let body = body.collect().await.ok().map(http_body_util::Collected::to_bytes);
    let answer = {
        let (path, headers) = (parts.uri.path(), Lines::from(&parts.headers));
        let head = Head { method: &parts.method, path, headers, peer };
        shortcut.take(&Whole { route, head, body: body.as_deref(), begun })
    };
    answer.await
}
