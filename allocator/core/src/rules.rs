//! What a command leads to. Rules read; only seats that a hold gets are claimed here, because the
//! choice is made by the claim. Everything else happens when the outcome takes effect.

use crate::Shard;
use crate::best_available::{Tally, claim_best_of};
use crate::catalogue::Listed;
use crate::holds::HoldPhase;
use crate::sale::Sale;
use crate::shape::Wanted;
use schema::{
    AreaIdx, Command, CommandBody, EventListing, EventStatus, Held, HeldArea, HeldSeat, HoldId,
    HoldSeats, OutcomeBody, OwnerKind, Pass, Refusal, SeatIdx, UnixMillis,
};

impl Shard {
    pub(crate) fn rule(
        &mut self,
        now: UnixMillis,
        event: usize,
        command: &Command,
    ) -> Result<OutcomeBody, Refusal> {
        match &command.body {
            CommandBody::HoldSeats(ask) => self.rule_hold(now, event, command, ask),
            CommandBody::ReleaseHold { hold } => self.rule_release(event, command, *hold),
            CommandBody::ExtendHold { hold } => self.rule_extend(now, event, command, *hold),
            CommandBody::SwapSeats { hold, want, channel } => {
                self.rule_swap(now, event, command, *hold, (want, channel.as_deref()))
            }
            CommandBody::StartPayment(ask) => self.rule_payment(now, event, command, ask),
            CommandBody::Reseat(ask) => self.rule_reseat(now, event, command, ask),
            CommandBody::RecordVerdict(verdict) => self.rule_verdict(now, event, command, *verdict),
            CommandBody::ReduceSale { part, places } => {
                self.rule_reduce_sale(event, command, *part, places)
            }
            CommandBody::ReturnAllotted { seats, areas, previous } => {
                self.rule_return(event, command.account, (seats, areas), *previous)
            }
            CommandBody::SellAllotted(ask) => self.rule_sell(now, event, command, ask),
        }
    }

    fn rule_hold(
        &mut self,
        now: UnixMillis,
        event: usize,
        command: &Command,
        ask: &HoldSeats,
    ) -> Result<OutcomeBody, Refusal> {
        let listed = self.catalogue.events[event].listed().clone();
        let mut wanted = Wanted::new(&listed, &ask.want, ask.owner)?;
        let wall = self.wall(now);
        check_on_sale(wall, &listed.listing, ask.owner)?;
        if let Some(previous) = ask.previous() {
            let left = self.left_to_claim(event, command.account, ask.owner, wanted, previous)?;
            let Some(left) = left else { return Ok(OutcomeBody::SeatsUnchanged) };
            wanted = left;
        }
        let id = HoldId::compose(self.id, now, command.id);
        // A pass and the limit per account are a fan's; the other owners are no line's and have
        // contracts.
        let pass = ask.pass.filter(|_| ask.owner == OwnerKind::Fan);
        let sale = self.catalogue.events[event].sale();
        let mut binds = false;
        if let Some(pass) = pass {
            binds = check_pass(now, sale, command, pass)?;
        }
        if ask.owner == OwnerKind::Fan {
            let places = sale.places_of(command.account) + ask.want.place_count();
            if u32::from(listed.listing.account_places_max) < places {
                return Err(Refusal::LimitExceeded);
            }
        }
        let holds = u32::try_from(self.holds.len()).expect("holds_max fits into 32 bits");
        let full =
            self.limits.holds_max <= holds || (binds && self.limits.passes_max <= self.pass_count);
        // A hold of this id is one of a command that was forgotten in the same millisecond.
        let id_used = self.holds.slot(id).is_some() || self.ended.has_just_seen(id);
        if full || id_used {
            return Err(Refusal::Full);
        }
        let closed = closed_to(wall, &listed, ask.owner, ask.channel(), &wanted)?;
        let phase = HoldPhase::first_of(ask.owner);
        let slot = self.holds.next_slot();
        let (seats, areas) = claim(sale, &wanted, &closed, phase, slot, &mut self.tally)?;
        let ends = ask.owner == OwnerKind::Fan;
        Ok(OutcomeBody::SeatsHeld(Held {
            hold: id,
            account: command.account,
            owner: ask.owner,
            seats: seats.into_iter().map(|seat| priced_seat(&listed, sale, seat)).collect(),
            areas: areas.iter().map(|&part| priced_area(&listed, part)).collect(),
            currency: listed.listing.currency(),
            deadline: ends.then(|| now + listed.listing.hold_ttl_ms),
            pass: pass.map(|pass| pass.place),
        }))
    }
}

pub(crate) fn check_on_sale(
    wall: UnixMillis,
    listing: &EventListing,
    owner: OwnerKind,
) -> Result<(), Refusal> {
    // Allotments and kills are made before the sale starts.
    let started = owner != OwnerKind::Fan || listing.sale_starts_at <= wall;
    let on_sale = started && listing.status == EventStatus::OnSale;
    if on_sale { Ok(()) } else { Err(Refusal::NotOnSale) }
}

/// Checks a pass; says whether the hold would be the first of its place.
fn check_pass(
    now: UnixMillis,
    sale: &Sale,
    command: &Command,
    pass: Pass,
) -> Result<bool, Refusal> {
    let used = sale.passes.get(&pass.place);
    let mut owners = pass.account.into_iter().chain(used.map(|used| used.account));
    if owners.any(|owner| owner != command.account) {
        return Err(Refusal::PassForeign);
    }
    if used.is_some_and(|used| used.spent) {
        return Err(Refusal::PassSpent);
    }
    if pass.expires_at <= now {
        return Err(Refusal::PassExpired);
    }
    if used.is_some_and(|used| used.hold.is_some()) {
        return Err(Refusal::PassInUse);
    }
    Ok(used.is_none())
}

/// What channels keep from a fan, by row, for a choice of the best seats; nothing from other
/// owners, who do not buy.
///
/// Named seats are refused here, also those that somebody has: that a channel keeps them is true
/// all the same, and it is what the fan can do something about.
pub(crate) fn closed_to(
    wall: UnixMillis,
    listed: &Listed,
    owner: OwnerKind,
    key: Option<&str>,
    wanted: &Wanted,
) -> Result<Box<[u64]>, Refusal> {
    let channels = listed.channels.as_ref().filter(|_| owner == OwnerKind::Fan);
    let Some(channels) = channels else { return Ok(Box::default()) };
    // A key of no channel opens none: operators may have taken it away meanwhile.
    let closed = channels.closed(wall, key);
    match wanted {
        Wanted::Seats(seats) => {
            let seats = closed.of(seats, &listed.tables);
            if seats.is_empty() {
                Ok(Box::default())
            } else {
                Err(Refusal::ChannelRequired { seats })
            }
        }
        Wanted::Best(_) => Ok(closed.by_row(listed.tables.rows.len())),
        Wanted::Areas(_) => Ok(Box::default()),
    }
}

pub(crate) type Places = (Vec<SeatIdx>, Vec<(AreaIdx, u32)>);

/// Claims seats; standing places need no claim, only room. Counts also what came of a refusal.
pub(crate) fn claim(
    sale: &Sale,
    wanted: &Wanted,
    closed: &[u64],
    phase: HoldPhase,
    slot: u32,
    tally: &mut Tally,
) -> Result<Places, Refusal> {
    let before = sale.map.contention();
    let places = claim_places(sale, wanted, closed, phase, slot, tally);
    tally.claims_met.add_between(before, sale.map.contention());
    places
}

fn claim_places(
    sale: &Sale,
    wanted: &Wanted,
    closed: &[u64],
    phase: HoldPhase,
    slot: u32,
    tally: &mut Tally,
) -> Result<Places, Refusal> {
    let state = phase.seat_state();
    match wanted {
        Wanted::Seats(seats) => {
            let claimed = sale.map.claim(seats, state, slot);
            claimed.map_err(|seats| Refusal::SeatTaken { seats })?;
            Ok((seats.clone(), Vec::new()))
        }
        &Wanted::Best(best) => {
            let choice = claim_best_of(&sale.map, closed, best, state, slot);
            let choice = choice.ok_or_else(|| sale.none_left())?;
            tally.add(&choice);
            Ok((choice.seats, Vec::new()))
        }
        Wanted::Areas(areas) => {
            sale.find_room(areas, &[])?;
            Ok((Vec::new(), areas.clone()))
        }
    }
}

pub(crate) fn priced_seat(listed: &Listed, sale: &Sale, seat: SeatIdx) -> HeldSeat {
    let price_level = listed.tables.rows[listed.tables.row_of(seat)].price_level;
    let price = listed.listing.price(price_level).expect("the catalogue has checked all levels");
    HeldSeat { seat, generation: sale.map.read(seat).generation, price_level, price }
}

pub(crate) fn priced_area(listed: &Listed, (area, quantity): (AreaIdx, u32)) -> HeldArea {
    let place = listed.tables.index.plan.area(area).expect("the shape was checked");
    let price_level = place.price_level;
    let price = listed.listing.price(price_level).expect("the catalogue has checked all levels");
    HeldArea { area, quantity, price_level, price }
}
