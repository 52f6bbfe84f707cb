//! A room rebuilt from its records by a new leader.

use crate::inside::Entry;
use crate::ledger::{Ledger, Received};
use crate::limits::{CLOCKS_APART_MAX, WINDOW};
use crate::mono::MonoMs;
use crate::number_set::NumberSet;
use crate::poll::POLLS;
use crate::room::Room;
use schema::{DurationMs, UnixMillis};

/// The new leader's clocks at the moment of taking over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The machine's uptime, if `boot` is known.
    pub now: MonoMs,
    pub boot: Option<u64>,
    pub wall: UnixMillis,
}

/// Rebuilds the room. What is uncertain counts longer, never shorter.
///
/// `polls_per_second_max` says how long people were told to wait while the line was longer.
pub fn restore(
    ledger: &Ledger,
    completed: &NumberSet,
    origin: Origin,
    polls_per_second_max: u32,
) -> Room {
    let mut room = Room::at(ledger.cursor);
    let kept: Vec<&Received> = ledger.releases().collect();
    let mut visible: Vec<(MonoMs, u32)> = Vec::new();
    for (idx, received) in kept.iter().enumerate() {
        let at = visible_at(received, kept.get(idx + 1).copied(), origin);
        if origin.now <= at + WINDOW {
            visible.push((at, received.release.called));
        }
        // Until this release the line was no longer than from here to the last number.
        let crowd = ledger.given.saturating_sub(received.release.cursor_before);
        room.told(at, POLLS.ceiling_max(crowd, polls_per_second_max));
        if let Some(entry) = inside_entry(received, ledger.epoch, origin) {
            room.inside.called(entry);
        }
    }
    visible.sort_by_key(|&(at, _)| at);
    for (at, called) in visible {
        room.window.restore(at, called);
    }
    for number in completed.iter() {
        room.inside.completed(number);
    }
    for number in ledger.left() {
        room.inside.left(number);
    }
    room
}

/// When the release was visible at the latest.
///
/// It was when we heard of it. Its ack also came before its leader decided the next release,
/// because one is in flight at a time; that time is comparable if it is of this boot.
fn visible_at(received: &Received, next: Option<&Received>, origin: Origin) -> MonoMs {
    let decided = next.and_then(|next| decided_at(next, origin));
    decided.map_or(received.at, |decided| decided.min(received.at))
}

fn decided_at(received: &Received, origin: Origin) -> Option<MonoMs> {
    let clock = received.release.clock?;
    (Some(clock.boot) == origin.boot).then_some(MonoMs(clock.uptime.0))
}

/// How many numbers these ranges have.
fn numbers_in(ranges: &[(u64, u64)]) -> u32 {
    let count: u64 = ranges.iter().map(|(first, last)| last - first + 1).sum();
    u32::try_from(count).expect("a release calls few")
}

/// The release as those inside are counted; `None` once its passes have ended.
fn inside_entry(received: &Received, epoch: u32, origin: Origin) -> Option<Entry> {
    let release = &received.release;
    let until = |at: UnixMillis| {
        if let Some(decided) = decided_at(received, origin) {
            return decided + at.since(release.at);
        }
        // It was decided before we heard of it, and by a clock that may be ahead of ours or behind.
        let by_wall = origin.now + (at + CLOCKS_APART_MAX).since(origin.wall);
        by_wall.min(received.at + at.since(release.at))
    };
    let pass_until = until(release.pass_until);
    let claimed = match &received.claimed {
        Some(claimed) => Some(numbers_in(claimed)),
        None => (release.epoch < epoch).then_some(release.called),
    };
    let is_over = pass_until + DurationMs(60_000) < origin.now;
    (!is_over).then(|| Entry {
        cursor_before: release.cursor_before,
        cursor: release.cursor,
        skipped: release.skipped.clone(),
        late: release.late.clone(),
        called: release.called,
        claim_until: until(release.claim_until),
        pass_until,
        claimed,
    })
}
