//! The layers around a shortcut: what they do for the router's requests, they do for its too.

use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use chassis::clock::{self, Monotonic};
use chassis::http::{Direct, Head, Shortcut, Whole};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Response;

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
        // Refusals are the router's, and what it answers it counts itself. An answer from here
        // needs no place among the concurrent ones, since it never waits.
        let taken = self.limiter.take(address, now)?;
        let Some(mut direct) = self.shortcut.answer(head) else {
            self.limiter.give_back(taken);
            return None;
        };
        let status = direct.response.status().as_u16();
        metrics::request(direct.route, head.method, status, started.elapsed());
        finish(direct.response.headers_mut(), request_id(head.headers));
        Some(direct)
    }

    fn takes(&self, head: &Head<'_>) -> Option<&'static str> {
        self.shortcut.takes(head)
    }

    fn take(self: Arc<Self>, request: &Whole<'_>) -> BoxFuture<'static, Response<Bytes>> {
        let &Whole { route, head, begun, .. } = request;
        let (method, id) = (head.method.clone(), request_id(head.headers));
        let (answer, place) =
            match self.limiter.enter(Some(head.peer.ip()), head.path, clock::now()) {
                Ok(place) => (Arc::clone(&self.shortcut).take(request), Some(place)),
                Err(problem) => (ready(problem.into_whole_response()).boxed(), None),
            };
        Box::pin(async move {
            let mut response = answer.await;
            drop(place);
            metrics::request(route, &method, response.status().as_u16(), begun.elapsed());
            finish(response.headers_mut(), id);
            response
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, BoxFuture, Bytes, Direct, Head, Layered, Limiter, Response, Shortcut, Whole};
    use crate::buckets::Rate;
    use crate::config::RequestLimits;
    use chassis::http::Lines;
    use futures_util::FutureExt as _;
    use http::Method;

    struct Always;

    impl Shortcut for Always {
        fn answer(&self, _: &Head<'_>) -> Option<Direct> {
            Some(Direct { route: "/", response: Response::new(Bytes::new()) })
        }

        fn takes(&self, _: &Head<'_>) -> Option<&'static str> {
            None
        }

        fn take(self: Arc<Self>, _: &Whole<'_>) -> BoxFuture<'static, Response<Bytes>> {
            unreachable!("it takes nothing")
        }
    }

    struct Never;

    impl Shortcut for Never {
        fn answer(&self, _: &Head<'_>) -> Option<Direct> {
            None
        }

        fn takes(&self, _: &Head<'_>) -> Option<&'static str> {
            None
        }

        fn take(self: Arc<Self>, _: &Whole<'_>) -> BoxFuture<'static, Response<Bytes>> {
            unreachable!("it takes nothing")
        }
    }

    #[test]
    fn what_it_leaves_to_the_router_is_not_counted_here() {
        let address = Rate { burst: 3, per_minute: 1 };
        let limits = RequestLimits { address, ..RequestLimits::default() };
        let limiter = Arc::new(Limiter::new(limits, false));
        let layered = Layered { shortcut: Arc::new(Never), limiter: Arc::clone(&limiter) };
        let peer = ([192, 0, 2, 1], 1).into();
        for _ in 0..9 {
            let head = Head { method: &Method::GET, path: "/", headers: Lines::Raw(&[]), peer };
            assert!(layered.answer(&head).is_none());
        }
        let now = chassis::clock::now();
        let entered = || limiter.enter(Some([192, 0, 2, 1].into()), "/", now);
        assert_eq!((0..9).filter_map(|_| entered().ok()).count(), 3);
    }

    #[test]
    fn its_answers_are_named_and_counted_against_the_address() {
        let address = Rate { burst: 3, per_minute: 1 };
        let limits = RequestLimits { address, ..RequestLimits::default() };
        let limiter = Arc::new(Limiter::new(limits, false));
        let layered = Layered { shortcut: Arc::new(Always), limiter: Arc::clone(&limiter) };
        let mut headers = http::HeaderMap::new();
        headers.insert("x-request-id", "mine".parse().unwrap());
        let ask = |last: u8| {
            let peer = ([192, 0, 2, last], 1).into();
            layered.answer(&Head {
                method: &Method::GET,
                path: "/",
                headers: Lines::from(&headers),
                peer,
            })
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

    /// Takes everything, and never ends.
    struct Endless;

    impl Shortcut for Endless {
        fn answer(&self, _: &Head<'_>) -> Option<Direct> {
            None
        }

        fn takes(&self, _: &Head<'_>) -> Option<&'static str> {
            Some("/")
        }

        fn take(self: Arc<Self>, _: &Whole<'_>) -> BoxFuture<'static, Response<Bytes>> {
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn what_it_takes_counts_against_the_address_and_holds_a_place_until_it_ends() {
        let address = Rate { burst: 3, per_minute: 1 };
        let limits = RequestLimits { address, concurrent_max: 1, ..RequestLimits::default() };
        let limiter = Arc::new(Limiter::new(limits, false));
        let layered = Arc::new(Layered { shortcut: Arc::new(Endless), limiter });
        let take = || {
            let (headers, peer) = (Lines::Raw(&[]), ([192, 0, 2, 1], 1).into());
            let head = Head { method: &Method::POST, path: "/", headers, peer };
            let begun = chassis::clock::Monotonic::now();
            let whole = Whole { route: "/", head, body: Some(&[]), begun };
            let mut answer = Arc::clone(&layered).take(&whole);
            let now = (&mut answer).now_or_never().map(|response| response.status().as_u16());
            (answer, now)
        };
        let (first, at_first) = take();
        assert_eq!(at_first, None, "it is under way");
        assert_eq!(take().1, Some(503), "the place is taken");
        drop(first);
        let (_third, at_third) = take();
        assert_eq!(at_third, None, "the place is free again");
        assert_eq!(take().1, Some(429), "all four were counted");
    }
}
