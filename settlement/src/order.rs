//! An order as a driver works on it.

use chassis::telemetry::TraceContext;
use schema::{AccountId, AreaIdx, EventId, Money, OrderId, PARTNER_SALE, TicketId, UnixMillis};
use settlement_core::{Facts, Payer, Place, State, lines_of};
use std::fmt;

/// What a driver needs to know of an order. The database is the truth; this may be behind it.
#[derive(Clone)]
pub(crate) struct Order {
    pub id: OrderId,
    pub event: EventId,
    pub state: State,
    pub attempt: u32,
    pub token: String,
    pub total: Money,
    pub payer: Payer,
    pub line_count: u16,
    /// Price level and price of each line.
    pub prices: Vec<(u8, i64)>,
    /// The areas of its standing places, each once.
    pub areas: Vec<AreaIdx>,
    pub payment_deadline: UnixMillis,
    /// The provider's id of the current attempt's payment.
    pub payment: Option<String>,
    /// Who has that payment, if it was stored before; else it is whoever takes money now.
    pub provider: Option<String>,
    /// Nothing has been done to that payment: its id was stored just now, and it has no other.
    pub untouched: bool,
    pub sold: bool,
    pub captured: bool,
    /// Why a person has to look, if one had to when it was read.
    pub review: Option<String>,
    /// Lines of tickets that were paid back alone.
    pub gone: Vec<u16>,
    /// The ticket whose own money is on the way back.
    pub part: Option<Part>,
    /// Who asked for what is done now; in memory only.
    pub trace: Option<TraceContext>,
}

/// A part of an order: a ticket that is paid back alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// Counted from 1.
    pub number: u32,
    pub line: u16,
    pub place: Place,
}

impl fmt::Debug for Order {
    /// Without the token, which may be worth money.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Order");
        shown.field("id", &self.id).field("attempt", &self.attempt).field("state", &self.state);
        shown.field("payment", &self.payment).finish_non_exhaustive()
    }
}

impl Order {
    /// The order of a payment that was just announced and stored, with the id that it has at the
    /// provider if that is stored too.
    pub(crate) fn of_payment(
        event: &EventId,
        payment: &schema::Payment,
        id: Option<String>,
    ) -> Self {
        let lines = lines_of(&payment.held);
        let area_of = |line: &settlement_core::Line| match line.place {
            Place::Area(area) => Some(area),
            Place::Seat(_) => None,
        };
        let mut areas: Vec<AreaIdx> = lines.iter().filter_map(area_of).collect();
        areas.dedup();
        Self {
            id: OrderId::from(payment.held.hold),
            event: event.clone(),
            state: State::Paying,
            attempt: payment.attempt,
            token: payment.token.to_string(),
            total: payment.held.total(),
            payer: payer_of(&payment.method, payment.held.account),
            line_count: u16::try_from(lines.len()).expect("a hold has at most 4,096 places"),
            prices: lines.iter().map(|line| (line.price_level, line.price)).collect(),
            areas,
            payment_deadline: payment.payment_deadline,
            untouched: id.is_some(),
            payment: id,
            provider: None,
            sold: false,
            captured: false,
            review: None,
            gone: Vec::new(),
            part: None,
            trace: payment.trace.as_deref().and_then(TraceContext::parse),
        }
    }

    pub(crate) fn facts(&self) -> Facts {
        Facts {
            state: self.state,
            payer: self.payer,
            bound: self.payment.is_some(),
            sold: self.sold,
            captured: self.captured,
            part: self.part.map(|part| part.number),
            payment_deadline: self.payment_deadline,
        }
    }

    /// Whether nothing but money is waited for, and it is on its way back: no place becomes free
    /// and no fan hears of their payment by that.
    pub(crate) fn keeps_nobody_waiting(&self) -> bool {
        matches!(self.state, State::Paid | State::Refunding | State::ReviewNeeded)
    }

    /// How much of the payment will have gone back behind a part, in minor units.
    pub(crate) fn back_behind(&self, part: Part) -> i64 {
        let lines = self.gone.iter().chain(std::iter::once(&part.line));
        lines.map(|&line| self.prices[usize::from(line)].1).sum()
    }

    pub(crate) fn tickets(&self) -> impl Iterator<Item = TicketId> {
        let order = self.id;
        (0..self.line_count).map(move |line| TicketId { order, line })
    }
}

/// Who owes the money of an order of `account` that is paid by a method.
pub(crate) fn payer_of(method: &str, account: AccountId) -> Payer {
    if method == PARTNER_SALE { Payer::Partner(account) } else { Payer::Fan }
}

#[cfg(test)]
mod tests {
    use super::Order;
    use crate::provider::NewPayment;
    use schema::{
        AccountId, Currency, Held, HoldId, Money, OrderId, OwnerKind, Payment, StartPayment,
        UnixMillis,
    };

    #[test]
    fn what_a_payment_is_paid_with_shows_nowhere() {
        let token = "pm_secret";
        let held = Held {
            hold: HoldId(7),
            account: AccountId(8),
            owner: OwnerKind::Fan,
            seats: vec![],
            areas: vec![],
            currency: Currency::EUR,
            deadline: None,
            pass: None,
        };
        let payment = Payment {
            held,
            attempt: 1,
            method: "CREDIT_CARD".into(),
            token: token.into(),
            payment_deadline: UnixMillis(9),
            trace: None,
        };
        let start =
            StartPayment { hold: HoldId(7), method: "CREDIT_CARD".into(), token: token.into() };
        let total = Money::new(1, Currency::EUR);
        let order = OrderId::from(HoldId(7));
        let new = NewPayment { order, attempt: 1, total, token: token.to_owned() };
        let event = "EVT001".parse().unwrap();
        let order = Order::of_payment(&event, &payment, None);
        assert_eq!(order.token, token);
        for shown in [
            format!("{payment:?}"),
            format!("{start:?}"),
            format!("{new:#?}"),
            format!("{order:?}"),
            format!("{:?}", schema::OutcomeBody::PaymentStarted(payment.clone())),
            format!("{:?}", schema::CommandBody::StartPayment(start.clone())),
        ] {
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
