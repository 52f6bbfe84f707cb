//! Places for money that came after the hold that it was for had ended: the same ones, else equal
//! ones, else none.
//!
//! Whoever paid sat beside each other in one or more runs of a row. A run that is free is had
//! again; for another one a run of as many seats is taken, in the same section, of the same price
//! level, with as many accessible seats. It is the one whose way to the stage differs least from
//! that of the seats that were paid for, and if it can be one that leaves no seat alone.

use crate::Shard;
use crate::bits;
use crate::catalogue::Listed;
use crate::holds::HoldPhase;
use crate::plan_tables::PlanTables;
use crate::rules::{check_on_sale, closed_to};
use crate::sale::Sale;
use crate::shape::{Wanted, areas_of, seats_of};
use schema::limits::{OPERATION_PLACES_MAX, PAYMENT_WAIT_MAX};
use schema::{
    AreaIdx, BestAvailable, Command, Held, HeldArea, HeldSeat, HoldId, LATE_MONEY,
    LATE_MONEY_ACCOUNT, OutcomeBody, OwnerKind, Payment, Refusal, Reseat, SeatIdx, UnixMillis,
};

/// Seats beside each other that were paid for.
#[derive(Debug, Clone, Copy)]
struct PaidRun {
    /// The row's position.
    row: usize,
    /// Its first seat, counted from the row's first.
    start: u8,
    count: u8,
}

impl Shard {
    // Free => Paying.
    pub(crate) fn rule_reseat(
        &mut self,
        now: UnixMillis,
        event: usize,
        command: &Command,
        ask: &Reseat,
    ) -> Result<OutcomeBody, Refusal> {
        let Held { hold, account, owner, currency, .. } = ask.paid;
        let is_ours = command.account == LATE_MONEY_ACCOUNT && hold.shard() == self.id;
        if !is_ours || owner != OwnerKind::Fan {
            return Err(Refusal::RequestInvalid);
        }
        // The id names the money: it is decided once, also when the answer is forgotten.
        if self.holds.slot(hold).is_some() || self.ended.get(hold).is_some() {
            return Ok(OutcomeBody::Unchanged { hold });
        }
        let listed = self.catalogue.events[event].listed().clone();
        let (seats, areas) = places_of(&listed, &ask.paid)?;
        let wall = self.wall(now);
        check_on_sale(wall, &listed.listing, OwnerKind::Fan)?;
        if listed.listing.starts_at <= wall {
            return Err(Refusal::NotOnSale);
        }
        let owned = self.catalogue.events[event].sale().places_of(account);
        let too_many =
            u32::from(listed.listing.account_places_max) < owned + ask.paid.place_count();
        if too_many || (0 < owned && self.has_taken_since(event, ask)) {
            return Err(Refusal::LimitExceeded);
        }
        let holds = u32::try_from(self.holds.len()).expect("holds_max fits into 32 bits");
        if self.limits.holds_max <= holds {
            return Err(Refusal::Full);
        }
        let any = Wanted::Best(BestAvailable {
            quantity: 1,
            section: None,
            price_level: None,
            accessible: false,
        });
        let closed = closed_to(wall, &listed, OwnerKind::Fan, None, &any)?;
        let slot = self.holds.next_slot();
        let sale = self.catalogue.events[event].sale();
        sale.find_room(&areas, &[])?;
        let chosen = choose(sale, &closed, &seats).ok_or_else(|| sale.none_left())?;
        if !chosen.is_empty() {
            let claimed = sale.map.claim(&chosen, HoldPhase::Held.seat_state(), slot);
            claimed.map_err(|seats| Refusal::SeatTaken { seats })?;
        }
        let seats = priced(sale, &listed.tables, &ask.paid, &chosen);
        let deadline = Some(now + listed.listing.hold_ttl_ms);
        let areas = ask.paid.areas.clone();
        let pass = None;
        Ok(OutcomeBody::Reseated(Payment {
            held: Held { hold, account, owner, seats, areas, currency, deadline, pass },
            attempt: 1,
            method: LATE_MONEY.into(),
            token: ask.before.to_string().into(),
            payment_deadline: now + PAYMENT_WAIT_MAX,
            trace: None,
        }))
    }

    /// Whether the account has taken other places since it lost these. O(holds of the event).
    fn has_taken_since(&self, event: usize, ask: &Reseat) -> bool {
        let since = ask.before.made_at();
        let is_newer = |hold: HoldId| since < hold.made_at();
        let mut holds = self.holds.of_event(event).map(|(_, hold)| &hold.held);
        holds.any(|held| {
            let is_fans = held.owner == OwnerKind::Fan && held.account == ask.paid.account;
            is_fans && is_newer(held.hold)
        })
    }
}

type Places = (Vec<SeatIdx>, Vec<(AreaIdx, u32)>);

/// The places that were paid for, which exist and are each named once.
fn places_of(listed: &Listed, paid: &Held) -> Result<Places, Refusal> {
    let named: Vec<SeatIdx> = paid.seats.iter().map(|seat| seat.seat).collect();
    let seats = seats_of(listed.tables.seat_count(), &named)?;
    let named: Vec<(AreaIdx, u32)> =
        paid.areas.iter().map(|&HeldArea { area, quantity, .. }| (area, quantity)).collect();
    let areas = areas_of(&listed.tables.index.plan, &named)?;
    // As they were in the hold that was paid for.
    let in_order = seats.iter().eq(paid.seats.iter().map(|seat| &seat.seat)) && areas == named;
    let tables = &listed.tables;
    let level = |seat: &HeldSeat| tables.rows[tables.row_of(seat.seat)].price_level;
    let in_order = in_order && paid.seats.iter().all(|seat| seat.price_level == level(seat));
    let count = paid.place_count();
    let fits = 0 < count && count <= u32::from(OPERATION_PLACES_MAX);
    let same_money = listed.listing.currency() == paid.currency;
    if in_order && fits && same_money { Ok((seats, areas)) } else { Err(Refusal::RequestInvalid) }
}

/// Chooses seats for all runs, the free ones among them first. `None` where one has none.
///
/// They are as many as `seats`, and ascend.
fn choose(sale: &Sale, closed: &[u64], seats: &[SeatIdx]) -> Option<Vec<SeatIdx>> {
    let tables = &*sale.map.tables;
    let runs = runs_of(tables, seats);
    // By row, what this choice has taken already.
    let mut taken: Vec<(usize, u64)> = Vec::new();
    let mut chosen: Vec<Option<PaidRun>> = Vec::new();
    for run in &runs {
        let is_free = run.bits() & !sale.map.free_in_row(run.row) == 0;
        chosen.push(is_free.then_some(*run));
        if is_free {
            taken.push((run.row, run.bits()));
        }
    }
    for (run, place) in runs.iter().zip(&mut chosen).filter(|(_, place)| place.is_none()) {
        let free = |row: usize| {
            let kept = closed.get(row).copied().unwrap_or(0);
            let ours = taken.iter().filter(|(at, _)| *at == row);
            let ours = ours.fold(kept, |bits, (_, taken)| bits | taken);
            sale.map.free_in_row(row) & !ours
        };
        let equal = equal_run(tables, *run, free)?;
        taken.push((equal.row, equal.bits()));
        *place = Some(equal);
    }
    let mut seats: Vec<SeatIdx> =
        chosen.into_iter().flatten().flat_map(|run| run.seats(tables)).collect();
    seats.sort_unstable();
    Some(seats)
}

/// The runs of rows that seats make. They ascend.
fn runs_of(tables: &PlanTables, seats: &[SeatIdx]) -> Vec<PaidRun> {
    let mut runs: Vec<PaidRun> = Vec::new();
    for &seat in seats {
        let row = tables.row_of(seat);
        let start = u8::try_from(seat.0 - tables.rows[row].first.0).expect("a row has 64 seats");
        match runs.last_mut() {
            Some(run) if run.row == row && run.start + run.count == start => run.count += 1,
            _ => runs.push(PaidRun { row, start, count: 1 }),
        }
    }
    runs
}

/// The free run that is most like one that was paid for. O(seats of the section).
fn equal_run(tables: &PlanTables, paid: PaidRun, free: impl Fn(usize) -> u64) -> Option<PaidRun> {
    let before = &tables.rows[paid.row];
    let accessible = (before.accessible & paid.bits()).count_ones();
    let way = |run: PaidRun| tables.rows[run.row].distance_squared(run.start, run.count).isqrt();
    let rows = (0..tables.rows.len()).filter(|&row| {
        let other = &tables.rows[row];
        other.section == before.section && other.price_level == before.price_level
    });
    let runs = rows.flat_map(|row| {
        let free = free(row);
        let starts = bits::runs(free, paid.count);
        let is_start = move |start: &u8| starts >> *start & 1 == 1;
        let run = move |start| (PaidRun { row, start, count: paid.count }, free);
        (0..64_u8).filter(is_start).map(run)
    });
    let like = runs.filter(|(run, _)| {
        (tables.rows[run.row].accessible & run.bits()).count_ones() == accessible
    });
    let nearest = like.min_by_key(|(run, free)| {
        let strands = 0 < bits::left_alone(*free, run.start, run.count);
        (strands, way(*run).abs_diff(way(paid)), run.row, run.start)
    });
    nearest.map(|(run, _)| run)
}

/// The chosen seats at the prices that were paid: a level's seats have the prices of that level's.
fn priced(sale: &Sale, tables: &PlanTables, paid: &Held, chosen: &[SeatIdx]) -> Vec<HeldSeat> {
    let mut left: Vec<&HeldSeat> = paid.seats.iter().collect();
    let seats = chosen.iter().map(|&seat| {
        let level = tables.rows[tables.row_of(seat)].price_level;
        let at = left.iter().position(|paid| paid.price_level == level);
        let paid = left.remove(at.expect("a run is of the level that was paid for"));
        let generation = sale.map.read(seat).generation;
        HeldSeat { seat, generation, price_level: level, price: paid.price }
    });
    seats.collect()
}

impl PaidRun {
    /// The bits of its seats in the row.
    fn bits(self) -> u64 {
        (u64::MAX >> (64 - u32::from(self.count))) << self.start
    }

    fn seats(self, tables: &PlanTables) -> impl Iterator<Item = SeatIdx> + use<> {
        let first = tables.rows[self.row].first.0 + u32::from(self.start);
        (first..first + u32::from(self.count)).map(SeatIdx)
    }
}
