//! Adjacent seats of one row: which runs a party could have, and which of them is nearest.

use crate::bits;
use crate::plan_tables::RowTable;
use schema::{BestAvailable, SeatIdx};

/// Adjacent seats of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub first: SeatIdx,
    pub count: u8,
    /// The square of the way from the focal point to its middle, in half centimetres: runs are
    /// compared far more often than their distance is told.
    pub distance_squared: u64,
    /// Free seats beside it that it leaves alone, at most 2.
    pub stranded: u8,
}

/// Whether a run has accessible seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accessible {
    None,
    /// At least one, and only one where the row has such a run: the next to ask needs one as well.
    Some,
}

/// Where in a row runs of `count` free seats begin, bit `i` for the seat `i`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Starts<'a> {
    pub row: &'a RowTable,
    pub count: u8,
    free: u64,
    /// All that there are.
    any: u64,
    /// Those that leave no seat alone.
    clean: u64,
}

impl Run {
    /// From the focal point to its middle, in half centimetres.
    pub fn distance(self) -> u64 {
        self.distance_squared.isqrt()
    }

    pub fn seats(self) -> impl Iterator<Item = SeatIdx> {
        (self.first.0..self.first.0 + u32::from(self.count)).map(SeatIdx)
    }
}

impl Accessible {
    /// What the whole party needs.
    pub fn of(want: BestAvailable) -> Self {
        if want.accessible { Self::Some } else { Self::None }
    }
}

impl<'a> Starts<'a> {
    pub fn new(row: &'a RowTable, free: u64, count: u8, need: Accessible) -> Self {
        let any = match need {
            Accessible::None => bits::runs(free & !row.accessible, count),
            Accessible::Some => {
                let (once, twice) = bits::covering(free & row.accessible, count);
                let runs = bits::runs(free, count) & once;
                if runs & !twice == 0 { runs } else { runs & !twice }
            }
        };
        let clean = any & !bits::stranding(free, count);
        Self { row, count, free, any, clean }
    }

    /// The nearest run, one that strands nobody before one that does.
    pub fn nearest(&self) -> Option<Run> {
        self.nearest_clean().or_else(|| (self.any != 0).then(|| self.nearest_of(self.any)))
    }

    /// The nearest run that strands nobody.
    pub fn nearest_clean(&self) -> Option<Run> {
        (self.clean != 0).then(|| self.nearest_of(self.clean))
    }

    fn nearest_of(&self, starts: u64) -> Run {
        assert!(starts != 0);
        // The distance only grows to both sides of the nearest point, so the starts next to it
        // decide.
        let ideal = self.row.nearest_half.saturating_sub(self.count - 1) / 2;
        let (below, above) = bits::neighbours(starts, ideal);
        let squared = |start: u8| self.row.distance_squared(start, self.count);
        let start = match (below, above) {
            (Some(below), Some(above)) if squared(above) < squared(below) => above,
            (Some(start), _) | (None, Some(start)) => start,
            (None, None) => unreachable!("some start is set"),
        };
        self.run(start)
    }

    /// The nearest clean run that ends before the seat at `end`, counted from the row's first.
    pub fn clean_before(&self, end: u32) -> Option<Run> {
        let last = u8::try_from(end).ok()?.checked_sub(self.count)?;
        bits::neighbours(self.clean, last).0.map(|start| self.run(start))
    }

    /// The nearest clean run that begins at the seat at `from` or behind it.
    pub fn clean_from(&self, from: u32) -> Option<Run> {
        let clean = self.clean & u64::MAX.checked_shl(from).unwrap_or(0);
        let start = u8::try_from(clean.trailing_zeros()).expect("a word has 64 bits");
        (clean != 0).then(|| self.run(start))
    }

    fn run(&self, start: u8) -> Run {
        let (free, count) = (self.free, self.count);
        Run {
            first: SeatIdx(self.row.first.0 + u32::from(start)),
            count,
            distance_squared: self.row.distance_squared(start, count),
            stranded: bits::left_alone(free, start, count),
        }
    }
}

/// Whether the filters of a request let a row pass.
pub(crate) fn fits(row: &RowTable, want: BestAvailable) -> bool {
    want.section.is_none_or(|section| section == row.section)
        && want.price_level.is_none_or(|level| level == row.price_level)
}
