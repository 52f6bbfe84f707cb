//! Answers that need no router.
//!
//! Nearly all requests of an on-sale are polls of one shape. A router and its layers cost each of
//! them more than the answer itself, so whoever serves them may look at a request first.

use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, Response};
use hyper::body::{Body as _, Incoming};

/// What a [`Shortcut`] sees of a request.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    pub method: &'a Method,
    /// As it was sent: nothing is decoded.
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    pub peer: SocketAddr,
}

/// An answer, and the pattern of the route that would have given it.
#[derive(Debug)]
pub struct Direct {
    pub route: &'static str,
    pub response: Response<Body>,
}

/// Answers requests that it knows, without waiting for anything.
pub trait Shortcut: Send + Sync {
    /// `None` leaves the request to the router; nothing must have happened to it then.
    fn answer(&self, head: &Head<'_>) -> Option<Direct>;
}

/// All that a listener answers with.
#[derive(Clone)]
pub struct Routes {
    pub router: Router,
    /// Asked before the router for requests without query, body and trace.
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
) -> Result<Option<Response<Body>>, ()> {
    if request.uri().query().is_some() || !request.body().is_end_stream() {
        return Ok(None);
    }
    let (method, path, headers) = (request.method(), request.uri().path(), request.headers());
    let head = Head { method, path, headers, peer };
    // Unwind safety: as for the router, what a request shares with others is behind locks that
    // outlive a panic.
    let direct = catch_unwind(AssertUnwindSafe(|| shortcut.answer(&head))).map_err(drop)?;
    Ok(direct.map(|direct| direct.response))
}
