//! What a plan may be.

use super::{Area, Fault, Row, SeatingPlan, Section};

pub(crate) fn row(label: &str, seat_count: u8) -> Row {
    Row {
        label: label.into(),
        seat_count,
        first_number: 1,
        price_level: 0,
        accessible: 0,
        x_cm: 0,
        y_cm: 0,
        step_x_cm: 50,
        step_y_cm: 0,
    }
}

pub(crate) fn small() -> SeatingPlan {
    SeatingPlan {
        id: "p-small".parse().unwrap(),
        sections: vec![
            Section { name: "A".into(), rows: vec![row("1", 3), row("2", 4)] },
            Section { name: "B".into(), rows: vec![row("1", 5)] },
        ],
        areas: vec![Area { id: "FLOOR".into(), name: "Floor".into(), capacity: 7, price_level: 1 }],
        focal_x_cm: 0,
        focal_y_cm: 0,
    }
}

#[test]
fn a_plan_within_its_limits_is_accepted_and_counted() {
    let plan = small();
    assert_eq!(plan.validate(), Ok(()));
    assert_eq!((plan.seat_count(), plan.area_capacity(), plan.place_count()), (12, 7, 19));
}

#[test]
fn a_plan_beyond_a_limit_is_refused_with_the_reason() {
    let faulty = |change: fn(&mut SeatingPlan)| {
        let mut plan = small();
        change(&mut plan);
        plan.validate().unwrap_err()
    };
    let twice = faulty(|plan| plan.sections[1].name = "A".into());
    assert_eq!(twice, Fault::Twice { what: "section", text: "A".into() });
    let label = faulty(|plan| plan.sections[0].rows[0].label = "1-2".into());
    assert!(matches!(label, Fault::Label { what: "row", .. }));
    let seats = faulty(|plan| plan.sections[0].rows[0].seat_count = 65);
    assert!(matches!(seats, Fault::RowSeats { .. }));
    let level = faulty(|plan| plan.areas[0].price_level = 32);
    assert_eq!(level, Fault::PriceLevel { level: 32 });
    let many = faulty(|plan| plan.areas[0].capacity = u32::MAX);
    assert!(matches!(many, Fault::TooMany { .. }));
    let empty = faulty(|plan| {
        plan.sections.clear();
        plan.areas.clear();
    });
    assert_eq!(empty, Fault::Empty);
}

#[test]
fn a_content_id_changes_with_the_content_and_not_with_the_name() {
    let plan = small();
    let mut renamed = plan.clone();
    renamed.id = "p-other".parse().unwrap();
    assert_eq!(plan.content_id(), renamed.content_id());
    let mut changed = plan.clone();
    changed.sections[0].rows[0].accessible = 1;
    assert_ne!(plan.content_id(), changed.content_id());
}
