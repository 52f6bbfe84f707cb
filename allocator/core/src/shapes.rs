//! Where a party may sit, by looking at every set of seats: what best available is judged by in
//! tests.

use schema::SeatIdx;
use std::ops::Range;

/// Most rows that a party is spread over.
const ROWS_MAX: usize = 4;

/// All sets of seats that a party may have in rows of one section, one behind the other: as many
/// side by side in each of neighbouring rows, or one more in some.
///
/// Those in fewer rows come first. None depends on who has which seat.
pub(crate) fn shapes(rows: &[Range<u32>], quantity: u8) -> Vec<Vec<SeatIdx>> {
    let counts = 1..=ROWS_MAX.min(usize::from(quantity)).min(rows.len());
    let windows = counts.flat_map(|count| rows.windows(count));
    windows.flat_map(|window| over(window, quantity.into())).collect()
}

/// Those that have seats in each of `rows`.
fn over(rows: &[Range<u32>], quantity: usize) -> Vec<Vec<SeatIdx>> {
    let part = quantity / rows.len();
    let mut sets = vec![vec![]];
    for row in rows {
        let whole: Vec<SeatIdx> = row.clone().map(SeatIdx).collect();
        let runs: Vec<_> =
            [part, part + 1].iter().flat_map(|&count| whole.windows(count)).collect();
        let with = |set: &Vec<SeatIdx>| {
            let longer = runs.iter().map(|run| [set, *run].concat());
            longer.collect::<Vec<_>>()
        };
        sets = sets.iter().flat_map(with).collect();
    }
    // Where a row has two more than another, there are too many or too few.
    sets.retain(|set| set.len() == quantity);
    sets
}

#[test]
fn a_party_of_three_may_sit_in_one_row_as_two_and_one_or_one_by_one() {
    let seats = |sets: &[&[u32]]| -> Vec<Vec<SeatIdx>> {
        sets.iter().map(|set| set.iter().copied().map(SeatIdx).collect()).collect()
    };
    let in_one_row: &[&[u32]] = &[&[0, 1, 2]];
    let one_row = 0..3;
    assert_eq!(shapes(std::slice::from_ref(&one_row), 3), seats(in_one_row));
    let two_rows: &[&[u32]] = &[&[0, 1, 2], &[0, 1, 3], &[1, 2, 3]];
    assert_eq!(shapes(&[0..3, 3..4], 3), seats(two_rows));
    let all: &[&[u32]] = &[two_rows, &[&[0, 3, 4], &[1, 3, 4], &[2, 3, 4]]].concat();
    assert_eq!(shapes(&[0..3, 3..4, 4..5], 3), seats(all));
}
