//! What auditors compare: an event as it stands in memory or in a snapshot, with its seats read
//! from their words and its holds from their table, so that the two can contradict each other.

use crate::map::HashMap;
use crate::seat_word::{SeatState, SeatWord};
use crate::snapshot::EventSnapshot;
use crate::{HoldPhase, Shard};
use schema::{EventId, Held, HoldId, PlaceCounts, SeatIdx};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An event with traces of outcomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    pub event: EventId,
    /// `None` in a snapshot, which leaves out what follows from holds.
    pub counts: Option<PlaceCounts>,
    /// Every seat that ever changed, in order of seat.
    pub seats: Vec<SeatView>,
    /// The holds that have not ended.
    pub holds: Vec<(HoldPhase, Held)>,
}

/// A seat as its word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatView {
    pub seat: SeatIdx,
    pub generation: u32,
    /// `None` while it is free.
    pub phase: Option<HoldPhase>,
    /// The hold in the slot that the word names.
    pub hold: Option<HoldId>,
}

impl Shard {
    /// Shows one event, or all that have traces of outcomes. O(seats and holds of the shard).
    pub fn inspect(&self, only: Option<&EventId>) -> Vec<EventView> {
        let slots: HashMap<u32, HoldId> =
            self.holds.iter().map(|(slot, entry)| (slot, entry.hold.held.hold)).collect();
        let mut holds: BTreeMap<usize, Vec<(HoldPhase, Held)>> = BTreeMap::new();
        for (_, entry) in self.holds.iter() {
            let hold = (entry.hold.phase, entry.hold.held.clone());
            holds.entry(entry.event).or_default().push(hold);
        }
        let events = self.catalogue.events.iter().enumerate();
        let wanted = events.filter(|(_, state)| only.is_none_or(|event| *event == state.id));
        let mut shown = Vec::new();
        for (at, state) in wanted {
            let holds = holds.remove(&at).unwrap_or_default();
            let Some(sale) = &state.sale else {
                assert!(holds.is_empty() || state.listed.is_none(), "{} has no sale", state.id);
                continue;
            };
            let seats = sale.words().map(|(seat, word)| view(seat, word, &slots)).collect();
            let counts = Some(sale.counts);
            shown.push(EventView { event: state.id.clone(), counts, seats, holds });
        }
        shown
    }

    /// Sets the word of a seat behind everybody's back; returns the one before.
    ///
    /// For tests of auditors: what they find must have been there.
    #[cfg(feature = "testing")]
    pub fn plant(&mut self, event: &EventId, seat: SeatIdx, word: SeatWord) -> SeatWord {
        let at = self.catalogue.find_listed(event).expect("the event is listed");
        let sale = self.catalogue.events[at].sale();
        let before = sale.map.read(seat);
        sale.map.restore(seat, word);
        before
    }
}

impl EventSnapshot {
    /// Shows what is in the snapshot; `None` when a word is none.
    pub fn inspect(&self) -> Option<EventView> {
        let slots: HashMap<u32, HoldId> =
            self.holds.iter().map(|(slot, hold)| (*slot, hold.held.hold)).collect();
        let words = self.words.iter();
        let seats = words.map(|&(seat, bits)| Some(view(seat, SeatWord::decode(bits)?, &slots)));
        let seats = seats.collect::<Option<Vec<_>>>()?;
        let holds = self.holds.iter().map(|(_, hold)| (hold.phase, hold.held.clone())).collect();
        Some(EventView { event: self.event.clone(), counts: None, seats, holds })
    }
}

fn view(seat: SeatIdx, word: SeatWord, slots: &HashMap<u32, HoldId>) -> SeatView {
    let SeatWord { generation, state, slot } = word;
    let phase = match state {
        SeatState::Free => return SeatView { seat, generation, phase: None, hold: None },
        SeatState::Held => HoldPhase::Held,
        SeatState::Paying => HoldPhase::Paying,
        SeatState::Sold => HoldPhase::Sold,
        SeatState::Blocked => HoldPhase::Blocked,
    };
    SeatView { seat, generation, phase: Some(phase), hold: slots.get(&slot).copied() }
}
