//! Settlement's shell around the real order machine: drivers, the journal's reader, the outbox.
//!
//! A driver makes one call a turn, so that it can die between any two; what it knows is in memory
//! and gone then.

use crate::bus;
use crate::common::Common;
use crate::happening::Happening;
use crate::journal::Record;
use crate::mutation::Mutation;
use crate::provider::Verb;
use crate::sabotage;
use crate::store::{LateMistake, Order};
use schema::limits::ASK_WAIT;
use schema::{
    AccountId, Batch, DurationMs, EventId, InvariantId, LATE_MONEY, LATE_MONEY_ACCOUNT, Money,
    OrderId, Outcome, OutcomeBody, Payment, Released, SYSTEM_ACCOUNT, UnixMillis, codec,
};
use settlement_core::{
    Payer, Rung, Seen, State, Step, Trigger, next, reduce, reseat, transition, verdict,
};

/// How many messages of the journal are under way to the reader: they may overtake each other.
const MESSAGES_AT_ONCE: usize = 3;

/// How many sales are cancelled before their money is taken.
const CANCELLED_AT_ONCE_PERCENT: u64 = 5;

/// How likely the provider takes money after all that it has just called off or refused, and how
/// much later.
const CALLED_OFF_IN_VAIN_PERCENT: u64 = 80;
const REFUSED_IN_VAIN_PERCENT: u64 = 8;
const AFTER_ALL_MAX: DurationMs = DurationMs(30_000);

/// How many payments are made and nobody knows of them, and how many of these are paid by their
/// buyer.
const ORPHAN_PERCENT: u64 = 4;
const ORPHANS_PAID_PERCENT: u64 = 50;

/// One who works on orders.
#[derive(Debug, Default)]
pub struct Driver {
    task: Option<Task>,
    /// Until when its process does nothing.
    rests_until: UnixMillis,
}

#[derive(Debug)]
struct Task {
    /// As it was read; the store may be ahead.
    order: Order,
    seen: Option<Seen>,
    /// A payment that was created and whose id is not stored yet.
    created: Option<String>,
    /// The part whose money it has given back and that is not booked yet.
    given: Option<usize>,
}

/// What a step came to.
enum Turn {
    Seen(Seen),
    /// The order is where the step should bring it: go on with what was seen.
    Moved,
    /// Somebody else moved the order, or nothing is known: read it again, and ask the provider.
    Reload,
    Done,
}

impl Driver {
    pub fn crash(&mut self, common: &mut Common) {
        if self.task.take().is_some() {
            common.note(Happening::DriverCrash, format_args!("a driver dies"));
        }
    }

    /// It goes on with what it knew.
    pub fn pause(&mut self, common: &mut Common, by: DurationMs) {
        common.note(Happening::DriverPause, format_args!("a driver sleeps for {}", by.0));
        self.rests_until = common.now + by;
    }

    /// Makes the next call for its order, or takes one up.
    pub fn turn(&mut self, common: &mut Common) {
        if common.now < self.rests_until {
            return;
        }
        let Some(task) = &mut self.task else {
            self.task = Task::take_up(common);
            return;
        };
        let step = next(&task.order.facts(), task.seen.as_ref(), common.wall());
        common.write(format_args!("order {} {}: {step:?}", task.order.id, task.order.state));
        let booked = common.store.ledger.of(task.order.id).len();
        let turn = task.perform(&step, common);
        sabotage::cook(&step, &task.order, booked, common);
        if common.happens(6) {
            // What was done is done; who did it does not know.
            common.note(Happening::CommitUnknown, format_args!("a driver begins anew"));
            self.task = None;
            return;
        }
        match turn {
            Turn::Seen(seen) if task.seen.as_ref() != Some(&seen) => task.seen = Some(seen),
            Turn::Seen(_) | Turn::Reload | Turn::Done => self.task = None,
            Turn::Moved if step == Step::Create && common.surprises(8) => {
                // Its payment may be found before it is stored.
                let by = DurationMs(common.dice.within(500, 6_000));
                self.pause(common, by);
            }
            Turn::Moved => {}
        }
    }
}

impl Task {
    /// Takes up an order that was brought, or one with something left to do.
    fn take_up(common: &mut Common) -> Option<Self> {
        if let Some((id, seen)) = common.brought.take() {
            let order = common.store.orders[&id].clone();
            common.note(Happening::Brought, format_args!("{id} is brought by an event"));
            return Some(Self { order, seen, created: None, given: None });
        }
        let open = common.store.orders.values().filter(|order| order.is_open());
        let open: Vec<OrderId> = open.map(|order| order.id).collect();
        if open.is_empty() {
            return None;
        }
        let order = common.store.orders[&open[common.dice.index(open.len())]].clone();
        Some(Self { order, seen: None, created: None, given: None })
    }

    fn perform(&mut self, step: &Step, common: &mut Common) -> Turn {
        match step {
            Step::Rest | Step::Wait => Turn::Done,
            Step::RecordReturn => {
                common.store.record_return(&self.order);
                self.order.captured = true;
                Turn::Moved
            }
            Step::CloseReview => {
                if common.store.close_review(&self.order, common.now) {
                    common.tally.add(Happening::ReviewClosed);
                }
                Turn::Done
            }
            Step::Create => self.create(common),
            Step::Fetch => self.act(Verb::Fetch, common),
            Step::Authorise => self.act(Verb::Authorise, common),
            Step::CancelPayment => self.act(Verb::Cancel, common),
            Step::Capture => self.act(Verb::Capture, common),
            Step::RefundPayment if common.is_broken(Mutation::RefundOnPaper) => {
                self.finish_refund(common)
            }
            Step::RefundPayment => self.act(Verb::Refund, common),
            &Step::Sell { charged } => self.sell(charged, common),
            Step::RecordCapture => self.record_capture(common),
            Step::FinishRefund => self.finish_refund(common),
            Step::RefundPart => self.refund_part(common),
            Step::GiveUp => self.make_move(Trigger::GiveUp, common),
            Step::Decline { .. } => self.make_move(Trigger::Decline, common),
            Step::FinishCancel => self.make_move(Trigger::MoneyBack, common),
            Step::Review { .. } => self.make_move(Trigger::Review, common),
        }
    }

    fn sell(&mut self, charged: bool, common: &mut Common) -> Turn {
        let (id, account) = (self.order.id, self.order.account);
        if common.store.sell(&self.order, charged, common.now) != State::Paid {
            return Turn::Reload;
        }
        if !common.is_broken(Mutation::TicketsLater) {
            common.store.issue_tickets(id);
        }
        (self.order.state, self.order.sold) = (State::Paid, true);
        if common.dice.hits(CANCELLED_AT_ONCE_PERCENT) {
            // The list of bookings shows it, and who cancels it may be quicker than this driver.
            cancel(common, id, account);
            return if common.dice.hits(50) { Turn::Done } else { Turn::Moved };
        }
        Turn::Moved
    }

    fn record_capture(&mut self, common: &mut Common) -> Turn {
        if common.is_broken(Mutation::TicketsLater) {
            common.store.issue_tickets(self.order.id);
        }
        let state = common.store.capture(&self.order);
        self.order.captured = true;
        if state == self.order.state { Turn::Moved } else { Turn::Reload }
    }

    fn finish_refund(&mut self, common: &mut Common) -> Turn {
        let before = common.store.orders[&self.order.id].state;
        if common.store.refund(&self.order, common.now) != State::Refunded {
            return Turn::Reload;
        }
        self.order.state = State::Refunded;
        if before != State::Refunded {
            let taken = self.order.captured;
            common.tally.add(if taken { Happening::PaidOut } else { Happening::Voided });
        }
        Turn::Moved
    }

    fn refund_part(&mut self, common: &mut Common) -> Turn {
        let part = self.order.open_part().expect("the core asks for it only when one is open");
        let is_given = self.given.take() == Some(part) || self.order.payer != Payer::Fan;
        if !is_given && !common.is_broken(Mutation::PartOnPaper) {
            let key = self.order.payment.as_deref().expect("what was taken has an id");
            if common.happens(4) {
                return Turn::Reload;
            }
            let back = self.order.back_behind(part);
            let again = common.is_broken(Mutation::GiveBackAgain);
            common.provider.give_back(key, back, again);
            if common.happens(8) {
                common.note(Happening::ProviderSilent, format_args!("no answer about a part"));
                return Turn::Reload;
            }
            self.given = Some(part);
            return Turn::Moved;
        }
        if !common.store.finish_part(&self.order, part, common.now) {
            return Turn::Reload;
        }
        self.order.parts[part].refunded = true;
        Turn::Moved
    }

    fn create(&mut self, common: &mut Common) -> Turn {
        let Order { id, attempt, token, .. } = &self.order;
        let unbound = common.is_broken(Mutation::ChargeUnbound);
        let Some(key) = self.created.take() else {
            let mut key = format!("{id}/{attempt}");
            if unbound {
                key = format!("{key}/{}", common.dice.roll());
            }
            let new = (*id, token.as_str(), self.order.total());
            if common.surprises(ORPHAN_PERCENT) {
                create_orphan(&key, new, common);
                return Turn::Reload;
            }
            common.provider.create(&key, new, common.now);
            if unbound {
                common.provider.act(&key, Verb::Authorise, common.now);
                common.provider.act(&key, Verb::Capture, common.now);
            }
            self.created = Some(key);
            return Turn::Moved;
        };
        // ORD-2: only an id that is stored is ever authorised.
        let blindly = common.is_broken(Mutation::BindFound);
        let Some(stored) = common.store.bind(*id, *attempt, &key, blindly) else {
            return Turn::Reload;
        };
        self.order.payment = Some(stored);
        Turn::Moved
    }

    fn act(&mut self, verb: Verb, common: &mut Common) -> Turn {
        let key = self.order.payment.as_deref();
        let key = key.expect("the core asks for a verb only when the id is stored");
        let lost_before = common.happens(4);
        if lost_before {
            return Turn::Reload;
        }
        let seen = common.provider.act(key, verb, common.now);
        break_word(key, &seen, common);
        if common.happens(8) {
            common.note(Happening::ProviderSilent, format_args!("{verb:?} without an answer"));
            return Turn::Reload;
        }
        Turn::Seen(seen)
    }

    fn make_move(&mut self, trigger: Trigger, common: &mut Common) -> Turn {
        let to = transition(self.order.state, trigger).expect("the core decides by this table");
        let blindly = common.is_broken(Mutation::MoveBlindly);
        if common.store.make_move(&self.order, to, blindly, common.now) != to {
            return Turn::Reload;
        }
        self.order.state = to;
        Turn::Moved
    }
}

/// The provider has made a payment, told nobody, and makes another one when it is asked again.
fn create_orphan(key: &str, new: (OrderId, &str, Money), common: &mut Common) {
    let key = format!("{key}+{}", common.dice.within(1, 1_000_000));
    common.provider.create(&key, new, common.now);
    common.note(Happening::Orphan, format_args!("nobody knows of payment {key}"));
    if common.dice.hits(ORPHANS_PAID_PERCENT) {
        take_after_all(&key, common);
    }
}

/// What the provider has called off, or refused, it may take after all.
fn break_word(key: &str, seen: &Seen, common: &mut Common) {
    let percent = match seen {
        Seen::Cancelled => CALLED_OFF_IN_VAIN_PERCENT,
        Seen::Declined { .. } => REFUSED_IN_VAIN_PERCENT,
        _ => return,
    };
    // Nobody looks at a payment again that was found and is over.
    if !common.store.beside.found.contains_key(key) && common.surprises(percent) {
        take_after_all(key, common);
    }
}

fn take_after_all(key: &str, common: &mut Common) {
    let at = common.now + DurationMs(common.dice.within(0, AFTER_ALL_MAX.0));
    common.provider.take_after_all(key, at);
    common.write(format_args!("payment {key} is going to be taken by itself"));
}

/// Reads one message of the journal; its acknowledgement may be lost, and then it comes again.
pub fn read_journal(common: &mut Common) -> bool {
    let unread = common.store.unread(common.journal.last(), MESSAGES_AT_ONCE);
    if unread.is_empty() {
        return false;
    }
    let sequence = unread[common.choose(unread.len())];
    let found = common.journal.after(sequence - 1).filter(|(at, _)| *at == sequence);
    if let Some((_, Record::Batch(bytes))) = found {
        let batch: Batch = codec::decode_checked(bytes).expect("an owner encoded it");
        for outcome in &batch.outcomes {
            take(outcome, sequence, common);
        }
    }
    if !common.happens(10) {
        common.store.acknowledge(sequence);
    }
    true
}

fn take(outcome: &Outcome, sequence: u64, common: &mut Common) {
    if let Some(asked) = outcome.asked.filter(|asked| asked.account == SYSTEM_ACCOUNT) {
        if let OutcomeBody::Refused(refusal) = &outcome.body {
            let says = format!("the owner refused verdict {}: {refusal:?}", asked.command);
            common.promises.break_promise(InvariantId::Ord3, says);
        }
        common.store.close(asked.command, sequence);
    }
    let claim = outcome.asked.filter(|asked| asked.account == LATE_MONEY_ACCOUNT);
    if let (Some(asked), OutcomeBody::Refused(refusal)) = (claim, &outcome.body) {
        common.note(Happening::NoPlaces, format_args!("{}: {refusal:?}", asked.command));
        common.store.refuse_claim(asked.command);
    }
    let now = common.now;
    match &outcome.body {
        OutcomeBody::Reseated(payment) | OutcomeBody::PaymentAwaited(payment)
            if payment.method == LATE_MONEY =>
        {
            start_late(&outcome.event, payment, sequence, common);
        }
        OutcomeBody::PaymentStarted(payment)
        | OutcomeBody::PaymentAwaited(payment)
        | OutcomeBody::AllottedSold { payment, .. } => {
            let keeps_lines = common.is_broken(Mutation::SellFirstLines);
            if common.store.start(&outcome.event, payment, keeps_lines, now) {
                if 1 < payment.attempt {
                    common.tally.add(Happening::AttemptAgain);
                }
            } else if !common.is_broken(Mutation::SendVerdictOnce) {
                common.store.reopen(payment, sequence, now);
            }
        }
        OutcomeBody::HoldReleased { hold, why: Released::Expired | Released::ByOwner } => {
            common.store.end_declined(*hold);
        }
        _ => {}
    }
}

/// Late money has places.
fn start_late(event: &EventId, payment: &Payment, sequence: u64, common: &mut Common) {
    let mistake = match common.mutation {
        Some(Mutation::SpendSpent) => LateMistake::SpendSpent,
        Some(Mutation::PayLateAgain) => LateMistake::LeavePayment,
        _ => LateMistake::None,
    };
    let now = common.now;
    let Some(rung) = common.store.start_late(event, payment, mistake, now) else {
        return common.store.reopen(payment, sequence, now);
    };
    let happening = match rung {
        Rung::SameSeats => Happening::SameSeats,
        Rung::EqualSeats => Happening::EqualSeats,
        Rung::Refund => Happening::MoneyGone,
    };
    common.note(happening, format_args!("{} begins", payment.held.hold));
}

/// Sends the verdicts that are due, and what late money and parts ask.
pub fn relay(common: &mut Common) {
    for record in common.store.due(common.now) {
        let command = verdict(&record, common.wall() + ASK_WAIT);
        let (order, kind) = (record.order, record.kind);
        common.note(Happening::VerdictAgain, format_args!("{order} is {kind:?}"));
        if common.is_broken(Mutation::SendVerdictOnce) {
            common.store.close_unread(order);
        }
        bus::publish(common, &command);
    }
    let once = common.is_broken(Mutation::ClaimOnce);
    for record in common.store.due_claims(common.now, once) {
        let command = reseat(&record, common.wall() + ASK_WAIT);
        bus::publish(common, &command);
    }
    for record in common.store.due_parts(common.now) {
        if !common.is_broken(Mutation::PartUntold) {
            let command = reduce(&record, common.wall() + ASK_WAIT);
            bus::publish(common, &command);
        }
    }
}

/// Begins to pay a ticket back, for who owns the booking.
pub fn cancel_ticket(common: &mut Common, id: OrderId, account: AccountId) {
    let Some(order) = common.store.orders.get(&id) else { return };
    if order.account == account {
        let line = common.dice.index(order.lines.len());
        if common.store.begin_part(id, line) {
            common.write(format_args!("line {line} of {id} is to go back"));
        }
    }
}

/// Paid => Refunding, for who owns the booking.
pub fn cancel(common: &mut Common, id: OrderId, account: AccountId) {
    let Some(order) = common.store.orders.get(&id).cloned() else { return };
    if order.account != account || order.state != State::Paid {
        return;
    }
    common.promises.refund_asked(id);
    let to = transition(order.state, Trigger::Cancel).expect("it is legal");
    common.store.make_move(&order, to, false, common.now);
}
