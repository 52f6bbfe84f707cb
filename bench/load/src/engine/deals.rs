//! What was promised by an answer.

use super::World;
use crate::fan::{Ask, Person, Want, What};
use crate::record::{Deal, Deed, Place};
use serde::Deserialize;
use std::time::Duration;

/// Allotted places stay with the partner until given back.
const FOR_GOOD: Duration = Duration::from_hours(24);

/// An answer, and to what; status 0 if none came.
pub struct Told<'a> {
    pub world: &'a World,
    pub person: &'a Person,
    pub ask: &'a Ask,
    pub status: u16,
    pub code: &'a str,
    pub body: &'a [u8],
}

impl Told<'_> {
    /// The deal, if the answer promises, refuses or ends something.
    pub fn deal(&self) -> Option<Deal> {
        match (self.ask.deed, self.status) {
            (Deed::Reserve, 201) => self.reserved(),
            (Deed::Confirm | Deed::Booking, 200) => self.confirmed(),
            (Deed::Confirm, 410) => Some(Deal::Lapsed { reservation: self.reservation()? }),
            (Deed::Confirm, 402 | 403 | 404 | 409 | 422)
            | (Deed::Reserve, 403 | 404 | 409 | 422) => Some(self.refused()),
            (
                Deed::Reserve | Deed::Confirm | Deed::Release | Deed::Cancel | Deed::Allocate,
                status,
            ) if status == 0 || status == 202 || 500 <= status => Some(self.unknown()),
            (Deed::Release, 200 | 204) => Some(Deal::Released { reservation: self.reservation()? }),
            (Deed::Cancel, 200) => {
                let booking = self.person.papers.inside.as_ref()?.booking.clone();
                Some(Deal::Cancelled { booking })
            }
            (Deed::Allocate, 200) => self.allotted(),
            _ => None,
        }
    }

    fn unknown(&self) -> Deal {
        let (seats, quantity) = self.wanted();
        let (deed, reservation) = match self.ask.what {
            What::Allot { row, back: true, .. } => (Deed::Release, Some(self.allotment(row))),
            What::Allot { row, .. } => (Deed::Allocate, Some(self.allotment(row))),
            _ => (self.ask.deed, self.reservation()),
        };
        Deal::Unknown { deed, reservation, seats, quantity }
    }

    fn reservation(&self) -> Option<Box<str>> {
        let inside = self.person.papers.inside.as_ref()?;
        Some(inside.reservation.clone()).filter(|reservation| !reservation.is_empty())
    }

    fn reserved(&self) -> Option<Deal> {
        let body: Reservation = serde_json::from_slice(self.body).ok()?;
        let expires_in = Duration::from_millis(body.expires_in_ms.unwrap_or(0));
        let places = body.seats.into_iter().map(|seat| Place::Seat(seat.seat_id));
        let areas = body.areas.into_iter();
        let areas = areas.map(|area| Place::Area { area: area.area_id, quantity: area.quantity });
        let places = places.chain(areas).collect();
        Some(Deal::Reserved { reservation: body.id, places, expires_in })
    }

    fn confirmed(&self) -> Option<Deal> {
        let body: Booking = serde_json::from_slice(self.body).ok()?;
        if &*body.status != "CONFIRMED" {
            return None;
        }
        let place = |ticket: Ticket| match (ticket.seat_id, ticket.area_id) {
            (Some(seat), _) => Some(Place::Seat(seat)),
            (None, Some(area)) => Some(Place::Area { area, quantity: 1 }),
            (None, None) => None,
        };
        let places = body.tickets.into_iter().filter_map(place).collect();
        let (reservation, booking) = (body.reservation_id, body.id);
        Some(Deal::Confirmed { reservation, booking, places })
    }

    /// With the seats that it names, or those that were asked for.
    fn refused(&self) -> Deal {
        let named = serde_json::from_slice::<Problem>(self.body).ok();
        let named = named.and_then(|problem| problem.seat_ids);
        let (wanted, quantity) = self.wanted();
        let seats = named.unwrap_or(wanted);
        Deal::Refused { deed: self.ask.deed, code: self.code.into(), seats, quantity }
    }

    /// The seats that were asked for, or how many where none were named; for standing places the
    /// area and how many.
    fn wanted(&self) -> (Box<[Box<str>]>, u32) {
        let plan = &self.world.venue(self.person.event).plan;
        match &self.ask.what {
            What::Reserve { want: Want::Seats(seats), .. } => (self.names(seats), 0),
            What::Reserve { want: Want::Best(quantity), .. } => {
                (Box::default(), (*quantity).into())
            }
            What::Reserve { want: Want::Standing(quantity), .. } => {
                (plan.standing().into_iter().map(Into::into).collect(), (*quantity).into())
            }
            What::Allot { row, .. } => (self.row(*row), 0),
            _ => (Box::default(), 1),
        }
    }

    fn row(&self, row: u32) -> Box<[Box<str>]> {
        let row = self.world.venue(self.person.event).plan.row(row);
        self.names(&(row.first_idx..row.first_idx + row.seats).collect::<Vec<_>>())
    }

    fn names(&self, seats: &[u32]) -> Box<[Box<str>]> {
        let plan = &self.world.venue(self.person.event).plan;
        let name = |seat: &u32| {
            let (row, number) = plan.seat(*seat);
            format!("{}-{}-{number}", row.section, row.label).into()
        };
        seats.iter().map(name).collect()
    }

    /// A partner's row: a reservation by another way.
    fn allotted(&self) -> Option<Deal> {
        let What::Allot { row, back, .. } = self.ask.what else { return None };
        let body: Allotted = serde_json::from_slice(self.body).ok()?;
        if &*body.status != "ok" {
            return None;
        }
        let reservation = self.allotment(row);
        if back {
            return Some(Deal::Released { reservation });
        }
        let places = self.row(row).into_iter().map(Place::Seat).collect();
        Some(Deal::Reserved { reservation, places, expires_in: FOR_GOOD })
    }

    /// A partner's row by a name of its own: it is given back before it is set aside again.
    fn allotment(&self, row: u32) -> Box<str> {
        let row = self.world.venue(self.person.event).plan.row(row);
        format!("allotment-{}-{}", row.section, row.label).into()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reservation {
    #[serde(rename = "reservationId")]
    id: Box<str>,
    expires_in_ms: Option<u64>,
    #[serde(default)]
    seats: Vec<Seat>,
    #[serde(default)]
    areas: Vec<Area>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seat {
    seat_id: Box<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Area {
    area_id: Box<str>,
    quantity: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Booking {
    #[serde(rename = "bookingId")]
    id: Box<str>,
    reservation_id: Box<str>,
    status: Box<str>,
    #[serde(default)]
    tickets: Vec<Ticket>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ticket {
    seat_id: Option<Box<str>>,
    area_id: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    seat_ids: Option<Box<[Box<str>]>>,
}

#[derive(Deserialize)]
struct Allotted {
    status: Box<str>,
}
