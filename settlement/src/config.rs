//! What an operator may set for settlement, and the limits that hold whatever is set.

use crate::sandbox::Sandbox;
use crate::stripe::StripeConfig;
use schema::DurationMs;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Section `[settlement]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who takes the money of new orders: `sandbox` or `stripe`. Whoever has taken money before is
    /// asked about it still.
    pub provider: String,
    /// How long an order belongs to the process that works on it, unless that renews it.
    ///
    /// An order whose process died waits this long for another; shorter than a few renewals, and a
    /// busy process loses orders that it is working on (harmless, but done twice).
    pub lease_ms: u64,
    /// How often orders that nobody works on are looked for.
    pub sweep_every_ms: u64,
    /// Most orders that one process works on at once; the others wait in the database.
    pub orders_max: u32,
    /// Most orders in one commit.
    ///
    /// Larger saves commits under load, but all its orders wait for the slowest row of them.
    pub commit_orders_max: usize,
    /// Whether webhooks may go to addresses of this machine and of private networks, and without
    /// TLS. Whoever may name an address then has this process call it.
    pub webhooks_private_targets: bool,
    pub stripe: StripeConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            provider: Sandbox::NAME.to_owned(),
            lease_ms: 4_000,
            sweep_every_ms: 500,
            orders_max: 2_048,
            commit_orders_max: 256,
            webhooks_private_targets: false,
            stripe: StripeConfig::default(),
        }
    }
}

/// How often a dispute that is not over is looked at, if its provider says nothing by itself; it
/// may take months.
pub(crate) const DISPUTE_EVERY: DurationMs = DurationMs(3_600_000);

/// Most of them in one look.
pub(crate) const DISPUTES_AT_ONCE_MAX: i64 = 256;

/// How soon one call of a kind may follow another, of Postgres and of the provider.
///
/// Of what a commit of a few orders costs, most is for the commit and the call. At 2,000 orders a
/// second a call takes 36 of them. A payment passes three calls, and after a rest none of them
/// waits; longer, and under load they are most of what a fan waits for.
pub(crate) const CALL_EVERY: Duration = Duration::from_millis(18);

/// The same for calls that nobody waits for. An outbox row is sent again only after a second, so it
/// is closed long before.
pub(crate) const UNHURRIED_EVERY: Duration = Duration::from_millis(80);

/// How long a statement may take. Above the server's own limit, so that its word comes first.
pub(crate) const STATEMENT_WAIT: Duration = Duration::from_secs(4);

/// How long a statement of a check of the ledger may take, and each part of its answer: the first
/// comes when all entries have been sorted. Nobody waits for it but who has asked.
pub(crate) const LEDGER_WAIT: Duration = Duration::from_mins(10);

/// How long a provider's answer may take before its outcome counts as unknown.
pub(crate) const PROVIDER_WAIT: Duration = Duration::from_secs(10);

/// How long the tries of one call to a provider over the network may take together, and the bounds
/// of the pauses between them. A pause that it asks for itself is kept up to that bound.
///
/// The order's own pauses follow, so a few quick tries are enough: they are for what is over in a
/// moment.
pub(crate) const PROVIDER_TRIES_WAIT: Duration = Duration::from_secs(8);
pub(crate) const PROVIDER_TRY_FIRST: Duration = Duration::from_millis(200);
pub(crate) const PROVIDER_TRY_MAX: Duration = Duration::from_secs(1);
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(3);

/// How far from now the time may be at which a provider has signed an event: its own advice.
///
/// Longer, an event that somebody has overheard can be sent again for longer (which is harmless);
/// shorter, a clock that is a little off refuses them all.
pub(crate) const SIGNATURE_TOLERANCE: DurationMs = DurationMs(300_000);

/// How long events are known as repeated. Providers give up after three days.
pub(crate) const EVENTS_KEPT: DurationMs = DurationMs(7 * 24 * 3_600_000);

/// How long a call of NATS may take.
pub(crate) const BUS_WAIT: Duration = Duration::from_secs(2);

/// The first and the longest pause before an order is looked at again.
///
/// A fan waits meanwhile, so it starts short; a provider that is down is asked once a second an
/// order.
pub(crate) const ORDER_PAUSE_FIRST: Duration = Duration::from_millis(50);
pub(crate) const ORDER_PAUSE_MAX: Duration = Duration::from_secs(1);

/// After how many turns without news an order that keeps no places and no fan waiting leaves its
/// room to others, until its lease has lapsed and a sweep comes by. A refund that is refused for
/// days would else keep a new payment out.
pub(crate) const TURNS_WITHOUT_NEWS_MAX: u32 = 8;

/// The part of the room for orders that sweeps leave to new payments: one in so many.
pub(crate) const ROOM_FOR_NEW: usize = 4;

/// Journal messages that may be unacknowledged at once by all settlements of a shard.
///
/// A message is a batch of up to 512 outcomes. Fewer would leave the reader waiting for its own
/// acks; more only lengthens what is delivered again after a crash.
pub(crate) const JOURNAL_UNACKED_MAX: i64 = 256;

/// Journal messages taken in one step.
pub(crate) const JOURNAL_STEP_MAX: usize = 32;

/// Steps under way at once for a shard. One that has read answers waits for the unhurried call that
/// closes their verdicts, and must hold up no payment behind it: there is room for as many as come
/// meanwhile, a batch of the owner each.
pub(crate) const JOURNAL_STEPS_AT_ONCE: usize = 64;

/// When an unacknowledged journal message is delivered again, perhaps to another settlement.
pub(crate) const JOURNAL_ACK_WAIT: Duration = Duration::from_secs(5);

/// How long one pull lives, and how often the server shows that it is there meanwhile.
pub(crate) const PULL_WAIT: Duration = Duration::from_secs(5);
pub(crate) const PULL_HEARTBEAT: Duration = Duration::from_millis(500);

/// Verdicts that wait to be sent. One that finds the queue full is sent by the relay a second
/// later.
pub(crate) const VERDICT_QUEUE_MAX: usize = 4_096;

/// Verdicts sent in one go.
pub(crate) const VERDICTS_AT_ONCE_MAX: usize = 256;

/// When a verdict whose outcome has not been read back is sent again.
pub(crate) const VERDICT_AGAIN_MS: i64 = 1_000;

/// How often the outbox is looked through.
pub(crate) const RELAY_EVERY: Duration = Duration::from_millis(250);

/// Questions of each kind in work in one process; more are told to come back.
pub(crate) const QUESTIONS_MAX: usize = 256;

/// How long the asker of a cancellation waits for its end, and how often it is looked for.
pub(crate) const CANCEL_WAIT: Duration = Duration::from_secs(5);
pub(crate) const CANCEL_LOOK_AFTER: Duration = Duration::from_millis(20);
pub(crate) const CANCEL_LOOK_EVERY: Duration = Duration::from_millis(250);

/// How often the provider's list is compared with the orders, by one process at a time.
pub(crate) const RECONCILE_EVERY: DurationMs = DurationMs(10_000);

/// How long a payment may stand as it does before it counts as found: drivers are done with it long
/// before, or have it in their rows.
pub(crate) const FOUND_AFTER: DurationMs = DurationMs(30_000);

/// When the provider is asked again about a payment that ended without money.
pub(crate) const LOOKS_AFTER: [Duration; 3] =
    [Duration::from_secs(30), Duration::from_mins(10), Duration::from_hours(24)];

/// Most ended payments that one look asks about; the others wait for the next.
pub(crate) const ENDED_AT_ONCE_MAX: i64 = 256;

/// How many payments the provider is asked about side by side, in any part of a look: with an
/// answer in 200 ms the 256 ended ones of a look take 3 s, and up to 25 a second are looked at when
/// it is their time.
pub(crate) const LOOKS_SIDE_BY_SIDE: usize = 16;

/// How soon the whole list is gone through again. Each look takes a part; what is amiss for long is
/// told as often.
pub(crate) const WHOLE_LIST_EVERY: DurationMs = DurationMs::from_secs(600);

/// How often a part of it is asked for that is not told, before all begins anew.
pub(crate) const PART_TRIES: i32 = 3;

/// For how long looks begin where the last one that heard everything ended. What cannot be told for
/// longer than that comes again with the whole list; each look would read more than the one before.
pub(crate) const SEEN_TO_KEPT: DurationMs = DurationMs::from_secs(600);

/// How far a look goes back behind the last one: clocks of providers differ from ours.
pub(crate) const RECONCILE_OVERLAP: DurationMs = DurationMs(120_000);

/// When a message of a webhook is sent again that nobody has taken: three days in all, after which
/// it is for an operator to replay.
pub(crate) const SENT_AGAIN_AFTER: [DurationMs; 9] = [
    DurationMs::from_secs(5),
    DurationMs::from_secs(300),
    DurationMs::from_secs(1_800),
    DurationMs::from_secs(2 * 3_600),
    DurationMs::from_secs(5 * 3_600),
    DurationMs::from_secs(10 * 3_600),
    DurationMs::from_secs(14 * 3_600),
    DurationMs::from_secs(20 * 3_600),
    DurationMs::from_secs(24 * 3_600),
];

/// When a message that was taken to be sent counts as not sent, because its process has died.
pub(crate) const SEND_LEASE: DurationMs = DurationMs::from_secs(30);

/// Messages that one process sends at once, and to one endpoint: one that hangs takes 10 s each.
pub(crate) const MESSAGES_AT_ONCE: usize = 64;
pub(crate) const MESSAGES_OF_ENDPOINT: i64 = 8;

/// How often messages are looked for. Nobody waits for them to the second, and each look is a
/// transaction, also where nobody listens.
pub(crate) const MESSAGES_EVERY: Duration = Duration::from_secs(1);

/// How long the messages of an event wait whose listing could not be read, before it is asked for
/// again.
///
/// Longer, and they come later once it can be read; shorter, and one that is gone is asked for and
/// logged more often.
pub(crate) const LISTING_AGAIN: Duration = Duration::from_secs(5);

/// Most verdicts that become messages in one commit.
pub(crate) const MESSAGES_MADE_AT_ONCE: i64 = 256;

/// How long messages are kept that were delivered or given up, how often old ones are forgotten,
/// and how many at once.
pub(crate) const MESSAGE_KEPT_FOR: DurationMs = DurationMs::from_secs(30 * 86_400);
pub(crate) const MESSAGES_SWEPT_EVERY: Duration = Duration::from_mins(1);
pub(crate) const MESSAGES_SWEPT: i64 = 10_000;

/// How long a replaced secret still signs beside its successor.
pub(crate) const SECRET_OVERLAP: DurationMs = DurationMs::from_secs(86_400);

/// How long a question of an audit may take.
pub(crate) const AUDIT_WAIT: Duration = Duration::from_mins(1);

/// How often the books are compared with each other at most, and how many times as long as that
/// took they are left alone then: it never takes more than a twentieth of one connection.
pub(crate) const BOOKS_EVERY: DurationMs = DurationMs::from_secs(60);
pub(crate) const BOOKS_REST: u32 = 20;

/// How long nobody else compares the books while somebody does, or has died over it.
pub(crate) const BOOKS_LONGEST: DurationMs = DurationMs::from_secs(600);

/// How long a difference between the books must stand to be one: an order may be moving.
pub(crate) const BOOKS_AGAIN: Duration = Duration::from_secs(5);

/// Most differences that a look at the owners keeps until it is known which of them pass: what is
/// sold while it looks is among them.
pub(crate) const CANDIDATES_MAX: usize = 100_000;

/// How often a replica that is behind the journal's end is asked again, and after how long.
pub(crate) const BEHIND_TRIES: u32 = 5;
pub(crate) const BEHIND_AGAIN: Duration = Duration::from_millis(200);

/// How long each part of what a replica tells of an event may take.
pub(crate) const OWNER_PART_WAIT: Duration = Duration::from_secs(5);

/// Most differences that an audit lists of each kind: the first ones say what is wrong.
pub(crate) const DIFFERENCES_MAX: i64 = 1_000;

/// Most orders under review that are listed at once.
pub(crate) const REVIEWS_MAX: i64 = 1_000;

const _: () = {
    assert!(VERDICTS_AT_ONCE_MAX <= VERDICT_QUEUE_MAX);
    // An orphan is found within a minute.
    assert!(FOUND_AFTER.0 + 2 * RECONCILE_EVERY.0 < 60_000);
    assert!(PROVIDER_WAIT.as_millis() < FOUND_AFTER.0 as u128);
    assert!(PROVIDER_TRIES_WAIT.as_millis() < PROVIDER_WAIT.as_millis());
    assert!(RETRY_AFTER_MAX.as_millis() < PROVIDER_TRIES_WAIT.as_millis());
    assert!(ORDER_PAUSE_FIRST.as_millis() < ORDER_PAUSE_MAX.as_millis());
    assert!(CALL_EVERY.as_millis() <= UNHURRIED_EVERY.as_millis());
    assert!(UNHURRIED_EVERY.as_millis() * 10 < VERDICT_AGAIN_MS.unsigned_abs() as u128);
    // A message that is under way is not taken again, its answer and the note of that included.
    assert!(
        chassis::http_client::TOTAL_WAIT.as_millis() + STATEMENT_WAIT.as_millis() * 2
            < SEND_LEASE.0 as u128
    );
    assert!(BUS_WAIT.as_millis() < JOURNAL_ACK_WAIT.as_millis());
    assert!(STATEMENT_WAIT.as_millis() < JOURNAL_ACK_WAIT.as_millis());
};

impl Config {
    pub(crate) fn check(&self) {
        assert!(0 < self.lease_ms && 0 < self.sweep_every_ms);
        assert!(0 < self.orders_max && 0 < self.commit_orders_max);
    }
}
