//! The layer.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chassis::clock::{self, Monotonic};
use chassis::http::Peer;

use super::name::{finish, request_id};
use super::{Limiter, RequestId, Start};
use crate::{metrics, problems};

/// What has to let a request through.
#[derive(Debug, Clone, Default)]
pub struct Checks {
    /// `None` for whoever watches over us: they must get an answer however busy we are.
    pub limiter: Option<Arc<Limiter>>,
    /// `None` for routes that say nothing about events.
    pub start: Option<Arc<Start>>,
}

/// Does to a request all that is done to every one.
pub async fn around(State(checks): State<Checks>, mut request: Request, next: Next) -> Response {
    let started = Monotonic::now();
    let id = request_id(request.headers().into());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = request.method().clone();
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = problems::uniform(checks.pass(request, next).await);
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    metrics::request(route, &method, response.status().as_u16(), started.elapsed());
    finish(response.headers_mut(), id);
    response
}

impl Checks {
    async fn pass(&self, request: Request, next: Next) -> Response {
        // Every connection of the listener has a peer; without one (a router under test) nothing is
        // counted.
        let peer = request.extensions().get::<Peer>().map(|Peer(peer)| peer.ip());
        let limiter = self.limiter.as_ref();
        let place = limiter.map(|limiter| limiter.enter(peer, request.uri().path(), clock::now()));
        let place = place.transpose();
        let _place = match place {
            Ok(place) => place,
            Err(problem) => return problem.into_response(),
        };
        if let Some(problem) = self.start.as_ref().and_then(|start| start.refusal()) {
            return problem.into_response();
        }
        // The place is for the handler; a streamed body runs on under limits of its own.
        next.run(request).await
    }
}
