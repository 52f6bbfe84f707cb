//! A shard that sells events, and what fans ask of it: each with an account, a pass and an id of
//! their own.

use crate::venue::Venue;
use allocator_core::{Decision, Limits, PlanTables, Shard};
use schema::{
    AccountId, Command, CommandBody, CommandId, Currency, DurationMs, EventId, EventListing,
    EventStatus, HoldId, HoldSeats, Money, Outcome, OutcomeBody, OwnerKind, Pass, PassPlace,
    PlanIndex, PriceLevel, SeatIdx, ShardId, UnixMillis, Want, limits,
};
use std::sync::Arc;

const START: UnixMillis = UnixMillis(1_800_000_000_000);

/// Commands of one millisecond: what a shard is meant to decide at the least.
const COMMANDS_PER_MS: u64 = 300;

/// Fans come again after so many others, when their holds and the answers to them are long gone.
/// Below the limit of places that a shard remembers.
const FANS: u64 = 1 << 19;

/// An event with a plan of its own, as the catalogue brings it.
pub type Catalogued = (Arc<EventListing>, Arc<PlanTables>);

/// Events of a venue; each plan is another one.
pub fn catalogue(venue: Venue, events: u32) -> Vec<Catalogued> {
    (0..events).map(|number| catalogued(venue, number)).collect()
}

fn catalogued(venue: Venue, number: u32) -> Catalogued {
    let plan = venue.plan(number);
    let listing = EventListing {
        event: event(number),
        plan: plan.id.clone(),
        name: "Bench".into(),
        venue: venue.name.into(),
        city: "Ulm".into(),
        category: "Concert".into(),
        starts_at: START + DurationMs(1 << 40),
        sale_starts_at: START,
        status: EventStatus::OnSale,
        price_levels: vec![PriceLevel { name: "".into(), price: Money::new(9_900, Currency::EUR) }],
        places_total: plan.place_count(),
        hold_ttl_ms: limits::HOLD_TTL,
        hold_life_max_ms: DurationMs(1_800_000),
        account_places_max: limits::ACCOUNT_PLACES_MAX,
        waiting_room: true,
        channels: Vec::new(),
        request_places_max: limits::REQUEST_PLACES,
        terms: schema::Terms::default(),
    };
    (Arc::new(listing), Arc::new(PlanTables::new(Arc::new(PlanIndex::new(plan)))))
}

/// The event of this number in [`catalogue`].
pub fn event(number: u32) -> EventId {
    format!("EVT{number:03}").parse().expect("it is an event id")
}

pub fn list(shard: &mut Shard, catalogue: &[Catalogued]) {
    for (listing, tables) in catalogue {
        shard.put_event(listing.clone(), tables.clone()).expect("the listing fits the plan");
    }
}

/// A shard with its commands. Journal time goes on with them.
pub struct Desk {
    pub shard: Shard,
    asked: u64,
}

impl Desk {
    pub fn new(catalogue: &[Catalogued]) -> Self {
        let mut shard = Shard::new(ShardId(0), Limits::default());
        list(&mut shard, catalogue);
        Self { shard, asked: 0 }
    }

    /// The next fan, who has a pass, wants these places.
    pub fn hold(&mut self, event: &EventId, want: Want) -> Command {
        let fan = self.asked % FANS;
        let place = PassPlace { epoch: 1, number: fan };
        let account = AccountId(u128::from(scattered(fan)) << 64 | 1);
        let pass = Pass { place, expires_at: UnixMillis(u64::MAX), account: Some(account) };
        let hold = HoldSeats { want, owner: OwnerKind::Fan, pass: Some(pass), condition: None };
        self.command(event, account, CommandBody::HoldSeats(hold))
    }

    pub fn release(&mut self, event: &EventId, hold: HoldId, account: AccountId) -> Command {
        self.command(event, account, CommandBody::ReleaseHold { hold })
    }

    fn command(&mut self, event: &EventId, account: AccountId, body: CommandBody) -> Command {
        self.asked += 1;
        let bits = scattered(self.asked);
        Command {
            id: CommandId(u128::from(bits) << 64 | u128::from(bits.rotate_left(32))),
            fingerprint: bits,
            event: event.clone(),
            account,
            deadline: UnixMillis(u64::MAX),
            reply_to: "".into(),
            trace: None,
            body,
        }
    }

    /// Decides a command that nobody refuses.
    pub fn decide(&mut self, now: UnixMillis, command: &Command) -> Outcome {
        match self.shard.decide(now, command) {
            Decision::Fresh(outcome) => {
                let refused = matches!(outcome.body, OutcomeBody::Refused(_));
                assert!(!refused, "{outcome:?}");
                outcome
            }
            decision => panic!("{decision:?}"),
        }
    }

    /// The time of the command that was made last.
    pub fn now(&self) -> UnixMillis {
        START + DurationMs(self.asked / COMMANDS_PER_MS)
    }
}

/// All couples of all events, one event after the other at a time.
pub fn couples_of_all(venue: Venue, events: u32) -> Vec<(EventId, Want)> {
    let ids: Vec<EventId> = (0..events).map(event).collect();
    let couples = (0..venue.seat_count() / 2).flat_map(|couple| {
        let want = Want::Seats(vec![SeatIdx(couple * 2), SeatIdx(couple * 2 + 1)]);
        ids.iter().map(move |event| (event.clone(), want.clone()))
    });
    couples.collect()
}

/// The hold that an outcome makes, and whose it is.
pub fn of_hold(outcome: &Outcome) -> (HoldId, AccountId) {
    let OutcomeBody::SeatsHeld(held) = &outcome.body else { panic!("{outcome:?}") };
    (held.hold, held.account)
}

/// A number's bits, mixed: ids of real commands and accounts are random. No two are the same.
fn scattered(number: u64) -> u64 {
    let product = (number ^ number >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    product ^ product >> 29
}
