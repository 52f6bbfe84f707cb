//! Chooses the best free seats of a shape and claims them in one step.
//!
//! 1. Adjacent seats of one row that leave no single seat alone: the nearest to the focal point, or
//!    others about as near.
//! 2. Adjacent seats that do leave one alone, when no row has others.
//! 3. An even split over neighbouring rows of a section.
//! 4. None.
//!
//! The second step does not ask how much is sold, because it comes late by itself. In the sale of
//! an arena to parties it is not taken before half of the seats are sold, by one party in a
//! thousand before 80 % are; those who come alone take the seats that it leaves, and of all seats
//! at most one in a thousand was alone at any time. Where sections are asked for by name it comes
//! earlier; there a split before it would split a fifth more parties and leave about as many seats
//! alone. So a party that fits into a row is never split. One is refused where no run of a row
//! and no even split over two to four neighbouring rows of a section is free, even though as many
//! seats may be free elsewhere, scattered or in uneven parts.

use crate::one_row::{Accessible, Run, Starts, fits};
use crate::seat_map::Contention;
use crate::seat_map::SeatMap;
use crate::seat_word::SeatState;
use crate::sight::Sight;
use crate::split;
use crate::spread::spread;
use schema::{BestAvailable, SeatIdx};

/// Seats that were chosen for a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// They ascend.
    pub seats: Vec<SeatIdx>,
    /// Rows that the party is spread over; 1 if it sits together.
    pub row_count: u8,
    /// Free seats that the choice leaves alone in their rows.
    pub stranded: u8,
}

/// What choices have cost, counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Free seats that were left alone in their rows.
    pub singles_stranded: u32,
    /// Parties that sit in more than one row.
    pub parties_split: u32,
    /// How often the claims met others: never, unless something else than the decider claims.
    pub claims_met: Contention,
}

/// Claims the best seats for the hold in `slot`. `None` if no free seats have the
/// shape, at one instant of the call.
///
/// O(rows) word operations. Lock-free as a claim is.
pub fn claim_best(map: &SeatMap, want: BestAvailable, to: SeatState, slot: u32) -> Option<Choice> {
    claim_best_of(map, &[], want, to, slot)
}

/// As [`claim_best`], without the seats whose bits are set in `closed`, which has a word for each
/// row or none at all. Beside such seats others count as if those were taken.
pub fn claim_best_of(
    map: &SeatMap,
    closed: &[u64],
    want: BestAvailable,
    to: SeatState,
    slot: u32,
) -> Option<Choice> {
    let mut sight = Sight::new(map, closed);
    // Goes round only when seats changed between choice and claim, or within the choice.
    loop {
        let freed = map.freed();
        match choose(&sight, want, slot) {
            Some(choice) => {
                assert!(choice.seats.len() == usize::from(want.quantity));
                match map.claim(&choice.seats, to, slot) {
                    Ok(()) => return Some(choice),
                    Err(taken) => sight.leave_out(&taken),
                }
            }
            // SEAT-4: a seat that is free now has had its bit set since before it was counted as
            // freed, so all the time of this choice, and it was not left out. Fewer free seats have
            // no shape that more have not.
            None if map.freed() == freed && sight.is_true() => return None,
            None => sight = Sight::new(map, closed),
        }
        map.count_retried();
    }
}

impl Choice {
    /// Of runs in one row each; they ascend.
    pub(crate) fn of(runs: &[Run]) -> Self {
        Self {
            seats: runs.iter().flat_map(|run| run.seats()).collect(),
            row_count: u8::try_from(runs.len()).expect("a party is spread over few rows"),
            stranded: runs.iter().map(|run| run.stranded).sum(),
        }
    }
}

impl Tally {
    pub(crate) fn add(&mut self, choice: &Choice) {
        self.singles_stranded += u32::from(choice.stranded);
        self.parties_split += u32::from(1 < choice.row_count);
    }
}

fn choose(sight: &Sight<'_>, want: BestAvailable, slot: u32) -> Option<Choice> {
    assert!(0 < want.quantity);
    match in_one_row(sight, want) {
        (Some(nearest), _) => Some(Choice::of(&[spread(sight, want, nearest, slot)])),
        (None, Some(stranding)) => Some(Choice::of(&[stranding])),
        (None, None) => split::choose(sight, want),
    }
}

/// The nearest run that strands nobody, with the rank of the first row that has one; else the
/// nearest of the others.
fn in_one_row(sight: &Sight<'_>, want: BestAvailable) -> (Option<(usize, Run)>, Option<Run>) {
    let mut clean: Option<(usize, Run)> = None;
    let mut stranding: Option<Run> = None;
    let is_nearer = |run: Run, best: Option<Run>| {
        best.is_none_or(|best| run.distance_squared < best.distance_squared)
    };
    for (rank, (at, distance_min)) in sight.map.tables.nearest_first(0).enumerate() {
        if clean.is_some_and(|(_, best)| best.distance_squared <= distance_min * distance_min) {
            break;
        }
        let (free, row) = (sight.free_in_row(at), &sight.map.tables.rows[at]);
        if free == 0 || !fits(row, want) {
            continue;
        }
        let starts = Starts::new(row, free, want.quantity, Accessible::of(want));
        if let Some(run) = starts.nearest_clean() {
            if is_nearer(run, clean.map(|(_, best)| best)) {
                clean = Some((clean.map_or(rank, |(first, _)| first), run));
            }
        } else if clean.is_none()
            && let Some(run) = starts.nearest()
            && is_nearer(run, stranding)
        {
            stranding = Some(run);
        }
    }
    (clean, stranding)
}

#[cfg(test)]
mod tests;
