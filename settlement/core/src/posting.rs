//! What the ledger books: double entry, each transaction sums to zero in its currency.
//!
//! A sale is booked when the seats are committed (accrual), not when the money arrives. So at any
//! time `fan_receivable` is what fans owe, and it is zero for an order that has come to rest.

use schema::{Currency, Money};

/// An account of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What fans owe for tickets they have.
    FanReceivable,
    /// What the payment provider has taken for us.
    ProviderClearing,
    /// What we owe to those whose events we sell.
    PromoterPayable,
    /// What we earn.
    Fees,
}

/// One line of a transaction. Positive is a debit, negative a credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub account: Account,
    pub amount: Money,
}

/// What is booked; an order books each kind at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PostingKind {
    Sale,
    /// The provider took the money.
    Capture,
    /// The sale is undone.
    Reversal,
    /// The provider gave the money back.
    Payout,
}

/// A balanced transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    pub kind: PostingKind,
    pub entries: Vec<Entry>,
}

/// Books the sale of tickets for `total`, of which `fee` is ours.
pub fn on_sale(total: Money, fee: i64) -> Posting {
    assert!((0..=total.amount).contains(&fee), "a fee is a part of the total");
    split(PostingKind::Sale, total, fee, 1)
}

/// Books that the provider took `total`.
pub fn on_capture(total: Money) -> Posting {
    transfer(PostingKind::Capture, total, Account::ProviderClearing, Account::FanReceivable)
}

/// Books the refund of a sale; `captured` says whether its money had been taken, and so is paid
/// out.
pub fn on_refund(total: Money, fee: i64, captured: bool) -> Vec<Posting> {
    let reversal = split(PostingKind::Reversal, total, fee, -1);
    if captured { vec![reversal, payout(total)] } else { vec![reversal] }
}

/// Books money that was taken without a sale and given back.
pub fn on_return(total: Money) -> Vec<Posting> {
    vec![on_capture(total), payout(total)]
}

fn payout(total: Money) -> Posting {
    transfer(PostingKind::Payout, total, Account::FanReceivable, Account::ProviderClearing)
}

fn split(kind: PostingKind, total: Money, fee: i64, sign: i64) -> Posting {
    let entry = |account, amount: i64| entry(account, sign * amount, total.currency);
    let mut entries = vec![
        entry(Account::FanReceivable, total.amount),
        entry(Account::PromoterPayable, fee - total.amount),
    ];
    if fee != 0 {
        entries.push(entry(Account::Fees, -fee));
    }
    Posting::balanced(kind, entries)
}

fn transfer(kind: PostingKind, total: Money, debit: Account, credit: Account) -> Posting {
    let entry = |account, amount| entry(account, amount, total.currency);
    Posting::balanced(kind, vec![entry(debit, total.amount), entry(credit, -total.amount)])
}

fn entry(account: Account, amount: i64, currency: Currency) -> Entry {
    Entry { account, amount: Money::new(amount, currency) }
}

impl Posting {
    fn balanced(kind: PostingKind, entries: Vec<Entry>) -> Self {
        let amounts = entries.iter().map(|entry| (entry.amount.currency, entry.amount.amount));
        // MON-1: the ledger balances to zero at every commit, because every transaction does.
        schema::check!(schema::InvariantId::Mon1, schema::invariant::ledger_balances(amounts));
        Self { kind, entries }
    }
}

impl Account {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FanReceivable => "fan_receivable",
            Self::ProviderClearing => "provider_clearing",
            Self::PromoterPayable => "promoter_payable",
            Self::Fees => "fees",
        }
    }
}

impl PostingKind {
    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Capture => "capture",
            Self::Reversal => "reversal",
            Self::Payout => "payout",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, Posting, on_capture, on_refund, on_return, on_sale};
    use schema::{Currency, Money};

    const TOTAL: Money = Money { amount: 12_550, currency: Currency::EUR };

    fn balance(postings: &[Posting], account: Account) -> i64 {
        let entries = postings.iter().flat_map(|posting| &posting.entries);
        entries.filter(|entry| entry.account == account).map(|entry| entry.amount.amount).sum()
    }

    #[test]
    fn a_sale_that_is_paid_leaves_money_at_the_provider_and_a_debt_to_the_promoter() {
        let postings = [on_sale(TOTAL, 550), on_capture(TOTAL)];
        assert_eq!(balance(&postings, Account::FanReceivable), 0);
        assert_eq!(balance(&postings, Account::ProviderClearing), 12_550);
        assert_eq!(balance(&postings, Account::PromoterPayable), -12_000);
        assert_eq!(balance(&postings, Account::Fees), -550);
    }

    #[test]
    fn every_way_back_leaves_every_account_at_zero() {
        let captured =
            [vec![on_sale(TOTAL, 550), on_capture(TOTAL)], on_refund(TOTAL, 550, true)].concat();
        let voided = [vec![on_sale(TOTAL, 550)], on_refund(TOTAL, 550, false)].concat();
        for postings in [captured, voided, on_return(TOTAL)] {
            for account in [
                Account::FanReceivable,
                Account::ProviderClearing,
                Account::PromoterPayable,
                Account::Fees,
            ] {
                assert_eq!(balance(&postings, account), 0, "{account:?} of {postings:?}");
            }
        }
    }

    #[test]
    fn a_free_ticket_is_booked_with_zeros() {
        let free = Money::new(0, Currency::EUR);
        assert_eq!(on_sale(free, 0).entries.len(), 2);
    }

    #[test]
    #[should_panic(expected = "a fee is a part of the total")]
    fn a_fee_above_the_total_is_a_bug() {
        on_sale(TOTAL, 12_551);
    }
}
