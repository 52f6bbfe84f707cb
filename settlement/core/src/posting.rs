//! What the ledger books: double entry, each transaction sums to zero in its currency.
//!
//! A sale is booked when the seats are committed (accrual), not when the money arrives. So at any
//! time `fan_receivable` is what fans owe, and it is zero for an order that has come to rest. What
//! a partner has sold is in `partner_receivable` instead, and stays there: no money of it comes
//! here.

use schema::{AccountId, Currency, Money, Split};

/// An account of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What fans owe for tickets they have.
    FanReceivable,
    /// What the payment provider has taken for us.
    ProviderClearing,
    /// What we owe to those whose events we sell; of each party its own.
    PromoterPayable,
    /// What partners owe us; of each party its own.
    PartnerReceivable,
    /// What we earn.
    Fees,
    /// What we owe to the tax office for others.
    TaxPayable,
    /// What buyers' banks have taken back at our cost.
    Chargeback,
}

/// One line of a transaction. Positive is a debit, negative a credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub account: Account,
    /// Whose the account is, where there is one for each.
    pub party: Option<AccountId>,
    pub amount: Money,
}

/// What is booked; an order books each kind at most once, and that of parts once for each part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PostingKind {
    Sale,
    /// The provider took the money.
    Capture,
    /// The sale is undone.
    Reversal,
    /// The provider gave the money back.
    Payout,
    /// The sale of a ticket is undone, and the rest of its order stays.
    PartReversal,
    /// The provider gave the money of that ticket back.
    PartPayout,
    /// The buyer's bank took the money back.
    Chargeback,
    /// And had to return it.
    ChargebackWon,
}

/// A balanced transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    pub kind: PostingKind,
    pub entries: Vec<Entry>,
}

/// Who owes the money of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payer {
    /// A fan, from whom a payment provider takes it.
    Fan,
    /// The partner that sold the places and has the buyer's money: no provider is asked, and what
    /// it owes stands there.
    Partner(AccountId),
}

/// Who bears a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer {
    House,
    Partner(AccountId),
}

/// Books the sale of tickets that `payer` owes; `promoter` is whom the net is owed to, if not the
/// house itself.
pub fn on_sale(
    split: Split,
    currency: Currency,
    payer: Payer,
    promoter: Option<AccountId>,
) -> Posting {
    let entry = |account, amount| entry(account, Money::new(amount, currency));
    let owed = match payer {
        Payer::Fan => entry(Account::FanReceivable, split.charged()),
        Payer::Partner(partner) => {
            let owed = entry(Account::PartnerReceivable, split.charged());
            Entry { party: Some(partner), ..owed }
        }
    };
    let payable = Entry { party: promoter, ..entry(Account::PromoterPayable, -split.net) };
    let mut entries = vec![owed, payable];
    let ours = [entry(Account::Fees, -split.fee), entry(Account::TaxPayable, -split.tax)];
    entries.extend(ours.into_iter().filter(|entry| entry.amount.amount != 0));
    Posting::balanced(PostingKind::Sale, entries)
}

/// Books that the provider took `total`.
pub fn on_capture(total: Money) -> Posting {
    transfer(PostingKind::Capture, total, Account::ProviderClearing, Account::FanReceivable)
}

/// Books the refund of what is left of a sale as it was booked, whatever the terms are now;
/// `captured` says whether its money had been taken, and so is paid out.
pub fn on_refund(sale: &Posting, captured: bool) -> Vec<Posting> {
    let reversal = undo(PostingKind::Reversal, sale);
    if captured { vec![reversal, payout(charged(sale))] } else { vec![reversal] }
}

/// Books the refund of one ticket of a sale, whose money was taken, or which a partner owes.
/// `ticket` is what of the sale it was: see [`ticket_of`].
pub fn on_part_refund(ticket: &Posting) -> Vec<Posting> {
    let reversal = undo(PostingKind::PartReversal, ticket);
    let (debit, credit) = (Account::FanReceivable, Account::ProviderClearing);
    if owed(ticket).account != debit {
        return vec![reversal];
    }
    let payout = transfer(PostingKind::PartPayout, charged(ticket), debit, credit);
    vec![reversal, payout]
}

/// What a ticket was of a sale that is left to give back.
///
/// `by_terms` is what all tickets that are left are by the terms of now, and what this one is. If
/// the first is what is left, the terms have not changed since, and the second is right to the
/// unit. Else each account gives its share of `price`: rounded down, and what is missing goes to
/// those who lost most by that, so no account gives more than it has. Either way the last ticket
/// leaves nothing, because it is all that is left.
pub fn ticket_of(left: &Posting, price: i64, by_terms: (&Posting, &Posting)) -> Posting {
    let (all, ticket) = by_terms;
    if is_same(left, all) {
        return ticket.clone();
    }
    let total = charged(left).amount;
    assert!(0 <= price && price <= total, "{price} of {total}");
    let credits: Vec<i64> =
        left.entries.iter().map(|entry| (-entry.amount.amount).max(0)).collect();
    let mut shares: Vec<i64> =
        credits.iter().map(|&credit| share(credit, price, total).0).collect();
    let missing = price - shares.iter().sum::<i64>();
    let mut by_loss: Vec<usize> = (0..credits.len()).collect();
    by_loss.sort_by_key(|&at| std::cmp::Reverse(share(credits[at], price, total).1));
    let missing = usize::try_from(missing).expect("rounding down takes too little");
    by_loss.into_iter().take(missing).for_each(|at| shares[at] += 1);
    let given = left.entries.iter().zip(shares).map(|(entry, share)| {
        let amount = if is_receivable(entry) { price } else { -share };
        Entry { amount: Money { amount, ..entry.amount }, ..*entry }
    });
    Posting::balanced(PostingKind::Sale, given.collect())
}

/// The share of `owed` that `price` is of `total`, rounded down, and what that leaves out.
fn share(owed: i64, price: i64, total: i64) -> (i64, i128) {
    if total == 0 {
        return (0, 0);
    }
    let (product, total) = (i128::from(owed) * i128::from(price), i128::from(total));
    (i64::try_from(product / total).expect("not more than is owed"), product % total)
}

/// Whether two sales book the same, in whatever order. Entries of nothing say nothing.
fn is_same(one: &Posting, other: &Posting) -> bool {
    let entries = |posting: &Posting| {
        let some = posting.entries.iter().filter(|entry| entry.amount.amount != 0);
        let mut entries: Vec<_> =
            some.map(|entry| (entry.account, entry.party, entry.amount.amount)).collect();
        entries.sort_unstable();
        entries
    };
    entries(one) == entries(other)
}

/// What is charged by a sale.
fn charged(sale: &Posting) -> Money {
    owed(sale).amount
}

/// The entry of a sale by which it is owed.
fn owed(sale: &Posting) -> &Entry {
    assert!(sale.kind == PostingKind::Sale);
    let owed = sale.entries.iter().find(|entry| is_receivable(entry));
    owed.expect("a sale says who owes what")
}

fn is_receivable(entry: &Entry) -> bool {
    matches!(entry.account, Account::FanReceivable | Account::PartnerReceivable)
}

/// Books money that was taken without a sale and given back.
pub fn on_return(total: Money) -> Vec<Posting> {
    vec![on_capture(total), payout(total)]
}

/// Books money that was taken without a sale and that the buyer's bank has taken back, which was
/// booked as the bearer's loss ([`on_chargeback`]): nobody has lost anything.
pub fn on_return_by_bank(total: Money, bearer: Bearer) -> Vec<Posting> {
    let (account, party) = loss_of(bearer);
    let given = Money { amount: -total.amount, ..total };
    let entries =
        vec![entry(Account::FanReceivable, total), Entry { party, ..entry(account, given) }];
    vec![on_capture(total), Posting::balanced(PostingKind::Payout, entries)]
}

/// Books that the buyer's bank took back `total`, which was captured. The sale stays: its loss is
/// the bearer's.
pub fn on_chargeback(total: Money, bearer: Bearer) -> Posting {
    let (account, party) = loss_of(bearer);
    let taken = Money { amount: -total.amount, ..total };
    let entries =
        vec![Entry { party, ..entry(account, total) }, entry(Account::ProviderClearing, taken)];
    Posting::balanced(PostingKind::Chargeback, entries)
}

/// Books that a chargeback was found wrong, and its money is here again.
pub fn on_chargeback_won(chargeback: &Posting) -> Posting {
    assert!(chargeback.kind == PostingKind::Chargeback);
    undo(PostingKind::ChargebackWon, chargeback)
}

/// The account of a chargeback's loss, and whose it is.
fn loss_of(bearer: Bearer) -> (Account, Option<AccountId>) {
    match bearer {
        Bearer::House => (Account::Chargeback, None),
        Bearer::Partner(partner) => (Account::PartnerReceivable, Some(partner)),
    }
}

fn payout(total: Money) -> Posting {
    transfer(PostingKind::Payout, total, Account::FanReceivable, Account::ProviderClearing)
}

/// The opposite of what was booked, entry by entry.
fn undo(kind: PostingKind, booked: &Posting) -> Posting {
    let negated = |entry: &Entry| {
        let amount = Money { amount: -entry.amount.amount, ..entry.amount };
        Entry { amount, ..*entry }
    };
    Posting::balanced(kind, booked.entries.iter().map(negated).collect())
}

fn transfer(kind: PostingKind, total: Money, debit: Account, credit: Account) -> Posting {
    let given = Money { amount: -total.amount, ..total };
    Posting::balanced(kind, vec![entry(debit, total), entry(credit, given)])
}

/// An entry of an account that is nobody's own.
fn entry(account: Account, amount: Money) -> Entry {
    Entry { account, party: None, amount }
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
    pub const ALL: [Self; 7] = [
        Self::FanReceivable,
        Self::ProviderClearing,
        Self::PromoterPayable,
        Self::PartnerReceivable,
        Self::Fees,
        Self::TaxPayable,
        Self::Chargeback,
    ];

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FanReceivable => "fan_receivable",
            Self::ProviderClearing => "provider_clearing",
            Self::PromoterPayable => "promoter_payable",
            Self::PartnerReceivable => "partner_receivable",
            Self::Fees => "fees",
            Self::TaxPayable => "tax_payable",
            Self::Chargeback => "chargeback",
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
            Self::PartReversal => "part_reversal",
            Self::PartPayout => "part_payout",
            Self::Chargeback => "chargeback",
            Self::ChargebackWon => "chargeback_won",
        }
    }
}

#[cfg(test)]
mod tests;
