//! What auditors compare: an event as it stands in memory or in a snapshot, with its seats read
//! from their words and its holds from their table, so that the two can contradict each other.

use crate::digest::mix;
use crate::map::HashMap;
use crate::sale::Sale;
use crate::seat_word::{SeatState, SeatWord};
use crate::snapshot::EventSnapshot;
use crate::{HoldPhase, PassUse, Shard};
use schema::{EventId, Held, HoldId, PassPlace, PlaceCounts, SeatIdx};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An event with traces of outcomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    pub event: EventId,
    /// `None` in a snapshot, which leaves out what follows from holds.
    pub counts: Option<CountsView>,
    /// Every seat that ever changed, in order of seat.
    pub seats: Vec<SeatView>,
    /// The holds that have not ended.
    pub holds: Vec<(HoldPhase, Held)>,
    /// The places of the waiting room that are bound to an account, in order of place.
    pub passes: Vec<(PassPlace, PassUse)>,
}

/// The places of an event by state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountsView {
    /// Seats and standing places together.
    pub all: PlaceCounts,
    /// Standing places by area of the plan, and by pool.
    pub areas: Vec<PlaceCounts>,
    pub pools: Vec<PlaceCounts>,
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

/// The commands of answers whose numbers follow each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdsView {
    /// No answer of theirs has a lower number.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    pub count: u64,
    /// Of [`IdsView::hash`], so that no order matters.
    pub sum: u64,
}

impl IdsView {
    /// Of what is kept of a command's id, and the number of its answer.
    pub fn hash(id: u64, number: u64) -> u64 {
        mix(mix(11, id), number)
    }
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
            let counts = Some(CountsView {
                all: sale.counts,
                areas: sale.areas.clone(),
                pools: sale.pools.clone(),
            });
            let passes = passes_of(sale);
            shown.push(EventView { event: state.id.clone(), counts, seats, holds, passes });
        }
        shown
    }

    /// Which commands are known to be answered, whether or not their answers are in memory: sums
    /// over numbers that follow each other, in their order. O(ids).
    pub fn inspect_ids(&self) -> Vec<IdsView> {
        self.answers.ids().inspect()
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
        let (event, passes) = (self.event.clone(), self.passes.clone());
        Some(EventView { event, counts: None, seats, holds, passes })
    }
}

impl EventView {
    /// Of an event without traces of outcomes.
    pub fn blank(event: &EventId) -> Self {
        let (seats, holds, passes) = (Vec::new(), Vec::new(), Vec::new());
        Self { event: event.clone(), counts: None, seats, holds, passes }
    }
}

pub(crate) fn passes_of(sale: &Sale) -> Vec<(PassPlace, PassUse)> {
    let mut passes: Vec<_> = sale.passes.iter().map(|(&place, &used)| (place, used)).collect();
    passes.sort_unstable_by_key(|(place, _)| *place);
    passes
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
