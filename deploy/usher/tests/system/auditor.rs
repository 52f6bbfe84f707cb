//! Compares everything that says who has a seat: answers, seat map, journal, Postgres, and `usher
//! audit`.

use crate::fan::Booking;
use crate::journal::{Bus, Story, check_epochs};
use crate::process::Process;
use crate::seats::SeatMap;
use crate::up::{Reach, temporary_folder};
use chassis::PostgresConfig;
use chassis::config::Url;
use schema::OrderId;
use sqlx::{PgPool, Row};
use std::collections::{BTreeMap, BTreeSet};

/// A pool of the test's own.
pub async fn postgres(reach: &Reach) -> PgPool {
    let config = PostgresConfig {
        url: Url::new(&reach.postgres),
        connections: 1,
        ..PostgresConfig::default()
    };
    chassis::connect_postgres(&config, "system test").await.expect("Postgres is there")
}

/// Runs `usher audit`; returns its exit code and what it printed.
pub async fn audit(reach: &Reach, events: &[&str]) -> (i32, String) {
    checked(&reach.variables, &[&["audit"], events].concat()).await
}

/// Runs `usher audit --all`; returns its exit code and what it printed.
pub async fn audit_all(variables: &[(String, String)]) -> (i32, String) {
    checked(variables, &["audit", "--all"]).await
}

/// Runs `usher ledger check`; returns its exit code and what it printed.
pub async fn check_ledger(variables: &[(String, String)]) -> (i32, String) {
    checked(variables, &["ledger", "check"]).await
}

/// Runs `usher reconcile --once`; returns its exit code and what it printed.
pub async fn reconcile(variables: &[(String, String)]) -> (i32, String) {
    checked(variables, &["reconcile", "--once"]).await
}

async fn checked(variables: &[(String, String)], command: &[&str]) -> (i32, String) {
    let folder = temporary_folder();
    let log = folder.path().join("check.log");
    // A folder without a running system, so that the addresses count.
    let data = folder.path().display().to_string();
    let arguments = [command, &["--data", &data]].concat();
    let (status, printed, log) = Process::start(&arguments, variables, &log).ended().await;
    assert!(!printed.is_empty(), "the check itself failed: {log}");
    (status.code().expect("nobody killed it"), printed)
}

/// Asserts that the audit finds no difference.
pub async fn assert_clean(reach: &Reach, events: &[&str]) {
    let (code, printed) = audit(reach, events).await;
    assert_eq!(code, 0, "{printed}");
    assert!(printed.ends_with(" 0 differences"), "{printed}");
}

/// Asserts that the audit finds differences, this one among them.
pub async fn assert_found(reach: &Reach, events: &[&str], expected: &str) {
    let (code, printed) = audit(reach, events).await;
    assert_eq!(code, 1, "{printed}");
    assert!(printed.lines().any(|line| line == expected), "{expected:?} is not in:\n{printed}");
}

/// The sold seats of an event by the orders that Postgres names, in the text forms of the API.
pub async fn sold_in_postgres(
    reach: &Reach,
    event: &str,
    map: &SeatMap,
) -> BTreeMap<String, String> {
    let seats: Vec<&String> = map.seats().map(|(seat, _)| seat).collect();
    let query = "SELECT l.seat_idx, l.order_id::text AS order_id FROM live_seat l \
                 JOIN ticket t USING (order_id, line) \
                 JOIN orders o USING (order_id) \
                 WHERE l.event_id = $1 AND t.seat_idx = l.seat_idx AND t.state = 'valid' \
                 AND o.state = 'paid'";
    let rows = sqlx::query(query).bind(event).fetch_all(&postgres(reach).await).await.unwrap();
    let sold = rows.iter().map(|row| {
        let seat = usize::try_from(row.get::<i32, _>("seat_idx")).unwrap();
        let order = row.get::<String, _>("order_id").replace('-', "");
        let order = OrderId(u128::from_str_radix(&order, 16).unwrap());
        (seats[seat].clone(), order.to_string())
    });
    let count = rows.len();
    let sold: BTreeMap<String, String> = sold.collect();
    assert_eq!(sold.len(), count, "SEAT-1: a seat has two live tickets");
    sold
}

/// Asserts that exactly these bookings have the event's sold seats, wherever one looks.
pub async fn assert_sold(reach: &Reach, event: &str, bookings: &[Booking]) -> Story {
    let map = SeatMap::of(&reach.client, event).await;
    let mut answered = BTreeMap::new();
    for booking in bookings {
        for seat in &booking.places {
            let before = answered.insert(seat.clone(), booking.id.clone());
            assert_eq!(before, None, "SEAT-1: {seat} was sold twice");
        }
    }
    let seats: BTreeSet<&String> = answered.keys().collect();
    let shown = map.seats().filter(|(_, status)| status == "sold").map(|(seat, _)| seat);
    assert_eq!(shown.collect::<BTreeSet<_>>(), seats, "the seat map and the answers");
    assert_eq!(sold_in_postgres(reach, event, &map).await, answered, "Postgres and the answers");
    let bus = Bus::connect(&reach.nats).await;
    let journal = bus.journal(bus.shards.of(&event.parse().unwrap())).await;
    check_epochs(&journal);
    let story = Story::read(&journal, event, &map);
    let names: Vec<&String> = map.seats().map(|(seat, _)| seat).collect();
    let told = story.owners.iter().filter(|(_, hold)| story.sold.contains(hold));
    let told = told.map(|(seat, hold)| {
        let order = OrderId::from(*hold).to_string();
        (names[usize::try_from(seat.0).unwrap()].clone(), order)
    });
    assert_eq!(told.collect::<BTreeMap<_, _>>(), answered, "the journal and the answers");
    assert_clean(reach, &[event]).await;
    story
}
