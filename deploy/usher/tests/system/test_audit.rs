//! `usher audit` finds what was planted, and nothing else.

use crate::auditor::{assert_clean, audit, postgres};
use crate::fan::{Fan, best};
use crate::journal::{Bus, Entry, shard_of};
use crate::up::Up;
use async_nats::HeaderMap;
use schema::{
    AccountId, Batch, Currency, Held, HeldSeat, HoldId, Outcome, OutcomeBody, OwnerKind, SeatIdx,
    codec, subject,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_finds_a_difference_planted_in_postgres_or_in_the_journal() {
    let up = Up::start().await;
    let reach = up.reach();
    let fan = Fan::new(&reach.client, "audited").await;
    let booking = fan.buy(&best("EVT002", 2)).await;
    assert_clean(&reach, &["EVT002"]).await;

    let pool = postgres(&reach).await;
    let planted = "DELETE FROM live_seat WHERE ctid IN (SELECT ctid FROM live_seat LIMIT 1) \
                   RETURNING seat_idx, order_id, line";
    let (seat, order, line): (i32, sqlx::types::Uuid, i32) =
        sqlx::query_as(planted).fetch_one(&pool).await.unwrap();
    let (clean, printed) = audit(&reach, &["EVT002"]).await;
    assert!(!clean, "{printed}");
    let named = format!("seat {seat}");
    assert!(printed.contains("ORD-3") && printed.contains(&named), "{booking:?}: {printed}");

    let repair = "INSERT INTO live_seat VALUES ('EVT002', $1, $2, $3)";
    sqlx::query(repair).bind(seat).bind(order).bind(line).execute(&pool).await.unwrap();
    assert_clean(&reach, &["EVT002"]).await;

    let stray = "INSERT INTO live_seat VALUES ('EVT002', 299, $1, 7)";
    sqlx::query(stray).bind(order).execute(&pool).await.unwrap();
    let (clean, printed) = audit(&reach, &["EVT002"]).await;
    assert!(!clean && printed.contains("seat 299"), "{printed}");
    let repair = "DELETE FROM live_seat WHERE line = 7";
    sqlx::query(repair).execute(&pool).await.unwrap();
    assert_clean(&reach, &["EVT002"]).await;

    // Last, because the system itself now follows a journal that its owner did not write.
    forge_a_hold(&Bus::connect(&reach.nats).await, SeatIdx(250)).await;
    let (clean, printed) = audit(&reach, &["EVT002"]).await;
    assert!(!clean && printed.contains("seat 250"), "{printed}");
}

/// Appends what looks like the owner's next batch: a hold that the owner knows nothing of.
async fn forge_a_hold(bus: &Bus, seat: SeatIdx) {
    let shard = shard_of("EVT002");
    let entries = bus.journal(shard).await;
    let last = entries.iter().rev().find_map(|entry| match entry {
        Entry::Batch { batch, .. } => Some(batch),
        Entry::Epoch { .. } => None,
    });
    let last = last.expect("a seat was sold");
    let free_after = last.outcomes.last().expect("batches are not empty").free_after;
    let held = Held {
        hold: HoldId(7 << 80),
        account: AccountId(7),
        owner: OwnerKind::Fan,
        seats: vec![HeldSeat { seat, generation: 1, price_level: 0, price: 1 }],
        areas: Vec::new(),
        currency: Currency::EUR,
        deadline: Some(last.time + schema::limits::HOLD_TTL),
        pass: None,
    };
    let forged = Batch {
        epoch: last.epoch,
        number: last.number + 1,
        time: last.time,
        outcomes: vec![Outcome {
            asked: None,
            event: "EVT002".parse().unwrap(),
            free_after: free_after - 1,
            body: OutcomeBody::SeatsHeld(held),
        }],
    };
    let bytes = codec::encode_checked(&forged);
    bus.append(subject::journal(shard), HeaderMap::new(), bytes).await;
}
