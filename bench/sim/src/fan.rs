//! Fans: they hold seats, swap them, pay or do not, give up, cancel, and repeat themselves.

use crate::asker::Asker;
use crate::bus::Told;
use crate::common::Common;
use crate::front::Front;
use crate::hall::{self, AREAS, CHANNEL, SEAT_COUNT};
use crate::{room, settlement};
use compact_str::CompactString;
use schema::{
    AccountId, AreaIdx, BestAvailable, CommandBody, Condition, EventId, HoldId, HoldSeats, OrderId,
    OutcomeBody, OwnerKind, SeatIdx, StartPayment, Want,
};

/// Most holds that a fan remembers, ended ones among them.
const HOLDS_MAX: usize = 6;

/// How likely who has paid for an event does not buy more of it before that is decided.
const WAITS_PERCENT: u64 = 95;

#[derive(Debug)]
pub struct Fan {
    asker: Asker,
    holds: Vec<Mine>,
}

#[derive(Debug)]
struct Mine {
    hold: HoldId,
    event: EventId,
    /// The attempt whose end is waited for.
    paying: Option<u32>,
    /// Whether another card is to be tried.
    declined: bool,
    confirmed: bool,
}

impl Mine {
    fn new(hold: HoldId, event: EventId) -> Self {
        Self { hold, event, paying: None, declined: false, confirmed: false }
    }
}

impl Fan {
    pub fn new(idx: usize) -> Self {
        let number = u128::try_from(idx).expect("few fans");
        Self { asker: Asker::new(idx, hall::account(number)), holds: Vec::new() }
    }

    pub fn turn(&mut self, front: &Front, common: &mut Common) {
        self.look(front, common);
        if self.asker.waits(common) || self.pay_again(common) {
            return;
        }
        match common.dice.within(1, 100) {
            1..=32 => self.reserve(common),
            33..=43 => self.release(common),
            44..=66 => self.pay(common),
            67..=72 => self.asker.repeat(common),
            73..=77 => {
                let account = self.asker.account;
                self.asker.misuse(|event, common| any_ask(event, account, common), common);
            }
            78..=88 => self.cancel(common),
            89..=94 => self.extend(common),
            95..=98 => self.swap_any(common),
            _ => self.cancel_ticket(common),
        }
    }

    pub fn hear(&mut self, told: &Told, common: &mut Common) {
        let Some((command, outcome)) = self.asker.hear(told, common) else { return };
        match outcome.body {
            OutcomeBody::SeatsHeld(given) => {
                if self.holds.iter().all(|mine| mine.hold != given.hold) {
                    self.holds.push(Mine::new(given.hold, command.event));
                }
                if HOLDS_MAX < self.holds.len() {
                    self.holds.remove(0);
                }
            }
            OutcomeBody::PaymentStarted(payment) => {
                let id = payment.held.hold;
                if let Some(mine) = self.holds.iter_mut().find(|mine| mine.hold == id) {
                    mine.paying = Some(payment.attempt);
                }
            }
            _ => {}
        }
    }

    /// Looks how the payments under way are.
    fn look(&mut self, front: &Front, common: &mut Common) {
        for mine in &mut self.holds {
            let Some(attempt) = mine.paying else { continue };
            if let Some(bought) = front.late(mine.hold) {
                (mine.hold, mine.paying) = (bought, Some(1));
            }
            if front.is_declined(mine.hold, attempt) {
                (mine.paying, mine.declined) = (None, true);
            } else if front.confirm(mine.hold, common) {
                (mine.paying, mine.confirmed) = (None, true);
            }
        }
    }

    fn reserve(&mut self, common: &mut Common) {
        let event = any_event(common);
        let waits = self.holds.iter().any(|mine| mine.paying.is_some() && mine.event == event);
        if waits && common.dice.hits(WAITS_PERCENT) {
            return;
        }
        if let Some(ask) = any_ask(&event, self.asker.account, common) {
            self.asker.ask(event, ask, common);
        }
    }

    fn release(&mut self, common: &mut Common) {
        if let Some((hold, event)) = self.any_hold(common) {
            self.asker.ask(event, CommandBody::ReleaseHold { hold }, common);
        }
    }

    fn extend(&mut self, common: &mut Common) {
        if let Some((hold, event)) = self.any_hold(common) {
            self.asker.ask(event, CommandBody::ExtendHold { hold }, common);
        }
    }

    fn swap_any(&mut self, common: &mut Common) {
        if let Some((hold, event)) = self.any_hold(common) {
            self.swap(hold, event, common);
        }
    }

    fn swap(&mut self, hold: HoldId, event: EventId, common: &mut Common) {
        let (want, channel) = (any_want(common), any_key(common));
        self.asker.ask(event, CommandBody::SwapSeats { hold, want, channel }, common);
    }

    fn pay(&mut self, common: &mut Common) {
        let Some((hold, event)) = self.any_hold(common) else { return };
        let token = match common.dice.within(1, 100) {
            1..=50 => "tok_ok",
            51..=72 => "tok_declined",
            73..=78 => "tok_slow",
            79..=82 => "tok_slow_declined",
            _ => "tok_never",
        };
        let ask = StartPayment { hold, method: "CREDIT_CARD".into(), token: token.into() };
        self.asker.ask(event, CommandBody::StartPayment(ask), common);
    }

    /// Tries another card at once, as most people do, or takes other places before.
    fn pay_again(&mut self, common: &mut Common) -> bool {
        let Some(mine) = self.holds.iter_mut().find(|mine| mine.declined) else { return false };
        let (hold, event) = (mine.hold, mine.event.clone());
        if common.dice.hits(10) {
            self.swap(hold, event, common);
            return true;
        }
        mine.declined = false;
        let ask = StartPayment { hold, method: "CREDIT_CARD".into(), token: "tok_ok".into() };
        self.asker.ask(event, CommandBody::StartPayment(ask), common);
        true
    }

    fn cancel(&mut self, common: &mut Common) {
        let confirmed = self.holds.iter().position(|mine| mine.confirmed);
        if let Some(at) = confirmed {
            let order = OrderId::from(self.holds.remove(at).hold);
            settlement::cancel(common, order, self.asker.account);
        }
    }

    fn cancel_ticket(&mut self, common: &mut Common) {
        if let Some(mine) = self.holds.iter().find(|mine| mine.confirmed) {
            let order = OrderId::from(mine.hold);
            settlement::cancel_ticket(common, order, self.asker.account);
        }
    }

    /// One of the holds it knows of, also one that has ended.
    fn any_hold(&self, common: &mut Common) -> Option<(HoldId, EventId)> {
        let count = self.holds.len();
        let any = (0 < count).then(|| &self.holds[common.dice.index(count)]);
        any.map(|mine| (mine.hold, mine.event.clone()))
    }
}

/// Mostly the first event, so that people meet.
pub fn any_event(common: &mut Common) -> EventId {
    let at = usize::from(common.dice.hits(20));
    common.hall.events[at].clone()
}

/// Neighbouring seats by name.
pub fn any_seats(common: &mut Common, count_max: u64) -> Vec<SeatIdx> {
    let count = common.dice.within(1, count_max);
    let first = common.dice.within(0, u64::from(SEAT_COUNT) - count);
    let seats = first..first + count;
    seats.map(|seat| SeatIdx(u32::try_from(seat).expect("a hall of ten seats"))).collect()
}

/// One or two places each in one area or in two, in any order.
pub fn any_areas(common: &mut Common) -> Vec<(AreaIdx, u32)> {
    let first = common.dice.index(AREAS.len());
    let count = if common.dice.hits(40) { 2 } else { 1 };
    let areas = (first..first + count).map(|at| u16::try_from(at % AREAS.len()));
    let areas = areas.map(|at| AreaIdx(at.expect("three areas")));
    areas.map(|area| (area, if common.dice.hits(60) { 1 } else { 2 })).collect()
}

/// What some fans know.
fn any_key(common: &mut Common) -> Option<CompactString> {
    common.dice.hits(40).then(|| CHANNEL.into())
}

/// A reserve, unless the gateway turns it away.
fn any_ask(event: &EventId, account: AccountId, common: &mut Common) -> Option<CommandBody> {
    let want = any_want(common);
    let condition = any_key(common).map(Condition::Channel);
    let pass = room::any_pass(event, account, common).ok()?;
    let ask = HoldSeats { want, owner: OwnerKind::Fan, pass, condition };
    Some(CommandBody::HoldSeats(ask))
}

fn any_want(common: &mut Common) -> Want {
    match common.dice.within(1, 100) {
        1..=60 => Want::Seats(any_seats(common, 3)),
        61..=80 => Want::BestAvailable(any_party(common)),
        _ => Want::Areas(any_areas(common)),
    }
}

/// People who leave the choice of seats to the house. Few have wishes; some of those name a section
/// that the hall has not.
fn any_party(common: &mut Common) -> BestAvailable {
    let quantity = u8::try_from(common.dice.within(1, 4)).expect("at most four");
    let Common { dice, .. } = common;
    let mut wish = |percent: u64, of: u16| dice.hits(percent).then(|| dice.index(of.into()));
    let section = wish(15, 2).map(|at| u16::try_from(at).expect("one section or none"));
    let price_level = wish(15, 2).map(|at| u8::try_from(at).expect("two rows"));
    BestAvailable { quantity, section, price_level, accessible: dice.hits(15) }
}
