//! A shard as data, for checkpoints.
//!
//! A snapshot has what outcomes have left, and nothing of the catalogue. What follows from holds
//! (counts, limits, areas, pools, deadlines) is not in it but counted again. Equal states give
//! equal snapshots.

use crate::answered::AnsweredIds;
use crate::answers::{Answer, Answers};
use crate::ended::{Ended, EndedHolds};
use crate::holds::{Hold, HoldTable};
use crate::inspect::passes_of;
use crate::map::HashMap;
use crate::numbered::Numbered;
use crate::sale::PassUse;
use crate::seat_word::{SeatState, SeatWord};
use crate::{Limits, Shard};
use schema::{EventId, InvariantId, PassPlace, SeatIdx, ShardId, UnixMillis, check};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What [`Shard::restore`] needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub shard: ShardId,
    /// The time of the last outcome.
    pub time: UnixMillis,
    /// Events with traces of outcomes, in order of id.
    pub events: Vec<EventSnapshot>,
    /// In order of their end.
    pub ended: Numbered<Ended>,
    /// In journal order.
    pub answers: Numbered<Answer>,
    /// The commands of the answers before those, and maybe of those too.
    pub answered: AnsweredIds,
}

/// One event of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSnapshot {
    pub event: EventId,
    /// The seats that ever changed, in order, each with its encoded word.
    pub words: Vec<(SeatIdx, u64)>,
    /// In order of place.
    pub passes: Vec<(PassPlace, PassUse)>,
    /// In order of slot.
    pub holds: Vec<(u32, Hold)>,
}

impl EventSnapshot {
    /// Of an event that nobody asked for.
    fn blank(event: &EventId) -> Self {
        Self { event: event.clone(), words: Vec::new(), passes: Vec::new(), holds: Vec::new() }
    }

    /// Whether outcomes have left anything.
    pub fn has_traces(&self) -> bool {
        !(self.words.is_empty() && self.passes.is_empty() && self.holds.is_empty())
    }
}

/// Seats and passes of events that are not listed yet, by position in the catalogue. Their holds
/// are in the table already, but nothing is due of them and no command finds them.
pub(crate) type Restored = HashMap<usize, SeatsAndPasses>;

#[derive(Debug)]
pub(crate) struct SeatsAndPasses {
    words: Vec<(SeatIdx, u64)>,
    passes: Vec<(PassPlace, PassUse)>,
}

impl Shard {
    /// The whole state. O(state).
    pub fn snapshot(&self) -> Snapshot {
        let events = (0..self.catalogue.events.len()).map(|event| self.snapshot_at(event));
        let mut events: Vec<EventSnapshot> = events.filter(EventSnapshot::has_traces).collect();
        events.sort_unstable_by(|a, b| a.event.cmp(&b.event));
        Snapshot {
            shard: self.id,
            time: self.time,
            events,
            ended: self.ended_since(0),
            answers: self.answers_since(0),
            answered: self.answers.ids().clone(),
        }
    }

    /// One event; without traces when it is not known. O(event).
    pub fn snapshot_event(&self, event: &EventId) -> EventSnapshot {
        let at = self.catalogue.find(event);
        at.map_or_else(|| EventSnapshot::blank(event), |at| self.snapshot_at(at))
    }

    /// The time of the last outcome.
    pub fn time(&self) -> UnixMillis {
        self.time
    }

    /// The numbers of the answers that are remembered, counted from the first of the journal.
    pub fn answers_remembered(&self) -> Range<u64> {
        self.answers.numbers()
    }

    /// The number of the first answer that an outcome at `time` leaves in memory, as far as age
    /// goes. O(log answers).
    ///
    /// Journal time leaps over an outage: what was not archived before is forgotten at once then.
    pub fn answers_kept_at(&self, time: UnixMillis) -> u64 {
        self.answers.kept_from(time, self.limits.answer_memory)
    }

    /// The number of the first answer whose command is known at all.
    pub fn answers_known_from(&self) -> u64 {
        self.answers.ids().from().unwrap_or(self.answers.numbers().start)
    }

    /// As [`Self::answers_remembered`], of ended holds.
    pub fn ended_remembered(&self) -> Range<u64> {
        self.ended.numbers()
    }

    /// The remembered answers with this number or a higher one.
    pub fn answers_since(&self, number: u64) -> Numbered<Answer> {
        self.answers.since(number)
    }

    /// The remembered ended holds with this number or a higher one.
    pub fn ended_since(&self, number: u64) -> Numbered<Ended> {
        self.ended.since(number)
    }

    fn snapshot_at(&self, event: usize) -> EventSnapshot {
        let state = &self.catalogue.events[event];
        let mut snapshot = EventSnapshot::blank(&state.id);
        if let Some(sale) = &state.sale {
            snapshot.words = sale.words().map(|(seat, word)| (seat, word.encode())).collect();
            snapshot.passes = passes_of(sale);
        } else if let Some(restored) = self.restored.get(&event) {
            snapshot.words.clone_from(&restored.words);
            snapshot.passes.clone_from(&restored.passes);
        }
        let holds = self.holds.of_event(event);
        snapshot.holds = holds.map(|(slot, hold)| (slot, hold.clone())).collect();
        snapshot.holds.sort_unstable_by_key(|(slot, _)| *slot);
        snapshot
    }

    /// Takes up a snapshot. Its events come to life when [`Shard::put_event`] lists them.
    pub fn restore(limits: Limits, snapshot: Snapshot) -> Self {
        let mut shard = Self::new(snapshot.shard, limits);
        let mut entries = Vec::new();
        for EventSnapshot { event, words, passes, holds } in snapshot.events {
            let at = shard.catalogue.place(&event);
            entries.extend(holds.into_iter().map(|(slot, hold)| (slot, at, hold)));
            shard.pass_count += u32::try_from(passes.len()).expect("passes_max fits into 32 bits");
            shard.restored.insert(at, SeatsAndPasses { words, passes });
        }
        shard.holds = HoldTable::restore(entries.into_iter());
        shard.time = snapshot.time;
        shard.ended = EndedHolds::restore(snapshot.ended);
        shard.answers = Answers::restore(snapshot.answers, snapshot.answered);
        shard
    }

    /// Brings a restored event to life once it is listed. O(event).
    pub(crate) fn resume(&mut self, event: usize) {
        let Some(restored) = self.restored.remove(&event) else { return };
        let state = &mut self.catalogue.events[event];
        let sale = state.sale();
        let mut owned = 0;
        for (seat, bits) in restored.words {
            assert!(seat.0 < sale.map.seat_count(), "the plan has lost {seat:?}");
            let word = SeatWord::decode(bits).expect("snapshots hold encoded words");
            owned += usize::from(word.state != SeatState::Free);
            sale.map.restore(seat, word);
        }
        sale.passes = restored.passes.into_iter().collect();
        for (slot, hold) in self.holds.of_event(event) {
            sale.recount(slot, hold);
            self.deadlines.change(slot, hold.held.hold, None, hold.due);
            owned -= hold.held.seats.len();
        }
        check!(InvariantId::Seat1, owned == 0, "{owned} seats of {} without a hold", state.id);
    }
}
