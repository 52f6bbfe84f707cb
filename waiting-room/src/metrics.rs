//! Every metric of this crate.

use metrics::{Counter, counter, gauge, histogram};
use schema::EventId;
use schema::admission::RoomStatus;
use std::sync::LazyLock;
use std::time::Duration;

/// Puts the counters on the page before they count, so that an alarm sees the step from zero.
pub(crate) fn declare() {
    for name in [
        "usher_room_joins_total",
        "usher_room_called_total",
        "usher_room_skipped_total",
        "usher_room_polls_total",
        "usher_room_claims_total",
        "usher_room_epochs_total",
    ] {
        counter!(name).increment(0);
    }
    for cause in ["rate", "token", "claim", "pass", "busy"] {
        counter!("usher_room_refused_total", "cause" => cause).increment(0);
    }
    for within in [Within::P50, Within::P90, Within::Neither] {
        counter!("usher_room_waits_total", "within" => within.as_str()).increment(0);
    }
    for what in ["tick", "check_in", "index"] {
        counter!("usher_room_store_failures_total", "what" => what).increment(0);
    }
}

pub(crate) fn joined(count: usize) {
    counter!("usher_room_joins_total").increment(count as u64);
    // A batch is at most 512.
    histogram!("usher_room_join_batch").record(u32::try_from(count).unwrap_or(u32::MAX));
}

pub(crate) fn released(called: u32, skipped: u64, took: Duration) {
    counter!("usher_room_called_total").increment(called.into());
    counter!("usher_room_skipped_total").increment(skipped);
    histogram!("usher_room_release_seconds").record(took.as_secs_f64());
}

pub(crate) fn polled() {
    // Looked up by name once: a crowd does nothing else.
    static POLLS: LazyLock<Counter> = LazyLock::new(|| counter!("usher_room_polls_total"));
    POLLS.increment(1);
}

/// `cause` is one of `rate`, `token`, `claim`, `pass`, `busy`.
pub(crate) fn refused(cause: &'static str) {
    counter!("usher_room_refused_total", "cause" => cause).increment(1);
}

/// Which of the two figures that it was told a wait was within.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Within {
    P50,
    /// The upper one alone.
    P90,
    Neither,
}

impl Within {
    const fn as_str(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::Neither => "neither",
        }
    }
}

/// A place was called that had been told how long it will wait.
pub(crate) fn waited(within: Within) {
    counter!("usher_room_waits_total", "within" => within.as_str()).increment(1);
}

pub(crate) fn claimed() {
    counter!("usher_room_claims_total").increment(1);
}

pub(crate) fn epoch_started() {
    counter!("usher_room_epochs_total").increment(1);
}

/// `what` is one of `tick`, `check_in`, `index`.
pub(crate) fn store_failed(what: &'static str) {
    counter!("usher_room_store_failures_total", "what" => what).increment(1);
}

pub(crate) fn leads(event: &EventId, leads: bool) {
    let leads = if leads { 1.0 } else { 0.0 };
    gauge!("usher_room_leads", "event" => event.to_string()).set(leads);
}

pub(crate) fn ticked(status: &RoomStatus) {
    let event = status.event.to_string();
    // Precise below 2^53, far above the largest number.
    #[expect(clippy::cast_precision_loss, reason = "numbers in line are below 2^32")]
    let live_ahead = status.live_ahead as f64;
    gauge!("usher_room_live_ahead", "event" => event.clone()).set(live_ahead);
    let allowed = status.rate_per_minute;
    gauge!("usher_room_allowed_per_minute", "event" => event.clone()).set(allowed);
    gauge!("usher_room_active", "event" => event.clone()).set(status.active);
    gauge!("usher_room_called_last_minute", "event" => event).set(status.called_last_minute);
}
