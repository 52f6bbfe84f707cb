//! Limits that more than one stage relies on. Each stage adds its own.

use crate::codec::MESSAGE_BYTES_MAX;
use crate::time::DurationMs;

/// Most places in one fan's request, whatever an event says: the longest party that is seated
/// together.
pub const REQUEST_PLACES_MAX: u16 = 12;

/// Default of places in one fan's request.
pub const REQUEST_PLACES: u16 = 10;

/// Most places in one operation of a partner: one outcome of 4,096 seats is about 60 KB.
pub const OPERATION_PLACES_MAX: u16 = 4_096;

/// Longest text about the buyer of a partner's sale: a name and an address of 128 bytes each with
/// what may stand around them, and before each byte.
///
/// It is kept with the answer to the command and with the order: more would let one partner fill
/// what a shard remembers for all.
pub const BUYER_BYTES_MAX: u16 = 640;

/// How long an ingress waits for the owner's answer, and the command's deadline.
///
/// Below a fan's patience and far above an owner's p99; a take-over (about 1.2 s) fits in.
pub const ASK_WAIT: DurationMs = DurationMs(2_000);

/// How long until an unanswered command is sent again.
pub const ASK_AGAIN: DurationMs = DurationMs(300);

/// How long COMMANDS keeps a command: well beyond [`ASK_WAIT`], so that a new owner rereads all
/// that are alive.
pub const COMMAND_AGE_MAX: DurationMs = DurationMs(15_000);

/// Most messages with commands of one shard in the stream: those that wait, and those answered
/// since the owner's last purge.
///
/// A second of work at 30,000 a second where each command travels alone. Where they travel together
/// what may wait is bounded by the askers, each of which waits for a few thousand answers at most.
pub const COMMANDS_WAITING_MAX: i64 = 32_768;

/// Largest command. The largest is a partner's operation of 4,096 seats at 5 bytes each.
pub const COMMAND_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of commands that travel as one message: 128 reservations fit several times.
pub const COMMANDS_BYTES_MAX: usize = 128 * 1024;

/// Where an owner closes a batch. Below the message limit by the largest single outcome.
pub const BATCH_BYTES_SOFT_MAX: usize = 512 * 1024;

/// Most outcomes in a batch.
pub const BATCH_OUTCOMES_MAX: usize = 512;

/// How long a repeated append is recognised by the journal. Longer than any retry.
pub const JOURNAL_DUPLICATE_WINDOW: DurationMs = DurationMs(600_000);

/// How long the owner has answers in memory, also over restarts.
pub const ANSWER_MEMORY_OWNER: DurationMs = DurationMs(900_000);

/// How long a repeated command hears its first answer.
pub const ANSWER_MEMORY: DurationMs = DurationMs(86_400_000);

/// After so many later ones a command may be forgotten before that time: 18 bytes each, so that
/// twice as many would take 75 MB of a shard's owner more, and half as many would not last a day
/// from 25 commands a second on.
pub const ANSWERS_KNOWN_MAX: u32 = 1 << 22;

/// How much later than its deadline a hold may end, by chance: with what an owner needs besides,
/// its seats are free within a second (SEAT-3).
pub const EXPIRY_SPREAD_MAX: DurationMs = DurationMs(700);

/// How long a payment may take before settlement cancels it at the provider.
pub const PAYMENT_WAIT_MAX: DurationMs = DurationMs(180_000);

/// What is left of a hold at least after a declined payment, for another card.
pub const DECLINED_HOLD_LEFT_MIN: DurationMs = DurationMs(30_000);

/// How many payments of a hold may be declined that leave it [`DECLINED_HOLD_LEFT_MIN`]. Any more
/// leave it the deadline that it has, or end it: nobody keeps seats by paying with bad cards.
pub const DECLINES_PROLONGED_MAX: u32 = 5;

/// How often the owner reminds settlement of a payment without a verdict.
pub const PAYMENT_REMINDER: DurationMs = DurationMs(30_000);

/// How often a stage says how much it has to do, and of what span its p99 is.
///
/// Twice a second is soon enough for people, who need seconds to come when they are called. More
/// often tells the noise of single batches.
pub const LOAD_EVERY: DurationMs = DurationMs(500);
pub const LOAD_SPAN: DurationMs = DurationMs(1_000);

/// Default life of a hold.
pub const HOLD_TTL: DurationMs = DurationMs(600_000);

/// Default of how long a hold may live from its beginning, however often its owner extends it.
pub const HOLD_LIFE_MAX: DurationMs = DurationMs(1_800_000);

/// Default of places an account may own of one event.
pub const ACCOUNT_PLACES_MAX: u16 = 10;

const _: () = {
    assert!(ASK_AGAIN.0 < ASK_WAIT.0);
    assert!(ASK_WAIT.0 < COMMAND_AGE_MAX.0);
    assert!(COMMAND_AGE_MAX.0 < ANSWER_MEMORY_OWNER.0);
    assert!(COMMAND_BYTES_MAX <= COMMANDS_BYTES_MAX && COMMANDS_BYTES_MAX < MESSAGE_BYTES_MAX);
    assert!(BATCH_BYTES_SOFT_MAX + 4 * COMMAND_BYTES_MAX < MESSAGE_BYTES_MAX);
    assert!(LOAD_EVERY.0 * 2 == LOAD_SPAN.0);
    assert!(DECLINED_HOLD_LEFT_MIN.0 < HOLD_TTL.0);
    assert!(HOLD_TTL.0 <= HOLD_LIFE_MAX.0);
};
