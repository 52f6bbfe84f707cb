//! The seats of one event: one atomic word a seat, claimed without a lock.
//!
//! Any number of threads may claim and read at the same time. A claim goes through its seats in
//! ascending order with one compare-and-set each, so two claims that overlap meet at the lowest
//! seat they share: the one that takes it goes on, the other steps back, and no pair can wait for
//! each other. A reader is one load. After its claim a seat changes by its hold's owner only, one
//! thread at a time.

use crate::plan_tables::PlanTables;
use crate::seat_word::{SeatState, SeatWord};
use crate::sync::{AtomicU64, Ordering};
use schema::SeatIdx;
use std::sync::Arc;

/// The state of all seats of an event: 8 bytes a seat, and one bit of a row's word.
#[derive(Debug)]
pub struct SeatMap {
    pub tables: Arc<PlanTables>,
    // SEAT-1: a seat has at most one owner, the hold whose slot is in its word.
    words: Box<[AtomicU64]>,
    /// Bit `i` of a row is set while the row's seat `i` is free. It may be set for a moment
    /// longer or earlier than the word says, never the other way: whoever trusts it has to claim
    /// to be sure.
    free_rows: Box<[AtomicU64]>,
}

impl SeatMap {
    /// Makes a map of free seats.
    pub fn new(tables: Arc<PlanTables>) -> Self {
        let words = (0..tables.seat_count()).map(|_| AtomicU64::new(0)).collect();
        let free_rows = tables.rows.iter().map(|row| AtomicU64::new(row.all())).collect();
        Self { tables, words, free_rows }
    }

    /// Sets the word of a seat that nobody else can see yet.
    pub(crate) fn restore(&mut self, seat: SeatIdx, word: SeatWord) {
        // Relaxed, all three: `&mut self` says that no other thread has the map.
        self.words[at(seat)].store(word.encode(), Ordering::Relaxed);
        let (row, bit) = self.tables.row_bit(seat);
        if word.state == SeatState::Free {
            self.free_rows[row].fetch_or(bit, Ordering::Relaxed);
        } else {
            self.free_rows[row].fetch_and(!bit, Ordering::Relaxed);
        }
    }

    pub fn seat_count(&self) -> u32 {
        self.tables.seat_count()
    }

    /// Reads a seat. Wait-free.
    pub fn read(&self, seat: SeatIdx) -> SeatWord {
        // Acquire: pairs with the Release of the exchanges in `claim` and `transition`; what the
        // writer did before the change is seen by whoever sees the change.
        word(self.words[at(seat)].load(Ordering::Acquire))
    }

    /// The free seats of a row as bits; a hint, see the field.
    pub fn free_in_row(&self, row: usize) -> u64 {
        // Relaxed: nothing is read on the strength of a bit; the claim's exchange decides.
        self.free_rows[row].load(Ordering::Relaxed)
    }

    /// Gives all of `seats` to the hold in `slot`, or none.
    ///
    /// `seats` ascend and are in the plan. On success each word's generation has risen by one.
    /// Lock-free: a claim is held up only by a claim that got further.
    ///
    /// # Errors
    /// The seats that were not free, at least one. Those of them that another claim gives back at
    /// this moment are named too: with one claiming thread there are none.
    pub fn claim(&self, seats: &[SeatIdx], to: SeatState, slot: u32) -> Result<(), Vec<SeatIdx>> {
        assert!(!seats.is_empty());
        assert!(seats.is_sorted_by(|a, b| a < b), "seats ascend without repetition");
        assert!(to != SeatState::Free);
        // Looked at first, so that a claim that must fail changes nothing and names every taken
        // seat.
        let taken = self.taken_of(seats);
        if taken.is_empty() { self.take(seats, to, slot) } else { Err(taken) }
    }

    /// Changes a seat of a hold. `from` is the whole word that the hold expects, its generation
    /// included, so that the word of another hold, or of an earlier time, is never changed.
    ///
    /// # Errors
    /// The word that was found instead; nothing has changed then.
    pub fn transition(
        &self,
        seat: SeatIdx,
        from: SeatWord,
        to: SeatState,
    ) -> Result<SeatWord, SeatWord> {
        assert!(from.state != SeatState::Free, "a free seat is claimed");
        let found = self.read(seat);
        if found != from {
            return Err(found);
        }
        let slot = if to == SeatState::Free { 0 } else { from.slot };
        let next = from.changed(to, slot);
        if to == SeatState::Free {
            let (row, bit) = self.tables.row_bit(seat);
            // Relaxed, and before the exchange: its Release and the Acquire of the next claim's
            // exchange put this bit before the one that the claim clears.
            self.free_rows[row].fetch_or(bit, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire in `read` and in `claim_one`; publishes the bit set
        // just above and all that the hold's owner did. Acquire, also on failure: the found word
        // is handed on like a read.
        let exchanged = self.words[at(seat)].compare_exchange(
            from.encode(),
            next.encode(),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        exchanged.map(|_| next).map_err(word)
    }

    fn take(&self, seats: &[SeatIdx], to: SeatState, slot: u32) -> Result<(), Vec<SeatIdx>> {
        for (done, &seat) in seats.iter().enumerate() {
            if !self.claim_one(seat, to, slot) {
                self.give_back(&seats[..done], to, slot);
                let mut taken = self.taken_of(seats);
                if taken.is_empty() {
                    taken.push(seat);
                }
                return Err(taken);
            }
        }
        for &seat in seats {
            let (row, bit) = self.tables.row_bit(seat);
            // Relaxed: the order with a later release of this seat comes from its word, see
            // `transition`.
            self.free_rows[row].fetch_and(!bit, Ordering::Relaxed);
        }
        Ok(())
    }

    fn claim_one(&self, seat: SeatIdx, to: SeatState, slot: u32) -> bool {
        let mut found = self.read(seat);
        // Goes round only when another claim took the seat and gave it back between: that one got
        // further.
        while found.state == SeatState::Free {
            // Acquire: pairs with the Release of the exchange that freed the seat, so its bit is
            // set before this claim clears it. Release: pairs with the Acquire in `read`. Acquire
            // on failure: the word found decides like one that was read.
            let exchanged = self.words[at(seat)].compare_exchange(
                found.encode(),
                found.changed(to, slot).encode(),
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            match exchanged {
                Ok(_) => return true,
                Err(other) => found = word(other),
            }
        }
        false
    }

    /// Frees the first seats of a claim that fails, last one first, so that the lowest seat, at
    /// which overlapping claims meet, is the last to look free. Their bits were never cleared.
    fn give_back(&self, seats: &[SeatIdx], state: SeatState, slot: u32) {
        for &seat in seats.iter().rev() {
            let mine = self.read(seat);
            assert!(mine.state == state && mine.slot == slot, "seat {seat:?} left its claim");
            // Release: pairs with the Acquire of the next claim. Relaxed on failure: there is
            // none to follow, the assert stops the process.
            let freed = self.words[at(seat)].compare_exchange(
                mine.encode(),
                mine.changed(SeatState::Free, 0).encode(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            assert!(freed.is_ok(), "seat {seat:?} changed under its claim");
        }
    }

    fn taken_of(&self, seats: &[SeatIdx]) -> Vec<SeatIdx> {
        let taken = |seat: &SeatIdx| self.read(*seat).state != SeatState::Free;
        seats.iter().copied().filter(taken).collect()
    }
}

fn at(seat: SeatIdx) -> usize {
    usize::try_from(seat.0).expect("a plan has fewer seats than memory has addresses")
}

fn word(bits: u64) -> SeatWord {
    SeatWord::decode(bits).expect("only encoded words are stored")
}

#[cfg(test)]
mod fixture;
#[cfg(all(test, feature = "loom"))]
mod interleavings;
#[cfg(test)]
mod tests;
