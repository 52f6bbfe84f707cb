//! One request: checks its shape, hands it to the router, bounds the time to the answer.

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either};
use http::header::{CONNECTION, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use tower::Service;

use super::Peer;
use super::body::TrackedBody;
use super::connection::Context;
use super::shortcut;
use super::taking::Taking;
use super::timer::Timer;
use crate::telemetry::{TraceContext, traced};
use crate::{Problem, metrics};

/// An answer on its way. Most are there at once: hyper moves this about for each request, so what
/// takes longer is behind a pointer.
pub(super) type Answering = Either<Ready<Answer>, BoxFuture<'static, Answer>>;

type Answer = Result<Response<TrackedBody>, Infallible>;

pub(super) fn respond(context: &Arc<Context>, request: Request<Incoming>) -> Answering {
    let in_flight = context.watch.begin_request();
    if let Some(problem) = misshapen(context, &request) {
        let refusal = closing(problem.into_response(), request.version());
        return Either::Left(ready(Ok(refusal.map(|body| TrackedBody::routed(body, in_flight)))));
    }
    let way = way(context, &request);
    if let Way::Answered(whole) = way {
        return Either::Left(ready(Ok(whole.map(|bytes| TrackedBody::whole(bytes, in_flight)))));
    }
    let context = Arc::clone(context);
    if let Way::Taken(route) = way {
        return Either::Right(Box::pin(async move {
            let whole = take(&context, route, request).await;
            Ok(whole.map(|bytes| TrackedBody::whole(bytes, in_flight)))
        }));
    }
    Either::Right(Box::pin(async move {
        let answer = route(&context, request).await;
        Ok(answer.map(|body| TrackedBody::routed(body, in_flight)))
    }))
}

/// Which way a request goes.
enum Way {
    /// It is answered already.
    Answered(Response<Bytes>),
    /// The shortcut takes it, by this route.
    Taken(&'static str),
    Routed,
}

async fn route(context: &Context, mut request: Request<Incoming>) -> Response<Body> {
    let asker = context.asker(request.headers().into());
    request.extensions_mut().insert(Peer(asker));
    let body_bytes_max = usize::try_from(context.server.limits.body_bytes_max).expect("64-bit");
    DefaultBodyLimit::max(body_bytes_max).apply(&mut request);
    let caller = TraceContext::from_headers(request.headers());
    traced("request", caller, answer_in_trace(context, request)).await
}

/// Asks the shortcut, if there is one. Whoever traces or logs requests wants the long way.
fn way(context: &Context, request: &Request<Incoming>) -> Way {
    let Some(known) = context.server.routes.shortcut.as_deref() else { return Way::Routed };
    let is_watched = tracing::enabled!(tracing::Level::DEBUG)
        || TraceContext::from_headers(request.headers()).is_some();
    if is_watched {
        return Way::Routed;
    }
    let asker = context.asker(request.headers().into());
    match shortcut::answer(known, request, asker) {
        Ok(Some(whole)) => Way::Answered(whole),
        Ok(None) => {
            let body_bytes_max = context.server.limits.body_bytes_max;
            let taken = shortcut::takes(known, request, asker, body_bytes_max);
            taken.map_or(Way::Routed, Way::Taken)
        }
        Err(()) => Way::Answered(panicked()),
    }
}

/// The answer of the shortcut, within the same time and with the same care as that of the router.
async fn take(
    context: &Context,
    route: &'static str,
    request: Request<Incoming>,
) -> Response<Bytes> {
    let known = context.server.routes.shortcut.clone().expect("it takes the request");
    let asker = context.asker(request.headers().into());
    let answer = Box::pin(shortcut::take(known, route, request, asker));
    let (mut taking, mut timer) = (Taking::begin(context, answer), Timer::default());
    poll_fn(|cx| taking.poll(cx, &mut timer)).await
}

/// Answers, and says so: in the log of who looks that close, and to a caller that keeps a trace.
async fn answer_in_trace(context: &Context, request: Request<Incoming>) -> Response<Body> {
    let shown = tracing::enabled!(tracing::Level::DEBUG)
        .then(|| (request.method().clone(), request.uri().path().to_owned()));
    let mut response = answer(context, request).await;
    if let Some(own) = TraceContext::current() {
        own.set_header(response.headers_mut());
    }
    if let Some((method, path)) = shown {
        tracing::debug!(%method, path, status = response.status().as_u16(), "request answered");
    }
    response
}

async fn answer(context: &Context, request: Request<Incoming>) -> Response<Body> {
    let (safe, version) = (request.method().is_safe(), request.version());
    // Needs no `poll_ready`: a router is always ready.
    let answer = context.server.routes.router.clone().call(request);
    let limit = Duration::from(context.server.limits.request_ms);
    // Unwind safety: the future is dropped after a panic. A handler owns nothing but its request,
    // so its bug must not be the end of everybody else's.
    let answer = AssertUnwindSafe(answer).catch_unwind();
    let response = match tokio::time::timeout(limit, answer).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(_)) => {
            metrics::request_refused("panic");
            return broken().into_response();
        }
        Err(_) => {
            metrics::request_refused("timeout");
            return overdue(limit, safe).into_response();
        }
    };
    let plain = || {
        let content_type = response.headers().get(CONTENT_TYPE);
        content_type.is_none_or(|value| value != "application/problem+json")
    };
    if response.status() != StatusCode::PAYLOAD_TOO_LARGE {
        return response;
    }
    if !plain() {
        return closing(response, version);
    }
    metrics::request_refused("body");
    closing(too_large().into_response(), version)
}

/// Returns the answer to a request that is not worth routing.
fn misshapen(context: &Context, request: &Request<Incoming>) -> Option<Problem> {
    let headers = request.headers();
    // RFC 9112, 3.2: without one, or with two, two servers on the way may mean different hosts.
    if request.version() == Version::HTTP_11 && headers.get_all(HOST).iter().count() != 1 {
        metrics::request_refused("host");
        let detail = "an HTTP/1.1 request has one Host header";
        return Some(Problem::new(400, "REQUEST_INVALID", "The request is invalid", detail));
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        let ambiguous = context.watch.progress().doubtful_framing;
        if ambiguous || !is_just_chunked(headers) {
            metrics::request_refused("framing");
            let detail = "a body has a Content-Length or is chunked, and nothing else";
            return Some(Problem::new(400, "REQUEST_INVALID", "The request is invalid", detail));
        }
    }
    // hyper counts them in HTTP/1 only.
    let header_count_max = usize::try_from(context.server.limits.header_count_max).expect("64-bit");
    if header_count_max < headers.len() {
        metrics::request_refused("headers");
        let detail = "too many header lines";
        return Some(Problem::new(431, "HEADERS_TOO_LARGE", "The headers are too large", detail));
    }
    None
}

fn is_just_chunked(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let first = codings.next();
    let chunked =
        first.is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    chunked && codings.next().is_none()
}

/// The answer after which the connection closes: what follows on it may not be what it seems, or is
/// the rest of a body that nobody reads. A client that is told does not ask on it again.
fn closing(mut response: Response<Body>, version: Version) -> Response<Body> {
    if version <= Version::HTTP_11 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

pub(super) fn overdue(limit: Duration, safe: bool) -> Problem {
    let detail = format!("no answer within {} ms", limit.as_millis());
    let problem = Problem::retryable(503, "TIMEOUT", "The answer took too long", detail, 1);
    // What a changing request has done by now is not known here.
    Problem { retryable: safe, ..problem }
}

/// The answer after a panic, which is counted.
pub(super) fn panicked() -> Response<Bytes> {
    metrics::request_refused("panic");
    broken().into_whole_response()
}

fn broken() -> Problem {
    let detail = "a bug of ours; what the request has done is not known";
    Problem::new(500, "INTERNAL", "The request failed", detail)
}

fn too_large() -> Problem {
    let detail = "the body is larger than this path takes";
    Problem::new(413, "BODY_TOO_LARGE", "The request is too large", detail)
}
