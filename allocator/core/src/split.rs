//! Seats for a party that fits into no single row: an even split over neighbouring rows of a
//! section.

use crate::best_available::Choice;
use crate::one_row::{Accessible, Run, Starts, fits};
use crate::sight::Sight;
use schema::BestAvailable;

/// Most rows that one party is spread over. With more, people sit nearer to strangers than to
/// each other.
const SPLIT_ROWS_MAX: u8 = 4;

/// Chooses the nearest split over as few rows as possible.
pub(crate) fn choose(sight: &Sight<'_>, want: BestAvailable) -> Option<Choice> {
    for row_count in 2..=SPLIT_ROWS_MAX.min(want.quantity) {
        let windows = sight.map.tables.rows.len().saturating_sub(usize::from(row_count) - 1);
        let splits = (0..windows).filter_map(|first| split_at(sight, want, first, row_count));
        let nearest = splits.min_by_key(|runs| runs.iter().map(|run| run.distance()).sum::<u64>());
        if let Some(runs) = nearest {
            return Some(Choice::of(&runs));
        }
    }
    None
}

/// The best split over the `row_count` rows from `first`, if they are of one section and pass the
/// filters.
fn split_at(
    sight: &Sight<'_>,
    want: BestAvailable,
    first: usize,
    row_count: u8,
) -> Option<Vec<Run>> {
    let rows = &sight.map.tables.rows[first..first + usize::from(row_count)];
    let free = |offset: usize| sight.free_in_row(first + offset);
    let part = want.quantity / row_count;
    // Most rows of a house that is nearly sold out fail here.
    if (0..rows.len()).any(|offset| free(offset).count_ones() < u32::from(part)) {
        return None;
    }
    if !rows.iter().all(|row| fits(row, want) && row.section == rows[0].section) {
        return None;
    }
    // One row has the accessible seat; without the wish no row has.
    let seated = if want.accessible { rows.len() } else { 1 };
    (0..seated).find_map(|accessible_row| {
        let mut larger_parts = want.quantity % row_count;
        let mut runs = Vec::with_capacity(rows.len());
        for (offset, row) in rows.iter().enumerate() {
            let seeks = want.accessible && offset == accessible_row;
            let need = if seeks { Accessible::Some } else { Accessible::None };
            let run_of = |count| Starts::new(row, free(offset), count, need).nearest();
            let larger = (0 < larger_parts).then(|| run_of(part + 1)).flatten();
            let run = match larger {
                Some(run) => {
                    larger_parts -= 1;
                    run
                }
                None => run_of(part)?,
            };
            runs.push(run);
        }
        (larger_parts == 0).then_some(runs)
    })
}
