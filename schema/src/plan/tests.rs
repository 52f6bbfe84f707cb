//! What a plan may be.

use super::{Area, Fault, Pool, Row, SeatingPlan, Section};
use crate::id::AreaIdx;

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
        pools: Vec::new(),
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

/// Three areas of 7, 5 and 4 places, the first and the last in a pool of `capacity`.
fn pooled(capacity: u32) -> SeatingPlan {
    let mut plan = small();
    for (id, capacity) in [("EAST", 5), ("WEST", 4)] {
        let area = Area { id: id.into(), name: id.into(), capacity, price_level: 1 };
        plan.areas.push(area);
    }
    let areas = vec![AreaIdx(0), AreaIdx(2)];
    plan.pools = vec![Pool { id: "SOUTH".into(), capacity, areas }];
    plan
}

#[test]
fn the_places_of_a_pool_are_counted_once() {
    let plan = pooled(9);
    assert_eq!(plan.validate(), Ok(()));
    assert_eq!((plan.area_capacity(), plan.place_count()), (9 + 5, 12 + 9 + 5));
    assert_eq!((plan.pool_of(AreaIdx(2)), plan.pool_of(AreaIdx(1))), (Some(0), None));
    let free = |taken: [u32; 3]| {
        [0, 1, 2].map(|at| plan.area_free(AreaIdx(at), |area| taken[usize::from(area.0)]))
    };
    assert_eq!(free([0, 0, 0]), [7, 5, 4]);
    assert_eq!(free([6, 1, 0]), [1, 4, 3]);
    assert_eq!(free([5, 5, 4]), [0, 0, 0]);
}

#[test]
fn a_pool_that_its_areas_cannot_have_is_refused_with_the_reason() {
    for (capacity, fits) in [(6, false), (7, true), (11, true), (12, false)] {
        let pool = "SOUTH".into();
        let wanted = Err(Fault::PoolCapacity { pool, least: 7, most: 11 });
        assert_eq!(pooled(capacity).validate(), if fits { Ok(()) } else { wanted }, "{capacity}");
    }
    let faulty = |change: fn(&mut SeatingPlan)| {
        let mut plan = pooled(9);
        change(&mut plan);
        plan.validate().unwrap_err()
    };
    let areas = Fault::PoolAreas { pool: "SOUTH".into() };
    assert_eq!(faulty(|plan| plan.pools[0].areas.clear()), areas);
    assert_eq!(faulty(|plan| plan.pools[0].areas.push(AreaIdx(0))), areas);
    assert_eq!(faulty(|plan| plan.pools[0].areas.push(AreaIdx(3))), areas);
    let shared = faulty(|plan| {
        let pool = Pool { id: "NORTH".into(), ..plan.pools[0].clone() };
        plan.pools.push(pool);
    });
    assert_eq!(shared, Fault::PoolAreas { pool: "NORTH".into() });
    let twice = faulty(|plan| {
        let pool = Pool { areas: vec![AreaIdx(1)], capacity: 5, ..plan.pools[0].clone() };
        plan.pools.push(pool);
    });
    assert_eq!(twice, Fault::Twice { what: "pool", text: "SOUTH".into() });
}

#[test]
fn pools_are_a_part_of_a_plans_content_and_a_plan_without_has_the_id_that_it_had() {
    assert_eq!(small().content_id().to_string(), "p-DYJXC2BV0EKAJTBTRMZJKF");
    let plan = pooled(9);
    assert_ne!(plan.content_id(), pooled(8).content_id());
    let without = SeatingPlan { pools: vec![], ..plan.clone() };
    assert_ne!(plan.content_id(), without.content_id());
}
