//! Draws blocks of seats around a middle, in whole centimetres.
//!
//! Integers only: a plan's id is a hash of its content, and floating-point sines differ between
//! platforms.

use schema::{Row, Section};

/// Distance between neighbours in a row.
const SEAT_CM: i32 = 50;
/// Distance between rows.
const ROW_CM: i32 = 85;
/// Sines are scaled by this.
const UNIT: i32 = 10_000;
/// One seat in 66 is an accessible place, about 1.5 %; each has a companion seat beside it.
const SEATS_PER_ACCESSIBLE: u32 = 66;

/// A block of rows that faces the middle.
pub struct Block {
    pub name: String,
    pub row_count: u8,
    /// Seats of the nearest row; each row has `seats_grow_per_8_rows / 8` more than the one before
    /// it.
    pub seats_first: u8,
    pub seats_grow_per_8_rows: u8,
    pub price_level: u8,
    /// The way from the middle to the block, in degrees: 0 is down the page, 90 to the right.
    pub degrees: i32,
    /// From the middle to the nearest row.
    pub radius_cm: i32,
}

impl Block {
    /// Lays out the rows as chords around the middle, numbered from the nearest.
    pub fn section(&self) -> Section {
        let mut rows: Vec<Row> = (0..self.row_count).map(|row| self.row(row)).collect();
        let seats: u32 = rows.iter().map(|row| u32::from(row.seat_count)).sum();
        // The last row is the one at the concourse, which has no steps.
        let last = rows.last_mut().expect("a block has rows");
        last.accessible = accessible(seats, last.seat_count);
        Section { name: self.name.as_str().into(), rows }
    }

    fn row(&self, row: u8) -> Row {
        let grown = u16::from(row) * u16::from(self.seats_grow_per_8_rows) / 8;
        let seat_count =
            self.seats_first + u8::try_from(grown).expect("a row has at most 64 seats");
        let radius = self.radius_cm + i32::from(row) * ROW_CM;
        let (sine, cosine) = (sine(self.degrees), sine(self.degrees + 90));
        let half = i32::from(seat_count - 1) * SEAT_CM / 2;
        let step = |scaled: i32| i16::try_from(SEAT_CM * scaled / UNIT).expect("at most 50 cm");
        Row {
            label: (u16::from(row) + 1).to_string().into(),
            seat_count,
            first_number: 1,
            price_level: self.price_level,
            accessible: 0,
            x_cm: (radius * (sine / 10) - half * (cosine / 10)) / (UNIT / 10),
            y_cm: (radius * (cosine / 10) + half * (sine / 10)) / (UNIT / 10),
            step_x_cm: step(cosine),
            step_y_cm: -step(sine),
        }
    }
}

/// A block of straight rows whose first seat lies at `(x_cm, y_cm)` and that goes down the page.
pub fn straight(
    name: &str,
    rows: u8,
    seats: u8,
    price_level: u8,
    (x_cm, y_cm): (i32, i32),
) -> Section {
    let row = |row: u8| Row {
        label: (u16::from(row) + 1).to_string().into(),
        seat_count: seats,
        first_number: 1,
        price_level,
        accessible: 0,
        x_cm,
        y_cm: y_cm + i32::from(row) * ROW_CM,
        step_x_cm: 50,
        step_y_cm: 0,
    };
    Section { name: name.into(), rows: (0..rows).map(row).collect() }
}

/// Which seats of a section's last row are accessible places: every second one, with a companion
/// between.
pub fn accessible(section_seats: u32, row_seats: u8) -> u64 {
    let count = (section_seats / SEATS_PER_ACCESSIBLE).clamp(1, u32::from(row_seats / 2));
    (0..count).fold(0, |bits, place| bits | 1 << (2 * place))
}

/// The sine of whole degrees, times [`UNIT`], by Bhaskara's formula; at most 0.2 % of the unit off.
fn sine(degrees: i32) -> i32 {
    let angle = degrees.rem_euclid(360);
    let (half, sign) = if angle < 180 { (angle, 1) } else { (angle - 180, -1) };
    let product = half * (180 - half);
    sign * (UNIT * 4 / 100) * product / ((40_500 - product) / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_right_within_a_fifth_of_a_percent() {
        for (degrees, expected) in [(0, 0), (30, 5_000), (90, 10_000), (135, 7_071), (270, -10_000)]
        {
            assert!((sine(degrees) - expected).abs() <= 30, "{degrees}: {}", sine(degrees));
        }
        assert_eq!(sine(-90), -sine(90));
    }

    #[test]
    fn rows_face_the_middle_and_grow_outwards() {
        let block = |degrees| Block {
            name: "1".into(),
            row_count: 9,
            seats_first: 11,
            seats_grow_per_8_rows: 4,
            price_level: 0,
            degrees,
            radius_cm: 2_000,
        };
        let below = block(0).section();
        assert_eq!((below.rows[0].x_cm, below.rows[0].y_cm), (-250, 2_000));
        assert_eq!((below.rows[0].step_x_cm, below.rows[0].step_y_cm), (50, 0));
        assert_eq!(below.rows[8].seat_count, 15);
        let right = block(90).section();
        assert_eq!((right.rows[0].x_cm, right.rows[0].y_cm), (2_000, 250));
        assert_eq!((right.rows[0].step_x_cm, right.rows[0].step_y_cm), (0, -50));
    }

    #[test]
    fn accessible_places_have_companions_between_them() {
        assert_eq!(accessible(400, 20), 0b0101_0101_0101);
        assert_eq!(accessible(400, 5), 0b0101);
        assert_eq!(accessible(30, 10), 0b1);
    }
}
