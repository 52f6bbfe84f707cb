//! Where a party may sit in the hall, by trying every place.

use crate::hall::{ACCESSIBLE, ROWS, SECTION};
use schema::BestAvailable;

/// Whether a party finds places among the seats that are usable: side by side in one row, or one
/// half of it, give or take one person, in either row.
pub fn could_sit(party: BestAvailable, is_usable: impl Fn(u32) -> bool) -> bool {
    let all = u32::from(party.quantity);
    let half = all / 2;
    let divisions = [[all, 0], [0, all], [half, all - half], [all - half, half]];
    // In which row the accessible seat is to be: in one if they ask for it, else in none.
    let wishes: &[Option<usize>] = if party.accessible { &[Some(0), Some(1)] } else { &[None] };
    let fits = |row: usize, count: u32, accessible: bool| {
        ROWS[row].clone().any(|first| {
            let mut run = first..first + count;
            let inside = run.end <= ROWS[row].end && run.contains(&ACCESSIBLE) == accessible;
            inside && run.all(|seat| is_on_sale(party, row) && is_usable(seat))
        })
    };
    let seats = |counts: [u32; 2], wish: Option<usize>| {
        (0..ROWS.len()).all(|row| fits(row, counts[row], wish == Some(row)))
    };
    wishes.iter().any(|&wish| divisions.iter().any(|&counts| seats(counts, wish)))
}

/// Whether the filters let a row pass: each has a price level of its own.
fn is_on_sale(party: BestAvailable, row: usize) -> bool {
    let section = party.section.is_none_or(|section| section == SECTION);
    section && party.price_level.is_none_or(|level| usize::from(level) == row)
}

#[cfg(test)]
mod tests {
    use super::could_sit;
    use schema::BestAvailable;

    /// Seats of the first row are 0 to 4, of the second 5 to 9.
    fn check(free: &[u32], quantity: u8, sits: bool) {
        let party = BestAvailable { quantity, section: None, price_level: None, accessible: false };
        assert_eq!(could_sit(party, |seat| free.contains(&seat)), sits, "{quantity} in {free:?}");
    }

    #[test]
    fn a_party_sits_in_one_row_or_evenly_in_both() {
        check(&[1, 2, 3], 3, true);
        check(&[1, 2, 9], 3, true);
        check(&[1, 8, 9], 3, true);
        check(&[1, 3, 9], 3, false);
        check(&[1, 2, 3, 9], 4, false);
        check(&[1, 2, 6, 7], 4, true);
        check(&[], 1, false);
        check(&[3, 4], 2, false);
    }

    #[test]
    fn only_who_asks_has_the_accessible_seat_and_filters_are_kept() {
        let free = |seat: u32| [3, 4, 8].contains(&seat);
        let alone =
            BestAvailable { quantity: 1, section: None, price_level: None, accessible: true };
        let two = BestAvailable { quantity: 2, ..alone };
        assert!(could_sit(alone, free));
        assert!(could_sit(two, free));
        assert!(could_sit(two, |seat| [4, 8].contains(&seat)), "a companion in the other row");
        assert!(!could_sit(two, |seat| seat != 4));
        assert!(!could_sit(BestAvailable { price_level: Some(1), ..alone }, free));
        assert!(!could_sit(BestAvailable { section: Some(1), ..alone }, free));
        let three = BestAvailable { quantity: 3, accessible: false, ..alone };
        assert!(could_sit(three, |seat| [2, 3, 8].contains(&seat)));
        assert!(!could_sit(BestAvailable { price_level: Some(0), ..three }, |seat| 5 <= seat));
    }
}
