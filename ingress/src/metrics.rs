//! The names of this stage's metrics; nowhere else are they spelled.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use dashmap::DashMap;
use http::Method;
use metrics::{Counter, Histogram, counter, gauge, histogram};
use schema::{ShardId, Shards};

use crate::asks::Unanswered;

/// What is counted of one route. Its handles are looked up by name once, not at each request.
struct Route {
    path: String,
    took: Histogram,
    answers: DashMap<(&'static str, u16), Counter>,
}

static ROUTES: LazyLock<DashMap<String, Arc<Route>>> = LazyLock::new(DashMap::new);

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
    let known = ROUTES.get(route).map(|known| Arc::clone(&known));
    let route = known.unwrap_or_else(|| {
        let path = route.to_owned();
        let took = histogram!("usher_ingress_request_seconds", "route" => path.clone());
        let route = Arc::new(Route { path: path.clone(), took, answers: DashMap::new() });
        ROUTES.insert(path, Arc::clone(&route));
        route
    });
    route.took.record(took);
    let answers = (method_name(method), status);
    if let Some(counter) = route.answers.get(&answers) {
        counter.increment(1);
        return;
    }
    let counter = counter!("usher_ingress_requests_total", "route" => route.path.clone(),
        "method" => answers.0, "status" => status.to_string());
    counter.increment(1);
    route.answers.insert(answers, counter);
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
