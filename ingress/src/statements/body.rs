//! A statement as it is shown.

use serde::Serialize;
use utoipa::ToSchema;

use super::read::{Booked, Sum};
use crate::catalog::MoneyBody;

/// What a partner is owed, holds and has sold.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartnerStatementBody {
    pub partner_id: String,
    /// The statement is of what was booked from here on, this moment included.
    pub from: String,
    /// And before this one.
    pub to: String,
    /// What is owed to the partner at the end, by currency; less than nothing is owed by it.
    pub owed: Vec<MoneyBody>,
    /// Places that are set aside for the partner now.
    pub held: Vec<HeldBody>,
    pub tickets: Vec<TicketsBody>,
    /// Amounts are what is owed to the partner; less than nothing is owed by it.
    pub accounts: Vec<StatementAccountBody>,
}

/// What was booked for an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventStatementBody {
    pub event_id: String,
    /// The statement is of what was booked from here on, this moment included.
    pub from: String,
    /// And before this one.
    pub to: String,
    pub tickets: Vec<TicketsBody>,
    /// Amounts above nothing are debits (what the house has or is owed), those below are credits
    /// (what it owes or has earned). Those of all accounts together are nothing.
    pub accounts: Vec<StatementAccountBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldBody {
    pub event_id: String,
    pub places: u32,
}

/// Tickets that were sold and paid back in the time of the statement.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketsBody {
    pub event_id: String,
    pub sold: i64,
    pub refunded: i64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatementAccountBody {
    /// `fan_receivable`, `provider_clearing`, `promoter_payable`, `partner_receivable`, `fees`,
    /// `tax_payable` or `chargeback`.
    pub account: String,
    pub opening: MoneyBody,
    pub lines: Vec<StatementLineBody>,
    pub closing: MoneyBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatementLineBody {
    pub event_id: String,
    /// `sale`, `capture`, `reversal`, `payout`, `part_reversal`, `part_payout`, `chargeback` or
    /// `chargeback_won`.
    pub kind: String,
    pub orders: i64,
    pub amount: MoneyBody,
}

/// Which side an amount above nothing is of.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    Debit,
    Credit,
}

impl TicketsBody {
    pub fn all(booked: &Booked) -> Vec<Self> {
        let one = |of: &super::read::Tickets| Self {
            event_id: of.event_id.clone(),
            sold: of.sold,
            refunded: of.refunded,
        };
        booked.tickets.iter().map(one).collect()
    }
}

/// Puts sums together by currency and account, in which order they come.
pub fn accounts(sums: &[Sum], side: Side) -> Vec<StatementAccountBody> {
    let same = |a: &Sum, b: &Sum| (&a.currency, &a.account) == (&b.currency, &b.account);
    let of_account = |sums: &[Sum]| {
        let money = |amount: i64| MoneyBody {
            amount: if matches!(side, Side::Credit) { -amount } else { amount },
            currency: sums[0].currency.clone(),
        };
        let before = sums.iter().filter(|sum| sum.kind.is_none());
        let line = |sum: &Sum| {
            Some(StatementLineBody {
                event_id: sum.event_id.clone(),
                kind: sum.kind.clone()?,
                orders: sum.orders,
                amount: money(sum.amount),
            })
        };
        StatementAccountBody {
            account: sums[0].account.clone(),
            opening: money(before.map(|sum| sum.amount).sum()),
            lines: sums.iter().filter_map(line).collect(),
            closing: money(sums.iter().map(|sum| sum.amount).sum()),
        }
    };
    sums.chunk_by(same).map(of_account).collect()
}

/// What all accounts come to at the end, by currency.
pub fn closing(accounts: &[StatementAccountBody]) -> Vec<MoneyBody> {
    let same = |a: &StatementAccountBody, b: &StatementAccountBody| {
        a.closing.currency == b.closing.currency
    };
    let sum = |accounts: &[StatementAccountBody]| MoneyBody {
        amount: accounts.iter().map(|account| account.closing.amount).sum(),
        currency: accounts[0].closing.currency.clone(),
    };
    accounts.chunk_by(same).map(sum).collect()
}

/// The accounts as a table: for each its opening balance, its lines, and its closing balance.
pub fn table(accounts: &[StatementAccountBody]) -> Vec<u8> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    let mut row = |cells: [&str; 6]| {
        rows.write_record(cells).expect("rows of six cells, written to memory");
    };
    row(["currency", "account", "eventId", "line", "orders", "amount"]);
    for of in accounts {
        let currency = of.opening.currency.as_str();
        let (opening, closing) = (of.opening.amount.to_string(), of.closing.amount.to_string());
        row([currency, &of.account, "", "opening", "", &opening]);
        for line in &of.lines {
            let (orders, amount) = (line.orders.to_string(), line.amount.amount.to_string());
            row([currency, &of.account, &line.event_id, &line.kind, &orders, &amount]);
        }
        row([currency, &of.account, "", "closing", "", &closing]);
    }
    rows.into_inner().expect("memory takes all")
}
