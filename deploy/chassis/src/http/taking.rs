//! A request that the shortcut takes, until it is answered: within the time of all requests, and
//! whatever bug comes to light.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{self, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Response;
use tokio::time::Instant;

use super::connection::Context;
use super::respond::{overdue, panicked};
use super::timer::Timer;
use crate::metrics;

pub(super) struct Taking {
    answer: BoxFuture<'static, Response<Bytes>>,
    limit: Duration,
    deadline: Instant,
}

impl Taking {
    pub(super) fn begin(context: &Context, answer: BoxFuture<'static, Response<Bytes>>) -> Taking {
        let limit = Duration::from(context.server.limits.request_ms);
        Taking { answer, limit, deadline: Instant::now() + limit }
    }

    /// The answer, whatever it is; not to be asked for again then. `timer` is used by nobody else
    /// meanwhile, and need not be new: to move one costs less than to set one.
    pub(super) fn poll(
        &mut self,
        cx: &mut task::Context<'_>,
        timer: &mut Timer,
    ) -> Poll<Response<Bytes>> {
        // Unwind safety: what a request shares with others is behind locks that outlive a panic,
        // and the future is dropped after one.
        let answer = AssertUnwindSafe(|| self.answer.as_mut().poll(cx));
        match catch_unwind(answer) {
            Ok(Poll::Ready(response)) => return Poll::Ready(response),
            Ok(Poll::Pending) => {}
            Err(_) => return Poll::Ready(panicked()),
        }
        ready!(timer.poll_until(self.deadline, cx));
        metrics::request_refused("timeout");
        // What is taken may have changed something by now.
        Poll::Ready(overdue(self.limit, false).into_whole_response())
    }
}
