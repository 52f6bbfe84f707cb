//! What is booked in the ledger, as the database's functions take it.

use super::uuid_of;
use schema::OrderId;
use settlement_core::Posting;
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use std::fmt::Display;
use uuid::Uuid;

/// Transactions as parallel arrays, the entries of each as array literals.
#[derive(Debug, Default)]
pub(super) struct Bookings {
    orders: Vec<Uuid>,
    kinds: Vec<&'static str>,
    accounts: Vec<String>,
    amounts: Vec<String>,
    parties: Vec<String>,
}

impl Bookings {
    pub(super) fn push(&mut self, order: OrderId, postings: &[Posting]) {
        for Posting { kind, entries } in postings {
            self.orders.push(uuid_of(order));
            self.kinds.push(kind.as_str());
            self.accounts.push(array(entries.iter().map(|entry| entry.account.as_str())));
            self.amounts.push(array(entries.iter().map(|entry| entry.amount.amount)));
            let party = |account: schema::AccountId| Uuid::from_u128(account.0).to_string();
            let parties = entries.iter().map(|entry| entry.party.map_or("NULL".to_owned(), party));
            self.parties.push(array(parties));
        }
    }

    /// Orders, kinds and entries, in the order of the functions' parameters.
    pub(super) fn bind(
        self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Query<'_, Postgres, PgArguments> {
        let orders = self.orders.clone();
        self.bind_entries(query.bind(orders))
    }

    /// As `bind`, without the orders.
    pub(super) fn bind_entries(
        self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Query<'_, Postgres, PgArguments> {
        query.bind(self.kinds).bind(self.accounts).bind(self.amounts).bind(self.parties)
    }
}

/// An array in Postgres' text form, of texts that need no quotes there: numbers, ids, words of
/// ours, base64url.
pub(super) fn array<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let mut text = String::from("{");
    for (at, item) in items.into_iter().enumerate() {
        if at != 0 {
            text.push(',');
        }
        text.push_str(&item.to_string());
    }
    text.push('}');
    text
}
