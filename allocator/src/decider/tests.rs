//! A decider whose journal is the test.

use super::{Decider, Journaled, Moves, Work};
use crate::catalog::Catalog;
use crate::clock::JournalClock;
use crate::intake::CommandsAt;
use crate::writer::Decided;
use allocator_core::{Decision, Limits, PlanTables, Shard};
use crossbeam_channel::Sender;
use schema::limits::BATCH_OUTCOMES_MAX;
use schema::{
    AccountId, Command, CommandBody, CommandId, Currency, DurationMs, EventListing, EventStatus,
    HoldId, HoldSeats, Money, OutcomeBody, OwnerKind, Pass, PassPlace, PlanIndex, PriceLevel,
    Refusal, Released, Row, SeatIdx, SeatingPlan, Section, ShardId, Shards, UnixMillis, Want,
};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

const SHARD: ShardId = ShardId(0);
const SALE: UnixMillis = UnixMillis(1_800_000_000_000);
const HOLD_TTL: DurationMs = DurationMs(60_000);

fn plan() -> Arc<PlanTables> {
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
    Arc::new(PlanTables::new(Arc::new(PlanIndex::new(plan))))
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
        terms: schema::Terms::default(),
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

fn hold_of(seat: SeatIdx) -> HoldSeats {
    let (want, owner) = (Want::Seats(vec![seat]), OwnerKind::Fan);
    HoldSeats { want, owner, pass: None, condition: None }
}

/// A shard with one hold, made when the sale began.
fn shard_with_hold() -> (Shard, HoldId) {
    let mut shard = Shard::new(SHARD, Limits::default());
    let plan = plan();
    shard.put_event(Arc::new(listing(&plan.index.plan)), plan).unwrap();
    let body = CommandBody::HoldSeats(hold_of(SeatIdx(0)));
    let decision = shard.decide(SALE, &command(0, body));
    let Decision::Fresh(outcome) = decision else { panic!("{decision:?}") };
    let OutcomeBody::SeatsHeld(held) = outcome.body else { panic!("{:?}", outcome.body) };
    (shard, held.hold)
}

/// The other ends of a decider.
struct Ends {
    work: Sender<Work>,
    batches: mpsc::Receiver<Decided>,
    journaled: Sender<Journaled>,
}

/// Its journal is at `time`, which is no time of the wall clock.
fn decider(shard: Shard, time: UnixMillis) -> (Decider, Ends) {
    let (work, queue) = crossbeam_channel::unbounded();
    let (full, batches) = mpsc::channel(1);
    let (journaled, done) = crossbeam_channel::bounded(1);
    let now = Instant::now();
    let (clock, _) = JournalClock::resume(Some(time), time, now, now);
    let decider = Decider {
        id: SHARD,
        epoch: 1,
        sent: 0,
        told: Some(time),
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
    (decider, Ends { work, batches, journaled })
}

#[test]
fn a_queue_that_fills_every_batch_holds_up_no_expiry() {
    let (shard, hold) = shard_with_hold();
    let due = SALE + HOLD_TTL + Limits::default().expiry_spread;
    let (decider, mut ends) = decider(shard, due);
    // Nobody ever had these holds: each command is a refusal, which is an outcome too.
    for number in 1..=u32::try_from(4 * BATCH_OUTCOMES_MAX).unwrap() {
        let body = CommandBody::ReleaseHold { hold: HoldId(number.into()) };
        let command = Box::new(command(number, body));
        ends.work.send(Work::Command { command, answers_to: CommandsAt::default() }).unwrap();
    }
    let running = std::thread::spawn(move || decider.run());
    let batch = ends.batches.blocking_recv().unwrap();
    assert!(batch.is_full(), "{} outcomes", batch.outcomes.len());
    let expired = OutcomeBody::HoldReleased { hold, why: Released::Expired };
    assert!(batch.outcomes.iter().any(|outcome| outcome.body == expired));
    ends.journaled.send(Journaled).unwrap();
    drop(ends);
    running.join().unwrap();
}

#[test]
fn a_sale_starts_by_the_wall_clock_whatever_the_journal_takes_for_the_time() {
    let wall = chassis::clock::now();
    let (hour, day) = (DurationMs(3_600_000), DurationMs(86_400_000));
    for (journal, starts_at, is_on_sale) in [
        (wall + day, wall + hour, false),
        (wall + day, wall - hour, true),
        (wall - day, wall + hour, false),
        (wall - day, wall - hour, true),
    ] {
        let mut shard = Shard::new(SHARD, Limits::default());
        let plan = plan();
        let listing = EventListing { sale_starts_at: starts_at, ..listing(&plan.index.plan) };
        shard.put_event(Arc::new(listing), plan).unwrap();
        let (mut decider, _ends) = decider(shard, journal);
        let mut batch = Decided::default();
        let body = CommandBody::HoldSeats(hold_of(SeatIdx(0)));
        decider.decide(command(1, body), &mut batch);
        let refused = batch.outcomes[0].body == OutcomeBody::Refused(Refusal::NotOnSale);
        assert_eq!(refused, !is_on_sale, "{journal} {starts_at} {:?}", batch.outcomes);
    }
}

#[test]
fn a_pass_ends_when_its_room_says_whatever_the_journal_takes_for_the_time() {
    let mut shard = Shard::new(SHARD, Limits::default());
    let plan = plan();
    let listing = EventListing { sale_starts_at: UnixMillis(0), ..listing(&plan.index.plan) };
    shard.put_event(Arc::new(listing), plan).unwrap();
    // Three years ahead of the wall clock.
    let journal = chassis::clock::now() + DurationMs(100_000_000_000);
    let (mut decider, _ends) = decider(shard, journal);
    let mut batch = Decided::default();
    let wall = chassis::clock::now();
    for (number, expires_at) in [(1, wall - DurationMs(1)), (2, wall + DurationMs(60_000))] {
        let place = PassPlace { epoch: 1, number: number.into() };
        let pass = Some(Pass { place, expires_at, account: None });
        let ask = HoldSeats { pass, ..hold_of(SeatIdx(3)) };
        decider.decide(command(number, CommandBody::HoldSeats(ask)), &mut batch);
    }
    let [over, good] = &batch.outcomes[..] else { panic!("{:?}", batch.outcomes) };
    assert_eq!(over.body, OutcomeBody::Refused(Refusal::PassExpired));
    assert!(matches!(good.body, OutcomeBody::SeatsHeld(_)), "{:?}", good.body);
}
