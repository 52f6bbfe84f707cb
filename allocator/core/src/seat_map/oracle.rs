//! What a seat map does with one call after the other, as plainly as can be said.

use super::SeatMap;
use super::fixture::best;
use crate::best_available::claim_best;
use crate::seat_word::{SeatState, SeatWord};
use crate::shapes::shapes;
use schema::SeatIdx;
use std::ops::Range;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    Claim { seats: Vec<SeatIdx>, slot: u32 },
    Best { quantity: u8, slot: u32 },
    Change { seat: SeatIdx, from: SeatWord, to: SeatState },
    Read { seat: SeatIdx },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Claimed(Vec<SeatIdx>),
    Taken(Vec<SeatIdx>),
    NoneLeft,
    Changed(SeatWord),
    /// The seat's word, also when a change expected another one.
    Is(SeatWord),
}

/// Calls a map.
pub fn ask(map: &SeatMap, call: &Call) -> Answer {
    match call {
        Call::Claim { seats, slot } => match map.claim(seats, SeatState::Held, *slot) {
            Ok(()) => Answer::Claimed(seats.clone()),
            Err(taken) => Answer::Taken(taken),
        },
        Call::Best { quantity, slot } => {
            let seats = claim_best(map, best(*quantity), SeatState::Held, *slot);
            seats.map_or(Answer::NoneLeft, |choice| Answer::Claimed(choice.seats))
        }
        Call::Change { seat, from, to } => match map.transition(*seat, *from, *to) {
            Ok(word) => Answer::Changed(word),
            Err(word) => Answer::Is(word),
        },
        Call::Read { seat } => Answer::Is(map.read(*seat)),
    }
}

/// The seats of a map of one section.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Oracle {
    pub words: Vec<SeatWord>,
    /// The seats of each row.
    rows: Vec<Range<u32>>,
}

impl Oracle {
    pub fn new(seat_counts: &[u8]) -> Self {
        let mut end = 0;
        let mut row = |&seats: &u8| {
            let first = end;
            end += u32::from(seats);
            first..end
        };
        let rows = seat_counts.iter().map(&mut row).collect();
        Self { words: vec![SeatWord::NEVER; usize::try_from(end).unwrap()], rows }
    }

    /// The seats after a call that was answered so; `None` if the answer is wrong.
    pub fn after(&self, call: &Call, answer: &Answer) -> Option<Self> {
        match (call, answer) {
            (Call::Claim { seats, slot }, Answer::Claimed(claimed)) => {
                (claimed == seats).then(|| self.claimed(seats, *slot))?
            }
            (Call::Claim { seats, .. }, Answer::Taken(named)) => {
                let taken: Vec<_> = seats.iter().filter(|&&seat| !self.is_free(seat)).collect();
                (!taken.is_empty() && named.iter().eq(taken)).then(|| self.clone())
            }
            (Call::Best { quantity, slot }, Answer::Claimed(seats)) => {
                let shaped = shapes(&self.rows, *quantity).contains(seats);
                shaped.then(|| self.claimed(seats, *slot))?
            }
            (Call::Best { quantity, .. }, Answer::NoneLeft) => {
                let is_free = |seats: &Vec<SeatIdx>| seats.iter().all(|&seat| self.is_free(seat));
                (!shapes(&self.rows, *quantity).iter().any(is_free)).then(|| self.clone())
            }
            (Call::Change { seat, from, to }, Answer::Changed(word)) => {
                let slot = if *to == SeatState::Free { 0 } else { from.slot };
                let right = self.word(*seat) == *from && *word == from.changed(*to, slot);
                right.then(|| self.with(*seat, *word))
            }
            (Call::Change { seat, from, .. }, Answer::Is(word)) => {
                (self.word(*seat) == *word && word != from).then(|| self.clone())
            }
            (Call::Read { seat }, Answer::Is(word)) => {
                (self.word(*seat) == *word).then(|| self.clone())
            }
            _ => None,
        }
    }

    fn claimed(&self, seats: &[SeatIdx], slot: u32) -> Option<Self> {
        let mut after = self.clone();
        for &seat in seats {
            if !self.is_free(seat) {
                return None;
            }
            after = after.with(seat, self.word(seat).changed(SeatState::Held, slot));
        }
        Some(after)
    }

    fn with(&self, seat: SeatIdx, word: SeatWord) -> Self {
        let mut after = self.clone();
        after.words[usize::try_from(seat.0).unwrap()] = word;
        after
    }

    fn word(&self, seat: SeatIdx) -> SeatWord {
        self.words[usize::try_from(seat.0).unwrap()]
    }

    fn is_free(&self, seat: SeatIdx) -> bool {
        self.word(seat).state == SeatState::Free
    }
}
