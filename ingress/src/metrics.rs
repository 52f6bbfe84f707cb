//! The names of this stage's metrics; nowhere else are they spelled.

use std::cell::RefCell;
use std::time::Duration;

use http::Method;
use metrics::{Counter, Histogram, counter, gauge, histogram};
use schema::{ShardId, Shards};

use crate::asks::Unanswered;

/// What is counted of one kind of answer. Its handles are looked up by name once in each thread,
/// not at each request.
struct Series {
    route: Box<str>,
    method: &'static str,
    status: u16,
    took: Histogram,
    answers: Counter,
}

thread_local! {
    /// Those that this thread has answered: some hundred, as there are routes and outcomes.
    static SERIES: RefCell<Vec<Series>> = const { RefCell::new(Vec::new()) };
}

/// Puts the counters on the page before they count, so that an alarm sees the step from zero.
pub fn declare(shards: Shards) {
    for name in [
        "usher_ingress_rate_limited_total",
        "usher_ingress_shed_total",
        "usher_ingress_asks_repeated_total",
        "usher_ingress_replies_unawaited_total",
        "usher_ingress_slow_readers_dropped_total",
    ] {
        counter!(name).increment(0);
    }
    for answer in ["answered", "in_flight", "mismatch", "busy", "timed_out"] {
        counter!("usher_ingress_asks_total", "answer" => answer).increment(0);
    }
    for passed in ["yes", "no"] {
        counter!("usher_ingress_barriers_total", "passed" => passed).increment(0);
    }
    for shard in shards.all() {
        let shard = shard.to_string();
        counter!("usher_ingress_views_rebuilt_total", "shard" => shard).increment(0);
    }
    streams_open(0);
}

/// `route` is the path's pattern, so that ids make no series of their own.
pub fn request(route: &str, method: &Method, status: u16, took: Duration) {
    let method = method_name(method);
    SERIES.with_borrow_mut(|all| {
        let is_it = |series: &Series| {
            series.status == status && series.method == method && *series.route == *route
        };
        let at = all.iter().position(is_it).unwrap_or_else(|| {
            all.push(Series::open(route, method, status));
            all.len() - 1
        });
        all[at].took.record(took);
        all[at].answers.increment(1);
        // What is asked most comes to the front.
        all.swap(at, at.saturating_sub(1));
    });
}

impl Series {
    fn open(route: &str, method: &'static str, status: u16) -> Self {
        let path = || route.to_owned();
        let took = histogram!("usher_ingress_request_seconds", "route" => path());
        let answers = counter!("usher_ingress_requests_total", "route" => path(),
            "method" => method, "status" => status.to_string());
        Self { route: route.into(), method, status, took, answers }
    }
}

/// A client may invent methods; they share a series.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

pub fn rate_limited() {
    counter!("usher_ingress_rate_limited_total").increment(1);
}

pub fn shed() {
    counter!("usher_ingress_shed_total").increment(1);
}

pub fn asked(took: Duration, unanswered: Option<Unanswered>) {
    let answer = match unanswered {
        None => "answered",
        Some(Unanswered::InFlight) => "in_flight",
        Some(Unanswered::Mismatch) => "mismatch",
        Some(Unanswered::Busy) => "busy",
        Some(Unanswered::TimedOut) => "timed_out",
        Some(Unanswered::TooLate) => "too_late",
    };
    counter!("usher_ingress_asks_total", "answer" => answer).increment(1);
    histogram!("usher_ingress_ask_seconds").record(took);
}

pub fn asked_again() {
    counter!("usher_ingress_asks_repeated_total").increment(1);
}

/// The asker had gone, or heard an earlier copy.
pub fn reply_unawaited() {
    counter!("usher_ingress_replies_unawaited_total").increment(1);
}

pub fn barrier(took: Duration, passed: bool) {
    let passed = if passed { "yes" } else { "no" };
    counter!("usher_ingress_barriers_total", "passed" => passed).increment(1);
    histogram!("usher_ingress_barrier_seconds").record(took);
}

pub fn view_rebuilt(shard: ShardId) {
    counter!("usher_ingress_views_rebuilt_total", "shard" => shard.to_string()).increment(1);
}

pub fn reader_dropped() {
    counter!("usher_ingress_slow_readers_dropped_total").increment(1);
}

pub fn streams_open(count: usize) {
    gauge!("usher_ingress_streams_open").set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
}

pub fn partner_operation(status: &'static str) {
    counter!("usher_ingress_partner_operations_total", "status" => status).increment(1);
}
