//! The layers around a shortcut: what they do for the router's requests, they do for its too.

use std::sync::Arc;

use chassis::clock::{self, Monotonic};
use chassis::http::{Direct, Head, Shortcut};

use super::Limiter;
use super::name::{finish, request_id};
use crate::metrics;

/// A shortcut whose requests are limited by address, measured and named.
pub struct Layered {
    pub shortcut: Arc<dyn Shortcut>,
    pub limiter: Arc<Limiter>,
}

impl Shortcut for Layered {
    fn answer(&self, head: &Head<'_>) -> Option<Direct> {
        let started = Monotonic::now();
        let (address, now) = (head.peer.ip(), clock::now());
        // Refusals are the router's. Counted only once there is an answer: what the router gets, it
        // counts itself. It needs no place among the concurrent ones, since it never waits.
        if self.limiter.would_refuse(address, now) {
            return None;
        }
        let mut direct = self.shortcut.answer(head)?;
        self.limiter.count(address, now);
        let status = direct.response.status().as_u16();
        metrics::request(direct.route, head.method, status, started.elapsed());
        finish(direct.response.headers_mut(), &request_id(head.headers));
        Some(direct)
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Direct, Head, Layered, Limiter, Shortcut};
    use crate::buckets::Rate;
    use crate::config::RequestLimits;
    use axum::body::Body;
    use http::{HeaderMap, Method, Response};

    struct Always;

    impl Shortcut for Always {
        fn answer(&self, _: &Head<'_>) -> Option<Direct> {
            Some(Direct { route: "/", response: Response::new(Body::empty()) })
        }
    }

    #[test]
    fn its_answers_are_named_and_counted_against_the_address() {
        let address = Rate { burst: 3, per_minute: 1 };
        let limits = RequestLimits { address, ..RequestLimits::default() };
        let limiter = Arc::new(Limiter::new(limits, false));
        let layered = Layered { shortcut: Arc::new(Always), limiter: Arc::clone(&limiter) };
        let headers =
            HeaderMap::from_iter([("x-request-id".parse().unwrap(), "mine".parse().unwrap())]);
        let ask = |last: u8| {
            let peer = ([192, 0, 2, last], 1).into();
            layered.answer(&Head { method: &Method::GET, path: "/", headers: &headers, peer })
        };
        for _ in 0..3 {
            let response = ask(1).expect("within the burst").response;
            assert_eq!(response.headers()["x-request-id"], "mine");
            assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        }
        assert!(ask(1).is_none(), "the router refuses it");
        let now = chassis::clock::now();
        assert!(limiter.enter(Some([192, 0, 2, 1].into()), "/", now).is_err());
        assert!(ask(2).is_some(), "another address has its own");
    }
}
