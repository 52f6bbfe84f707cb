//! What best available needs to know of a plan, computed once and shared by all events of the plan.

use schema::{PlanIndex, SeatIdx};
use std::sync::Arc;

/// The tables of a plan: 4 bytes a seat and 72 a row, for all of its events together.
#[derive(Debug)]
pub struct PlanTables {
    pub index: Arc<PlanIndex>,
    /// In seat order.
    pub rows: Box<[RowTable]>,
    /// Positions in `rows`, the row that comes nearest to the focal point first.
    nearest_first: Box<[u32]>,
    /// The position in `rows` of each seat's row.
    row_of_seat: Box<[u32]>,
}

/// A row as the choice of seats sees it.
#[derive(Debug, Clone)]
pub struct RowTable {
    pub first: SeatIdx,
    pub seat_count: u8,
    pub section: u16,
    pub price_level: u8,
    /// Bit `i` is set when the seat `i` is an accessible place.
    pub accessible: u64,
    /// From the row's point that is nearest to the focal point, in half centimetres: no run of
    /// seats of the row has its middle nearer.
    pub distance_min: u64,
    /// Where that point is, in half seats from the first seat's middle.
    pub nearest_half: u8,
    /// From the focal point to the first seat's middle, and the step of half a seat, in half
    /// centimetres.
    origin: (i64, i64),
    half_step: (i64, i64),
}

impl PlanTables {
    pub fn new(index: Arc<PlanIndex>) -> Self {
        let rows: Box<[RowTable]> = (0..index.rows().len()).map(|at| row(&index, at)).collect();
        let count = u32::try_from(rows.len()).expect("a plan has fewer rows than places");
        let mut nearest_first: Box<[u32]> = (0..count).collect();
        nearest_first.sort_by_key(|&at| (rows[place(at)].distance_min, at));
        let spans = rows.iter().zip(0_u32..);
        let row_of_seat = spans
            .flat_map(|(row, at)| std::iter::repeat_n(at, usize::from(row.seat_count)))
            .collect();
        let tables = Self { index, rows, nearest_first, row_of_seat };
        assert!(tables.seat_count() == tables.index.plan.seat_count());
        tables
    }

    pub fn seat_count(&self) -> u32 {
        u32::try_from(self.row_of_seat.len()).expect("a plan has at most 262,144 seats")
    }

    /// Goes through the rows with their positions, the row that comes nearest to the focal point
    /// first, from this rank on.
    pub fn nearest_first(&self, rank: usize) -> impl Iterator<Item = (usize, &RowTable)> {
        let positions = self.nearest_first[rank..].iter().map(|&at| place(at));
        positions.map(|at| (at, &self.rows[at]))
    }

    /// The position of a seat's row, and the seat's bit in it.
    pub fn row_bit(&self, seat: SeatIdx) -> (usize, u64) {
        let row = self.row_of(seat);
        (row, 1 << (seat.0 - self.rows[row].first.0))
    }

    pub fn row_of(&self, seat: SeatIdx) -> usize {
        place(self.row_of_seat[place(seat.0)])
    }

    /// The highest price level that the plan names.
    pub fn price_level_max(&self) -> Option<u8> {
        let rows = self.rows.iter().map(|row| row.price_level);
        rows.chain(self.index.plan.areas.iter().map(|area| area.price_level)).max()
    }
}

impl RowTable {
    /// The bits of all seats.
    pub fn all(&self) -> u64 {
        u64::MAX >> (64 - u32::from(self.seat_count))
    }

    /// From the focal point to the middle of the `count` seats that begin at `start`, in half
    /// centimetres.
    pub fn distance(&self, start: u8, count: u8) -> u64 {
        assert!(0 < count);
        self.distance_at(i64::from(start) * 2 + i64::from(count) - 1)
    }

    fn distance_at(&self, half_seats: i64) -> u64 {
        // Beyond this a square would not fit; 5,000 km from the stage all rows may count as
        // equally far.
        let reach = 1 << 30;
        let x = (self.origin.0 + half_seats * self.half_step.0).unsigned_abs().min(reach);
        let y = (self.origin.1 + half_seats * self.half_step.1).unsigned_abs().min(reach);
        (x * x + y * y).isqrt()
    }
}

fn row(index: &PlanIndex, at: usize) -> RowTable {
    let span = index.rows()[at];
    let row = &index.plan.sections[usize::from(span.section)].rows[usize::from(span.row)];
    let from_focal = |cm: i32, focal: i32| (i64::from(cm) - i64::from(focal)) * 2;
    let mut table = RowTable {
        first: span.first,
        seat_count: span.seat_count,
        section: span.section,
        price_level: row.price_level,
        accessible: row.accessible,
        distance_min: 0,
        nearest_half: 0,
        origin: (
            from_focal(row.x_cm, index.plan.focal_x_cm),
            from_focal(row.y_cm, index.plan.focal_y_cm),
        ),
        half_step: (i64::from(row.step_x_cm), i64::from(row.step_y_cm)),
    };
    table.accessible &= table.all();
    let halves = 0..=(span.seat_count - 1) * 2;
    let nearest = halves.min_by_key(|&half| table.distance_at(i64::from(half)));
    table.nearest_half = nearest.expect("a row has at least one seat");
    table.distance_min = table.distance_at(i64::from(table.nearest_half));
    table
}

fn place(at: u32) -> usize {
    usize::try_from(at).expect("a plan has fewer places than memory has addresses")
}
