//! Settlement's database: each function is one commit, and what is committed survives.

mod found;
mod late;
mod review;

use crate::ledger::{Ledger, sale_of};
use crate::standing::Standing;
use schema::limits::PAYMENT_WAIT_MAX;
use schema::{
    AccountId, CommandId, Currency, DurationMs, EventId, Held, HoldId, Money, OrderId,
    PARTNER_SALE, Payment, UnixMillis, VerdictKind,
};
use settlement_core::{
    Facts, Line, PartRecord, Payer, Place, State, VerdictRecord, command_id, lines_of, on_capture,
    on_part_refund, on_refund, part_command, ticket_of, verdict_of,
};
use std::collections::{BTreeMap, BTreeSet};

pub use found::{Attempt, Beside, MoneyOutcome};
pub use late::{LateMistake, Reseat};

/// How long a payment is waited for. Shorter than what the owner says, so that a run sees orders
/// given up.
const PAYMENT_WAIT: DurationMs = DurationMs(7_000);

/// How long until an unanswered verdict is sent again.
const VERDICT_AGAIN: DurationMs = DurationMs(1_000);

/// An order, with what a driver needs to know of it.
#[derive(Debug, Clone)]
pub struct Order {
    pub id: OrderId,
    pub event: EventId,
    pub account: AccountId,
    pub state: State,
    pub attempt: u32,
    pub token: String,
    pub lines: Vec<Line>,
    pub payment_deadline: UnixMillis,
    pub payer: Payer,
    /// The provider's id of the current attempt's payment.
    pub payment: Option<String>,
    /// Why its fan was told that it is not paid, if that has not tried another card since.
    pub reason: Option<&'static str>,
    pub sold: bool,
    pub captured: bool,
    /// Of an order under review: nothing is left to do that needs no person.
    pub closed: bool,
    /// Tickets that are paid back alone, in their order.
    pub parts: Vec<Part>,
    /// When it came into its state, in true time.
    pub since: UnixMillis,
}

/// A ticket that is paid back alone.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Which of the order's lines.
    pub line: usize,
    /// Its money is back, and its place is free for all that the store knows.
    pub refunded: bool,
    send_at: UnixMillis,
    /// Where the owner's answer stands in the journal.
    done: Option<u64>,
}

/// A verdict that the owner of the seats has not been heard to take in.
#[derive(Debug, Clone)]
struct Posted {
    record: VerdictRecord,
    command: CommandId,
    send_at: UnixMillis,
    /// Where its answer stands in the journal.
    done: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Store {
    pub orders: BTreeMap<OrderId, Order>,
    // SEAT-1: the primary key.
    pub live_seats: BTreeMap<(EventId, u32), OrderId>,
    /// Valid tickets of an order.
    pub tickets: BTreeMap<OrderId, usize>,
    pub ledger: Ledger,
    pub beside: Beside,
    /// What late money asks, by the order that it came for.
    pub reseats: BTreeMap<OrderId, Reseat>,
    outbox: BTreeMap<(OrderId, u32, VerdictKind), Posted>,
    /// All journal messages up to here are committed and acknowledged, and those of `read_ahead`.
    pub read_to: u64,
    read_ahead: BTreeSet<u64>,
}

impl Order {
    pub fn facts(&self) -> Facts {
        Facts {
            state: self.state,
            payer: self.payer,
            bound: self.payment.is_some(),
            sold: self.sold,
            captured: self.captured,
            part: self.open_part().and_then(|at| u32::try_from(at + 1).ok()),
            payment_deadline: self.payment_deadline,
        }
    }

    /// Whether anything is left to do about it.
    pub fn is_open(&self) -> bool {
        match self.state {
            State::Paying | State::Cancelling | State::Refunding => true,
            State::Paid => !self.is_at_rest() || self.open_part().is_some(),
            State::ReviewNeeded => !self.closed,
            _ => false,
        }
    }

    /// Whether nothing more is to be taken for it.
    fn is_at_rest(&self) -> bool {
        self.captured || self.payer != Payer::Fan
    }

    pub fn total(&self) -> Money {
        Money::new(self.lines.iter().map(|line| line.price).sum(), Currency::EUR)
    }

    /// The part whose money is on its way.
    pub fn open_part(&self) -> Option<usize> {
        self.parts.iter().position(|part| !part.refunded)
    }

    /// How much of the payment will have gone back behind a part.
    pub fn back_behind(&self, part: usize) -> i64 {
        self.parts[..=part].iter().map(|part| self.lines[part.line].price).sum()
    }

    /// The lines that no part has given back.
    fn left(&self) -> impl Iterator<Item = &Line> {
        let is_gone = |at: usize| self.parts.iter().any(|part| part.refunded && part.line == at);
        self.lines.iter().enumerate().filter(move |(at, _)| !is_gone(*at)).map(|(_, line)| line)
    }

    /// How many tickets are left of it.
    pub fn tickets(&self) -> usize {
        self.left().count()
    }

    pub fn seats(&self) -> impl Iterator<Item = u32> {
        self.left().filter_map(|line| match line.place {
            Place::Seat(seat) => Some(seat.0),
            Place::Area(_) => None,
        })
    }

    pub fn standing(&self) -> Standing {
        Standing::of(self.left().filter_map(|line| match line.place {
            Place::Seat(_) => None,
            Place::Area(area) => Some((area, 1)),
        }))
    }

    fn new(event: &EventId, held: &Held, payment: &Payment, now: UnixMillis) -> Self {
        Self {
            id: OrderId::from(held.hold),
            event: event.clone(),
            account: held.account,
            state: State::Paying,
            attempt: payment.attempt,
            token: payment.token.to_string(),
            lines: lines_of(held),
            payment_deadline: payment.payment_deadline - PAYMENT_WAIT_MAX + PAYMENT_WAIT,
            payer: if payment.method == PARTNER_SALE {
                Payer::Partner(held.account)
            } else {
                Payer::Fan
            },
            payment: None,
            reason: None,
            sold: false,
            captured: false,
            closed: false,
            parts: Vec::new(),
            since: now,
        }
    }
}

impl Store {
    /// Open => Paying, Declined => Paying. Says whether the announcement was new.
    ///
    /// The lines are those of the hold as it is announced, unless `keeps_lines`.
    pub fn start(
        &mut self,
        event: &EventId,
        payment: &Payment,
        keeps_lines: bool,
        now: UnixMillis,
    ) -> bool {
        let fresh = Order::new(event, &payment.held, payment, now);
        match self.orders.get_mut(&fresh.id) {
            None => {
                self.orders.insert(fresh.id, fresh);
                true
            }
            Some(known) if known.state == State::Declined && known.attempt < fresh.attempt => {
                let lines = if keeps_lines { known.lines.clone() } else { fresh.lines.clone() };
                *known = Order { lines, ..fresh };
                true
            }
            Some(_) => false,
        }
    }

    /// Stores the provider's id. `None` when the order is not Paying that attempt any more, or when
    /// the payment was found meanwhile and taken for nobody's, unless `blindly`.
    pub fn bind(
        &mut self,
        id: OrderId,
        attempt: u32,
        payment: &str,
        blindly: bool,
    ) -> Option<String> {
        let order = self.orders.get_mut(&id).expect("an order in work is stored");
        if order.state != State::Paying || order.attempt != attempt {
            return None;
        }
        let is_found = self.beside.found.contains_key(payment) && !blindly;
        if order.payment.is_none() && !is_found {
            order.payment = Some(payment.to_owned());
            let stored = Attempt { order: id, number: attempt, amount: order.total() };
            self.beside.attempts.insert(payment.to_owned(), stored);
        }
        order.payment.clone()
    }

    /// Paying => Paid, Cancelling => Paid (the money was taken), Paying => `ReviewNeeded`. What is
    /// booked is that of the order as its driver has `seen` it, here and below.
    pub fn sell(&mut self, seen: &Order, charged: bool, now: UnixMillis) -> State {
        let id = seen.id;
        let has_room = self.sold_with(id).fits();
        let order = self.orders.get_mut(&id).expect("an order in work is stored");
        let may_sell =
            order.state == State::Paying || (order.state == State::Cancelling && charged);
        if !may_sell {
            return order.state;
        }
        let keys: Vec<_> = order.seats().map(|seat| (order.event.clone(), seat)).collect();
        order.since = now;
        if keys.iter().any(|key| self.live_seats.contains_key(key)) || !has_room {
            order.state = State::ReviewNeeded;
            return order.state;
        }
        (order.state, order.sold) = (State::Paid, true);
        self.live_seats.extend(keys.into_iter().map(|key| (key, id)));
        self.ledger.book(id, [sale_of(seen.total(), seen.payer)]);
        self.post(id, VerdictKind::Sold, now);
        State::Paid
    }

    /// The standing places of the event that are sold, with those of an order that may be.
    fn sold_with(&self, id: OrderId) -> Standing {
        let event = &self.orders[&id].event;
        let lives = |order: &&Order| matches!(order.state, State::Paid | State::Refunding);
        let others = self.orders.values().filter(|order| order.id != id && order.event == *event);
        let others = others.filter(lives).map(Order::standing);
        others.fold(self.orders[&id].standing(), Standing::plus)
    }

    /// A part of the commit of a sale.
    pub fn issue_tickets(&mut self, id: OrderId) {
        let order = &self.orders[&id];
        if matches!(order.state, State::Paid | State::Refunding) {
            self.tickets.insert(id, order.tickets());
        }
    }

    /// A move without seats and money, if state and attempt are still those it was decided for.
    pub fn make_move(&mut self, seen: &Order, to: State, blindly: bool, now: UnixMillis) -> State {
        let order = self.orders.get_mut(&seen.id).expect("an order in work is stored");
        let as_seen = order.state == seen.state
            && order.attempt == seen.attempt
            && (to != State::Refunding || order.open_part().is_none());
        if !as_seen && !blindly {
            return order.state;
        }
        (order.state, order.since) = (to, now);
        if to == State::Declined {
            order.reason = Some("card declined");
        }
        let ended = matches!(to, State::Declined | State::Cancelled);
        if let Some(payment) = order.payment.clone().filter(|_| ended) {
            self.payment_ended(&payment, now);
        }
        // Sold was told when it was sold.
        if let Some(kind) = verdict_of(to, false).filter(|_| to != State::Refunding) {
            self.post(seen.id, kind, now);
        }
        to
    }

    /// The provider has taken the money.
    pub fn capture(&mut self, seen: &Order) -> State {
        let order = self.orders.get_mut(&seen.id).expect("an order in work is stored");
        if !order.captured && matches!(order.state, State::Paid | State::Refunding) {
            order.captured = true;
            self.ledger.book(seen.id, [on_capture(seen.total())]);
        }
        order.state
    }

    /// Refunding => Refunded: tickets void, seats free.
    pub fn refund(&mut self, seen: &Order, now: UnixMillis) -> State {
        let id = seen.id;
        let order = self.orders.get_mut(&id).expect("an order in work is stored");
        if order.state != State::Refunding {
            return order.state;
        }
        (order.state, order.since) = (State::Refunded, now);
        self.live_seats.retain(|_, owner| *owner != id);
        self.tickets.remove(&id);
        let left = self.ledger.left_of(id, seen.total(), seen.payer);
        self.ledger.book(id, on_refund(&left, seen.captured));
        self.post(id, VerdictKind::Refunded, now);
        State::Refunded
    }

    /// Begins to pay one ticket of a paid order back, if its money was taken, the owner has heard
    /// of all before it, and another one stays. Says whether it began.
    pub fn begin_part(&mut self, id: OrderId, line: usize) -> bool {
        let Some(order) = self.orders.get_mut(&id) else { return false };
        let sold = self.outbox.get(&(id, order.attempt, VerdictKind::Sold));
        let is_told = sold.is_some_and(|sold| sold.done.is_some())
            && order.parts.iter().all(|part| part.done.is_some());
        let is_there = order.parts.iter().all(|part| part.line != line);
        let is_paid = order.state == State::Paid && order.is_at_rest();
        if !is_paid || !is_told || !is_there || order.tickets() < 2 {
            return false;
        }
        let part = Part { line, refunded: false, send_at: UnixMillis::default(), done: None };
        order.parts.push(part);
        true
    }

    /// Paid => Paid with a ticket less: its money is back. Says whether it was this call.
    pub fn finish_part(&mut self, seen: &Order, at: usize, now: UnixMillis) -> bool {
        let id = seen.id;
        let left = self.ledger.left_of(id, seen.total(), seen.payer);
        let order = self.orders.get_mut(&id).expect("an order in work is stored");
        let event = order.event.clone();
        if order.state != State::Paid || order.open_part() != Some(at) {
            return false;
        }
        let part = &mut order.parts[at];
        (part.refunded, part.send_at, order.since) = (true, now, now);
        let gone = order.lines[part.line];
        if let Place::Seat(seat) = gone.place {
            self.live_seats.remove(&(event, seat.0));
        }
        if let Some(tickets) = self.tickets.get_mut(&id) {
            *tickets -= 1;
        }
        // Nobody knows by which terms it was sold: each account gives its share.
        let unknown = sale_of(Money::new(0, Currency::EUR), seen.payer);
        let ticket = ticket_of(&left, gone.price, (&unknown, &unknown));
        self.ledger.book(id, on_part_refund(&ticket));
        true
    }

    /// The parts that the owner is to hear of; they are due once more a second later.
    pub fn due_parts(&mut self, now: UnixMillis) -> Vec<PartRecord> {
        let mut due = Vec::new();
        for (id, order) in &mut self.orders {
            let untold = (1..).zip(&mut order.parts);
            let untold = untold.filter(|(_, part)| part.refunded && part.done.is_none());
            for (number, part) in untold.filter(|(_, part)| part.send_at <= now) {
                part.send_at = now + VERDICT_AGAIN;
                let (event, place) = (order.event.clone(), order.lines[part.line].place);
                due.push(PartRecord { order: *id, event, part: number, place });
            }
        }
        due
    }

    /// Declined => Cancelled: the hold has ended without another attempt.
    pub fn end_declined(&mut self, hold: HoldId) {
        let declined = |order: &&mut Order| order.state == State::Declined;
        if let Some(order) = self.orders.get_mut(&OrderId::from(hold)).filter(declined) {
            order.state = State::Cancelled;
        }
    }

    /// The answer to a verdict was read at `sequence`.
    pub fn close(&mut self, command: CommandId, sequence: u64) {
        for posted in self.outbox.values_mut() {
            if posted.command == command && posted.done.is_none() {
                posted.done = Some(sequence);
            }
        }
        for (id, order) in &mut self.orders {
            for (number, part) in (1..).zip(&mut order.parts) {
                if part.refunded && part.done.is_none() && part_command(*id, number) == command {
                    part.done = Some(sequence);
                }
            }
        }
    }

    /// Takes a verdict for answered without having read the answer.
    pub fn close_unread(&mut self, order: OrderId) {
        for posted in self.outbox.values_mut().filter(|posted| posted.record.order == order) {
            posted.done = Some(u64::MAX);
        }
    }

    /// Tells a verdict anew when the owner announces a payment whose verdict it has had.
    pub fn reopen(&mut self, payment: &Payment, sequence: u64, now: UnixMillis) {
        let id = OrderId::from(payment.held.hold);
        let order = &self.orders[&id];
        let (attempt, verdict) = (order.attempt, verdict_of(order.state, false));
        let Some(kind) = verdict.filter(|_| payment.attempt <= attempt) else { return };
        let Some(posted) = self.outbox.get_mut(&(id, attempt, kind)) else { return };
        if posted.done.is_some_and(|done| done < sequence) {
            posted.record.round += 1;
            posted.command = command_id(id, attempt, kind, posted.record.round);
            (posted.done, posted.send_at) = (None, now);
        }
    }

    /// The verdicts that are to be sent; they are due once more a second later.
    pub fn due(&mut self, now: UnixMillis) -> Vec<VerdictRecord> {
        let waiting = self.outbox.values_mut().filter(|posted| posted.done.is_none());
        let due = waiting.filter(|posted| posted.send_at <= now);
        due.map(|posted| {
            posted.send_at = now + VERDICT_AGAIN;
            posted.record.clone()
        })
        .collect()
    }

    /// The first messages behind what is read, at most `count` of those up to `last`.
    pub fn unread(&self, last: u64, count: usize) -> Vec<u64> {
        let behind = self.read_to + 1..=last;
        behind.filter(|sequence| !self.read_ahead.contains(sequence)).take(count).collect()
    }

    /// A message of the journal is committed and acknowledged.
    pub fn acknowledge(&mut self, sequence: u64) {
        self.read_ahead.insert(sequence);
        while self.read_ahead.remove(&(self.read_to + 1)) {
            self.read_to += 1;
        }
    }

    fn post(&mut self, id: OrderId, kind: VerdictKind, now: UnixMillis) {
        let order = &self.orders[&id];
        let (event, attempt) = (order.event.clone(), order.attempt);
        let record = VerdictRecord { order: id, event, attempt, kind, round: 0 };
        let command = command_id(id, attempt, kind, 0);
        let fresh = Posted { record, command, send_at: now, done: None };
        self.outbox.entry((id, attempt, kind)).or_insert(fresh);
    }
}
