//! A hold as the model has it.

use crate::hall::{HOLD_LIFE_MAX, HOLD_TTL};
use crate::standing::Standing;
use schema::{AccountId, DurationMs, EventId, Held, HoldId, OwnerKind, PassPlace, UnixMillis};
use std::collections::BTreeSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Held,
    Paying,
    Sold,
    Blocked,
}

#[derive(Debug, Clone)]
pub struct Hold {
    pub event: EventId,
    pub account: AccountId,
    pub owner: OwnerKind,
    pub pass: Option<PassPlace>,
    pub seats: BTreeSet<u32>,
    pub standing: Standing,
    pub phase: Phase,
    /// In journal time.
    pub deadline: Option<UnixMillis>,
    pub attempt: u32,
    /// Parts of its sale that went back.
    pub parts: u32,
    /// Up to when it lives at most, on the clock that runs only while it is calm.
    pub calm_end: DurationMs,
    /// Up to when it lives at least, in true time, as somebody was told.
    pub told_end: UnixMillis,
}

impl Hold {
    pub fn new(event: &EventId, held: &Held, calm: DurationMs) -> Self {
        let fan = held.owner == OwnerKind::Fan;
        Self {
            event: event.clone(),
            account: held.account,
            owner: held.owner,
            pass: held.pass,
            seats: held.seats.iter().map(|seat| seat.seat.0).collect(),
            standing: Standing::of(held.areas.iter().map(|area| (area.area, area.quantity))),
            phase: if fan { Phase::Held } else { Phase::Blocked },
            deadline: held.deadline,
            attempt: 0,
            parts: 0,
            calm_end: calm + HOLD_TTL,
            told_end: UnixMillis::default(),
        }
    }

    pub fn places(&self) -> u32 {
        u32::try_from(self.seats.len()).expect("a hall of ten seats") + self.standing.count()
    }
}

/// Up to when a hold may be extended at `time`.
pub fn longest(time: UnixMillis, id: HoldId) -> UnixMillis {
    (time + HOLD_TTL).min(id.made_at() + HOLD_LIFE_MAX)
}
