//! The lines of an order: one place each, one ticket each.

use schema::{AreaIdx, Held, SeatIdx};

/// What a ticket lets into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Seat(SeatIdx),
    /// A standing place of an area.
    Area(AreaIdx),
}

/// One place of an order. Its position in the order is the line of its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub place: Place,
    pub price_level: u8,
    /// In minor units of the order's currency.
    pub price: i64,
}

/// Lists the places of a hold: its seats in their order, then its standing places.
///
/// The order is frozen: ticket ids and ticket codes follow from it.
pub fn lines_of(held: &Held) -> Vec<Line> {
    let seats = held.seats.iter().map(|seat| Line {
        place: Place::Seat(seat.seat),
        price_level: seat.price_level,
        price: seat.price,
    });
    let areas = held.areas.iter().flat_map(|area| {
        let line = Line {
            place: Place::Area(area.area),
            price_level: area.price_level,
            price: area.price,
        };
        std::iter::repeat_n(line, usize::try_from(area.quantity).unwrap_or(usize::MAX))
    });
    let lines: Vec<Line> = seats.chain(areas).collect();
    assert!(u32::try_from(lines.len()) == Ok(held.place_count()));
    lines
}
