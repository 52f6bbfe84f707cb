//! An arena of 20,784 seats: blocks on the floor before the stage, and two rings around them.

use crate::plan_tables::PlanTables;
use crate::seat_map::SeatMap;
use schema::{PlanIndex, Row, SeatingPlan, Section};
use std::sync::Arc;

const SEAT_CM: i32 = 50;
const ROW_CM: i32 = 85;

/// Sections of a ring on each of its four sides.
const SIDE: i32 = 6;

/// A block of straight rows that looks to the middle from one of four sides.
struct Block {
    rows: i32,
    seats: u8,
    price_level: u8,
    /// Quarter turns from the side below the middle.
    side: i32,
    /// The first row's first seat, before the turn.
    x_cm: i32,
    y_cm: i32,
}

pub fn map() -> SeatMap {
    let floor = (0..12).map(|block| {
        let (rank, column) = (block / 4, block % 4);
        let (x_cm, y_cm) = ((column - 2) * 870 + 85, rank * 1_850 - 2_400);
        Block { rows: 20, seats: 15, price_level: 0, side: 0, x_cm, y_cm }
    });
    let ring = |rows: i32, seats: u8, price_level: u8, y_cm: i32| {
        (0..4 * SIDE).map(move |block| {
            let x_cm = (block % SIDE - SIDE / 2) * (i32::from(seats) + 2) * SEAT_CM;
            Block { rows, seats, price_level, side: block / SIDE, x_cm, y_cm }
        })
    };
    let blocks = floor.chain(ring(22, 18, 1, 4_200)).chain(ring(16, 20, 2, 6_400));
    let plan = SeatingPlan {
        id: "p-arena".parse().unwrap(),
        sections: blocks.zip(0..).map(|(block, number)| block.section(number)).collect(),
        areas: vec![],
        focal_x_cm: 0,
        focal_y_cm: -3_200,
        pools: Vec::new(),
    };
    assert_eq!(plan.validate(), Ok(()));
    assert_eq!(plan.seat_count(), 20_784);
    SeatMap::new(Arc::new(PlanTables::new(Arc::new(PlanIndex::new(plan)))))
}

impl Block {
    fn section(&self, number: u32) -> Section {
        Section {
            name: number.to_string().into(),
            rows: (0..self.rows).map(|row| self.row(row)).collect(),
        }
    }

    fn row(&self, row: i32) -> Row {
        let (x, y) = turned(self.side, (self.x_cm, self.y_cm + row * ROW_CM));
        let (step_x, step_y) = turned(self.side, (SEAT_CM, 0));
        Row {
            label: row.to_string().into(),
            seat_count: self.seats,
            first_number: 1,
            price_level: self.price_level,
            // Four places with companions between them, at the concourse.
            accessible: if row + 1 == self.rows { 0b101_0101 } else { 0 },
            x_cm: x,
            y_cm: y,
            step_x_cm: step_x.try_into().unwrap(),
            step_y_cm: step_y.try_into().unwrap(),
        }
    }
}

fn turned(quarters: i32, (x, y): (i32, i32)) -> (i32, i32) {
    (0..quarters).fold((x, y), |(x, y), _| (-y, x))
}
