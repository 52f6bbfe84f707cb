//! Bounds of the room's rules, and their relations.

use crate::poll::POLLS;
use schema::DurationMs;

/// The window in which the operator's rate is exact.
pub const WINDOW: DurationMs = DurationMs(60_000);

/// What a tick may call beyond the rate's share of the time since the last one.
///
/// Longer would bank unused rate and let it in as a burst; shorter would lose rate to ticks that
/// come late.
pub const TICK_MAX: DurationMs = DurationMs(250);

/// Most people called by one release.
///
/// A release of this many with as many gaps is a record of 90 KB; four a second are a million a
/// minute.
pub const CALLED_MAX: u32 = 4_096;

/// How many numbers ahead of the cursor a tick looks at: 8 KiB of each bitmap.
///
/// With nine of ten gone, still more than [`CALLED_MAX`] people are in sight.
pub const SIGHT_NUMBERS: u64 = 65_536;

/// How far the durable mark is raised beyond the last number given out.
///
/// A tick (250 ms) of 60,000 joins a second uses half of it. What is left of it is skipped when
/// Redis is lost: 4 KiB of bitmap.
pub const MARK_BLOCK: u64 = 32_768;

/// The largest number. Redis' bitmaps end here; at 40,000 joins a second that is a day.
pub const NUMBER_MAX: u64 = u32::MAX as u64;

/// How long nobody takes a number before giving is closed.
///
/// A loss of process and Redis together within this time of the last join leaves a doubt. Shorter
/// saves little of that, and in a slow line more joins wait a tick until giving is open again.
pub const GIVING_IDLE: DurationMs = DurationMs(2_000);

/// How long a place must have been inside a published horizon before its silence means anything.
///
/// Longer than the longest `pollAfterMs`, by [`LAPSE_MARGIN`]. Longer still would let the gone use
/// up rate when the line is short. In a line so long that people are told to wait longer it is
/// longer by as much.
pub const HORIZON_LAPSE: DurationMs = DurationMs(POLLS.ceiling.0 + LAPSE_MARGIN.0);

/// What a slow phone and a slow status may need beyond the `pollAfterMs` that they were told.
pub const LAPSE_MARGIN: DurationMs = DurationMs(10_000);

/// How long check-ins go to one set. Two sets are read, so a check-in counts for one to two of
/// these.
pub const GENERATION: DurationMs = DurationMs(40_000);

/// How long after its deadline a pass still counts as inside: whoever checks it may be behind us.
pub const PASS_LEEWAY: DurationMs = DurationMs(2_000);

/// How long a token is good. A pre-queue may gather for days.
pub const TOKEN_AGE_MAX: DurationMs = DurationMs(7 * 86_400_000);

/// How far the wall clocks of two machines may be apart, so that a new leader on another one lets
/// nobody in for those who are inside still.
///
/// A leader that has just started, and so has not heard of the releases when they were made, counts
/// those inside for longer by this. More would let it call nobody for as long.
pub const CLOCKS_APART_MAX: DurationMs = DurationMs(60_000);

const _: () = {
    assert!(POLLS.ceiling.0 < POLLS.far_ceiling.0);
    assert!(HORIZON_LAPSE.0 <= GENERATION.0);
    assert!((CALLED_MAX as u64) < SIGHT_NUMBERS);
    assert!(SIGHT_NUMBERS.is_multiple_of(64));
    assert!(TICK_MAX.0 < WINDOW.0);
};
