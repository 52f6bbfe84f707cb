//! The longest run of free neighbours in a hall, while seats come and go.

use super::map::SeatMap;
use super::span::Span;
use super::steps::Steps;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// The rows of a hall with how many own each seat now.
#[derive(Debug)]
pub struct Hall {
    rows: Vec<Vec<SeatNow>>,
    places: HashMap<Box<str>, (usize, usize)>,
    /// How many rows have a longest run of each length.
    lengths: BTreeMap<i64, u32>,
}

#[derive(Debug, Clone, Copy, Default)]
struct SeatNow {
    /// Widest times of several owners may overlap.
    owners: u32,
    /// Not given to those who did not ask for such a seat.
    set_apart: bool,
}

impl Hall {
    pub fn new(map: &SeatMap) -> Self {
        let mut hall = Self { rows: vec![], places: HashMap::new(), lengths: BTreeMap::new() };
        for row in map.rows() {
            let at = hall.rows.len();
            let seats = row.seats.iter().enumerate();
            hall.places.extend(seats.map(|(place, seat)| (seat.id.clone(), (at, place))));
            let now = |accessible| SeatNow { owners: 0, set_apart: accessible };
            let seats: Vec<_> = row.seats.iter().map(|seat| now(seat.accessible)).collect();
            *hall.lengths.entry(longest(&seats)).or_default() += 1;
            hall.rows.push(seats);
        }
        hall
    }

    /// The longest run over time, if seats are owned within these spans. O(seats in a row) for each
    /// beginning and each end.
    pub fn longest_over_time(mut self, owned: &[(&str, Span)]) -> Steps {
        let mut changes: Vec<(Duration, &str, bool)> = Vec::with_capacity(2 * owned.len());
        for (seat, span) in owned {
            changes.push((span.from, seat, true));
            changes.push((span.to, seat, false));
        }
        changes.sort_unstable();
        let mut steps = vec![(Duration::ZERO, self.longest())];
        for (at, seat, owns) in changes {
            if self.change(seat, owns) {
                steps.push((at, self.longest()));
            }
        }
        Steps::new(steps)
    }

    fn longest(&self) -> i64 {
        self.lengths.keys().next_back().copied().unwrap_or_default()
    }

    fn change(&mut self, seat: &str, owns: bool) -> bool {
        let Some(&(row, place)) = self.places.get(seat) else { return false };
        let before = longest(&self.rows[row]);
        let owners = &mut self.rows[row][place].owners;
        *owners = if owns { *owners + 1 } else { owners.saturating_sub(1) };
        let after = longest(&self.rows[row]);
        if before == after {
            return false;
        }
        let rows = self.lengths.get_mut(&before).expect("the row was counted before");
        *rows -= 1;
        if *rows == 0 {
            self.lengths.remove(&before);
        }
        *self.lengths.entry(after).or_default() += 1;
        true
    }
}

fn longest(seats: &[SeatNow]) -> i64 {
    let (mut run, mut longest) = (0, 0);
    for seat in seats {
        run = if seat.owners == 0 && !seat.set_apart { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}
