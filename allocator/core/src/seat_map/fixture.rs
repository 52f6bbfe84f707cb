//! Small maps.

use super::SeatMap;
use crate::plan_tables::PlanTables;
use schema::{BestAvailable, PlanIndex, Row, SeatIdx, SeatingPlan, Section};
use std::sync::Arc;

/// A map of one row.
pub fn map(seat_count: u8) -> SeatMap {
    map_of_rows(&[seat_count])
}

/// A map of rows of one section, one behind the other, the nearest first.
pub fn map_of_rows(seat_counts: &[u8]) -> SeatMap {
    let row = |(&seat_count, y_cm): (&u8, i32)| Row {
        label: y_cm.to_string().into(),
        seat_count,
        first_number: 1,
        price_level: 0,
        accessible: 0,
        x_cm: 0,
        y_cm: y_cm * 1_000,
        step_x_cm: 50,
        step_y_cm: 0,
    };
    let rows = seat_counts.iter().zip(1..).map(row).collect();
    let plan = SeatingPlan {
        id: "p-1".parse().unwrap(),
        sections: vec![Section { name: "A".into(), rows }],
        areas: vec![],
        focal_x_cm: 0,
        focal_y_cm: 0,
        pools: Vec::new(),
    };
    SeatMap::new(Arc::new(PlanTables::new(Arc::new(PlanIndex::new(plan)))))
}

pub fn seats(numbers: &[u32]) -> Vec<SeatIdx> {
    numbers.iter().copied().map(SeatIdx).collect()
}

pub fn best(quantity: u8) -> BestAvailable {
    BestAvailable { quantity, section: None, price_level: None, accessible: false }
}
