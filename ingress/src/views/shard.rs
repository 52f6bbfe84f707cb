//! The view of one shard: its events' seats and its holds, made of nothing but the journal.

use std::collections::{BTreeSet, HashMap, VecDeque};

use schema::{
    AccountId, Applied, Batch, DurationMs, EventId, EventState, Held, HoldId, Outcome, OutcomeBody,
    Payment, ReturnedPart, ShardState, Step, UnixMillis,
};
use tokio::sync::oneshot;

use super::holds::{Hold, HoldState};
use super::moment::{Follows, Moment};
use super::seats::{EventSeats, SeatStatus};

/// How long and how many ended holds stay, so that their owners can ask what became of them.
///
/// Sold holds stay for good: a refund names the hold alone, and the plans bound their number.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    pub ended_for: DurationMs,
    pub ended_max: usize,
}

/// Why a batch cannot be applied: the view would be a guess from here on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("apply batch {number} of epoch {epoch}: one before it is missing")]
    Gap { epoch: u64, number: u64 },
    #[error("apply an outcome of hold {hold}: no such hold")]
    HoldUnknown { hold: HoldId },
}

/// The state of a shard's view.
#[derive(Debug)]
pub struct ShardView {
    keep: Keep,
    applied: Applied,
    /// Journal time; `None` before the first batch.
    pub time: Option<Follows>,
    pub events: HashMap<EventId, EventSeats>,
    pub holds: HashMap<HoldId, Hold>,
    /// Holds without a deadline by account: what partners have, and what is not for sale.
    pub set_aside: HashMap<AccountId, BTreeSet<HoldId>>,
    /// Ended holds with when they ended, in that order.
    ended: VecDeque<(UnixMillis, HoldId)>,
    waiters: HashMap<HoldId, Vec<oneshot::Sender<()>>>,
}

impl ShardView {
    pub fn new(keep: Keep) -> Self {
        Self {
            keep,
            applied: Applied::default(),
            time: None,
            events: HashMap::new(),
            holds: HashMap::new(),
            set_aside: HashMap::new(),
            ended: VecDeque::new(),
            waiters: HashMap::new(),
        }
    }

    /// Begins with what a replica tells: as if its batches had been applied, but for the changes,
    /// which no reader is told again.
    pub fn of_state(keep: Keep, state: ShardState) -> Self {
        let mut view = Self::new(keep);
        view.applied = state.applied;
        view.time = state.time.map(|time| Follows::batch(time, state.ago));
        for EventState { event, version, free, holds, .. } in state.events {
            let seats = view.events.entry(event.clone()).or_default();
            (seats.version, seats.free) = (version, Some(free));
            for hold in holds {
                view.insert(Hold::of_state(event.clone(), hold));
            }
        }
        for ended in state.ended {
            view.ended.push_back((ended.at, ended.hold));
            view.holds.insert(ended.hold, Hold::of_ended(ended));
        }
        if let Some(time) = state.time {
            view.forget(time);
        }
        view
    }

    /// Whether no batch has been applied.
    pub fn is_fresh(&self) -> bool {
        self.applied == Applied::default()
    }

    /// Applies a batch read at `sequence`. A repetition and a deposed owner's batch change nothing.
    ///
    /// # Errors
    /// [`Fault`]; the view must be built again from the journal's first message.
    pub fn apply(&mut self, mut batch: Batch, sequence: u64) -> Result<(), Fault> {
        let (epoch, number) = (batch.epoch, batch.number);
        match self.applied.step(&batch, sequence) {
            Step::Skip => return Ok(()),
            Step::Gap => return Err(Fault::Gap { epoch, number }),
            Step::Apply => {}
        }
        let mut touched: Vec<EventId> = Vec::new();
        for outcome in std::mem::take(&mut batch.outcomes) {
            let event = outcome.event.clone();
            self.apply_outcome(outcome, sequence, batch.time)?;
            if touched.last() != Some(&event) {
                touched.push(event);
            }
        }
        for event in touched {
            if let Some(seats) = self.events.get_mut(&event) {
                seats.finish();
            }
        }
        self.applied.advance(&batch, sequence);
        self.forget(batch.time);
        Ok(())
    }

    /// What time it is in the journal; the wall clock's before there is a batch.
    pub fn now(&self) -> Moment {
        let wall = chassis::clock::now();
        self.time.map_or(Moment { journal: wall, wall }, |time| time.now())
    }

    /// Hears of the next change of a hold.
    pub fn watch(&mut self, hold: HoldId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let waiters = self.waiters.entry(hold).or_default();
        // Those who left are swept here, so that a hold polled for long does not gather them.
        waiters.retain(|waiter| !waiter.is_closed());
        waiters.push(sender);
        receiver
    }

    /// The holds of an account without a deadline, in order of id.
    pub fn set_aside_of(&self, account: AccountId) -> impl Iterator<Item = &Hold> {
        let ids = self.set_aside.get(&account).into_iter().flatten();
        ids.filter_map(|id| self.holds.get(id))
    }

    fn apply_outcome(
        &mut self,
        outcome: Outcome,
        sequence: u64,
        now: UnixMillis,
    ) -> Result<(), Fault> {
        if matches!(
            outcome.body,
            OutcomeBody::Refused(_) | OutcomeBody::Unchanged { .. } | OutcomeBody::SeatsUnchanged
        ) {
            return Ok(());
        }
        let seats = self.events.entry(outcome.event.clone()).or_default();
        seats.free = Some(outcome.free_after);
        seats.begin(sequence);
        match outcome.body {
            OutcomeBody::SeatsHeld(held) => self.insert(Hold::new(outcome.event, held)),
            // Held | Paying | Sold => Released.
            OutcomeBody::HoldReleased { hold, why } => {
                self.change(hold, |hold| hold.state = HoldState::Released(why))?;
                self.end(hold, now);
            }
            // Free => Paying.
            OutcomeBody::Reseated(payment) => self.insert_paying(outcome.event, payment),
            // Held => Paying.
            OutcomeBody::PaymentStarted(payment) => {
                self.change(payment.held.hold, |hold| {
                    hold.state = HoldState::Paying;
                    hold.attempt_started = payment.attempt;
                })?;
            }
            // Paying => Held.
            OutcomeBody::PaymentDeclined { hold, attempt, deadline } => {
                self.change(hold, |hold| {
                    hold.state = HoldState::Held;
                    hold.attempt_declined = attempt;
                    hold.deadline = Some(deadline);
                })?;
            }
            // Held | Paying => Sold.
            OutcomeBody::SeatsSold { hold, .. } => {
                self.change(hold, |hold| hold.state = HoldState::Sold)?;
            }
            OutcomeBody::AllotmentReduced { parts } => self.reduce_all(&parts, now)?,
            // Blocked | Free => Paying.
            OutcomeBody::AllottedSold { parts, payment } => {
                self.reduce_all(&parts, now)?;
                self.insert_paying(outcome.event, payment);
            }
            // Sold => Sold with fewer places.
            OutcomeBody::SaleReduced { places, .. } => self.reduce(&places, now)?,
            // Held => Held.
            OutcomeBody::HoldExtended { hold, deadline } => {
                self.change(hold, |hold| hold.deadline = Some(deadline))?;
            }
            // Held => Held with other places.
            OutcomeBody::SeatsSwapped(held) => self.swap(held)?,
            OutcomeBody::DeadlinesMoved { by } => self.move_deadlines(&outcome.event, by),
            OutcomeBody::PaymentAwaited(_)
            | OutcomeBody::Refused(_)
            | OutcomeBody::SeatsUnchanged
            | OutcomeBody::Unchanged { .. } => {}
        }
        Ok(())
    }

    fn move_deadlines(&mut self, event: &EventId, by: DurationMs) {
        let held = |hold: &&mut Hold| hold.event == *event && hold.state == HoldState::Held;
        for hold in self.holds.values_mut().filter(held) {
            hold.deadline = hold.deadline.map(|deadline| deadline + by);
        }
    }

    /// Begins a hold whose payment has started with it.
    fn insert_paying(&mut self, event: EventId, payment: Payment) {
        let mut hold = Hold::new(event, payment.held);
        hold.state = HoldState::Paying;
        hold.attempt_started = payment.attempt;
        self.insert(hold);
    }

    fn insert(&mut self, hold: Hold) {
        let (id, account) = (hold.held.hold, hold.held.account);
        if hold.held.owner.is_set_aside() {
            self.set_aside.entry(account).or_default().insert(id);
        }
        let seats = self.events.entry(hold.event.clone()).or_default();
        for area in &hold.held.areas {
            seats.take_area(area.area, area.quantity);
        }
        show(seats, &hold);
        count_in(seats, &hold);
        self.holds.insert(id, hold);
    }

    /// Changes a hold and everything that follows from its state.
    fn change(&mut self, id: HoldId, change: impl FnOnce(&mut Hold)) -> Result<(), Fault> {
        let hold = self.holds.get_mut(&id).ok_or(Fault::HoldUnknown { hold: id })?;
        let seats = self.events.entry(hold.event.clone()).or_default();
        count_out(seats, hold);
        let before = hold.seat_status();
        change(hold);
        count_in(seats, hold);
        if hold.seat_status() != before {
            show(seats, hold);
        }
        if matches!(hold.state, HoldState::Released(_)) {
            for area in &hold.held.areas {
                seats.free_area(area.area, area.quantity);
            }
        }
        self.wake(id);
        Ok(())
    }

    fn swap(&mut self, after: Held) -> Result<(), Fault> {
        let id = after.hold;
        let hold = self.holds.get_mut(&id).ok_or(Fault::HoldUnknown { hold: id })?;
        let seats = self.events.entry(hold.event.clone()).or_default();
        count_out(seats, hold);
        let before = std::mem::replace(&mut hold.held, after);
        count_in(seats, hold);
        let (status, after) = (hold.seat_status(), &hold.held);
        for gone in before.seats.iter().filter(|seat| !after.has_seat(seat.seat)) {
            seats.set_seat(gone.seat, SeatStatus::Free);
        }
        for fresh in after.seats.iter().filter(|seat| !before.has_seat(seat.seat)) {
            seats.set_seat(fresh.seat, status);
        }
        for area in &before.areas {
            seats.free_area(area.area, area.quantity);
        }
        for area in &after.areas {
            seats.take_area(area.area, area.quantity);
        }
        self.wake(id);
        Ok(())
    }

    fn reduce_all(&mut self, parts: &[ReturnedPart], now: UnixMillis) -> Result<(), Fault> {
        parts.iter().try_for_each(|part| self.reduce(part, now))
    }

    fn reduce(&mut self, part: &ReturnedPart, now: UnixMillis) -> Result<(), Fault> {
        let hold = self.holds.get_mut(&part.hold).ok_or(Fault::HoldUnknown { hold: part.hold })?;
        let seats = self.events.entry(hold.event.clone()).or_default();
        count_out(seats, hold);
        hold.held.seats.retain(|held| !part.seats.contains(&held.seat));
        for seat in &part.seats {
            seats.set_seat(*seat, SeatStatus::Free);
        }
        for (area, quantity) in &part.areas {
            seats.free_area(*area, *quantity);
            for held in hold.held.areas.iter_mut().filter(|held| held.area == *area) {
                held.quantity = held.quantity.saturating_sub(*quantity);
            }
        }
        hold.held.areas.retain(|held| 0 < held.quantity);
        if hold.held.place_count() == 0 {
            hold.state = HoldState::Released(schema::Released::ByOwner);
            self.end(part.hold, now);
        } else {
            count_in(seats, hold);
        }
        self.wake(part.hold);
        Ok(())
    }

    fn end(&mut self, id: HoldId, now: UnixMillis) {
        if let Some(hold) = self.holds.get(&id)
            && let Some(set_aside) = self.set_aside.get_mut(&hold.held.account)
        {
            set_aside.remove(&id);
        }
        self.ended.push_back((now, id));
    }

    fn wake(&mut self, id: HoldId) {
        for waiter in self.waiters.remove(&id).unwrap_or_default() {
            // An asker that has gone needs no word.
            waiter.send(()).ok();
        }
    }

    fn forget(&mut self, now: UnixMillis) {
        while let Some((at, id)) = self.ended.front().copied() {
            let fresh = now.since(at) < self.keep.ended_for;
            if fresh && self.ended.len() <= self.keep.ended_max {
                return;
            }
            self.ended.pop_front();
            self.holds.remove(&id);
        }
    }
}

fn show(seats: &mut EventSeats, hold: &Hold) {
    let status = hold.seat_status();
    for held in &hold.held.seats {
        seats.set_seat(held.seat, status);
    }
}

fn count_in(seats: &mut EventSeats, hold: &Hold) {
    if let Some(count) = hold.count(&mut seats.counts) {
        *count += hold.held.place_count();
    }
}

fn count_out(seats: &mut EventSeats, hold: &Hold) {
    if let Some(count) = hold.count(&mut seats.counts) {
        *count = count.saturating_sub(hold.held.place_count());
    }
}

#[cfg(test)]
mod tests;
