//! Every metric of the indexer.

use metrics::{counter, gauge, histogram};
use std::time::Duration;

/// Puts the counters on the page before they count, so that an alarm sees the step from zero.
pub(crate) fn declare() {
    counter!("usher_indexer_rebuilds_total").increment(0);
    for kind in ["search", "suggest"] {
        counter!("usher_search_answered_before_total", "kind" => kind).increment(0);
        for cause in ["full", "waited", "slow", "failed", "reply"] {
            let labels = [("kind", kind), ("cause", cause)];
            counter!("usher_search_dropped_total", &labels).increment(0);
        }
    }
}

pub(crate) fn documents(count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    gauge!("usher_indexer_documents").set(f64::from(count));
}

/// `lag` is from the oldest change in the commit to its visibility.
pub(crate) fn committed(took: Duration, lag: Duration) {
    histogram!("usher_indexer_commit_seconds").record(took.as_secs_f64());
    histogram!("usher_indexer_commit_lag_seconds").record(lag.as_secs_f64());
}

pub(crate) fn rebuilt() {
    counter!("usher_indexer_rebuilds_total").increment(1);
}

/// An answer that was given since the last commit and is given again.
pub(crate) fn answered_before(kind: &'static str) {
    counter!("usher_search_answered_before_total", "kind" => kind).increment(1);
}

/// `kind` is one of `search`, `suggest`.
pub(crate) fn answered(kind: &'static str, took: Duration) {
    histogram!("usher_search_seconds", "kind" => kind).record(took.as_secs_f64());
}

/// `cause` is one of `full`, `waited`, `slow`, `failed`, `reply`.
pub(crate) fn dropped(kind: &'static str, cause: &'static str) {
    counter!("usher_search_dropped_total", "kind" => kind, "cause" => cause).increment(1);
}
