//! How a claim gets its seats, whichever thread carries it on.

use super::claims::Fate;
use super::mark::{ClaimId, Mark, Owner, Stored};
use super::{SeatMap, at};
use crate::plan_tables::PlanTables;
use crate::seat_word::SeatState;
use crate::sync::{Ordering, yield_now};
use schema::SeatIdx;

/// What became of the wish to mark a seat for a claim.
pub(super) enum Step {
    Marked,
    /// Somebody has the seat.
    Taken,
    /// The other claim has the seat's mark, so it got further, and it is open.
    Behind(ClaimId),
    /// The claim has been decided meanwhile.
    Decided,
}

impl SeatMap {
    /// Announces a claim, after which every thread can carry it on.
    pub(super) fn announce(&self, seats: &[SeatIdx], owner: Owner) -> ClaimId {
        loop {
            if let Some(claim) = self.claims.open(owner, parts(&self.tables, seats)) {
                return claim;
            }
            self.counters.count_waited();
            yield_now();
        }
    }

    /// Returns when the claim is decided.
    pub(super) fn carry_through(&self, mine: ClaimId) {
        let mut claim = mine;
        while self.claims.is_open(mine) {
            claim = match self.carry(claim) {
                Some(further) => {
                    self.counters.count_helped();
                    further
                }
                None => mine,
            };
        }
    }

    /// Takes the marks off a decided claim's seats; says whether it has won. For its claimant,
    /// who knows nothing of the claim afterwards.
    pub(super) fn conclude(&self, seats: &[SeatIdx], mine: ClaimId) -> bool {
        let won = matches!(self.claims.fate(mine), Fate::Won(_));
        for &seat in seats {
            match self.stored(seat) {
                Stored::Mark(mark) if mark.claim == mine => {
                    let settled = self.settle(seat, mark);
                    assert!(settled, "a decided claim stays so");
                }
                Stored::Mark(_) | Stored::Word(_) => {}
            }
        }
        if won {
            for (row, mask) in parts(&self.tables, seats) {
                // Release: pairs with the Acquire in `free_in_row`; see `claim_best`.
                self.free_rows[row].fetch_and(!mask, Ordering::Release);
            }
        }
        self.claims.close(mine);
        won
    }

    /// Marks a claim's seats one after the other and decides it, unless another claim is in the
    /// way: that one is the answer.
    fn carry(&self, claim: ClaimId) -> Option<ClaimId> {
        let mut at = 0;
        while let Some((row, mut mask)) = self.claims.part(claim, at) {
            while mask != 0 {
                let seat = SeatIdx(self.tables.rows[row].first.0 + mask.trailing_zeros());
                match self.mark(seat, claim) {
                    Step::Marked => mask &= mask - 1,
                    Step::Behind(other) => return Some(other),
                    Step::Decided => return None,
                    Step::Taken => {
                        self.claims.decide(claim, false);
                        return None;
                    }
                }
            }
            at += 1;
        }
        // Every seat was seen with the claim's mark. A mark goes only after the decision, so if
        // this one counts, all are marked at this moment.
        self.claims.decide(claim, true);
        None
    }

    pub(super) fn mark(&self, seat: SeatIdx, claim: ClaimId) -> Step {
        loop {
            let free = match self.stored(seat) {
                Stored::Word(word) if word.state == SeatState::Free => word,
                Stored::Word(_) => return Step::Taken,
                Stored::Mark(mark) if mark.claim == claim => return Step::Marked,
                Stored::Mark(other) => {
                    if self.settle(seat, other) {
                        continue;
                    }
                    // The other one got further only if this one was open when its mark was seen.
                    let open = self.claims.is_open(claim);
                    return if open { Step::Behind(other.claim) } else { Step::Decided };
                }
            };
            // After the look at the word, see the module of the map.
            if !self.claims.is_open(claim) {
                return Step::Decided;
            }
            let mark = Mark { generation: free.generation, claim };
            // Acquire: pairs with the Release of the exchange that freed the seat, so that its bit
            // is set before this claim's claimant clears it. Release: pairs with the Acquire in
            // `stored`. Relaxed on failure: the next turn looks again.
            let marked = self.words[at(seat)].compare_exchange(
                free.encode(),
                mark.encode(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if marked.is_err() {
                continue;
            }
            if self.claims.is_open(claim) {
                return Step::Marked;
            }
            // Decided meanwhile. If the mark came too late, the claimant may have left already and
            // will not take it away.
            self.settle(seat, mark);
            return Step::Decided;
        }
    }

    /// Puts what a decided claim makes of a seat in the place of its mark; `false` if it is open.
    pub(super) fn settle(&self, seat: SeatIdx, mark: Mark) -> bool {
        let word = match self.claims.fate(mark.claim) {
            Fate::Open => return false,
            Fate::Won(owner) => mark.after(owner),
            // Gone: had it won, its mark would be gone as well, and the exchange would fail.
            Fate::Lost | Fate::Gone => mark.before(),
        };
        // Release: pairs with the Acquire in `stored`; who sees the word sees the decision and
        // all that was before it. Relaxed on failure: somebody else took the mark away.
        let settled = self.words[at(seat)].compare_exchange(
            mark.encode(),
            word.encode(),
            Ordering::Release,
            Ordering::Relaxed,
        );
        settled.ok();
        true
    }

    pub(super) fn stored(&self, seat: SeatIdx) -> Stored {
        // Acquire: pairs with the Release of the exchanges in `mark`, `settle` and `transition`;
        // what the writer did before the change is seen by whoever sees the change.
        Stored::decode(self.words[at(seat)].load(Ordering::Acquire))
    }
}

/// The seats row by row, as bits.
fn parts(tables: &PlanTables, seats: &[SeatIdx]) -> impl Iterator<Item = (usize, u64)> {
    seats.chunk_by(|a, b| tables.row_of(*a) == tables.row_of(*b)).map(|seats| {
        let mask = seats.iter().fold(0, |mask, seat| mask | tables.row_bit(*seat).1);
        (tables.row_of(seats[0]), mask)
    })
}
