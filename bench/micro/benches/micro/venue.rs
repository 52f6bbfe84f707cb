//! Places to measure in.

use allocator_core::{PlanTables, SeatMap};
use schema::{PlanIndex, Row, SeatIdx, SeatingPlan, Section};
use std::sync::Arc;

/// Sections side by side; the next ones lie behind them.
const SECTIONS_ABREAST: i32 = 8;

/// A seat's width and a row's depth.
const SEAT_CM: i16 = 55;
const ROW_CM: i32 = 90;

/// How many sections, rows and seats a place has.
#[derive(Debug, Clone, Copy)]
pub struct Venue {
    pub name: &'static str,
    sections: i32,
    rows: i32,
    seats: u8,
}

/// 300, 10,000, 20,700, 60,000 and 80,000 seats.
pub const CLUB: Venue = Venue { name: "club 300", sections: 1, rows: 15, seats: 20 };
pub const ARENA: Venue = Venue { name: "arena 20700", sections: 23, rows: 30, seats: 30 };
pub const HALL: Venue = Venue { name: "hall 10000", sections: 10, rows: 25, seats: 40 };
pub const STADIUM_60: Venue = Venue { name: "stadium 60000", sections: 60, rows: 25, seats: 40 };
pub const STADIUM: Venue = Venue { name: "stadium 80000", sections: 80, rows: 25, seats: 40 };

impl Venue {
    /// All seats, free.
    pub fn seat_map(self) -> SeatMap {
        SeatMap::new(Arc::new(PlanTables::new(Arc::new(PlanIndex::new(self.plan(0))))))
    }

    /// A plan of this number. They differ in their ids alone.
    pub fn plan(self, number: u32) -> SeatingPlan {
        let plan = SeatingPlan {
            id: format!("p-bench-{number}").parse().expect("it is a plan id"),
            sections: (0..self.sections).map(|section| self.section(section)).collect(),
            areas: Vec::new(),
            focal_x_cm: 0,
            focal_y_cm: 0,
            pools: Vec::new(),
        };
        plan.validate().expect("all limits are kept");
        plan
    }

    pub fn seat_count(self) -> u32 {
        let rows = u32::try_from(self.sections * self.rows).expect("neither is negative");
        rows * u32::from(self.seats)
    }

    fn section(self, section: i32) -> Section {
        let (rank, file) = (section / SECTIONS_ABREAST, section % SECTIONS_ABREAST);
        let width_cm = i32::from(SEAT_CM) * (i32::from(self.seats) + 4);
        let row = |row: i32| Row {
            label: (row + 1).to_string().into(),
            seat_count: self.seats,
            first_number: 1,
            price_level: 0,
            // Two places beside each other at the aisle of each section's last row.
            accessible: if row + 1 == self.rows { 0b11 } else { 0 },
            x_cm: (file - SECTIONS_ABREAST / 2) * width_cm,
            y_cm: 500 + (rank * (self.rows + 2) + row) * ROW_CM,
            step_x_cm: SEAT_CM,
            step_y_cm: 0,
        };
        let rows = (0..self.rows).map(row).collect();
        Section { name: format!("S{}", section + 1).into(), rows }
    }
}

/// All seats in couples, far from each other in time if near in space: a crowd does not buy in the
/// order of memory.
pub fn scattered_couples(seat_count: u32) -> Vec<[SeatIdx; 2]> {
    // A prime above every count divides none, so that each couple is met once.
    const STEP: u64 = 1_000_003;
    let couples = u64::from(seat_count / 2);
    let couple = |turn: u64| {
        let first = u32::try_from(turn * STEP % couples).expect("below a seat count") * 2;
        [SeatIdx(first), SeatIdx(first + 1)]
    };
    (0..couples).map(couple).collect()
}
