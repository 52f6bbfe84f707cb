//! A concert arena of 20,724 places: a floor before the stage, two rings around it, and standing
//! places.

use schema::{Area, Section};

use super::geometry::{self, Block};

const FLOOR_ROWS: u8 = 20;
const FLOOR_SEATS: u8 = 15;
const STANDING: u32 = 900;
/// Sections of each ring.
const RING: i32 = 24;

/// Sections of the floor, the lower and the upper ring, each with an index into [`PRICES`].
pub fn sections() -> Vec<Section> {
    let lower = ring(100, 22, 18, 2, 4_200);
    let upper = ring(200, 14, 20, 3, 6_400);
    (0..12).map(floor).chain(lower).chain(upper).collect()
}

/// Names and prices in euro cents.
pub const PRICES: [(&str, i64); 5] = [
    ("Floor front", 14_900),
    ("Floor", 12_900),
    ("Lower ring", 9_900),
    ("Upper ring", 6_900),
    ("Standing", 8_900),
];

pub fn standing() -> Area {
    let name = "Standing, before the stage".into();
    Area { id: "STANDING".into(), name, capacity: STANDING, price_level: 4 }
}

/// The stage stands at the upper end of the floor.
pub const FOCAL_CM: (i32, i32) = (0, -3_200);

/// Three ranks of four blocks; the standing places lie between the stage and the first rank.
fn floor(number: i32) -> Section {
    let (rank, column) = (number / 4, number % 4);
    let (x_cm, y_cm) = ((column - 2) * 870 + 85, rank * 1_850 - 2_400);
    let level = u8::from(rank != 0);
    let name = format!("F{}", number + 1);
    let mut section = geometry::straight(&name, FLOOR_ROWS, FLOOR_SEATS, level, (x_cm, y_cm));
    let last = section.rows.last_mut().expect("a floor block has rows");
    last.accessible = geometry::accessible(u32::from(FLOOR_ROWS) * 15, FLOOR_SEATS);
    section
}

fn ring(
    number: i32,
    rows: u8,
    seats: u8,
    level: u8,
    radius_cm: i32,
) -> impl Iterator<Item = Section> {
    (0..RING).map(move |idx| {
        let block = Block {
            name: (number + idx + 1).to_string(),
            row_count: rows,
            seats_first: seats,
            seats_grow_per_8_rows: 0,
            price_level: level,
            degrees: idx * 360 / RING,
            radius_cm,
        };
        block.section()
    })
}
