//! A decider whose journal is the test.

use super::{Decider, Journaled, Moves, Work};
use crate::catalog::Catalog;
use crate::clock::JournalClock;
use crate::intake::CommandsAt;
use allocator_core::{Decision, Limits, Shard};
use schema::limits::BATCH_OUTCOMES_MAX;
use schema::{
    AccountId, Command, CommandBody, CommandId, Currency, DurationMs, EventListing, EventStatus,
    HoldId, HoldSeats, Money, OutcomeBody, OwnerKind, PlanIndex, PriceLevel, Released, Row,
    SeatIdx, SeatingPlan, Section, ShardId, Shards, UnixMillis, Want,
};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

const SHARD: ShardId = ShardId(0);
const SALE: UnixMillis = UnixMillis(1_800_000_000_000);
const HOLD_TTL: DurationMs = DurationMs(60_000);

fn plan() -> Arc<PlanIndex> {
    let row = Row {
        label: "1".into(),
        seat_count: 4,
        first_number: 1,
        price_level: 0,
        accessible: 0,
        x_cm: 0,
        y_cm: 0,
        step_x_cm: 50,
        step_y_cm: 0,
    };
    let mut plan = SeatingPlan {
        id: "p-1".parse().unwrap(),
        sections: vec![Section { name: "A".into(), rows: vec![row] }],
        areas: vec![],
        focal_x_cm: 0,
        focal_y_cm: 0,
        pools: vec![],
    };
    plan.id = plan.content_id();
    Arc::new(PlanIndex::new(plan))
}

fn listing(plan: &SeatingPlan) -> EventListing {
    let price = Money::new(5_000, Currency::EUR);
    EventListing {
        event: "EVT1".parse().unwrap(),
        plan: plan.id.clone(),
        name: "".into(),
        venue: "".into(),
        city: "".into(),
        category: "".into(),
        starts_at: SALE + DurationMs(86_400_000),
        sale_starts_at: SALE,
        status: EventStatus::OnSale,
        price_levels: vec![PriceLevel { name: "".into(), price }],
        places_total: plan.place_count(),
        hold_ttl_ms: HOLD_TTL,
        hold_life_max_ms: HOLD_TTL,
        account_places_max: 4,
        waiting_room: false,
        channels: vec![],
        request_places_max: 4,
    }
}

fn command(number: u32, body: CommandBody) -> Command {
    Command {
        id: CommandId(number.into()),
        fingerprint: number.into(),
        event: "EVT1".parse().unwrap(),
        account: AccountId(7),
        deadline: UnixMillis(u64::MAX),
        reply_to: "".into(),
        trace: None,
        body,
    }
}

/// A shard with one hold, made when the sale began.
fn shard_with_hold() -> (Shard, HoldId) {
    let mut shard = Shard::new(SHARD, Limits::default());
    let plan = plan();
    shard.put_event(Arc::new(listing(&plan.plan)), plan).unwrap();
    let (want, owner) = (Want::Seats(vec![SeatIdx(0)]), OwnerKind::Fan);
    let ask = HoldSeats { want, owner, pass: None, condition: None };
    let decision = shard.decide(SALE, &command(0, CommandBody::HoldSeats(ask)));
    let Decision::Fresh(outcome) = decision else { panic!("{decision:?}") };
    let OutcomeBody::SeatsHeld(held) = outcome.body else { panic!("{:?}", outcome.body) };
    (shard, held.hold)
}

#[test]
fn a_queue_that_fills_every_batch_holds_up_no_expiry() {
    let (shard, hold) = shard_with_hold();
    let (work, queue) = crossbeam_channel::unbounded();
    // Nobody ever had these holds: each command is a refusal, which is an outcome too.
    for number in 1..=u32::try_from(4 * BATCH_OUTCOMES_MAX).unwrap() {
        let body = CommandBody::ReleaseHold { hold: HoldId(number.into()) };
        let command = Box::new(command(number, body));
        work.send(Work::Command { command, answers_to: CommandsAt::default() }).unwrap();
    }
    let (full, mut batches) = mpsc::channel(1);
    let (journaled, done) = crossbeam_channel::bounded(1);
    let due = SALE + HOLD_TTL + Limits::default().expiry_spread;
    let now = Instant::now();
    let (clock, _) = JournalClock::resume(Some(due), due, now, now);
    let decider = Decider {
        id: SHARD,
        epoch: 1,
        sent: 0,
        told: Some(due),
        sent_at: None,
        shard,
        clock,
        catalog: Catalog::empty(Shards::default()),
        moves: Moves::default(),
        work: queue,
        asked: vec![],
        decided: full,
        journaled: done,
    };
    let running = std::thread::spawn(move || decider.run());
    let batch = batches.blocking_recv().unwrap();
    assert!(batch.is_full(), "{} outcomes", batch.outcomes.len());
    let expired = OutcomeBody::HoldReleased { hold, why: Released::Expired };
    assert!(batch.outcomes.iter().any(|outcome| outcome.body == expired));
    journaled.send(Journaled).unwrap();
    drop((work, batches, journaled));
    running.join().unwrap();
}
