//! Who asks for what: the same parties, in the same order, on every run.

use crate::dice::Dice;

/// How often parties of one, two and so on come to a real sale, in per cent.
const PARTY_WEIGHTS: [f64; 6] = [15.0, 45.0, 12.0, 22.0, 3.0, 3.0];

const SEED: u64 = 7;

/// A ticket, and the seat it is for where there are seats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub item: u64,
    pub seat: Option<String>,
}

/// Free neighbours.
pub type Row = Vec<Place>;

/// Places that are bought together.
pub type Party = Vec<Place>;

/// What the fan with this number asks for, of so many: rows of its own, split among parties. Where
/// a row ends the party is smaller. No two fans want the same seat.
pub fn parties(rows: &[Row], number: u32, of: u32) -> Vec<Party> {
    let step = usize::try_from(of).expect("32 bits fit");
    let first = usize::try_from(number).expect("32 bits fit");
    let mut dice = Dice::new(SEED, number.into());
    let mut parties = Vec::new();
    for row in rows.iter().skip(first).step_by(step) {
        let mut left = row.as_slice();
        while !left.is_empty() {
            let size = dice.choose(PARTY_WEIGHTS.into_iter()) + 1;
            let (party, rest) = left.split_at(size.min(left.len()));
            parties.push(party.to_vec());
            left = rest;
        }
    }
    parties
}

#[cfg(test)]
mod tests {
    use super::{Place, Row, parties};
    use std::collections::BTreeSet;

    #[test]
    fn every_seat_is_asked_for_once_and_parties_are_those_of_a_sale() {
        let place = |row: u64, seat: u64| Place { item: 1, seat: Some(format!("{row}-{seat}")) };
        let row = |row: u64| (0..30).map(|seat| place(row, seat)).collect::<Row>();
        let rows = (0..100).map(row).collect::<Vec<_>>();
        let all = (0..7).flat_map(|number| parties(&rows, number, 7)).collect::<Vec<_>>();
        let seats = all.iter().flatten().map(|place| place.seat.as_ref().unwrap());
        assert_eq!(seats.collect::<BTreeSet<_>>().len(), 3_000);
        assert_eq!(all.iter().map(Vec::len).sum::<usize>(), 3_000);
        let couples = all.iter().filter(|party| party.len() == 2).count();
        assert!((40..50).contains(&(couples * 100 / all.len())), "{couples} of {}", all.len());
        assert!(all.iter().all(|party| (1..=6).contains(&party.len())));
        assert_eq!(parties(&rows, 3, 7), parties(&rows, 3, 7));
    }
}
