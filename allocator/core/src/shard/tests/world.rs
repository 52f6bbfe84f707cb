//! An owner, a follower that applies what the owner decides, and a small event.

use crate::shard::{Decision, Shard};
use crate::{Limits, PlanTables};
use schema::{
    AccountId, Area, Channel, ChannelRow, Command, CommandBody, CommandId, Currency, DurationMs,
    EventId, EventListing, EventStatus, Money, Outcome, Phase, PlanIndex, Pool, PriceLevel, Row,
    SeatingPlan, Section, ShardId, UnixMillis,
};
use std::sync::Arc;

pub(crate) struct World {
    pub owner: Shard,
    /// Starts again from its snapshot after each step.
    restarted: Shard,
    /// Follows from the first outcome on.
    follower: Shard,
    limits: Limits,
    pub now: UnixMillis,
    listing: EventListing,
    tables: Arc<PlanTables>,
}

/// Limits that a script can reach.
pub(crate) fn small_limits() -> Limits {
    Limits {
        events_max: 4,
        holds_max: 12,
        ended_max: 4,
        passes_max: 6,
        answers_max: 20,
        expiry_spread: DurationMs(0),
        ..Limits::default()
    }
}

/// An account by name; `settlement` is the system's, and `desk` asks for late money.
pub(crate) fn account(name: &str) -> AccountId {
    let bytes = name.bytes().fold(0_u128, |sum, byte| sum << 8 | u128::from(byte));
    match name {
        "settlement" => schema::SYSTEM_ACCOUNT,
        "desk" => schema::LATE_MONEY_ACCOUNT,
        _ => AccountId(bytes),
    }
}

fn row(label: &str, seat_count: u8, y_cm: i32) -> Row {
    Row {
        label: label.into(),
        seat_count,
        first_number: 1,
        price_level: 0,
        accessible: 0,
        x_cm: 0,
        y_cm,
        step_x_cm: 1_000,
        step_y_cm: 0,
    }
}

/// Section A: row 1 with seats 0 to 5, row 2 with seats 6 to 11, of which 11 is accessible. Section
/// B, of price level 1: row 1 with seats 12 to 15. Area 0 has 5 standing places, area 1 has 3. The
/// stage is before the middle of row A-1. Seats are ten metres apart: none is about as near as
/// another.
fn plan(pools: Vec<Pool>) -> SeatingPlan {
    let mut back = row("2", 6, 4_000);
    back.accessible = 1 << 5;
    let mut balcony = row("1", 4, 18_000);
    balcony.price_level = 1;
    let area =
        |id: &str, capacity| Area { id: id.into(), name: id.into(), capacity, price_level: 1 };
    let mut plan = SeatingPlan {
        id: "p-1".parse().unwrap(),
        sections: vec![
            Section { name: "A".into(), rows: vec![row("1", 6, 2_000), back] },
            Section { name: "B".into(), rows: vec![balcony] },
        ],
        areas: vec![area("FLOOR", 5), area("TERRACE", 3)],
        focal_x_cm: 2_500,
        focal_y_cm: 0,
        pools,
    };
    assert_eq!(plan.validate(), Ok(()));
    plan.id = plan.content_id();
    plan
}

fn listing(event: &str, plan: &SeatingPlan) -> EventListing {
    let level = |amount| PriceLevel { name: "".into(), price: Money::new(amount, Currency::EUR) };
    EventListing {
        event: event.parse().unwrap(),
        plan: plan.id.clone(),
        name: event.into(),
        venue: "Hall".into(),
        city: "Ulm".into(),
        category: "Play".into(),
        starts_at: UnixMillis(1_000_000_000),
        sale_starts_at: UnixMillis(10_000),
        status: EventStatus::OnSale,
        price_levels: vec![level(5_000), level(3_000)],
        places_total: plan.place_count(),
        hold_ttl_ms: DurationMs(600_000),
        hold_life_max_ms: DurationMs(1_800_000),
        account_places_max: 6,
        waiting_room: true,
        channels: Vec::new(),
        request_places_max: 10,
        terms: schema::Terms::default(),
    }
}

impl World {
    /// Starts a second before the sale.
    pub fn new(limits: Limits) -> Self {
        Self::of(plan(vec![]), limits)
    }

    /// Both areas share this many places.
    pub fn pooled(capacity: u32, limits: Limits) -> Self {
        let areas = vec![schema::AreaIdx(0), schema::AreaIdx(1)];
        Self::of(plan(vec![Pool { id: "GROUND".into(), capacity, areas }]), limits)
    }

    fn of(plan: SeatingPlan, limits: Limits) -> Self {
        let tables = Arc::new(PlanTables::new(Arc::new(PlanIndex::new(plan))));
        let listing = listing("EVT1", &tables.index.plan);
        let shard = || Shard::new(ShardId(3), limits);
        let (owner, restarted, follower) = (shard(), shard(), shard());
        let now = UnixMillis(9_000);
        let mut world = Self { owner, restarted, follower, limits, now, listing, tables };
        world.list();
        world
    }

    pub fn listed(&self) -> (EventListing, Arc<PlanTables>) {
        (self.listing.clone(), self.tables.clone())
    }

    pub fn event(&self) -> &EventId {
        &self.listing.event
    }

    fn list(&mut self) {
        let listing = Arc::new(self.listing.clone());
        for shard in [&mut self.owner, &mut self.restarted, &mut self.follower] {
            shard.put_event(listing.clone(), self.tables.clone()).unwrap();
        }
    }

    /// Lists the event so that a request, and an account, may have this many places.
    pub fn allow(&mut self, places: u16) {
        (self.listing.request_places_max, self.listing.account_places_max) = (places, places);
        self.list();
    }

    /// Lists the event with these channels: key, seats, and when each ends.
    pub fn keep(&mut self, channels: &[(&str, &[u32], Option<UnixMillis>)]) {
        let channel = |number: usize| {
            let (key, seats, ends_at) = channels[number];
            let code_hash = [u8::try_from(number).unwrap(); 32];
            let rows = seats.iter().map(|&seat| self.channel_row(seat)).collect();
            Channel { key: key.into(), name: key.into(), code_hash, ends_at, rows }
        };
        self.listing.channels = (0..channels.len()).map(channel).collect();
        self.list();
    }

    /// A row of a channel for each seat: they are put together where they are used.
    fn channel_row(&self, seat: u32) -> ChannelRow {
        let span =
            self.tables.index.rows()[self.tables.index.row_of(schema::SeatIdx(seat)).unwrap()];
        let seats = 1 << (seat - span.first.0);
        ChannelRow { section: span.section, row: span.row, seats }
    }

    pub fn cancel_event(&mut self) -> String {
        self.listing.status = EventStatus::Cancelled;
        self.list();
        "cancelled".to_owned()
    }

    pub fn command(&self, id: CommandId, who: &str, body: CommandBody) -> Command {
        Command {
            id,
            fingerprint: 1,
            event: self.listing.event.clone(),
            account: account(who),
            deadline: UnixMillis(self.now.0 + 2_000),
            reply_to: "".into(),
            trace: None,
            body,
        }
    }

    pub fn decide(&mut self, command: &Command) -> Decision {
        let decision = self.owner.decide(self.now, command);
        if let Decision::Fresh(outcome) = &decision {
            self.follow(std::slice::from_ref(outcome));
        }
        self.agree();
        decision
    }

    /// Journal time goes on at `now` after an outage of `by`.
    pub fn resume(&mut self, by: DurationMs) -> usize {
        let events = self.owner.events_with_deadlines();
        for event in &events {
            let moved = self.owner.move_deadlines(self.now, event, by);
            self.follow(&[moved.expect("the event is listed")]);
        }
        self.agree();
        events.len()
    }

    pub fn tick(&mut self) -> Vec<Outcome> {
        let outcomes = self.owner.tick(self.now, 100);
        assert!(self.owner.next_turn().is_none_or(|due| self.now < due));
        self.follow(&outcomes);
        self.agree();
        outcomes
    }

    fn follow(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            self.follower.apply(self.now, outcome);
            self.restarted.apply(self.now, outcome);
        }
    }

    pub fn counts(&self) -> String {
        let counts = self.owner.counts(self.event()).unwrap();
        let parts = [
            (counts.free, "free"),
            (counts.held, "held"),
            (counts.paying, "paying"),
            (counts.sold, "sold"),
            (counts.blocked, "blocked"),
        ];
        let shown = parts.iter().filter(|(count, _)| 0 < *count);
        shown.map(|(count, name)| format!("{count} {name}")).collect::<Vec<_>>().join(" ")
    }

    /// Owner, follower and a shard restored from the snapshot are one state, and no promise is
    /// broken.
    fn agree(&mut self) {
        assert_eq!(self.owner.audit(), []);
        let snapshot = self.restarted.snapshot();
        assert_eq!(self.owner.snapshot(), snapshot);
        assert_eq!(self.owner.digest(), self.restarted.digest());
        assert_eq!(self.owner.digest(), self.follower.digest());
        let remembered = self.owner.answers_remembered();
        let kept_from = self.owner.answers_kept_at(self.owner.time());
        assert_eq!(kept_from, remembered.start, "no older one is remembered");
        let shown = |shard: &Shard| (shard.show(), shard.show_ended());
        assert_eq!(shown(&self.restarted), shown(&self.owner));
        for event in self.owner.show() {
            assert_eq!(self.owner.show_event(&event.event).as_ref(), Some(&event));
            let phase = |wanted| event.holds.iter().filter(move |hold| hold.phase == wanted);
            let places = |wanted| phase(wanted).map(|hold| hold.held.place_count()).sum::<u32>();
            let counts = self.owner.counts(&event.event).unwrap();
            assert_eq!(
                (event.free, places(Phase::Held), places(Phase::Paying)),
                (counts.free, counts.held, counts.paying)
            );
            assert_eq!(
                (places(Phase::Sold), places(Phase::Blocked)),
                (counts.sold, counts.blocked)
            );
        }
        let mut restored = Shard::restore(self.limits, snapshot.clone());
        assert_eq!(restored.snapshot(), snapshot, "also before the events are listed");
        restored.put_event(Arc::new(self.listing.clone()), self.tables.clone()).unwrap();
        assert_eq!(restored.snapshot(), snapshot);
        assert_eq!(restored.digest(), self.owner.digest());
        self.restarted = restored;
    }
}
