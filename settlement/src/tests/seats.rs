//! What is sold, beside what a replica tells of it.

use super::owner::payment;
use super::rig::{PATIENT, Point, Rig};
use crate::books::{self, Books};
use crate::seats;
use chassis::tasks;
use futures_util::StreamExt;
use schema::{
    Applied, DurationMs, EventState, Held, HeldSeat, HoldId, LiveHold, OrderId, Phase, SeatIdx,
    ShardId, ShardState, Shards, sealed, subject,
};
use sqlx::Executor;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A replica that tells these holds of the one event.
#[derive(Debug, Clone, Default)]
struct Replica {
    holds: Arc<Mutex<Vec<(Phase, Held)>>>,
    /// What it was asked for.
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
    is_behind: Arc<AtomicBool>,
}

impl Replica {
    async fn start(rig: &Rig) -> Self {
        let (replica, nats, event) = (Self::default(), rig.servers.nats().await, rig.event.clone());
        let subject = subject::state(shard(rig));
        let mut questions = nats.client.subscribe(subject).await.unwrap();
        nats.client.flush().await.unwrap();
        let answering = replica.clone();
        tasks::spawn("test-replica", async move {
            while let Some(question) = questions.next().await {
                answering.asked.lock().unwrap().push(question.payload.to_vec());
                let holds = answering.holds.lock().unwrap().clone();
                let live = |(phase, held)| LiveHold { phase, attempt: 1, held };
                let holds = holds.into_iter().map(live).collect();
                let event =
                    EventState { event: event.clone(), version: 1, free: 1, holds, spent: vec![] };
                // Relaxed: only one task changes it, between two questions.
                let is_behind = answering.is_behind.load(Ordering::Relaxed);
                let sequence = if is_behind { 1 } else { u64::MAX };
                let told = ShardState {
                    applied: Applied { sequence, ..Applied::default() },
                    time: None,
                    ago: DurationMs(0),
                    events: vec![event],
                    ended: vec![],
                };
                let bytes = sealed::seal(&told).unwrap().into();
                let reply_to = question.reply.unwrap();
                chassis::answer_in_parts(&nats, &reply_to, bytes, 1_000).await.unwrap();
            }
        });
        replica
    }

    fn has(&self, holds: &[(Phase, &Held)]) {
        let holds = holds.iter().map(|(phase, held)| (*phase, (*held).clone())).collect();
        *self.holds.lock().unwrap() = holds;
    }
}

fn shard(rig: &Rig) -> ShardId {
    Shards::default().of(&rig.event)
}

/// What a look finds, without the event's name.
async fn found(books: &Books) -> Vec<String> {
    let looked = seats::look(&books.pool, &books.owners).await.unwrap();
    assert_eq!(looked.silent, BTreeSet::new());
    let lines = looked.differences.into_iter().map(|(_, line)| line);
    lines.map(|line| line.strip_prefix("ORD-3: event EVT001: ").unwrap().to_owned()).collect()
}

/// A rig that has sold seats 1 and 2 and three standing places to one hold.
async fn sold() -> (Rig, Held) {
    let mut rig = Rig::start().await;
    let stage = rig.stage(Point::Never);
    let places = rig.hold(&[1, 2], 3);
    let announced = payment(places.clone(), 1, "tok_ok", PATIENT);
    rig.owner.announce(&rig.event, announced, false).await;
    rig.wait_for(places.hold, "paid").await;
    rig.rest().await;
    drop(stage);
    (rig, places)
}

#[tokio::test]
async fn what_is_sold_in_one_of_the_two_only_is_found() {
    let (rig, bought) = sold().await;
    let (replica, books) = (Replica::start(&rig).await, rig.books().await);
    let hold = bought.hold;
    for phase in [Phase::Paying, Phase::Sold] {
        replica.has(&[(phase, &bought)]);
        assert_eq!(found(&books).await, [""; 0], "{phase:?}");
    }
    assert_eq!(*replica.asked.lock().unwrap(), [b"EVT001"; 2]);

    let nothing = [
        format!("{hold} has 3 places of area 0 in Postgres and 0 at their owner"),
        format!("seat 1 is sold to {hold} in Postgres only"),
        format!("seat 2 is sold to {hold} in Postgres only"),
    ];
    replica.has(&[]);
    assert_eq!(found(&books).await, nothing);
    replica.has(&[(Phase::Held, &bought)]);
    assert_eq!(found(&books).await, nothing, "a hold that nobody pays for has bought nothing");

    let mut other = bought.clone();
    other.areas[0].quantity = 2;
    other.seats[1] = HeldSeat { seat: SeatIdx(9), ..other.seats[1] };
    replica.has(&[(Phase::Sold, &other)]);
    let moved = [
        format!("{hold} has 3 places of area 0 in Postgres and 2 at their owner"),
        format!("seat 2 is sold to {hold} in Postgres only"),
        format!("seat 9 is sold to {hold} at its owner only"),
    ];
    assert_eq!(found(&books).await, moved);

    let stranger = Held { hold: HoldId(hold.0 ^ 1), ..other.clone() };
    replica.has(&[(Phase::Sold, &bought), (Phase::Sold, &stranger), (Phase::Blocked, &other)]);
    let stranger = stranger.hold;
    let twice = [
        format!("{stranger} has 0 places of area 0 in Postgres and 2 at their owner"),
        format!("seat 1 is sold to {stranger} at its owner only"),
        format!("seat 9 is sold to {stranger} at its owner only"),
    ];
    assert_eq!(found(&books).await, twice, "sold twice: blocked places are nobody's");

    // All of the event is void, and its owner has not heard so.
    let void = "UPDATE ticket SET state = 'void', voided_at = 1; DELETE FROM live_seat";
    rig.pool.execute(sqlx::raw_sql(void)).await.unwrap();
    replica.has(&[(Phase::Sold, &bought)]);
    let kept = [
        format!("{hold} has 0 places of area 0 in Postgres and 3 at their owner"),
        format!("seat 1 is sold to {hold} at its owner only"),
        format!("seat 2 is sold to {hold} at its owner only"),
    ];
    assert_eq!(found(&books).await, kept);
}

#[tokio::test]
async fn what_its_owner_has_not_heard_yet_and_what_nobody_tells_is_no_difference() {
    let (rig, bought) = sold().await;
    let books = rig.books().await;
    let compared = books::look(&books, Duration::ZERO).await.unwrap();
    assert_eq!(compared.differences, BTreeSet::new());
    assert_eq!(compared.silent, BTreeSet::from([shard(&rig)]));

    let replica = Replica::start(&rig).await;
    replica.is_behind.store(true, Ordering::Relaxed);
    let compared = books::look(&books, Duration::ZERO).await.unwrap();
    assert_eq!((compared.differences.len(), compared.silent.len()), (0, 1), "it is behind");
    replica.is_behind.store(false, Ordering::Relaxed);
    let compared = books::look(&books, Duration::ZERO).await.unwrap();
    assert_eq!((compared.differences.len(), compared.silent.len()), (3, 0));
    let order = uuid::Uuid::from_u128(OrderId::from(bought.hold).0);
    for (moving, rests) in [
        ("UPDATE orders SET todo = true WHERE order_id = $1", "UPDATE orders SET todo = false"),
        (
            "INSERT INTO outbox (order_id, attempt, kind, round, command_id, event_id, created_at,
                 send_at) SELECT $1, 2, 'sold', 0, gen_random_uuid(), 'EVT001', 1, 1",
            "DELETE FROM outbox WHERE done_at IS NULL",
        ),
        (
            "INSERT INTO order_part (order_id, part, line, amount, state, begun_at, command_id)
                 SELECT $1, 1, 0, 5000, 'refunding', 1, gen_random_uuid()",
            "DELETE FROM order_part",
        ),
    ] {
        sqlx::query(moving).bind(order).execute(&rig.pool).await.unwrap();
        assert_eq!(found(&books).await, [""; 0], "{moving}");
        sqlx::query(rests).execute(&rig.pool).await.unwrap();
        assert_eq!(found(&books).await.len(), 3, "{rests}");
    }
}
