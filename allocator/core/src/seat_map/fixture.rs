//! A map of one row.

use super::SeatMap;
use crate::plan_tables::PlanTables;
use schema::{PlanIndex, Row, SeatIdx, SeatingPlan, Section};
use std::sync::Arc;

pub fn map(seat_count: u8) -> SeatMap {
    let row = Row {
        label: "1".into(),
        seat_count,
        first_number: 1,
        price_level: 0,
        accessible: 0,
        x_cm: 0,
        y_cm: 0,
        step_x_cm: 50,
        step_y_cm: 0,
    };
    let plan = SeatingPlan {
        id: "p-1".parse().unwrap(),
        sections: vec![Section { name: "A".into(), rows: vec![row] }],
        areas: vec![],
        focal_x_cm: 0,
        focal_y_cm: 0,
    };
    SeatMap::new(Arc::new(PlanTables::new(Arc::new(PlanIndex::new(plan)))))
}

pub fn seats(numbers: &[u32]) -> Vec<SeatIdx> {
    numbers.iter().copied().map(SeatIdx).collect()
}
