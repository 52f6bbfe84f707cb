//! The model of the journal: a set of holds, looked through from end to end.

use super::hold::longest;
use super::hold::{Hold, Phase};
use super::passes::Passes;
use super::{BatchId, Checked, Finding, expect, guards, meant, refusals};
use crate::hall::{AREAS, HOLD_TTL, PLACE_COUNT, is_split};
use crate::happening::{Happening, Tally};
use crate::standing::Standing;
use allocator_core::Shard;
use schema::limits::{DECLINED_HOLD_LEFT_MIN, DECLINES_PROLONGED_MAX, PAYMENT_WAIT_MAX};
use schema::{
    AreaIdx, Command, CommandBody, DurationMs, EventId, Held, HoldId, InvariantId, OrderId,
    Outcome, OutcomeBody, OwnerKind, PassPlace, Payment, PlaceCounts, Refusal, Released,
    ReturnedPart, UnixMillis, Verdict, VerdictKind,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Book {
    pub holds: BTreeMap<HoldId, Hold>,
    pub passes: Passes,
    /// Which order the late money of another one has bought.
    pub bought: BTreeMap<OrderId, OrderId>,
    /// How each ended hold ended.
    pub ended: BTreeMap<HoldId, Released>,
    /// The time that counts as such in which holds could have ended.
    pub calm: DurationMs,
    /// The places of each event behind each batch, and what its areas have left.
    counts: BTreeMap<BatchId, BTreeMap<EventId, (PlaceCounts, [u32; AREAS.len()])>>,
}

impl Book {
    /// Follows an outcome, after checking that it may be.
    pub fn take(
        &mut self,
        now: UnixMillis,
        time: UnixMillis,
        outcome: &Outcome,
        asked: Option<&Command>,
        tally: &mut Tally,
    ) -> Checked {
        let wrong = || meant::unasked(outcome);
        let event = &outcome.event;
        guards::is_kept(self, asked, &outcome.body)?;
        match &outcome.body {
            OutcomeBody::SeatsHeld(held) => {
                meant::fits(asked, held).ok_or_else(wrong)?;
                meant::may(time, event, asked, held, &BTreeSet::new())?;
                self.may_begin(time, event, asked, held)?;
                self.begin(time, event, held, tally)?;
                count_split(asked, held, tally);
            }
            OutcomeBody::HoldReleased { hold, why } => {
                self.release(now, time, *hold, *why, asked).map_err(|f| f.unwrap_or_else(wrong))?;
            }
            OutcomeBody::PaymentStarted(payment) => self.pay(time, payment, asked)?,
            OutcomeBody::PaymentAwaited(payment) => {
                let hold = self.in_phase(payment.held.hold, &[Phase::Paying])?;
                let known = asked.is_none() && hold.attempt == payment.attempt;
                expect(InvariantId::Ord2, known, || format!("awaits {payment:?}"))?;
            }
            OutcomeBody::PaymentDeclined { hold, attempt, deadline } => {
                let verdict = meant::verdict_of(asked, VerdictKind::Declined).ok_or_else(wrong)?;
                self.decline(time, *hold, verdict, (*attempt, *deadline))?;
            }
            OutcomeBody::SeatsSold { hold, pass } => {
                let verdict = meant::verdict_of(asked, VerdictKind::Sold).ok_or_else(wrong)?;
                self.sell(event, *hold, *pass)?;
                expect(InvariantId::Ord3, verdict.hold == *hold, || format!("sells {hold}"))?;
            }
            OutcomeBody::AllotmentReduced { parts } => {
                let asked = asked.ok_or_else(wrong)?;
                meant::returns(asked, parts).ok_or_else(wrong)?;
                parts.iter().try_for_each(|part| self.reduce(part, asked))?;
            }
            OutcomeBody::HoldExtended { hold, deadline } => {
                let wanted = CommandBody::ExtendHold { hold: *hold };
                asked.filter(|asked| asked.body == wanted).ok_or_else(wrong)?;
                self.extend(time, *hold, *deadline)?;
            }
            OutcomeBody::SeatsSwapped(held) => {
                meant::swaps(asked, held).ok_or_else(wrong)?;
                let before = self.holds.get(&held.hold).map(|hold| hold.seats.clone());
                meant::may(time, event, asked, held, &before.unwrap_or_default())?;
                self.swap(time, event, held)?;
            }
            OutcomeBody::DeadlinesMoved { by } => self.move_deadlines(event, *by),
            OutcomeBody::Refused(refusal) => {
                let asked = asked.ok_or_else(wrong)?;
                refusals::is_true(self, time, asked, refusal)?;
                self.count_refusal(asked, refusal, tally);
            }
            OutcomeBody::Unchanged { .. } | OutcomeBody::SeatsUnchanged => {}
            OutcomeBody::SaleReduced { part, places } => self.reduce_sale(*part, places, asked)?,
            OutcomeBody::AllottedSold { .. } => self.sell_allotted(time, outcome, asked)?,
            OutcomeBody::Reseated(_) => self.reseat(time, outcome, asked)?,
        }
        tally.add(Happening::of(&outcome.body));
        let free = self.counts_of(event).free;
        expect(InvariantId::Seat2, free == outcome.free_after, || {
            format!("{free} places of {event} are free after {outcome:?}")
        })
    }

    /// Why an answer is no, where the answer alone does not say it.
    fn count_refusal(&self, asked: &Command, refusal: &Refusal, tally: &mut Tally) {
        if refusals::is_for_a_pool(self, asked) {
            tally.add(Happening::PoolFull);
        }
        if self.is_for_a_refunded(asked, refusal) {
            tally.add(Happening::PassOfRefunded);
        }
    }

    fn begin(
        &mut self,
        time: UnixMillis,
        event: &EventId,
        held: &Held,
        tally: &mut Tally,
    ) -> Checked {
        let fresh = Hold::new(event, held, self.calm);
        let known = self.holds.contains_key(&held.hold) || self.ended.contains_key(&held.hold);
        expect(InvariantId::Cmd1, !known, || format!("{} begins twice", held.hold))?;
        self.is_free(event, held.hold, &fresh)?;
        let deadline = (held.owner == OwnerKind::Fan).then(|| time + HOLD_TTL);
        expect(InvariantId::Seat3, held.deadline == deadline, || format!("ends wrong: {held:?}"))?;
        self.holds.insert(held.hold, fresh);
        if held.pass.is_some_and(|pass| self.passes.bind(event, held.account, pass)) {
            tally.add(Happening::PassUsedAgain);
        }
        Ok(())
    }

    /// A partner's sale is being paid from the beginning, and ends by no timer.
    fn sell_allotted(
        &mut self,
        time: UnixMillis,
        outcome: &Outcome,
        asked: Option<&Command>,
    ) -> Checked {
        let OutcomeBody::AllottedSold { parts, payment } = &outcome.body else { return Ok(()) };
        let asked = asked.filter(|asked| meant::sells(asked, parts, payment).is_some());
        let asked = asked.ok_or_else(|| meant::unasked(outcome))?;
        parts.iter().try_for_each(|part| self.reduce(part, asked))?;
        let (event, held) = (&outcome.event, &payment.held);
        let fresh = Hold { phase: Phase::Paying, attempt: 1, ..Hold::new(event, held, self.calm) };
        let known = self.holds.contains_key(&held.hold) || self.ended.contains_key(&held.hold);
        expect(InvariantId::Cmd1, !known, || format!("{} begins twice", held.hold))?;
        self.is_free(event, held.hold, &fresh)?;
        let until = time + PAYMENT_WAIT_MAX;
        let fits = (held.deadline, payment.payment_deadline) == (Some(until), until);
        expect(InvariantId::Seat3, fits && payment.attempt == 1, || {
            format!("ends wrong: {held:?}")
        })?;
        self.holds.insert(held.hold, fresh);
        Ok(())
    }

    /// SEAT-1: no other hold has the places of this one.
    pub fn is_free(&self, event: &EventId, id: HoldId, places: &Hold) -> Checked {
        let others = || self.of_event(event).filter(|(other, _)| **other != id);
        for (other, owner) in others() {
            let both: Vec<_> = owner.seats.intersection(&places.seats).collect();
            expect(InvariantId::Seat1, both.is_empty(), || {
                format!("seats {both:?} of {event} go to {id} and are {other}'s")
            })?;
        }
        let standing = others().map(|(_, hold)| hold.standing);
        let standing = standing.fold(places.standing, Standing::plus);
        // SEAT-2 of each area, and of the pool.
        expect(InvariantId::Seat2, standing.fits(), || {
            format!("{standing:?} of {event} are given away")
        })
    }

    fn swap(&mut self, time: UnixMillis, event: &EventId, after: &Held) -> Checked {
        let id = after.hold;
        let fresh = Hold::new(event, after, self.calm);
        self.in_phase(id, &[Phase::Held])?;
        self.is_free(event, id, &fresh)?;
        let hold = self.in_phase(id, &[Phase::Held])?;
        let alive = hold.deadline.is_some_and(|deadline| time < deadline);
        let same = hold.event == *event && hold.deadline == after.deadline;
        let same_pass = hold.pass == after.pass;
        (hold.seats, hold.standing) = (fresh.seats, fresh.standing);
        expect(InvariantId::Line4, same_pass, || format!("{after:?} has another pass"))?;
        expect(InvariantId::Seat3, alive && same, || format!("{id} is swapped for {after:?}"))
    }

    fn sell(&mut self, event: &EventId, id: HoldId, pass: Option<PassPlace>) -> Checked {
        let hold = self.in_phase(id, &[Phase::Paying, Phase::Held])?;
        hold.phase = Phase::Sold;
        let own = hold.pass;
        self.passes.spend(event, own);
        expect(InvariantId::Line4, pass == own, || format!("{id} of {own:?} spends {pass:?}"))
    }

    /// `Err(None)` stands for an end that nothing led to.
    fn release(
        &mut self,
        now: UnixMillis,
        time: UnixMillis,
        id: HoldId,
        why: Released,
        asked: Option<&Command>,
    ) -> Result<(), Option<Finding>> {
        let unpaid = &[Phase::Held, Phase::Paying][..];
        let (legal, caused) = match why {
            Released::ByOwner => (
                &[Phase::Held, Phase::Blocked][..],
                asked.is_some_and(|c| meant::is_release_of(c, id)),
            ),
            Released::Expired => (&[Phase::Held][..], asked.is_none()),
            Released::PaymentCancelled => {
                (unpaid, meant::is_verdict(asked, VerdictKind::Cancelled, id))
            }
            Released::Refunded => {
                let legal = &[Phase::Held, Phase::Paying, Phase::Sold][..];
                (legal, meant::is_verdict(asked, VerdictKind::Refunded, id))
            }
        };
        let hold = self.in_phase(id, legal)?.clone();
        let own = asked.is_none_or(|c| why != Released::ByOwner || c.account == hold.account);
        if !caused || !own {
            return Err(None);
        }
        if why == Released::Expired {
            let due = hold.deadline.is_some_and(|deadline| deadline <= time);
            expect(InvariantId::Seat3, due, || format!("{id} ends before its deadline"))?;
            expect(InvariantId::Seat3, hold.told_end <= now, || {
                format!("{id} ends {} ms before its fan was told", hold.told_end.since(now).0)
            })?;
        }
        if why == Released::Refunded {
            self.passes.spend(&hold.event, hold.pass);
        }
        self.holds.remove(&id);
        self.ended.insert(id, why);
        Ok(())
    }

    fn pay(&mut self, time: UnixMillis, payment: &Payment, asked: Option<&Command>) -> Checked {
        let id = payment.held.hold;
        let hold = self.in_phase(id, &[Phase::Held])?;
        let meant = asked.is_some_and(|c| match &c.body {
            CommandBody::StartPayment(ask) => ask.hold == id && c.account == hold.account,
            _ => false,
        });
        hold.attempt += 1;
        let next = meant && hold.attempt == payment.attempt;
        expect(InvariantId::Ord2, next, || format!("{id} is paid as {payment:?}"))?;
        let alive = hold.deadline.is_some_and(|deadline| time < deadline);
        hold.phase = Phase::Paying;
        expect(InvariantId::Seat3, alive, || format!("{id} is paid behind its deadline"))
    }

    fn decline(
        &mut self,
        time: UnixMillis,
        id: HoldId,
        verdict: Verdict,
        (attempt, deadline): (u32, UnixMillis),
    ) -> Checked {
        let calm = self.calm;
        let hold = self.in_phase(id, &[Phase::Paying])?;
        let prolongs = attempt <= DECLINES_PROLONGED_MAX;
        let left_min = if prolongs { DECLINED_HOLD_LEFT_MIN } else { DurationMs(0) };
        let until = hold.deadline.map(|known| known.max(time + left_min));
        let last = verdict.hold == id && verdict.attempt == attempt && hold.attempt == attempt;
        hold.phase = Phase::Held;
        hold.deadline = Some(deadline);
        hold.calm_end = hold.calm_end.max(calm + left_min);
        expect(InvariantId::Seat3, last && until == Some(deadline), || {
            format!("{id} is declined: attempt {attempt}, until {deadline}")
        })
    }

    fn extend(&mut self, time: UnixMillis, id: HoldId, deadline: UnixMillis) -> Checked {
        let calm = self.calm;
        let hold = self.in_phase(id, &[Phase::Held])?;
        let before = hold.deadline.replace(deadline);
        hold.calm_end = hold.calm_end.max(calm + HOLD_TTL);
        let truly = before < Some(deadline) && deadline == longest(time, id);
        expect(InvariantId::Seat3, truly, || format!("{id} is extended until {deadline}"))
    }

    fn reduce(&mut self, part: &ReturnedPart, asked: &Command) -> Checked {
        let hold = self.in_phase(part.hold, &[Phase::Blocked])?;
        let mut own = hold.account == asked.account;
        for seat in &part.seats {
            own &= hold.seats.remove(&seat.0);
        }
        let left = hold.standing.minus(Standing::of(part.areas.iter().copied()));
        own &= left.is_some();
        hold.standing = left.unwrap_or_default();
        if hold.places() == 0 {
            self.holds.remove(&part.hold);
            self.ended.insert(part.hold, Released::ByOwner);
        }
        expect(InvariantId::Seat1, own, || format!("{part:?} is not {}'s", asked.account))
    }

    fn reduce_sale(
        &mut self,
        part: u32,
        places: &ReturnedPart,
        asked: Option<&Command>,
    ) -> Checked {
        let id = places.hold;
        let wanted = CommandBody::ReduceSale { part, places: places.clone() };
        let is_asked = asked.is_some_and(|asked| asked.body == wanted);
        expect(InvariantId::Ord3, is_asked, || format!("nobody asked for part {part} of {id}"))?;
        let hold = self.in_phase(id, &[Phase::Sold])?;
        let mut own = places.seats.iter().all(|seat| hold.seats.remove(&seat.0));
        let left = hold.standing.minus(Standing::of(places.areas.iter().copied()));
        own &= left.is_some();
        hold.standing = left.unwrap_or_default();
        hold.parts += 1;
        let in_turn = hold.parts == part && 0 < hold.places();
        expect(InvariantId::Seat1, own, || format!("{places:?} is not of {id}"))?;
        expect(InvariantId::Ord3, in_turn, || format!("part {part} of {id}: {places:?}"))
    }

    fn move_deadlines(&mut self, event: &EventId, by: DurationMs) {
        let unpaid = |hold: &&mut Hold| hold.event == *event && hold.phase == Phase::Held;
        for hold in self.holds.values_mut().filter(unpaid) {
            hold.deadline = hold.deadline.map(|deadline| deadline + by);
        }
    }

    /// A live hold in one of these phases.
    fn in_phase(&mut self, id: HoldId, phases: &[Phase]) -> Result<&mut Hold, Finding> {
        let ended = self.ended.get(&id).copied();
        let broken = |promise, says: String| Err(Finding { promise, says: format!("{id} {says}") });
        match self.holds.get_mut(&id) {
            None => broken(InvariantId::Seat1, format!("does not live: {ended:?}")),
            Some(hold) if !phases.contains(&hold.phase) => {
                let promise = match hold.phase {
                    Phase::Paying => InvariantId::Seat3,
                    Phase::Sold => InvariantId::Ord3,
                    Phase::Held | Phase::Blocked => InvariantId::Seat1,
                };
                broken(promise, format!("is {:?}, not {phases:?}", hold.phase))
            }
            Some(hold) => Ok(hold),
        }
    }

    pub fn of_event(&self, event: &EventId) -> impl Iterator<Item = (&HoldId, &Hold)> {
        self.holds.iter().filter(move |(_, hold)| hold.event == *event)
    }

    /// Standing places of an event that are somebody's.
    pub fn standing(&self, event: &EventId) -> Standing {
        let standing = self.of_event(event).map(|(_, hold)| hold.standing);
        standing.fold(Standing::default(), Standing::plus)
    }

    /// The seats of an event that are somebody's.
    pub fn taken(&self, event: &EventId) -> BTreeSet<u32> {
        self.of_event(event).flat_map(|(_, hold)| hold.seats.iter().copied()).collect()
    }

    pub fn counts_of(&self, event: &EventId) -> PlaceCounts {
        let mut counts = PlaceCounts { free: PLACE_COUNT, ..PlaceCounts::default() };
        for (_, hold) in self.of_event(event) {
            counts.free -= hold.places();
            *match hold.phase {
                Phase::Held => &mut counts.held,
                Phase::Paying => &mut counts.paying,
                Phase::Sold => &mut counts.sold,
                Phase::Blocked => &mut counts.blocked,
            } += hold.places();
        }
        counts
    }

    /// Remembers how things stand behind a batch.
    pub fn close(&mut self, batch: BatchId) {
        let events: BTreeSet<_> = self.holds.values().map(|hold| hold.event.clone()).collect();
        let counts = events.into_iter().map(|event| {
            let counts = (self.counts_of(&event), self.standing(&event).left());
            (event, counts)
        });
        let counts = counts.collect();
        self.counts.insert(batch, counts);
    }

    /// SEAT-2: the real shard counts what the model counted behind the same batch.
    pub fn equals(&self, shard: &Shard, batch: BatchId) -> Checked {
        for (event, (counts, left)) in self.counts.get(&batch).into_iter().flatten() {
            let found = shard.counts(event).unwrap_or_default();
            let areas = (0..).map(AreaIdx).zip(left);
            let mut areas = areas.map(|(area, left)| (shard.area_free(event, area), left));
            let same = areas.all(|(found, left)| found == Some(*left));
            expect(InvariantId::Seat2, found == *counts && same, || {
                format!("{event} behind {batch:?}: {found:?}, not {counts:?} with {left:?} left")
            })?;
        }
        Ok(())
    }

    /// SEAT-2: a view counts what the model counted behind the same batch.
    pub fn is_shown(&self, counts: &BTreeMap<EventId, PlaceCounts>, batch: BatchId) -> Checked {
        let Some(known) = self.counts.get(&batch) else { return Ok(()) };
        let known = known.iter().map(|(event, (counts, _))| (event, counts));
        expect(InvariantId::Seat2, counts.iter().eq(known), || {
            format!("a view shows {counts:?} behind {batch:?}")
        })
    }
}

/// Whether the house had no row for a party.
fn count_split(asked: Option<&Command>, held: &Held, tally: &mut Tally) {
    if is_split(held) && asked.is_some_and(meant::is_for_best) {
        tally.add(Happening::Split);
    }
}
