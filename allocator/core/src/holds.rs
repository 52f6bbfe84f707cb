//! The holds of a shard that have not ended, by slot and by id.

use crate::map::HashMap;
use crate::seat_word::SeatState;
use compact_str::CompactString;
use schema::{Held, HoldId, OwnerKind, UnixMillis};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HoldPhase {
    Held,
    Paying,
    Sold,
    /// An allotment or a kill.
    Blocked,
}

impl HoldPhase {
    /// The phase in which a hold of this owner begins.
    pub(crate) fn first_of(owner: OwnerKind) -> Self {
        match owner {
            OwnerKind::Fan | OwnerKind::PartnerSale => Self::Held,
            OwnerKind::Allotment | OwnerKind::Kill(_) => Self::Blocked,
        }
    }

    /// The state of the hold's seats.
    pub fn seat_state(self) -> SeatState {
        match self {
            Self::Held => SeatState::Held,
            Self::Paying => SeatState::Paying,
            Self::Sold => SeatState::Sold,
            Self::Blocked => SeatState::Blocked,
        }
    }
}

/// A hold that has not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub held: Held,
    pub phase: HoldPhase,
    /// How often its seats have changed since they were claimed, or since a swap: each word's
    /// generation is the one in `held` plus this.
    pub changes: u32,
    /// The last payment attempt, 0 before the first.
    pub attempt: u32,
    /// When the owner has to act: at the deadline while Held, at the next reminder while Paying.
    pub due: Option<UnixMillis>,
    /// What is being paid with while Paying.
    pub terms: Option<Box<PaymentTerms>>,
    /// How many parts of its sale went back.
    pub parts: u32,
    /// The last payment attempt before the last swap: verdicts up to it speak of other places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_swapped: Option<NonZeroU32>,
}

/// What a payment was started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentTerms {
    pub method: CompactString,
    pub token: CompactString,
    pub deadline: UnixMillis,
}

/// Holds by slot. The lowest free slot is used first, so that which slot a hold gets follows from
/// the holds alone and a replay finds the same.
#[derive(Debug, Default)]
pub(crate) struct HoldTable {
    // Boxed: a table of bare pointers grows without moving hundreds of megabytes at once.
    slots: Vec<Option<Box<Entry>>>,
    by_id: HashMap<HoldId, u32>,
    free: BinaryHeap<Reverse<u32>>,
    /// The slots of each event by its position in the catalogue, in any order: what is done to an
    /// event must not cost what others hold.
    by_event: Vec<Vec<u32>>,
}

/// A hold with the position of its event in the catalogue.
#[derive(Debug)]
pub(crate) struct Entry {
    pub event: usize,
    pub hold: Hold,
    /// Where its slot is among those of its event.
    among: u32,
}

impl HoldTable {
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// The slot that the next hold gets.
    pub fn next_slot(&self) -> u32 {
        match self.free.peek() {
            Some(&Reverse(slot)) => slot,
            None => u32::try_from(self.slots.len()).expect("holds_max fits into 32 bits"),
        }
    }

    pub fn insert(&mut self, event: usize, hold: Hold) -> u32 {
        let slot = self.next_slot();
        self.free.pop();
        self.put(slot, event, hold);
        slot
    }

    /// Puts back the holds of a snapshot, each into its slot and with the position of its event.
    pub fn restore(entries: impl Iterator<Item = (u32, usize, Hold)>) -> Self {
        let mut table = Self::default();
        for (slot, event, hold) in entries {
            table.put(slot, event, hold);
        }
        let empty = (0..).zip(&table.slots).filter(|(_, entry)| entry.is_none());
        table.free = empty.map(|(slot, _)| Reverse(slot)).collect();
        table
    }

    pub fn remove(&mut self, slot: u32) -> Hold {
        let entry = self.slots[at(slot)].take().expect("only a slot in use is emptied");
        let named = self.by_id.remove(&entry.hold.held.hold);
        assert!(named == Some(slot));
        let among = &mut self.by_event[entry.event];
        let removed = among.swap_remove(at(entry.among));
        assert!(removed == slot);
        if let Some(&moved) = among.get(at(entry.among)) {
            self.get_mut(moved).among = entry.among;
        }
        self.free.push(Reverse(slot));
        entry.hold
    }

    pub fn slot(&self, id: HoldId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    pub fn find(&self, id: HoldId) -> Option<(u32, &Entry)> {
        let slot = self.slot(id)?;
        Some((slot, self.get(slot)))
    }

    pub fn get(&self, slot: u32) -> &Entry {
        self.slots[at(slot)].as_deref().expect("only slots in use are named")
    }

    pub fn get_mut(&mut self, slot: u32) -> &mut Entry {
        self.slots[at(slot)].as_deref_mut().expect("only slots in use are named")
    }

    /// In order of slot.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        let entries = (0..).zip(&self.slots);
        entries.filter_map(|(slot, entry)| Some((slot, entry.as_deref()?)))
    }

    /// The holds of the event at this position of the catalogue, in any order.
    pub fn of_event(&self, event: usize) -> impl Iterator<Item = (u32, &Hold)> {
        let slots = self.by_event.get(event).map_or(&[][..], Vec::as_slice);
        slots.iter().map(|&slot| (slot, &self.get(slot).hold))
    }

    fn put(&mut self, slot: u32, event: usize, hold: Hold) {
        if self.slots.len() <= at(slot) {
            self.slots.resize_with(at(slot) + 1, || None);
        }
        if self.by_event.len() <= event {
            self.by_event.resize_with(event + 1, Vec::new);
        }
        let id = hold.held.hold;
        let before = self.by_id.insert(id, slot);
        assert!(before.is_none(), "hold {id} exists twice");
        let among = u32::try_from(self.by_event[event].len()).expect("holds_max fits into 32 bits");
        self.by_event[event].push(slot);
        let entry = Box::new(Entry { event, hold, among });
        let before = self.slots[at(slot)].replace(entry);
        assert!(before.is_none(), "slot {slot} is taken twice");
    }
}

fn at(slot: u32) -> usize {
    usize::try_from(slot).expect("a slot was a position in memory")
}
