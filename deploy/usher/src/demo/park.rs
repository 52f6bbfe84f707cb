//! The seating plan of a ballpark: three or four tiers in an open bowl around the field.
//!
//! The real plans are not public data. These have a ballpark's shape and a size that fits the crowd
//! which came.

use schema::{SeatingPlan, Section};

use super::geometry::Block;
use super::named;

/// A crowd below this plays in a small park, without club and upper deck.
const SMALL_CROWD: u32 = 10_000;
/// No park of the league is larger than about this.
const SEATS_MAX: u32 = 45_000;

/// Names and prices in US cents, for a game with an average crowd.
pub const PRICES: [(&str, i64); 6] = [
    ("Home plate", 9_500),
    ("Field", 6_500),
    ("Lower deck", 4_500),
    ("Outfield", 2_800),
    ("Club", 7_500),
    ("Upper deck", 2_200),
];
const HOME_PLATE: u8 = 0;
const OUTFIELD: u8 = 3;

/// One ring of sections, all of the same size.
struct Tier {
    /// Sections are numbered upwards from the next number.
    number: i32,
    sections: i32,
    /// Of the park's seats.
    percent: u32,
    radius_cm: i32,
    price_level: u8,
}

const FIELD: Tier = Tier { number: 0, sections: 30, percent: 30, radius_cm: 7_500, price_level: 1 };
const LOWER: Tier =
    Tier { number: 100, sections: 30, percent: 28, radius_cm: 9_600, price_level: 2 };
const CLUB: Tier =
    Tier { number: 200, sections: 20, percent: 10, radius_cm: 11_600, price_level: 4 };
const UPPER: Tier =
    Tier { number: 300, sections: 36, percent: 32, radius_cm: 12_900, price_level: 5 };
const TIERS: [Tier; 4] = [FIELD, LOWER, CLUB, UPPER];
const TIERS_SMALL: [Tier; 2] =
    [Tier { sections: 15, percent: 50, ..FIELD }, Tier { sections: 15, percent: 50, ..LOWER }];
/// Home plate, where people look; the middle of the field is the middle of the plan.
const HOME_PLATE_CM: (i32, i32) = (0, 5_700);
/// Seats of a middle row, about.
const ROW_SEATS: u32 = 20;

/// How many seats the park has, about, for a crowd of `crowd` on average.
pub fn seats_for(crowd: u32) -> u32 {
    let seats = if crowd < SMALL_CROWD { crowd * 11 / 10 } else { 12_000 + crowd * 4 / 5 };
    seats.min(SEATS_MAX)
}

/// How many of [`PRICES`] the park uses.
pub fn level_count(crowd: u32) -> usize {
    if crowd < SMALL_CROWD { 4 } else { PRICES.len() }
}

/// The plan of a park where `crowd` people come on average.
pub fn plan(crowd: u32) -> SeatingPlan {
    let tiers: &[Tier] = if crowd < SMALL_CROWD { &TIERS_SMALL } else { &TIERS };
    let sections = tiers.iter().flat_map(|tier| tier_sections(tier, crowd)).collect();
    named::plan(sections, Vec::new(), HOME_PLATE_CM)
}

fn tier_sections(tier: &Tier, crowd: u32) -> impl Iterator<Item = Section> {
    let seats = seats_for(crowd) * tier.percent / 100 / tier.sections.unsigned_abs();
    let rows = (seats / ROW_SEATS).max(2);
    // The nearest row has fewer seats than the middle one, as the rows grow.
    let seats_first = seats / rows - (rows - 1) / 8;
    let row_count = u8::try_from(rows).expect("a tier of the largest park has some 22 rows");
    let seats_first = u8::try_from(seats_first).expect("rows have some 20 seats");
    // No two parks are alike: how near the stands are differs by up to five metres.
    let farther_cm = i32::try_from(crowd % 500).expect("below 500");
    let radius_cm = tier.radius_cm + farther_cm;
    (0..tier.sections).map(move |idx| block(tier, idx, row_count, seats_first, radius_cm).section())
}

fn block(tier: &Tier, idx: i32, row_count: u8, seats_first: u8, radius_cm: i32) -> Block {
    // The bowl spans 270 degrees and is open behind the outfield.
    let degrees = 135 - (2 * idx + 1) * 135 / tier.sections;
    let price_level = match degrees.abs() {
        0..45 if tier.price_level == FIELD.price_level => HOME_PLATE,
        95.. if tier.price_level == LOWER.price_level => OUTFIELD,
        _ => tier.price_level,
    };
    Block {
        name: (tier.number + idx + 1).to_string(),
        row_count,
        seats_first,
        seats_grow_per_8_rows: 2,
        price_level,
        degrees,
        radius_cm,
    }
}
