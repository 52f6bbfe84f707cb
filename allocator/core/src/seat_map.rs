//! The seats of one event: one atomic word a seat, claimed without a lock.
//!
//! Any number of threads may read, claim and release at the same time. After its claim has
//! returned a seat changes by its hold's owner only, one thread at a time.
//!
//! # How a claim goes
//! A claim is announced in a table (`claims`), then puts its **mark** on each of its seats in
//! ascending order, then is decided by one exchange of its phase, Open to Won or Lost, and then its
//! claimant replaces the marks: by the new words if it won, by the words that were there before,
//! generation included, if it lost. A mark says nothing about who has the seat; the phase of its
//! claim does. So all seats of a claim change hands in the one exchange that decides it, and
//! whatever a lost claim did was never to be seen. Whoever meets the mark of
//! - a decided claim puts the settled word there and goes on;
//! - an open claim carries that claim on to its decision first, for all it needs is in the table.
//!
//! A claim is lost when it meets a seat that somebody has. That refuses nothing: its claimant looks
//! again at all of its seats, and only if some are taken it says so. That look reads all words
//! twice and counts if nothing changed between, so there is an instant at which the seats that it
//! names were taken and the others free (SEAT-4).
//!
//! # Why a mark is never taken for what it is not
//! - *A claim that won has its mark on all of its seats at that moment.* Whoever decides so has
//!   seen each with the mark, and a mark goes only after the decision.
//! - *A claim that won puts no mark on a seat later.* Whoever marks reads the word, sees the claim
//!   open after that, and then exchanges the word that it read. A word read before the claim's mark
//!   was there is gone for ever, because the generation has risen; one read after that mark was
//!   replaced comes with the sight of the decision.
//! - *A claim that lost may put a mark too late*, by a thread that stood still between look and
//!   exchange. The mark still means that the seat is free, in the table or after the claim has left
//!   it, and that thread takes it away when it goes on, or whoever meets it before.
//! - *A mark whose claim has left the table is of a lost one*, because a claimant leaves after all
//!   marks of a claim that won are replaced.
//!
//! # Progress
//! A read is wait-free: at most two looks at the word and two at the table. Claims are lock-free
//! for up to [`claims::CLAIMS_MAX`] claimants at a time: as long as threads take steps, some call
//! ends after a bounded number of them, wherever others stand still.
//! - A claimant that carries on another claim, and from there a third, always comes to one that has
//!   a higher seat, or one of them has been decided. So it reaches one that it can decide.
//! - A claim is decided once. If it won, a call ends with it. If it lost, another call took one of
//!   its seats after its claimant had seen all of them free.
//! - A look for a refusal is repeated only if a claim or a release changed a word within it.
//!
//! No single claim is sure to end (it is not wait-free), and claimants beyond the table's places
//! wait until one of those before them returns. `transition` is one exchange.

use crate::plan_tables::PlanTables;
use crate::seat_word::{SeatState, SeatWord};
use crate::sync::{AtomicU64, Ordering};
use claims::{Claims, Fate};
use counters::Counters;
use mark::{Owner, Stored};
use schema::SeatIdx;
use std::sync::Arc;

mod carry;
mod claims;
mod counters;
mod mark;

pub use counters::Contention;

/// The state of all seats of an event: 8 bytes a seat, and one bit of a row's word; the table of
/// claims has 64 bytes a row.
#[derive(Debug)]
pub struct SeatMap {
    pub tables: Arc<PlanTables>,
    // SEAT-1: a seat has at most one owner, the hold whose slot is in its word.
    words: Box<[AtomicU64]>,
    /// Bit `i` of a row is set while the row's seat `i` is free. It may be set for a moment
    /// longer or earlier than the word says, never the other way: whoever trusts it has to claim
    /// to be sure.
    free_rows: Box<[AtomicU64]>,
    claims: Claims,
    counters: Counters,
}

impl SeatMap {
    /// Makes a map of free seats.
    pub fn new(tables: Arc<PlanTables>) -> Self {
        let words = (0..tables.seat_count()).map(|_| AtomicU64::new(0)).collect();
        let free_rows = tables.rows.iter().map(|row| AtomicU64::new(row.all())).collect();
        let claims = Claims::new(tables.rows.len());
        Self { tables, words, free_rows, claims, counters: Counters::default() }
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
        let mark = match self.stored(seat) {
            Stored::Word(word) => return word,
            Stored::Mark(mark) => mark,
        };
        match self.claims.fate(mark.claim) {
            Fate::Open | Fate::Lost => return mark.before(),
            Fate::Won(owner) => return mark.after(owner),
            Fate::Gone => {}
        }
        match self.stored(seat) {
            Stored::Word(word) => word,
            // The same mark is one that came too late, and its seat is free. Another one was put
            // there during this call, when the seat was free in its generation.
            Stored::Mark(mark) => mark.before(),
        }
    }

    /// The free seats of a row as bits; a hint, see the field.
    pub fn free_in_row(&self, row: usize) -> u64 {
        // Acquire: pairs with the Release in `conclude`; who sees a seat's bit cleared sees the
        // releases that the claimant had seen, and their count.
        self.free_rows[row].load(Ordering::Acquire)
    }

    /// How often a seat was about to become free. While it stays the same, every seat that is free
    /// had its bit set all the time.
    pub(crate) fn freed(&self) -> u64 {
        self.counters.freed()
    }

    /// How often claims met.
    pub fn contention(&self) -> Contention {
        self.counters.contention()
    }

    /// Counts that a choice of seats is made anew because seats changed meanwhile.
    pub(crate) fn count_retried(&self) {
        self.counters.count_retried();
    }

    /// Gives all of `seats` to the hold in `slot`, or none.
    ///
    /// `seats` ascend and are in the plan. On success each word's generation has risen by one.
    /// Lock-free, see the module.
    ///
    /// # Errors
    /// The seats that were not free at one instant of the call, at least one; the others were free.
    pub fn claim(&self, seats: &[SeatIdx], to: SeatState, slot: u32) -> Result<(), Vec<SeatIdx>> {
        assert!(!seats.is_empty());
        assert!(seats.is_sorted_by(|a, b| a < b), "seats ascend without repetition");
        assert!(to != SeatState::Free);
        loop {
            let taken = self.taken_of(seats);
            if !taken.is_empty() {
                return Err(taken);
            }
            let mine = self.announce(seats, Owner { state: to, slot });
            self.carry_through(mine);
            if self.conclude(seats, mine) {
                return Ok(());
            }
            self.counters.count_retried();
        }
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
            // Relaxed, and before the count and the exchange, whose Release publish it: the claim
            // that clears the bit again has acquired that exchange.
            self.free_rows[row].fetch_or(bit, Ordering::Relaxed);
            self.counters.count_freed();
        }
        // Release: pairs with the Acquire in `stored` and in `mark`; publishes the bit and the
        // count just above and all that the hold's owner did. Acquire: the change comes after all
        // that the claim did.
        let exchanged = self.words[at(seat)].compare_exchange(
            from.encode(),
            next.encode(),
            Ordering::AcqRel,
            // Relaxed: the word is read again.
            Ordering::Relaxed,
        );
        exchanged.map(|_| next).map_err(|_| self.read(seat))
    }

    /// Which of the seats are taken: all of them, at one instant of the call.
    fn taken_of(&self, seats: &[SeatIdx]) -> Vec<SeatIdx> {
        let is_free = |word: SeatWord| word.state == SeatState::Free;
        if seats.iter().all(|&seat| is_free(self.read(seat))) {
            // Free one after the other only; the claim will find out.
            return Vec::new();
        }
        let look = || seats.iter().map(|&seat| self.read(seat)).collect::<Vec<_>>();
        let mut before = look();
        loop {
            let words = look();
            if words == before {
                let seats = seats.iter().zip(words);
                return seats.filter(|&(_, word)| !is_free(word)).map(|(&seat, _)| seat).collect();
            }
            self.counters.count_retried();
            before = words;
        }
    }
}

fn at(seat: SeatIdx) -> usize {
    usize::try_from(seat.0).expect("a plan has fewer seats than memory has addresses")
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod history;
#[cfg(all(test, feature = "loom"))]
mod interleavings;
#[cfg(test)]
mod model;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
