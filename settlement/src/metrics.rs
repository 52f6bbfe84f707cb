//! What settlement counts.

use crate::provider::{GIVE_BACK, Verb};
use crate::store::{MoneyOutcome, Told};
use metrics::{counter, gauge, histogram};
use schema::{ProviderEventAnswer, SettlementLoad, ShardId, Shards, UnixMillis};
use settlement_core::{Disputed, Rung, State, Stray};
use std::time::Duration;

/// Puts the counters on the page before they count, so that an alarm sees the step from zero.
pub(crate) fn declare(shards: Shards) {
    for name in [
        "usher_settlement_reconcile_failed_total",
        "usher_settlement_reviews_total",
        "usher_settlement_swept_total",
        "usher_settlement_tickets_refunded_total",
        "usher_settlement_verdict_queue_full_total",
        "usher_settlement_verdicts_refused_total",
    ] {
        counter!(name).increment(0);
    }
    for rung in Rung::ALL {
        counter!("usher_settlement_late_total", "rung" => rung.as_str()).increment(0);
    }
    for stands in Disputed::ALL {
        counter!("usher_settlement_disputes_total", "stands" => stands.as_str()).increment(0);
    }
    for what in ["missing", "uneven"] {
        counter!("usher_settlement_money_amiss_total", "what" => what).increment(0);
    }
    for what in [Verb::Authorise, Verb::Capture, Verb::Cancel, Verb::Refund].map(Verb::as_str) {
        counter!("usher_settlement_provider_refusals_total", "what" => what).increment(0);
    }
    for what in ["create", GIVE_BACK] {
        counter!("usher_settlement_provider_refusals_total", "what" => what).increment(0);
    }
    for outcome in ["delivered", "again", "parked", "gone"] {
        counter!("usher_settlement_webhooks_total", "outcome" => outcome).increment(0);
    }
    for shard in shards.all() {
        let shard = shard.to_string();
        counter!("usher_settlement_batches_total", "shard" => shard.clone()).increment(0);
        counter!("usher_settlement_journal_restarts_total", "shard" => shard).increment(0);
    }
}

pub(crate) fn order_moved(to: State) {
    counter!("usher_settlement_orders_total", "state" => to.as_str()).increment(1);
}

/// A ticket was paid back alone.
pub(crate) fn ticket_refunded() {
    counter!("usher_settlement_tickets_refunded_total").increment(1);
}

/// No rule can decide about an order: somebody has to look.
pub(crate) fn review_needed() {
    counter!("usher_settlement_reviews_total").increment(1);
}

pub(crate) fn provider_answered(verb: &'static str, known: bool, took: Duration) {
    let answer = if known { "known" } else { "unknown" };
    let labels = [("verb", verb), ("answer", answer)];
    histogram!("usher_settlement_provider_seconds", &labels).record(took);
}

/// Provider and orders were compared up to then.
pub(crate) fn reconciled(at: UnixMillis) {
    let seconds = Duration::from_millis(at.0).as_secs_f64();
    gauge!("usher_settlement_reconciled_at_seconds").set(seconds);
}

/// What stands between orders, tickets, seats and the ledger.
pub(crate) fn books_differ(count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    gauge!("usher_settlement_differences").set(count);
}

/// A provider has refused to do something.
pub(crate) fn provider_refused(what: &'static str) {
    counter!("usher_settlement_provider_refusals_total", "what" => what).increment(1);
}

/// A dispute was seen to stand like that.
pub(crate) fn dispute_noted(stands: Disputed) {
    counter!("usher_settlement_disputes_total", "stands" => stands.as_str()).increment(1);
}

/// An order's money is not as it should be at the provider: somebody has to look. Counted at each
/// look that sees it.
pub(crate) fn money_amiss(what: &'static str) {
    counter!("usher_settlement_money_amiss_total", "what" => what).increment(1);
}

pub(crate) fn reconcile_failed() {
    counter!("usher_settlement_reconcile_failed_total").increment(1);
}

/// Money that no order accounts for went back.
pub(crate) fn money_found(why: Stray, outcome: MoneyOutcome) {
    let labels = [("why", why.as_str()), ("outcome", outcome.as_str())];
    counter!("usher_settlement_found_total", &labels).increment(1);
}

/// Money that came late has bought places, or went back.
pub(crate) fn late_money(rung: Rung) {
    counter!("usher_settlement_late_total", "rung" => rung.as_str()).increment(1);
}

/// A provider has said that something has happened.
pub(crate) fn event_taken(answer: ProviderEventAnswer) {
    let answer = match answer {
        ProviderEventAnswer::Taken => "taken",
        ProviderEventAnswer::Known => "known",
        ProviderEventAnswer::Forged => "forged",
        ProviderEventAnswer::ProviderUnknown => "unknown",
        ProviderEventAnswer::Busy => "busy",
    };
    counter!("usher_settlement_provider_events_total", "answer" => answer).increment(1);
}

/// Whether calls to a provider are held back, because it does not answer.
pub(crate) fn provider_open(provider: &'static str, is_open: bool) {
    let open = if is_open { 1.0 } else { 0.0 };
    gauge!("usher_settlement_provider_open", "provider" => provider).set(open);
}

pub(crate) fn orders_in_work(count: usize) {
    gauge!("usher_settlement_orders_in_work").set(u32::try_from(count).unwrap_or(u32::MAX));
}

pub(crate) fn load_told(load: &SettlementLoad) {
    let wait = Duration::from(load.commit_wait).as_secs_f64();
    gauge!("usher_settlement_commit_wait_seconds").set(wait);
}

pub(crate) fn orders_swept(count: usize) {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    counter!("usher_settlement_swept_total").increment(count);
}

pub(crate) fn verdict_sent(again: bool) {
    let turn = if again { "again" } else { "first" };
    counter!("usher_settlement_verdicts_total", "turn" => turn).increment(1);
}

pub(crate) fn verdict_queue_full() {
    counter!("usher_settlement_verdict_queue_full_total").increment(1);
}

/// What came of one try to tell somebody of a booking.
pub(crate) fn webhook_told(told: &Told) {
    let outcome = match told {
        Told::Delivered { .. } => "delivered",
        Told::Failed { again_at: Some(_), .. } => "again",
        Told::Failed { again_at: None, .. } => "parked",
        Told::Gone => "gone",
    };
    counter!("usher_settlement_webhooks_total", "outcome" => outcome).increment(1);
}

/// The owner refused a verdict: its seats are not what the database says.
pub(crate) fn verdict_refused() {
    counter!("usher_settlement_verdicts_refused_total").increment(1);
}

pub(crate) fn journal_applied(shard: ShardId, batches: usize) {
    let batches = u64::try_from(batches).unwrap_or(u64::MAX);
    counter!("usher_settlement_batches_total", "shard" => shard.to_string()).increment(batches);
}

pub(crate) fn journal_restarted(shard: ShardId) {
    counter!("usher_settlement_journal_restarts_total", "shard" => shard.to_string()).increment(1);
}
