//! Chooses the best free seats of a shape and claims them in one step.
//!
//! First choice: adjacent seats of one row, nearest to the focal point, that leave no single seat
//! alone. Then the same with a single left alone, then an even split over neighbouring rows, then
//! none.

use crate::bits;
use crate::plan_tables::RowTable;
use crate::seat_map::SeatMap;
use crate::seat_word::SeatState;
use crate::sight::Sight;
use crate::split;
use schema::{BestAvailable, SeatIdx};

/// Adjacent seats of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub first: SeatIdx,
    pub count: u8,
    /// From the focal point to its middle.
    pub distance: u64,
}

impl Run {
    pub fn seats(self) -> impl Iterator<Item = SeatIdx> {
        (self.first.0..self.first.0 + u32::from(self.count)).map(SeatIdx)
    }
}

/// Whether a run has accessible seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accessible {
    None,
    /// At least one, and only one where the row has such a run: the next to ask needs one as well.
    Some,
}

/// Claims the best seats for the hold in `slot`; they ascend. `None` if no free seats have the
/// shape, at one instant of the call.
///
/// O(rows) word operations. Lock-free as a claim is.
pub fn claim_best(
    map: &SeatMap,
    want: BestAvailable,
    to: SeatState,
    slot: u32,
) -> Option<Vec<SeatIdx>> {
    let mut sight = Sight::new(map);
    // Goes round only when seats changed between choice and claim, or within the choice.
    loop {
        let freed = map.freed();
        match choose(&sight, want) {
            Some(seats) => {
                assert!(seats.len() == usize::from(want.quantity));
                match map.claim(&seats, to, slot) {
                    Ok(()) => return Some(seats),
                    Err(taken) => sight.leave_out(&taken),
                }
            }
            // SEAT-4: a seat that is free now has had its bit set since before it was counted as
            // freed, so all the time of this choice, and it was not left out. Fewer free seats have
            // no shape that more have not.
            None if map.freed() == freed && sight.is_true() => return None,
            None => sight = Sight::new(map),
        }
        map.count_retried();
    }
}

fn choose(sight: &Sight<'_>, want: BestAvailable) -> Option<Vec<SeatIdx>> {
    assert!(0 < want.quantity);
    match in_one_row(sight, want) {
        Some(run) => Some(run.seats().collect()),
        None => split::choose(sight, want),
    }
}

fn in_one_row(sight: &Sight<'_>, want: BestAvailable) -> Option<Run> {
    let need = if want.accessible { Accessible::Some } else { Accessible::None };
    let mut clean: Option<Run> = None;
    let mut stranding: Option<Run> = None;
    for &at in &sight.map.tables.nearest_first {
        let at = usize::try_from(at).expect("a plan has fewer rows than memory has addresses");
        let row = &sight.map.tables.rows[at];
        if clean.is_some_and(|best| best.distance <= row.distance_min) {
            break;
        }
        let free = sight.free_in_row(at);
        if free == 0 || !fits(row, want) {
            continue;
        }
        let starts = starts(row, free, want.quantity, need);
        let kept = starts & !bits::stranding(free, want.quantity);
        if kept != 0 {
            keep_nearer(&mut clean, nearest(row, kept, want.quantity));
        } else if starts != 0 && clean.is_none() {
            keep_nearer(&mut stranding, nearest(row, starts, want.quantity));
        }
    }
    clean.or(stranding)
}

/// Whether the filters of a request let a row pass.
pub(crate) fn fits(row: &RowTable, want: BestAvailable) -> bool {
    want.section.is_none_or(|section| section == row.section)
        && want.price_level.is_none_or(|level| level == row.price_level)
}

/// The best run of `count` seats in a row, one that strands nobody before one that does.
pub(crate) fn best_run(row: &RowTable, free: u64, count: u8, need: Accessible) -> Option<Run> {
    let starts = starts(row, free, count, need);
    let kept = starts & !bits::stranding(free, count);
    match (kept, starts) {
        (_, 0) => None,
        (0, _) => Some(nearest(row, starts, count)),
        _ => Some(nearest(row, kept, count)),
    }
}

fn starts(row: &RowTable, free: u64, count: u8, need: Accessible) -> u64 {
    match need {
        Accessible::None => bits::runs(free & !row.accessible, count),
        Accessible::Some => {
            let (once, twice) = bits::covering(free & row.accessible, count);
            let runs = bits::runs(free, count) & once;
            if runs & !twice == 0 { runs } else { runs & !twice }
        }
    }
}

fn nearest(row: &RowTable, starts: u64, count: u8) -> Run {
    assert!(starts != 0);
    // The distance only grows to both sides of the nearest point, so the starts next to it decide.
    let ideal = row.nearest_half.saturating_sub(count - 1) / 2;
    let (below, above) = bits::neighbours(starts, ideal);
    let run = |start: u8| {
        let first = SeatIdx(row.first.0 + u32::from(start));
        Run { first, count, distance: row.distance(start, count) }
    };
    let runs = [below.map(run), above.map(run)];
    let best = runs.into_iter().flatten().min_by_key(|run| (run.distance, run.first));
    best.expect("some start is set")
}

fn keep_nearer(best: &mut Option<Run>, run: Run) {
    if best.is_none_or(|best| run.distance < best.distance) {
        *best = Some(run);
    }
}

#[cfg(test)]
mod tests;
