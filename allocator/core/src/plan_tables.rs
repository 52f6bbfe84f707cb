//! What best available needs to know of a plan, computed once and shared by all events of the plan.

use schema::{AreaIdx, PlanIndex, SeatIdx};
use std::sync::Arc;

/// The tables of a plan: 4 bytes a seat and 80 a row, for all of its events together.
#[derive(Debug)]
pub struct PlanTables {
    pub index: Arc<PlanIndex>,
    /// In seat order.
    pub rows: Box<[RowTable]>,
    /// All rows, the one that comes nearest to the focal point first.
    nearest_first: Box<[Ranked]>,
    /// Seats and standing places of the plan together.
    pub place_count: u32,
    /// The pool that each area is in.
    pool_of_area: Box<[Option<usize>]>,
    /// The position in `rows` of each seat's row.
    row_of_seat: Box<[u32]>,
}

/// A row among all rows, by the way to the focal point.
///
/// Eight bytes: a choice goes past hundreds of rows without a free seat, which it knows by these
/// and by the row's bits alone.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    row: u32,
    /// [`RowTable::distance_min`], below 2^31.
    distance_min: u32,
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
        let ranked = rows.iter().zip(0..).map(|(table, row)| {
            let distance_min =
                u32::try_from(table.distance_min).expect("both ways are at most 2^30");
            Ranked { row, distance_min }
        });
        let mut nearest_first: Box<[Ranked]> = ranked.collect();
        nearest_first.sort_unstable_by_key(|ranked| (ranked.distance_min, ranked.row));
        let spans = rows.iter().zip(0_u32..);
        let row_of_seat = spans
            .flat_map(|(row, at)| std::iter::repeat_n(at, usize::from(row.seat_count)))
            .collect();
        let place_count = index.plan.place_count();
        let areas = (0..).map(AreaIdx).take(index.plan.areas.len());
        let pool_of_area = areas.map(|area| index.plan.pool_of(area)).collect();
        let tables = Self { index, rows, nearest_first, place_count, pool_of_area, row_of_seat };
        assert!(tables.seat_count() == tables.index.plan.seat_count());
        tables
    }

    pub fn seat_count(&self) -> u32 {
        u32::try_from(self.row_of_seat.len()).expect("a plan has at most 262,144 seats")
    }

    /// Goes through the positions of all rows, with the least distance of each, the row that comes
    /// nearest to the focal point first, from this rank on.
    pub fn nearest_first(&self, rank: usize) -> impl Iterator<Item = (usize, u64)> {
        let ranked = self.nearest_first[rank..].iter();
        ranked.map(|ranked| (place(ranked.row), u64::from(ranked.distance_min)))
    }

    /// The position of a seat's row, and the seat's bit in it.
    pub fn row_bit(&self, seat: SeatIdx) -> (usize, u64) {
        let row = self.row_of(seat);
        (row, 1 << (seat.0 - self.rows[row].first.0))
    }

    pub fn row_of(&self, seat: SeatIdx) -> usize {
        place(self.row_of_seat[place(seat.0)])
    }

    /// The position of the pool that an area is in.
    pub fn pool_of(&self, area: AreaIdx) -> Option<usize> {
        self.pool_of_area[usize::from(area.0)]
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

    /// The square of the way from the focal point to the middle of the `count` seats that begin at
    /// `start`, in half centimetres. Below 2^62.
    pub fn distance_squared(&self, start: u8, count: u8) -> u64 {
        assert!(0 < count);
        self.squared_at(i64::from(start) * 2 + i64::from(count) - 1)
    }

    fn squared_at(&self, half_seats: i64) -> u64 {
        // Beyond this a square would not fit; 5,000 km from the stage all rows may count as
        // equally far.
        let reach = 1 << 30;
        let x = (self.origin.0 + half_seats * self.half_step.0).unsigned_abs().min(reach);
        let y = (self.origin.1 + half_seats * self.half_step.1).unsigned_abs().min(reach);
        x * x + y * y
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
    let nearest = halves.min_by_key(|&half| table.squared_at(i64::from(half)));
    table.nearest_half = nearest.expect("a row has at least one seat");
    table.distance_min = table.squared_at(i64::from(table.nearest_half)).isqrt();
    table
}

fn place(at: u32) -> usize {
    usize::try_from(at).expect("a plan has fewer places than memory has addresses")
}
