//! Where the seats of an event are, and which of them somebody chooses.

use crate::dice::Dice;

/// The seated part of a plan, in the order of the compact seat map.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    rows: Box<[Row]>,
    seat_count: u32,
    /// Areas with standing places.
    areas: Box<[Box<str>]>,
}

/// One row of seats with consecutive numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub section: Box<str>,
    pub label: Box<str>,
    /// Index of the first seat in the plan, and its number in the row.
    pub first_idx: u32,
    pub first_number: u32,
    pub seats: u32,
}

/// Bytes of the compact map before its seats: a mark, a version, two counts.
const MAP_HEAD_BYTES: usize = 18;

impl Plan {
    pub fn new(rows: Vec<Row>) -> Self {
        let seat_count = rows.iter().map(|row| row.seats).sum();
        Self { rows: rows.into(), seat_count, areas: Box::default() }
    }

    #[must_use]
    pub fn with_areas(self, areas: Vec<Box<str>>) -> Self {
        Self { areas: areas.into(), ..self }
    }

    /// Where those stand who find no seats.
    pub fn standing(&self) -> Option<&str> {
        self.areas.first().map(|area| &**area)
    }

    pub fn has_seats(&self) -> bool {
        0 < self.seat_count
    }

    pub fn row_count(&self) -> u32 {
        u32::try_from(self.rows.len()).expect("a plan has at most 200,000 seats")
    }

    pub fn row(&self, idx: u32) -> &Row {
        &self.rows[usize::try_from(idx).expect("usize has 32 bits or more")]
    }

    /// The row of a seat, and its number there.
    pub fn seat(&self, idx: u32) -> (&Row, u32) {
        let row = self.rows.partition_point(|row| row.first_idx <= idx) - 1;
        let row = &self.rows[row];
        (row, row.first_number + idx - row.first_idx)
    }

    /// Chooses `party` free neighbours on a compact map, searching from a row by chance; any seat
    /// if there are none, since what is wanted may become free. Of the first `among` seats; 0 for
    /// all.
    pub fn choose(&self, map: &[u8], party: u32, among: u32, dice: &mut Dice) -> Box<[u32]> {
        let bound = if among == 0 { self.seat_count } else { among.min(self.seat_count) };
        let rows = self.rows.partition_point(|row| row.first_idx < bound);
        let first = dice.below(u32::try_from(rows).expect("a plan has at most 200,000 seats"));
        let (before, after) = self.rows[..rows].split_at(first.try_into().expect("32 bits fit"));
        for row in after.iter().chain(before) {
            let end = bound.min(row.first_idx + row.seats);
            let mut run = 0;
            // From a seat by chance, so that those who look at one map do not all want one seat.
            let from = row.first_idx + dice.below(row.seats) / 2;
            for idx in from..end {
                run = if is_free(map, idx) { run + 1 } else { 0 };
                if run == party {
                    return (idx + 1 - party..=idx).collect();
                }
            }
        }
        [dice.below(bound)].into()
    }
}

/// Two bits a seat, the first of four in the lowest; both are 0 where it is free.
fn is_free(map: &[u8], idx: u32) -> bool {
    let at = MAP_HEAD_BYTES + usize::try_from(idx / 4).expect("usize has 32 bits or more");
    map.get(at).is_some_and(|four| (four >> (2 * (idx % 4))).trailing_zeros() >= 2)
}

#[cfg(test)]
mod tests {
    use super::{Plan, Row};
    use crate::dice::Dice;

    fn plan() -> Plan {
        let row = |label: &str, first_idx, first_number, seats| Row {
            section: "A".into(),
            label: label.into(),
            first_idx,
            first_number,
            seats,
        };
        Plan::new(vec![row("1", 0, 1, 6), row("2", 6, 11, 6)])
    }

    #[test]
    fn seats_are_named_by_row_and_number() {
        let plan = plan();
        let named = |idx| {
            let (row, number) = plan.seat(idx);
            format!("{}-{}-{number}", row.section, row.label)
        };
        assert_eq!([0, 5, 6, 11].map(named), ["A-1-1", "A-1-6", "A-2-11", "A-2-16"]);
    }

    #[test]
    fn neighbours_are_chosen_among_the_free_ones_and_anything_if_there_are_none() {
        let mut map = vec![0; super::MAP_HEAD_BYTES];
        // Row 1 is held but for its last seat, row 2 is free.
        map.extend([0b0101_0101, 0b0000_0001, 0]);
        let mut dice = Dice::new(1, 1);
        for _ in 0..50 {
            let chosen = plan().choose(&map, 2, 0, &mut dice);
            assert_eq!(chosen.len(), 2);
            assert!(chosen[0] + 1 == chosen[1] && 5 < chosen[0], "{chosen:?}");
            let among = plan().choose(&map, 3, 6, &mut dice);
            assert!(among.len() == 1 && among[0] < 6, "{among:?}");
        }
    }
}
