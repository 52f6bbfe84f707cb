//! ORD-2 and MON-1 at the provider: what becomes of each payment, to the cent.

use super::book::Book;
use super::{Checked, expect};
use crate::hall::PRICE;
use crate::provider::{Payment, Provider};
use crate::store::{MoneyOutcome, Store};
use schema::{InvariantId, OrderId};
use settlement_core::{Account, Payer, Posting, PostingKind, Seen, State};
use std::collections::BTreeMap;

/// ORD-2: at most one charge a hold that we have asked for. MON-1: nothing goes back twice.
pub fn charged_once(provider: &Provider) -> Checked {
    let mut charges: BTreeMap<OrderId, u32> = BTreeMap::new();
    for payment in provider.payments() {
        let (taken, back) = (payment.charged, payment.given_back);
        expect(InvariantId::Mon1, back <= taken, || {
            format!("{back} of {taken} is given back of {}", payment.order)
        })?;
        if 0 < taken && !payment.by_itself {
            *charges.entry(payment.order).or_insert(0) += 1;
        }
    }
    let twice = charges.iter().find(|(_, count)| 1 < **count);
    expect(InvariantId::Ord2, twice.is_none(), || format!("charged more than once: {twice:?}"))
}

/// MON-1: found money has booked what became of it, once.
pub fn found_is_booked(store: &Store) -> Checked {
    for (key, found) in &store.beside.found {
        let booked = store.ledger.beside.get(key).map_or(&[][..], Vec::as_slice);
        let kinds: Vec<PostingKind> = booked.iter().map(|posting| posting.kind).collect();
        let due = match found.outcome {
            Some(MoneyOutcome::Refunded) => &[PostingKind::Capture, PostingKind::Payout][..],
            _ => &[],
        };
        expect(InvariantId::Mon1, kinds == due, || {
            format!("{key} is {:?} and has booked {kinds:?}", found.outcome)
        })?;
    }
    let mut strays = store.ledger.beside.keys();
    let stray = strays.find(|key| !store.beside.found.contains_key(*key));
    expect(InvariantId::Mon1, stray.is_none(), || format!("booked for no payment: {stray:?}"))
}

/// What an order is worth to its fan, with that which its late money has bought, and what the
/// provider has for it.
#[derive(Debug, Default)]
struct Dealings {
    worth: i64,
    kept: Vec<i64>,
    charged: i64,
    given_back: i64,
}

/// Once everybody has come to rest: each payment is kept for one paid order, all of it but for the
/// tickets that went back, or nothing of it is. Late money is that of the order that it has bought.
pub fn have_come_to_rest(book: &Book, store: &Store, provider: &Provider) -> Checked {
    for payment in provider.payments() {
        let over = !matches!(payment.seen, Seen::Created | Seen::Processing | Seen::Authorised);
        expect(InvariantId::Ord2, over, || {
            format!("money of {} may be taken for ever", payment.order)
        })?;
    }
    let open = store.beside.found.iter().find(|(_, found)| found.outcome.is_none());
    expect(InvariantId::Ord2, open.is_none(), || format!("never comes to rest: {open:?}"))?;
    let asks = store.reseats.iter().find(|(_, claim)| claim.rung.is_none());
    expect(InvariantId::Ord2, asks.is_none(), || format!("late money asks for ever: {asks:?}"))?;
    let bought: BTreeMap<OrderId, OrderId> =
        book.bought.iter().map(|(before, after)| (*after, *before)).collect();
    let first = |id: OrderId| bought.get(&id).copied().unwrap_or(id);
    let mut all: BTreeMap<OrderId, Dealings> = BTreeMap::new();
    for payment in provider.payments() {
        all.entry(payment.order).or_default().add(payment);
    }
    for order in store.orders.values().filter(|order| order.payer == Payer::Fan) {
        let tickets = store.tickets.get(&order.id).copied().unwrap_or(0);
        let worth = i64::try_from(tickets).expect("a hall of few places") * PRICE;
        let dealings = all.entry(first(order.id)).or_default();
        expect(InvariantId::Ord2, worth == 0 || dealings.worth == 0, || {
            format!("{} has bought twice", order.id)
        })?;
        dealings.worth += worth;
        let paid = order.state == State::Paid;
        expect(InvariantId::Ord3, paid == (0 < worth), || {
            format!("{} is {} with {tickets} tickets", order.id, order.state)
        })?;
    }
    all.iter().try_for_each(|(id, dealings)| dealings.is_even(*id))?;
    gross_is_booked(store, &all)
}

impl Dealings {
    fn add(&mut self, payment: &Payment) {
        let kept = payment.charged - payment.given_back;
        self.kept.extend((kept != 0).then_some(kept));
        self.charged += payment.charged;
        self.given_back += payment.given_back;
    }

    /// ORD-2: whoever paid has tickets, and whoever has none has the money. ORD-3: no tickets for
    /// nothing.
    fn is_even(&self, id: OrderId) -> Checked {
        let Self { worth, kept, .. } = self;
        let once = kept.len() <= 1 && (kept.is_empty() || 0 < *worth);
        expect(InvariantId::Ord2, once, || {
            format!("{kept:?} is kept for {id}, whose tickets are worth {worth}")
        })?;
        expect(InvariantId::Ord3, *worth == 0 || !kept.is_empty(), || {
            format!("{id} has tickets for nothing")
        })?;
        expect(InvariantId::Mon1, kept.iter().sum::<i64>() == *worth, || {
            format!("{kept:?} is kept for {id}, whose tickets are worth {worth}")
        })
    }
}

/// MON-1: the ledger knows all that the provider has taken and given back, for each order.
fn gross_is_booked(store: &Store, all: &BTreeMap<OrderId, Dealings>) -> Checked {
    let mut booked = (0, 0);
    let own = store.ledger.orders.values().chain(store.ledger.beside.values()).flatten();
    for posting in own {
        let (taken, given) = at_provider(posting);
        booked = (booked.0 + taken, booked.1 + given);
    }
    let charged: i64 = all.values().map(|dealings| dealings.charged).sum();
    let given_back: i64 = all.values().map(|dealings| dealings.given_back).sum();
    expect(InvariantId::Mon1, booked == (charged, given_back), || {
        format!("{charged} is taken and {given_back} given back, booked is {booked:?}")
    })
}

/// What a posting says that the provider has taken and given back.
fn at_provider(posting: &Posting) -> (i64, i64) {
    let entries = posting.entries.iter();
    let own = entries.filter(|entry| entry.account == Account::ProviderClearing);
    own.fold((0, 0), |(taken, given), entry| {
        let amount = entry.amount.amount;
        (taken + amount.max(0), given + (-amount).max(0))
    })
}
