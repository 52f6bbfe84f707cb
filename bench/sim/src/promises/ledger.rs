//! MON-1: the ledger, by what the store has of orders and tickets and by what the provider took.

use super::{Checked, expect};
use crate::hall::PRICE;
use crate::store::{Order, Store};
use schema::InvariantId;
use settlement_core::{Account, Payer, Posting, PostingKind, State};

/// Each order has booked what its state says, once, and that balances.
pub fn is_kept(store: &Store) -> Checked {
    for (id, order) in &store.orders {
        let postings = store.ledger.of(*id);
        let off = postings.iter().find(|posting| sum_of(posting) != 0);
        expect(InvariantId::Mon1, off.is_none(), || format!("{id} does not balance: {off:?}"))?;
        let refunded = order.state == State::Refunded;
        let review = order.state == State::ReviewNeeded;
        let parts = order.parts.iter().filter(|part| part.refunded).count();
        let due = [
            (PostingKind::Sale, usize::from(order.sold)),
            (PostingKind::Capture, usize::from(order.captured)),
            (PostingKind::PartReversal, parts),
            (PostingKind::PartPayout, if order.payer == Payer::Fan { parts } else { 0 }),
            (PostingKind::Reversal, usize::from(refunded)),
            (PostingKind::Payout, usize::from((refunded || review) && order.captured)),
        ];
        for (kind, times) in due {
            let count = store.ledger.count(*id, kind);
            expect(InvariantId::Mon1, count == times, || {
                format!("{id} is {} and has {count} times {kind:?}", order.state)
            })?;
        }
        let owed = [Account::PromoterPayable, Account::Fees, Account::TaxPayable];
        let earned = -store.ledger.balance(*id, &owed);
        let price = price_of_tickets(store, order);
        expect(InvariantId::Mon1, earned == price, || {
            format!("the live tickets of {id} cost {price}, and {earned} is booked")
        })?;
    }
    let stray = store.ledger.orders.keys().find(|id| !store.orders.contains_key(id));
    expect(InvariantId::Mon1, stray.is_none(), || format!("booked for no order: {stray:?}"))
}

/// Once everybody has come to rest, no fan owes anything, and what is booked as taken and not given
/// back is the price of the live tickets.
pub fn is_settled(store: &Store) -> Checked {
    for (id, order) in &store.orders {
        let owed = store.ledger.balance(*id, &[Account::FanReceivable]);
        expect(InvariantId::Mon1, owed == 0, || format!("{owed} is owed for {id}"))?;
        let booked = store.ledger.balance(*id, &[Account::ProviderClearing]);
        let price = price_of_tickets(store, order);
        // What a partner has sold it owes, and nobody has taken.
        let debt = store.ledger.balance(*id, &[Account::PartnerReceivable]);
        let (taken, due) = if order.payer == Payer::Fan { (price, 0) } else { (0, price) };
        expect(InvariantId::Mon1, debt == due, || {
            format!("{debt} is owed for {id} by its partner, its live tickets cost {price}")
        })?;
        expect(InvariantId::Mon1, booked == taken, || {
            format!("{booked} is booked as taken for {id}, its live tickets cost {price}")
        })?;
    }
    Ok(())
}

fn sum_of(posting: &Posting) -> i64 {
    posting.entries.iter().map(|entry| entry.amount.amount).sum()
}

fn price_of_tickets(store: &Store, order: &Order) -> i64 {
    let tickets = store.tickets.get(&order.id).copied().unwrap_or(0);
    i64::try_from(tickets).expect("a hall of few places") * PRICE
}
