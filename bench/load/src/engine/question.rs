//! Questions as bytes on the wire, written into memory that is used again.

use super::World;
use crate::fan::{Ask, Card, Person, Want, What};
use crate::record::Deed;
use crate::scenario::Steering;
use std::io::Write as _;

/// Names that people search for, with the typos that they make.
const WORDS: [&str; 16] = [
    "northern",
    "lights",
    "glass",
    "lighthause",
    "river",
    "open%20air",
    "paper%20moons",
    "reunion",
    "hamburg",
    "utrecht",
    "concert",
    "gam",
    "chicago",
    "bosten",
    "game%202",
    "theatre",
];

/// Writes questions of one run.
#[derive(Debug, Default)]
pub struct Writer {
    /// The question that was written last.
    pub bytes: Vec<u8>,
    body: Vec<u8>,
    /// ` HTTP/1.1`, the end of the first line, and the host's.
    after_path: Box<[u8]>,
}

/// Somebody who asks, and where.
pub struct Asking<'a> {
    pub world: &'a World,
    pub person: &'a Person,
    pub steering: &'a [Steering],
}

impl Writer {
    pub fn new(authority: &str) -> Self {
        let after_path = format!(" HTTP/1.1\r\nhost: {authority}\r\n").into_bytes().into();
        Self { after_path, ..Self::default() }
    }

    pub fn write(&mut self, asking: &Asking<'_>, ask: &Ask) {
        self.bytes.clear();
        self.body.clear();
        let event = &*asking.world.venue(asking.person.event).event;
        let none = &[][..];
        match ask.deed {
            Deed::Join => self.line(b"POST /api/queue/", &[event, "/join"]),
            Deed::Status => self.line(b"GET /api/queue/", &[event, "/status"]),
            Deed::Me => self.line(b"GET /api/queue/", &[event, "/me"]),
            Deed::Claim => self.line(b"POST /api/queue/", &[event, "/claim"]),
            Deed::Leave => self.line(b"DELETE /api/queue/", &[event, "/me"]),
            Deed::Event => self.line(b"GET /api/events/", &[event]),
            Deed::Seats => self.line(b"GET /api/events/", &[event, "/seats"]),
            Deed::Search => self.line(b"GET /api/search?q=", &[searched(&ask.what)]),
            Deed::Reserve => self.line(b"POST /api/bookings/reserve", none),
            Deed::Release => {
                self.line(b"DELETE /api/bookings/reservations/", &[asking.reservation()]);
            }
            Deed::Confirm => self.line(b"POST /api/bookings/confirm", none),
            Deed::Booking => self.line(b"GET /api/bookings/", &[asking.booking()]),
            Deed::Cancel => self.line(b"POST /api/bookings/", &[asking.booking(), "/cancel"]),
            Deed::Allocate => self.line(b"POST /api/partners/allocations", none),
            Deed::Steer => {
                let event = asking.steered(&ask.what).map_or(event, |steering| &steering.event);
                self.line(b"PATCH /api/admin/events/", &[event, "/admission"]);
            }
        }
        self.papers(asking, ask.deed);
        self.content(asking, ask, event);
    }

    fn line(&mut self, start: &[u8], path: &[&str]) {
        self.bytes.extend_from_slice(start);
        for part in path {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self.bytes.extend_from_slice(&self.after_path);
    }

    fn header(&mut self, name: &[u8], value: &str) {
        for part in [name, b": ", value.as_bytes(), b"\r\n"] {
            self.bytes.extend_from_slice(part);
        }
    }

    /// What proves that one may ask.
    fn papers(&mut self, asking: &Asking<'_>, deed: Deed) {
        let (world, person) = (asking.world, asking.person);
        if matches!(deed, Deed::Me | Deed::Claim | Deed::Leave)
            && let Some(token) = &person.papers.token
        {
            self.header(b"waiting-room-token", token);
        }
        let authorization = match deed {
            Deed::Steer => Some(&world.operator),
            Deed::Allocate => Some(&world.partner),
            Deed::Claim
            | Deed::Reserve
            | Deed::Release
            | Deed::Confirm
            | Deed::Booking
            | Deed::Cancel => world.account(person.account).map(|account| &account.authorization),
            _ => None,
        };
        if let Some(authorization) = authorization {
            self.header(b"authorization", authorization);
        }
        let pass = person.papers.inside.as_ref().map_or("", |inside| &inside.pass);
        if deed == Deed::Reserve && !pass.is_empty() {
            self.header(b"admission-pass", pass);
        }
        match deed {
            Deed::Seats => self.header(b"accept", "application/octet-stream"),
            // Whoever steers means the settings as they are now.
            Deed::Steer => self.header(b"if-match", "*"),
            _ => {}
        }
    }

    fn content(&mut self, asking: &Asking<'_>, ask: &Ask, event: &str) {
        let body = &mut self.body;
        match &ask.what {
            What::Plain | What::Search(_) => {}
            What::Keyed(_) => body.extend_from_slice(b"{}"),
            What::Reserve { want, .. } => put_want(body, asking, event, want),
            What::Pay(card) => {
                let token = if *card == Card::Good { "tok_ok" } else { "tok_declined" };
                let reservation = asking.reservation();
                put(
                    body,
                    format_args!(
                        "{{\"reservationId\":\"{reservation}\",\"paymentMethod\":\"CREDIT_CARD\",\
                     \"paymentToken\":\"{token}\"}}"
                    ),
                );
            }
            What::Allot { row, key, back } => put_row(body, asking, event, *row, *key, *back),
            What::Steer(_) => {
                if let Some(steering) = asking.steered(&ask.what) {
                    serde_json::to_writer(body, &steering.room).expect("settings become JSON");
                }
            }
        }
        let key = match ask.what {
            What::Keyed(key) | What::Reserve { key, .. } => Some(key),
            _ => None,
        };
        if let Some(key) = key {
            put(&mut self.bytes, format_args!("idempotency-key: {key:016x}\r\n"));
        }
        if !self.body.is_empty() {
            let lines = matches!(ask.what, What::Allot { .. });
            let content = if lines { "application/x-ndjson" } else { "application/json" };
            self.header(b"content-type", content);
        }
        if !self.body.is_empty() || matches!(ask.deed, Deed::Claim) {
            put(&mut self.bytes, format_args!("content-length: {}\r\n", self.body.len()));
        }
        self.bytes.extend_from_slice(b"\r\n");
        self.bytes.extend_from_slice(&self.body);
    }
}

impl<'a> Asking<'a> {
    fn reservation(&self) -> &'a str {
        self.person.papers.inside.as_ref().map_or("", |inside| &inside.reservation)
    }

    fn booking(&self) -> &'a str {
        self.person.papers.inside.as_ref().map_or("", |inside| &inside.booking)
    }

    fn steered(&self, what: &What) -> Option<&'a Steering> {
        let What::Steer(step) = what else { return None };
        self.steering.get(*step)
    }
}

fn searched(what: &What) -> &'static str {
    let What::Search(word) = what else { return "" };
    WORDS[usize::try_from(*word).expect("usize has 32 bits or more") % WORDS.len()]
}

fn put_want(body: &mut Vec<u8>, asking: &Asking<'_>, event: &str, want: &Want) {
    put(body, format_args!("{{\"eventId\":\"{event}\","));
    match want {
        Want::Best(quantity) => {
            put(body, format_args!("\"bestAvailable\":{{\"quantity\":{quantity}}}}}"));
        }
        Want::Standing(quantity) => {
            let area = asking.world.venue(asking.person.event).plan.standing().unwrap_or_default();
            put(
                body,
                format_args!("\"areas\":[{{\"areaId\":\"{area}\",\"quantity\":{quantity}}}]}}"),
            );
        }
        Want::Seats(seats) => {
            body.extend_from_slice(b"\"seats\":[");
            let plan = &asking.world.venue(asking.person.event).plan;
            for (at, seat) in seats.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                let (row, number) = plan.seat(*seat);
                let (section, label) = (&row.section, &row.label);
                put(body, format_args!("{comma}{{\"seatId\":\"{section}-{label}-{number}\"}}"));
            }
            body.extend_from_slice(b"]}");
        }
    }
}

fn put_row(body: &mut Vec<u8>, asking: &Asking<'_>, event: &str, row: u32, key: u64, back: bool) {
    let row = asking.world.venue(asking.person.event).plan.row(row);
    let (op, to) = (if back { "release" } else { "allocate" }, row.first_number + row.seats - 1);
    let (section, label, from) = (&row.section, &row.label, row.first_number);
    put(
        body,
        format_args!(
            "{{\"ref\":\"bench-{key:016x}\",\"op\":\"{op}\",\"eventId\":\"{event}\",\
         \"section\":\"{section}\",\"row\":\"{label}\",\"from\":{from},\"to\":{to}}}\n"
        ),
    );
}

fn put(bytes: &mut Vec<u8>, arguments: std::fmt::Arguments<'_>) {
    bytes.write_fmt(arguments).expect("a Vec takes all bytes");
}

#[cfg(test)]
mod tests;
