//! Questions of every kind, as bytes.

use super::{Asking, Writer};
use crate::dice::Dice;
use crate::engine::{Account, Venue, World};
use crate::fan::{Ask, Card, Inside, Person, Plan, Row, Want, What};
use crate::record::Deed;
use crate::scenario::{Kind, Room, Steering};
use std::sync::Arc;

fn world() -> World {
    let row =
        Row { section: "S1".into(), label: "2".into(), first_idx: 0, first_number: 5, seats: 4 };
    let plan = Arc::new(Plan::new(vec![row]));
    let account = Account { authorization: "Bearer fan".into() };
    World {
        accounts: vec![account],
        venues: vec![Venue { event: "EVT1".into(), plan, has_room: true }],
        operator: "Bearer operator".into(),
        partner: "Bearer partner".into(),
        ..World::default()
    }
}

/// What is sent, with `|` for the ends of lines.
fn sent(deed: Deed, what: What) -> String {
    let mut person = Person::new(Kind::Fan, 0, 0, 1, Dice::new(1, 1));
    person.papers.token = Some("tok".into());
    let (pass, reservation, booking) = ("pass".into(), "r-1".into(), "b-1".into());
    let inside = Inside { pass, reservation, booking, ..Inside::default() };
    person.papers.inside = Some(Box::new(inside));
    let room = Room { mode: Some("open".to_owned()), ..Room::default() };
    let steering = [Steering { wait_s: 0.0, after_joins: false, event: "EVT2".to_owned(), room }];
    let mut writer = Writer::new("host:1");
    let world = world();
    let asking = Asking { world: &world, person: &person, steering: &steering };
    writer.write(&asking, &Ask { deed, what });
    String::from_utf8(writer.bytes).unwrap().replace("\r\n", "|")
}

#[test]
fn questions_are_those_of_the_contract() {
    let key = 0x2a;
    assert_eq!(
        sent(Deed::Join, What::Keyed(key)),
        "POST /api/queue/EVT1/join HTTP/1.1|host: host:1|idempotency-key: 000000000000002a|\
         content-type: application/json|content-length: 2||{}"
    );
    assert_eq!(
        sent(Deed::Me, What::Plain),
        "GET /api/queue/EVT1/me HTTP/1.1|host: host:1|waiting-room-token: tok||"
    );
    assert_eq!(
        sent(Deed::Claim, What::Plain),
        "POST /api/queue/EVT1/claim HTTP/1.1|host: host:1|waiting-room-token: tok|\
         authorization: Bearer fan|content-length: 0||"
    );
    assert_eq!(
        sent(Deed::Reserve, What::Reserve { want: Want::Best(2), key }),
        "POST /api/bookings/reserve HTTP/1.1|host: host:1|authorization: Bearer fan|\
         admission-pass: pass|idempotency-key: 000000000000002a|content-type: application/json|\
         content-length: 49||{\"eventId\":\"EVT1\",\"bestAvailable\":{\"quantity\":2}}"
    );
    let named = sent(Deed::Reserve, What::Reserve { want: Want::Seats([0, 3].into()), key });
    assert!(named.ends_with(
        "{\"eventId\":\"EVT1\",\"seats\":[{\"seatId\":\"S1-2-5\"},{\"seatId\":\"S1-2-8\"}]}"
    ));
    let paid = sent(Deed::Confirm, What::Pay(Card::Declined));
    assert!(paid.ends_with(
        "{\"reservationId\":\"r-1\",\"paymentMethod\":\"CREDIT_CARD\",\
         \"paymentToken\":\"tok_declined\"}"
    ));
}

#[test]
fn partners_and_operators_ask_in_their_own_name() {
    let allotted = sent(Deed::Allocate, What::Allot { row: 0, key: 1, back: false });
    assert!(allotted.contains("|authorization: Bearer partner|content-type: application/x-ndjson"));
    assert!(allotted.ends_with(
        "{\"ref\":\"bench-0000000000000001\",\"op\":\"allocate\",\"eventId\":\"EVT1\",\
         \"section\":\"S1\",\"row\":\"2\",\"from\":5,\"to\":8}\n"
    ));
    let steered = sent(Deed::Steer, What::Steer(0));
    assert!(steered.starts_with("PATCH /api/admin/events/EVT2/admission HTTP/1.1|"));
    assert!(steered.contains("|authorization: Bearer operator|if-match: *|"));
    assert!(steered.ends_with("{\"mode\":\"open\"}"), "{steered}");
}
