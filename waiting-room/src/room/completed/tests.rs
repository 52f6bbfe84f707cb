//! Visits that are over, as a process that begins learns of them.

use super::Visit;
use crate::room::{Around, Room};
use crate::seal::Sealer;
use crate::secret::Secrets;
use crate::store::Store;
use chassis::keys::HmacKey;
use chassis::{TestServers, Which};
use schema::admission::{AdmissionRecord, Release};
use schema::{EventListing, RoomSettings, ShardId, UnixMillis};
use std::sync::Arc;
use tokio::sync::mpsc;
use waiting_room_core::MonoMs;

/// A room without seats whose records have called 1, 3 and 4, passed 2 as gone, and heard that 4
/// was given up and that 1 alone was claimed.
async fn room() -> (TestServers, Room) {
    let servers = TestServers::with(&[Which::Redis]).await;
    let listing = EventListing::without_seats("SHOP".parse().unwrap(), "A shop", UnixMillis(1));
    let store = Store::new(servers.redis().await, &listing.event);
    let key = || HmacKey::from_bytes([7; 32]);
    let around = Around {
        sealer: Arc::new(Sealer::new(key())),
        secrets: Arc::new(Secrets::new(key())),
        shard: ShardId(0),
        sales_read_to: Arc::default(),
        seats: Arc::default(),
        loads: Arc::default(),
        polls_per_second_max: 20_000,
    };
    let room = Room::new(listing, RoomSettings::default(), store, mpsc::channel(1).0, around);
    let at = UnixMillis(1_000);
    for record in [
        AdmissionRecord::EpochStarted {
            epoch: 1,
            given_to: 0,
            number_floor: 0,
            redis_run_id: "r".into(),
            at,
        },
        AdmissionRecord::MarkRaised { epoch: 1, number_max: 1_000 },
        AdmissionRecord::Released(Release {
            epoch: 1,
            cursor_before: 0,
            cursor: 4,
            called: 3,
            at,
            claim_until: UnixMillis(2_000),
            pass_until: UnixMillis(3_000),
            skipped: vec![(2, 2)],
            late: vec![],
            clock: None,
            pace: None,
        }),
        AdmissionRecord::Left { epoch: 1, numbers: vec![4] },
        AdmissionRecord::ClaimsClosed { epoch: 1, number: 1, claimed: vec![(1, 1)] },
    ] {
        room.apply(record, MonoMs(1));
    }
    (servers, room)
}

#[tokio::test]
async fn only_a_place_that_may_have_a_pass_gives_it_back_and_is_counted_once() {
    let (_servers, room) = room().await;
    room.completed().fresh = Some(Vec::new());
    for number in [5, 2, 4, 3, 1, 1] {
        room.give_back(number);
    }
    let told = [1, 2, 3, 4, 5].map(|number| room.has_completed(number));
    assert_eq!(told, [true, false, false, false, false], "passed, given up, not claimed, waiting");
    assert_eq!(room.completed().fresh, Some(vec![1]));
    // Once its release is forgotten, a record that is read late says no less.
    room.forget(UnixMillis(u64::MAX / 2));
    room.give_back(3);
    assert!(room.has_completed(3));
}

#[tokio::test]
async fn a_process_that_does_not_lead_keeps_nothing_to_count() {
    let (_servers, room) = room().await;
    room.give_back(1);
    assert!(room.has_completed(1));
    assert_eq!(room.completed().fresh, None);
}

#[tokio::test]
async fn a_gate_knows_nothing_of_a_visit_until_the_stream_is_read_and_of_seats_it_need_not() {
    let (_servers, room) = room().await;
    let visit = |number| room.visit(&room.view(), number);
    room.give_back(1);
    assert_eq!((visit(1), visit(3)), (Visit::GivenBack, Visit::Unknown));
    room.begin();
    assert_eq!((visit(1), visit(3)), (Visit::GivenBack, Visit::Good));
    let mut listing = EventListing::clone(&room.listing());
    listing.plan = "p-arena".parse().unwrap();
    room.list(listing);
    assert_eq!(visit(1), Visit::Good, "who has bought may look");
}
