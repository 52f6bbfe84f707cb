//! The free seats as one search for the best of them sees them.

use crate::seat_map::SeatMap;
use crate::seat_word::{SeatState, SeatWord};
use schema::SeatIdx;

/// A map without the seats that a claim of this search found taken though their bits say free.
///
/// Such a bit is behind its word, because a claimant has not cleared it yet, or ahead, because the
/// seat's release has not come to the word yet. Choosing these seats again and again would be
/// waiting for that thread.
#[derive(Debug)]
pub(crate) struct Sight<'a> {
    pub map: &'a SeatMap,
    /// By row the seats that the search may not have; empty if it may have all.
    closed: &'a [u64],
    taken: Vec<(SeatIdx, SeatWord)>,
}

impl<'a> Sight<'a> {
    pub fn new(map: &'a SeatMap, closed: &'a [u64]) -> Self {
        assert!(closed.is_empty() || closed.len() == map.tables.rows.len());
        Self { map, closed, taken: Vec::new() }
    }

    /// The free seats of a row that the search may have, as bits.
    #[inline]
    pub fn free_in_row(&self, row: usize) -> u64 {
        let free = self.map.free_in_row(row);
        let free = if self.closed.is_empty() { free } else { free & !self.closed[row] };
        if self.taken.is_empty() { free } else { free & !self.taken_in_row(row) }
    }

    /// Apart and not inlined: nobody comes here but who met another claimant, and the search asks
    /// for every row several times.
    #[cold]
    fn taken_in_row(&self, row: usize) -> u64 {
        let bits = self.taken.iter().map(|(seat, _)| self.map.tables.row_bit(*seat));
        bits.filter(|&(taken_row, _)| taken_row == row).fold(0, |taken, (_, bit)| taken | bit)
    }

    /// Leaves out those of the seats that are still taken.
    pub fn leave_out(&mut self, seats: &[SeatIdx]) {
        let words = seats.iter().map(|&seat| (seat, self.map.read(seat)));
        self.taken.extend(words.filter(|(_, word)| word.state != SeatState::Free));
    }

    /// Whether the seats that are left out have been taken all the time since.
    pub fn is_true(&self) -> bool {
        self.taken.iter().all(|&(seat, word)| self.map.read(seat) == word)
    }
}
