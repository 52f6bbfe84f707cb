//! The state of one shard, and the ways to change and to read it.

use crate::answers::{Answer, Answers, Known};
use crate::catalogue::{Catalogue, CatalogueError};
use crate::deadlines::Deadlines;
use crate::ended::EndedHolds;
use crate::holds::{Entry, HoldPhase, HoldTable};
use crate::plan_tables::PlanTables;
use crate::{Hold, Limits, SeatWord, Tally};
use schema::{
    AreaIdx, Asked, Command, DurationMs, EventId, EventListing, Held, HoldId, InvariantId, Outcome,
    OutcomeBody, Payment, PlaceCounts, Refusal, Released, SeatIdx, ShardId, UnixMillis, check,
};
use std::sync::Arc;

/// The decision state of one shard. It has one owner; who only reads may read the seat words
/// beside it.
#[derive(Debug)]
pub struct Shard {
    pub(crate) id: ShardId,
    pub(crate) limits: Limits,
    /// The time of the last outcome.
    pub(crate) time: UnixMillis,
    pub(crate) catalogue: Catalogue,
    pub(crate) holds: HoldTable,
    pub(crate) ended: EndedHolds,
    pub(crate) deadlines: Deadlines,
    pub(crate) answers: Answers,
    /// Over all events.
    pub(crate) pass_count: u32,
    /// Of this shard's own decisions; no follower has it.
    pub(crate) tally: Tally,
    /// A journal time, and the wall clock then.
    clocks: (UnixMillis, UnixMillis),
    /// Of a snapshot, for events that the catalogue has not listed yet.
    pub(crate) restored: crate::snapshot::Restored,
}

/// What the owner says to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Decided now: to be journaled, then answered.
    Fresh(Outcome),
    /// Decided before: the same outcome again, not to be journaled again.
    Known(Outcome),
    /// Decided before, and the answer with this number is not in memory any more.
    Archived { number: u64 },
    /// The id is known with another fingerprint. Not remembered.
    Mismatch,
    /// Never seen and past its deadline: not carried out and not remembered.
    TooLate,
    /// The event is not in the catalogue yet, or the shard is full. Not remembered.
    NotYet,
}

/// A hold that has not ended, as auditors see it.
#[derive(Debug, Clone, Copy)]
pub struct HoldView<'a> {
    pub event: &'a EventId,
    /// What the words of its seats name.
    pub slot: u32,
    pub held: &'a Held,
    pub phase: HoldPhase,
    /// The last payment attempt, 0 before the first.
    pub attempt: u32,
}

impl Shard {
    pub fn new(shard: ShardId, limits: Limits) -> Self {
        limits.assert_valid();
        Self {
            id: shard,
            limits,
            time: UnixMillis::default(),
            catalogue: Catalogue::default(),
            holds: HoldTable::default(),
            ended: EndedHolds::default(),
            deadlines: Deadlines::new(limits.expiry_spread, limits.expiry_secret),
            answers: Answers::default(),
            pass_count: 0,
            tally: Tally::default(),
            clocks: Default::default(),
            restored: crate::snapshot::Restored::default(),
        }
    }

    /// Says what the wall clock shows at a journal time: listings name times of the wall, and the
    /// two may be apart by as much as the wall was moved while a hold had a deadline. Only what is
    /// decided from now on asks for it; without it they are the same.
    pub fn set_wall(&mut self, journal: UnixMillis, wall: UnixMillis) {
        self.clocks = (journal, wall);
    }

    /// What the wall clock shows at a journal time.
    pub(crate) fn wall(&self, time: UnixMillis) -> UnixMillis {
        let (journal, wall) = self.clocks;
        if journal <= time { wall + time.since(journal) } else { wall - journal.since(time) }
    }

    /// Lists an event, or changes its listing. Not journaled: the catalogue is a stream of its own.
    /// Events of one plan, and all shards of a process that know it, share its tables.
    ///
    /// # Errors
    /// [`CatalogueError`]; the shard keeps the listing that it had.
    pub fn put_event(
        &mut self,
        listing: Arc<EventListing>,
        tables: Arc<PlanTables>,
    ) -> Result<(), CatalogueError> {
        let event = self.catalogue.put(listing, tables, self.limits.events_max)?;
        self.resume(event);
        Ok(())
    }

    /// Whether the event is in the catalogue: [`Shard::apply`] needs it.
    pub fn is_listed(&self, event: &EventId) -> bool {
        self.catalogue.find_listed(event).is_some()
    }

    /// Decides a command, or finds what was decided before.
    ///
    /// `now` is the time of the batch that the outcome will be journaled in and never goes back.
    /// All outcomes of a batch have one time, so a follower that applies them reaches the same
    /// state.
    pub fn decide(&mut self, now: UnixMillis, command: &Command) -> Decision {
        assert!(self.time <= now, "journal time went back from {} to {now}", self.time);
        // CMD-1: before the deadline, so that a late repetition of an answered command hears its
        // answer.
        match self.answers.find(command.id) {
            Some(Known::Here(known)) => {
                let asked = known.asked.expect("only asked outcomes are remembered");
                let same = asked == Asked::by(command);
                return if same { Decision::Known(known.clone()) } else { Decision::Mismatch };
            }
            Some(Known::Archived(number)) => return Decision::Archived { number },
            None => {}
        }
        if command.deadline < now {
            return Decision::TooLate;
        }
        let Some(event) = self.catalogue.find_listed(&command.event) else {
            return Decision::NotYet;
        };
        let body = match self.rule(now, event, command) {
            Ok(body) => body,
            // Full is a state of the machine, not a fact of the sale: it may pass.
            Err(Refusal::Full) => return Decision::NotYet,
            Err(refusal) => OutcomeBody::Refused(refusal),
        };
        Decision::Fresh(self.record(now, event, Some(Asked::by(command)), body))
    }

    /// What the choices of best available have cost since this was asked last, for the metrics.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Holds that have not ended, and places of waiting rooms that are bound: what
    /// [`Limits::holds_max`] and [`Limits::passes_max`] bound.
    pub fn kept(&self) -> (usize, u32) {
        (self.holds.len(), self.pass_count)
    }

    /// Does what is due at `now`: ends holds past their deadline and reminds of payments. At most
    /// `outcomes_max` at a time; `now` as for [`Shard::decide`].
    pub fn tick(&mut self, now: UnixMillis, outcomes_max: usize) -> Vec<Outcome> {
        assert!(self.time <= now, "journal time went back from {} to {now}", self.time);
        let mut outcomes = Vec::new();
        while outcomes.len() < outcomes_max {
            let Some(slot) = self.deadlines.due(now) else { break };
            let entry = self.holds.get(slot);
            let (event, hold) = (entry.event, entry.hold.held.hold);
            let body = match entry.hold.phase {
                // Held => ended. SEAT-3.
                HoldPhase::Held => OutcomeBody::HoldReleased { hold, why: Released::Expired },
                // Paying => Paying: no timer ends a payment.
                HoldPhase::Paying => OutcomeBody::PaymentAwaited(payment_of(entry)),
                HoldPhase::Sold | HoldPhase::Blocked => unreachable!("never due"),
            };
            outcomes.push(self.record(now, event, None, body));
        }
        outcomes
    }

    /// The events that have unpaid holds with a deadline.
    pub fn events_with_deadlines(&self) -> Vec<EventId> {
        let events = 0..self.catalogue.events.len();
        let waiting = events.filter(|&event| self.slots_with_deadline(event).next().is_some());
        waiting.map(|event| self.catalogue.events[event].id.clone()).collect()
    }

    /// Lets the unpaid holds of a listed event live longer `by` the length of an outage.
    ///
    /// `now` as for [`Shard::decide`]. `None` for an event that is not listed.
    pub fn move_deadlines(
        &mut self,
        now: UnixMillis,
        event: &EventId,
        by: DurationMs,
    ) -> Option<Outcome> {
        assert!(self.time <= now, "journal time went back from {} to {now}", self.time);
        let event = self.catalogue.find_listed(event)?;
        Some(self.record(now, event, None, OutcomeBody::DeadlinesMoved { by }))
    }

    /// A time before which [`Shard::tick`] has nothing to do, and not long before it has; `None` if
    /// it never has.
    pub fn next_turn(&self) -> Option<UnixMillis> {
        self.deadlines.next()
    }

    /// Follows an outcome of the journal; `time` is that of its batch.
    ///
    /// The event is listed, see [`Shard::is_listed`]. An outcome that does not follow from this
    /// state is a divergence and stops the process.
    pub fn apply(&mut self, time: UnixMillis, outcome: &Outcome) {
        assert!(self.time <= time, "journal time went back from {} to {time}", self.time);
        let event = self.catalogue.find_listed(&outcome.event).expect("apply needs a listed event");
        self.claim_again(event, &outcome.body);
        self.take_effect(time, event, &outcome.body);
        let free = self.catalogue.events[event].counts().free;
        assert!(free == outcome.free_after, "{free} places free after {outcome:?}");
        self.remember(time, outcome);
    }

    /// Places of an event by state; `None` for an event that is not listed.
    pub fn counts(&self, event: &EventId) -> Option<PlaceCounts> {
        let event = self.catalogue.find_listed(event)?;
        Some(self.catalogue.events[event].counts())
    }

    /// Free standing places of an area, no more than its pool has; `None` if there is no such event
    /// or area.
    pub fn area_free(&self, event: &EventId, area: AreaIdx) -> Option<u32> {
        let state = &self.catalogue.events[self.catalogue.find_listed(event)?];
        let capacity = state.listed().tables.index.plan.area(area)?.capacity;
        Some(state.sale.as_ref().map_or(capacity, |sale| sale.area_free(area)))
    }

    /// The word of a seat; `None` if there is no such event or seat.
    pub fn seat(&self, event: &EventId, seat: SeatIdx) -> Option<SeatWord> {
        let state = &self.catalogue.events[self.catalogue.find_listed(event)?];
        let exists = seat.0 < state.listed().tables.seat_count();
        let read = || state.sale.as_ref().map_or(SeatWord::NEVER, |sale| sale.map.read(seat));
        exists.then(read)
    }

    /// The holds that have not ended, in order of slot.
    pub fn holds(&self) -> impl Iterator<Item = HoldView<'_>> {
        self.holds.iter().map(|(slot, entry)| self.view(slot, entry))
    }

    /// A hold that has not ended.
    pub fn hold(&self, hold: HoldId) -> Option<HoldView<'_>> {
        let (slot, entry) = self.holds.find(hold)?;
        Some(self.view(slot, entry))
    }

    fn view<'a>(&'a self, slot: u32, entry: &'a Entry) -> HoldView<'a> {
        let event = &self.catalogue.events[entry.event].id;
        let Hold { held, phase, attempt, .. } = &entry.hold;
        HoldView { event, slot, held, phase: *phase, attempt: *attempt }
    }

    /// Carries out a decision and makes its outcome.
    fn record(
        &mut self,
        now: UnixMillis,
        event: usize,
        asked: Option<Asked>,
        body: OutcomeBody,
    ) -> Outcome {
        self.take_effect(now, event, &body);
        let state = &self.catalogue.events[event];
        let counts = state.counts();
        let total = state.listed().tables.place_count;
        check!(InvariantId::Seat2, counts.make_all_of(total), "{}: {counts:?}", state.id);
        let outcome = Outcome { asked, event: state.id.clone(), free_after: counts.free, body };
        self.remember(now, &outcome);
        outcome
    }

    /// What is remembered and what is forgotten follows from outcomes alone: a decision that
    /// makes none leaves no trace that a follower could not see.
    fn remember(&mut self, time: UnixMillis, outcome: &Outcome) {
        self.time = time;
        self.answers.push(Answer { at: time, outcome: outcome.clone() });
        self.answers.forget(time, &self.limits);
        let ended_max = usize::try_from(self.limits.ended_max).expect("a limit fits into memory");
        self.ended.forget(time, self.limits.answer_memory, ended_max);
    }
}

/// The payment of a hold that is Paying.
pub(crate) fn payment_of(entry: &Entry) -> Payment {
    let hold = &entry.hold;
    let terms = hold.terms.as_ref().expect("a hold that is Paying has terms");
    Payment {
        held: hold.held.clone(),
        attempt: hold.attempt,
        method: terms.method.clone(),
        token: terms.token.clone(),
        payment_deadline: terms.deadline,
        trace: None,
    }
}

#[cfg(test)]
mod tests;
