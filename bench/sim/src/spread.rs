//! Who is there, and which of them the shard is to go to, by the rules of the allocator's shell.
//!
//! Epochs alone keep two owners apart: an old idea of who is there costs a move.

use crate::common::Common;
use crate::hall::SHARD;
use crate::process::LEASE_BEAT;
use allocator_core::{preferred, successor};
use schema::{DurationMs, UnixMillis};

/// As in the shell: how long a process may be silent, how long the same ones must have been there
/// before an owner hands over, and how long it does not do so again.
const PRESENCE_SILENCE: DurationMs = DurationMs(2_000);
const SETTLING: DurationMs = DurationMs(2_000);
const HAND_OVER_REST: DurationMs = DurationMs(10_000);

/// The processes that say that they are there.
#[derive(Debug, Default)]
pub struct Presence {
    beats: [Option<(String, UnixMillis)>; 2],
    /// Sorted.
    names: Vec<String>,
    /// Since when those are the ones.
    since: UnixMillis,
}

impl Presence {
    /// A process says that it is there.
    pub fn beat(&mut self, idx: usize, name: &str, now: UnixMillis) {
        self.beats[idx] = Some((name.to_owned(), now));
        let here = self.beats.iter().flatten();
        let here = here.filter(|(_, beaten_at)| now < *beaten_at + PRESENCE_SILENCE);
        let mut names: Vec<String> = here.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        if names != self.names {
            (self.names, self.since) = (names, now);
        }
    }

    /// How long a contender leaves the free shard to another one; `before` is the owner before.
    pub fn courtesy(&self, name: &str, before: &str) -> DurationMs {
        match successor(&self.names, SHARD, Some(before)) {
            Some(next) if next != name => LEASE_BEAT,
            _ => DurationMs(0),
        }
    }
}

/// When an owner hands over.
#[derive(Debug, Default)]
pub struct HandOver {
    /// To whom it has done so the last time, and until when it does not again.
    rests: Option<(String, UnixMillis)>,
}

impl HandOver {
    /// Whether the shard is to go to another one now.
    pub fn is_due(&mut self, name: &str, common: &Common) -> bool {
        let Presence { names, since, .. } = &common.presence;
        let Some(to) = preferred(names, SHARD).filter(|to| *to != name) else { return false };
        let rests = self.rests.as_ref().filter(|(before, _)| before == to);
        let is_late = rests.is_none_or(|(_, until)| *until <= common.now);
        let due = is_late && *since + SETTLING <= common.now;
        if due {
            self.rests = Some((to.to_owned(), common.now + HAND_OVER_REST));
        }
        due
    }
}
