//! What unit tests of this crate share.

use schema::{Area, PlanIndex, Row, SeatingPlan, Section};

pub fn row(label: &str, seat_count: u8) -> Row {
    Row {
        label: label.into(),
        seat_count,
        first_number: 1,
        price_level: 0,
        accessible: 1,
        x_cm: 0,
        y_cm: 0,
        step_x_cm: 50,
        step_y_cm: 0,
    }
}

/// Section A with rows of 4 and 5 seats, and an area of 20 places.
pub fn plan() -> PlanIndex {
    PlanIndex::new(SeatingPlan {
        id: "p-test".parse().unwrap(),
        sections: vec![Section { name: "A".into(), rows: vec![row("1", 4), row("2", 5)] }],
        areas: vec![Area {
            id: "FLOOR".into(),
            name: "Floor".into(),
            capacity: 20,
            price_level: 1,
        }],
        focal_x_cm: 0,
        focal_y_cm: 0,
        pools: Vec::new(),
    })
}
