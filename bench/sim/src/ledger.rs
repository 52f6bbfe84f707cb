//! Settlement's ledger: what orders have booked, by the real rules of what is booked when.

use schema::{Money, OrderId, Split};
use settlement_core::{Account, Payer, Posting, PostingKind, on_sale};
use std::collections::BTreeMap;

/// What of each sale is ours and the tax office's: not nothing, so that a run moves the accounts.
const FEE: i64 = 300;
const TAX: i64 = 200;

/// The sale of tickets for `total`.
pub fn sale_of(total: Money, payer: Payer) -> Posting {
    let split = Split { net: total.amount - FEE - TAX, fee: FEE, tax: TAX };
    on_sale(split, total.currency, payer, None)
}

/// Postings of each order, in the order of their commits. Nothing is changed or taken out.
#[derive(Debug, Default)]
pub struct Ledger {
    pub orders: BTreeMap<OrderId, Vec<Posting>>,
    /// Those of found money, by the provider's id.
    pub beside: BTreeMap<String, Vec<Posting>>,
}

impl Ledger {
    /// A part of the commit that moves the order.
    pub fn book(&mut self, order: OrderId, postings: impl IntoIterator<Item = Posting>) {
        self.orders.entry(order).or_default().extend(postings);
    }

    /// A part of the commit that gives found money its outcome.
    pub fn book_beside(&mut self, payment: &str, postings: impl IntoIterator<Item = Posting>) {
        self.beside.entry(payment.to_owned()).or_default().extend(postings);
    }

    pub fn of(&self, order: OrderId) -> &[Posting] {
        self.orders.get(&order).map_or(&[], Vec::as_slice)
    }

    /// What of the sale of an order for `total` its parts have not given back.
    pub fn left_of(&self, order: OrderId, total: Money, payer: Payer) -> Posting {
        let mut left = sale_of(total, payer);
        let parts = self.of(order).iter().filter(|part| part.kind == PostingKind::PartReversal);
        for gone in parts.flat_map(|part| &part.entries) {
            let mut own = left.entries.iter_mut();
            let own = own.find(|own| (own.account, own.party) == (gone.account, gone.party));
            own.expect("a part is of its sale").amount.amount += gone.amount.amount;
        }
        left
    }

    /// How often an order has booked something of a kind.
    pub fn count(&self, order: OrderId, kind: PostingKind) -> usize {
        self.of(order).iter().filter(|posting| posting.kind == kind).count()
    }

    /// What an order has on some accounts together.
    pub fn balance(&self, order: OrderId, accounts: &[Account]) -> i64 {
        let entries = self.of(order).iter().flat_map(|posting| &posting.entries);
        let entries = entries.filter(|entry| accounts.contains(&entry.account));
        entries.map(|entry| entry.amount.amount).sum()
    }
}
