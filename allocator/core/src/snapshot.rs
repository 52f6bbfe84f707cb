//! A shard as data, for checkpoints.
//!
//! A snapshot has what outcomes have left, and nothing of the catalogue. What follows from holds
//! (counts, limits, areas, deadlines) is not in it but counted again. Equal states give equal
//! snapshots.

use crate::answers::{Answer, Answers};
use crate::ended::{Ended, EndedHolds};
use crate::holds::{Entry, Hold, HoldTable};
use crate::sale::PassUse;
use crate::seat_word::{SeatState, SeatWord};
use crate::{Limits, Shard};
use schema::{EventId, InvariantId, PassPlace, SeatIdx, ShardId, UnixMillis, check};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What [`Shard::restore`] needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub shard: ShardId,
    /// The time of the last outcome.
    pub time: UnixMillis,
    /// Events with traces of outcomes, in order of id.
    pub events: Vec<EventSnapshot>,
    /// In order of their end.
    pub ended: Vec<Ended>,
    /// In journal order.
    pub answers: Vec<Answer>,
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

/// Seats and passes of events that are not listed yet. Their holds are in the table already, but
/// nothing is due of them and no command finds them.
pub(crate) type Restored = BTreeMap<EventId, SeatsAndPasses>;

#[derive(Debug)]
pub(crate) struct SeatsAndPasses {
    words: Vec<(SeatIdx, u64)>,
    passes: Vec<(PassPlace, PassUse)>,
}

impl Shard {
    pub fn snapshot(&self) -> Snapshot {
        let mut events: BTreeMap<&EventId, EventSnapshot> = BTreeMap::new();
        for state in &self.catalogue.events {
            let (words, passes) = if let Some(sale) = &state.sale {
                let words = sale.words().map(|(seat, word)| (seat, word.encode())).collect();
                let mut passes: Vec<_> =
                    sale.passes.iter().map(|(&at, &used)| (at, used)).collect();
                passes.sort_unstable_by_key(|(place, _)| *place);
                (words, passes)
            } else if let Some(restored) = self.restored.get(&state.id) {
                (restored.words.clone(), restored.passes.clone())
            } else {
                continue;
            };
            let event = state.id.clone();
            events.insert(&state.id, EventSnapshot { event, words, passes, holds: Vec::new() });
        }
        for (slot, Entry { event, hold }) in self.holds.iter() {
            let event = events.get_mut(&self.catalogue.events[*event].id);
            event.expect("an event with holds has a sale").holds.push((slot, hold.clone()));
        }
        let has_traces = |event: &EventSnapshot| {
            !(event.words.is_empty() && event.passes.is_empty() && event.holds.is_empty())
        };
        Snapshot {
            shard: self.id,
            time: self.time,
            events: events.into_values().filter(has_traces).collect(),
            ended: self.ended.iter().cloned().collect(),
            answers: self.answers.iter().cloned().collect(),
        }
    }

    /// Takes up a snapshot. Its events come to life when [`Shard::put_event`] lists them.
    pub fn restore(limits: Limits, snapshot: Snapshot) -> Self {
        let mut shard = Self::new(snapshot.shard, limits);
        let mut entries = Vec::new();
        for EventSnapshot { event, words, passes, holds } in snapshot.events {
            let at = shard.catalogue.place(&event);
            entries.extend(holds.into_iter().map(|(slot, hold)| (slot, Entry { event: at, hold })));
            shard.pass_count += u32::try_from(passes.len()).expect("passes_max fits into 32 bits");
            shard.restored.insert(event, SeatsAndPasses { words, passes });
        }
        shard.holds = HoldTable::restore(entries.into_iter());
        shard.time = snapshot.time;
        shard.ended = EndedHolds::restore(snapshot.ended);
        shard.answers = Answers::restore(snapshot.answers);
        shard
    }

    /// Brings a restored event to life once it is listed.
    pub(crate) fn resume(&mut self, event: usize) {
        let state = &mut self.catalogue.events[event];
        let Some(restored) = self.restored.remove(&state.id) else { return };
        let sale = state.sale();
        let mut owned = 0;
        for (seat, bits) in restored.words {
            assert!(seat.0 < sale.map.seat_count(), "the plan has lost {seat:?}");
            let word = SeatWord::decode(bits).expect("snapshots hold encoded words");
            owned += usize::from(word.state != SeatState::Free);
            sale.map.restore(seat, word);
        }
        sale.passes = restored.passes.into_iter().collect();
        for (slot, entry) in self.holds.iter().filter(|(_, entry)| entry.event == event) {
            sale.recount(slot, &entry.hold);
            self.deadlines.change(slot, None, entry.hold.due);
            owned -= entry.hold.held.seats.len();
        }
        check!(InvariantId::Seat1, owned == 0, "{owned} seats of {} without a hold", state.id);
    }
}
