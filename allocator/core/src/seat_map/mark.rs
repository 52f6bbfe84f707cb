//! What the word of a seat holds: what everybody sees, or the mark of a claim that is under way.

use super::claims::CLAIMS_MAX;
use crate::seat_word::{SeatState, SeatWord};

/// One try of a claim: its place in the table of claims, and the how manieth it is there.
///
/// `turn:30 | place:2`. The turn goes round after a billion tries at one place, so a thread that
/// has read a mark, or a claim's phase, would have to stand still for exactly that many of them to
/// take another claim for the one it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClaimId(u32);

const PLACES: u32 = 4;
const _: () = assert!(CLAIMS_MAX == 4 && PLACES.is_power_of_two(), "turns go round in step");

impl ClaimId {
    /// The id before the first claim at a place.
    pub fn none_yet(place: u32) -> Self {
        assert!(place < PLACES);
        Self(place)
    }

    pub fn place(self) -> usize {
        usize::try_from(self.0 % PLACES).expect("a place is below PLACES")
    }

    /// The next claim at the same place.
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(PLACES))
    }

    pub fn bits(self) -> u64 {
        u64::from(self.0)
    }

    /// The id in the low half of a word.
    pub fn from_bits(bits: u64) -> Self {
        Self(low_half(bits))
    }
}

/// Says that a claim wants a seat that was free in this generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub generation: u32,
    pub claim: ClaimId,
}

/// A word as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    Word(SeatWord),
    Mark(Mark),
}

/// Where a seat's word has its state, no seat has this one.
const MARKED: u64 = 5;

const STATE_SHIFT: u32 = 32;
const GENERATION_SHIFT: u32 = 35;

impl Mark {
    /// `generation:29 | 5:3 | claim:32`, from the highest bit down.
    pub fn encode(self) -> u64 {
        u64::from(self.generation) << GENERATION_SHIFT | MARKED << STATE_SHIFT | self.claim.bits()
    }

    /// The word that the mark stands for until its claim has won.
    pub fn before(self) -> SeatWord {
        SeatWord { generation: self.generation, state: SeatState::Free, slot: 0 }
    }

    /// The word after its claim has won.
    pub fn after(self, owner: Owner) -> SeatWord {
        self.before().changed(owner.state, owner.slot)
    }
}

/// What a claim makes of its seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub state: SeatState,
    pub slot: u32,
}

impl Stored {
    pub fn decode(bits: u64) -> Self {
        if let Some(word) = SeatWord::decode(bits) {
            return Self::Word(word);
        }
        assert!(bits >> STATE_SHIFT & 7 == MARKED, "only words and marks are stored");
        let generation = low_half(bits >> GENERATION_SHIFT);
        Self::Mark(Mark { generation, claim: ClaimId::from_bits(bits) })
    }
}

fn low_half(bits: u64) -> u32 {
    u32::try_from(bits & u64::from(u32::MAX)).expect("masked to 32 bits")
}

#[cfg(test)]
mod tests {
    use super::{ClaimId, Mark, Owner, Stored};
    use crate::seat_word::{GENERATION_MAX, SeatState, SeatWord};

    #[test]
    fn a_mark_survives_the_way_to_bits_and_back() {
        for generation in [0, 1, GENERATION_MAX] {
            for claim in [ClaimId(0), ClaimId(7), ClaimId(u32::MAX)] {
                let mark = Mark { generation, claim };
                assert_eq!(Stored::decode(mark.encode()), Stored::Mark(mark));
            }
        }
        let word = SeatWord { generation: 3, state: SeatState::Blocked, slot: 9 };
        assert_eq!(Stored::decode(word.encode()), Stored::Word(word));
    }

    #[test]
    fn a_mark_stands_for_a_free_seat_until_its_claim_has_won() {
        let mark = Mark { generation: 4, claim: ClaimId(5) };
        assert_eq!(mark.before(), SeatWord { generation: 4, state: SeatState::Free, slot: 0 });
        let owner = Owner { state: SeatState::Held, slot: 7 };
        assert_eq!(mark.after(owner), SeatWord { generation: 5, state: SeatState::Held, slot: 7 });
    }

    #[test]
    fn turns_go_round_and_the_place_stays() {
        let last = ClaimId(u32::MAX - 1);
        assert_eq!((last.place(), last.next().place()), (2, 2));
        assert_eq!(last.next(), ClaimId::none_yet(2));
    }
}
