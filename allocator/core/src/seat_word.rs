//! A seat's state in one 64-bit word.

/// Who has a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SeatState {
    Free = 0,
    Held = 1,
    Paying = 2,
    Sold = 3,
    /// Set aside without a deadline: an allotment or a kill.
    Blocked = 4,
}

/// What a seat's word says: `generation:29 | state:3 | slot:32`, from the highest bit down.
///
/// Each change of the seat raises the generation, so a word read once and found again means that
/// nothing happened between. Zero is the word of a seat that nobody ever had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeatWord {
    pub generation: u32,
    pub state: SeatState,
    /// The slot of the hold that has the seat; 0 while the seat is free.
    pub slot: u32,
}

/// The largest generation. The one after it is 1: only equality of generations has a meaning, and
/// a stale word would have to survive half a billion changes of its seat to be taken for a fresh
/// one.
pub const GENERATION_MAX: u32 = (1 << 29) - 1;

const STATE_BITS: u32 = 3;
const SLOT_BITS: u32 = 32;

impl SeatWord {
    /// The word of a seat that nobody ever had.
    pub const NEVER: Self = Self { generation: 0, state: SeatState::Free, slot: 0 };

    pub fn encode(self) -> u64 {
        assert!(self.generation <= GENERATION_MAX);
        let high = u64::from(self.generation) << STATE_BITS | u64::from(self.state as u8);
        high << SLOT_BITS | u64::from(self.slot)
    }

    /// Reads a word back; `None` for the three states that do not exist.
    pub fn decode(word: u64) -> Option<Self> {
        let high = u32::try_from(word >> SLOT_BITS).expect("the upper half of a word is 32 bits");
        let slot = u32::try_from(word & u64::from(u32::MAX)).expect("masked to 32 bits");
        let state = match high & ((1 << STATE_BITS) - 1) {
            0 => SeatState::Free,
            1 => SeatState::Held,
            2 => SeatState::Paying,
            3 => SeatState::Sold,
            4 => SeatState::Blocked,
            _ => return None,
        };
        Some(Self { generation: high >> STATE_BITS, state, slot })
    }

    /// The word after a change.
    #[must_use]
    pub fn changed(self, state: SeatState, slot: u32) -> Self {
        Self { generation: generation_after(self.generation, 1), state, slot }
    }
}

/// The generation after `changes` changes. Never 0: that is the generation of a seat without a
/// past.
pub fn generation_after(generation: u32, changes: u32) -> u32 {
    assert!(generation <= GENERATION_MAX);
    let sum = u64::from(generation) + u64::from(changes);
    if sum == 0 {
        return 0;
    }
    let wrapped = (sum - 1) % u64::from(GENERATION_MAX) + 1;
    u32::try_from(wrapped).expect("at most GENERATION_MAX")
}

#[cfg(test)]
mod tests {
    use super::{GENERATION_MAX, SeatState, SeatWord, generation_after};

    #[test]
    fn a_word_survives_the_way_to_bits_and_back() {
        let states = [
            SeatState::Free,
            SeatState::Held,
            SeatState::Paying,
            SeatState::Sold,
            SeatState::Blocked,
        ];
        for state in states {
            for (generation, slot) in [(0, 0), (1, u32::MAX), (GENERATION_MAX, 7)] {
                let word = SeatWord { generation, state, slot };
                assert_eq!(SeatWord::decode(word.encode()), Some(word));
            }
        }
        assert_eq!(SeatWord::decode(5 << 32), None, "no such state");
    }

    #[test]
    fn a_generation_goes_round_without_passing_zero() {
        assert_eq!(generation_after(0, 0), 0);
        assert_eq!(generation_after(0, 1), 1);
        assert_eq!(generation_after(GENERATION_MAX, 1), 1);
        assert_eq!(generation_after(GENERATION_MAX - 1, 3), 2);
    }
}
