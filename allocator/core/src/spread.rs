//! Spreads parties over runs that are about as good as the nearest one.
//!
//! All parties want the same seats first. Threads that choose at the same moment would meet at
//! the nearest run, and all but one of them would have to choose again. So the hold's slot says
//! which of the runs near to it a party gets: the same slot on the same seats gets the same run.

use crate::one_row::{Accessible, Run, Starts, fits};
use crate::sight::Sight;
use schema::BestAvailable;

/// Runs count as equally good up to this much farther from the focal point than the nearest, in
/// half centimetres: a row's depth or two seats. With less the first rows, which are wanted most,
/// would offer one or two; with more people would see that others sit better.
const FARTHER_MAX: u64 = 200;

/// Beyond it so many of the nearest run's distance: in the last rows of an arena two metres more
/// are not seen.
const FARTHER_PER_DISTANCE: u64 = 32;

/// Most runs to choose among. Two parties meet once in so many times; a longer list would cost each
/// choice more than the second choice of the few that meet.
const RUNS_MAX: usize = 32;

/// The run that the hold in `slot` gets instead of `nearest`; no row before this rank has one.
pub(crate) fn spread(
    sight: &Sight<'_>,
    want: BestAvailable,
    (rank, nearest): (usize, Run),
    slot: u32,
) -> Run {
    let distance = nearest.distance();
    let distance_max = distance + FARTHER_MAX + distance / FARTHER_PER_DISTANCE;
    let mut near =
        Near { runs: [nearest; RUNS_MAX], count: 0, squared_max: distance_max * distance_max };
    for (at, row_distance_min) in sight.map.tables.nearest_first(rank) {
        if near.is_full() || distance_max < row_distance_min {
            break;
        }
        let (free, row) = (sight.free_in_row(at), &sight.map.tables.rows[at]);
        if free != 0 && fits(row, want) {
            near.add(&Starts::new(row, free, want.quantity, Accessible::of(want)));
        }
    }
    near.runs[scatter(slot) % near.count.max(1)]
}

/// Clean runs that share no seat.
struct Near {
    /// The nearest of all where `count` is 0: others have claimed it since it was found.
    runs: [Run; RUNS_MAX],
    count: usize,
    /// Of their distances' squares.
    squared_max: u64,
}

impl Near {
    fn is_full(&self) -> bool {
        self.count == RUNS_MAX
    }

    /// Adds runs of one row, from the nearest one on to both of its sides.
    fn add(&mut self, starts: &Starts<'_>) {
        let Some(nearest) = starts.nearest_clean() else { return };
        let start_of = |run: Run| run.first.0 - starts.row.first.0;
        let mut next = Some(nearest);
        while let Some(run) = next.filter(|&run| self.takes(run)) {
            next = starts.clean_before(start_of(run));
        }
        let mut next = starts.clean_from(start_of(nearest) + u32::from(starts.count));
        while let Some(run) = next.filter(|&run| self.takes(run)) {
            next = starts.clean_from(start_of(run) + u32::from(starts.count));
        }
    }

    /// Takes a run up, unless it is too far or there are enough.
    fn takes(&mut self, run: Run) -> bool {
        if self.is_full() || self.squared_max < run.distance_squared {
            return false;
        }
        self.runs[self.count] = run;
        self.count += 1;
        true
    }
}

/// Makes numbers that follow each other, as the slots of parties that come together do, differ in
/// all bits.
fn scatter(slot: u32) -> usize {
    let product = (slot ^ slot >> 16).wrapping_mul(0x9E37_79B1);
    usize::try_from(product ^ product >> 15).expect("memory has 32 bits of addresses or more")
}
