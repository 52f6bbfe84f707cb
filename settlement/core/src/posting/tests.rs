//! What is booked balances, and every way back leaves nothing.

use super::{
    Account, Bearer, Entry, Payer, Posting, PostingKind, on_capture, on_chargeback,
    on_chargeback_won, on_part_refund, on_refund, on_return, on_sale, ticket_of,
};
use schema::{AccountId, Currency, MilliPercent, Money, Split, Terms};

const SPLIT: Split = Split { net: 10_000, fee: 550, tax: 2_000 };
const TOTAL: Money = Money { amount: 12_550, currency: Currency::EUR };
const PROMOTER: AccountId = AccountId(7);
const PARTNER: AccountId = AccountId(8);

fn sale() -> Posting {
    on_sale(SPLIT, Currency::EUR, Payer::Fan, Some(PROMOTER))
}

fn partners_sale() -> Posting {
    on_sale(SPLIT, Currency::EUR, Payer::Partner(PARTNER), Some(PROMOTER))
}

fn balance(postings: &[Posting], account: Account) -> i64 {
    let entries = postings.iter().flat_map(|posting| &posting.entries);
    entries.filter(|entry| entry.account == account).map(|entry| entry.amount.amount).sum()
}

#[test]
fn a_sale_that_is_paid_leaves_money_at_the_provider_and_what_is_owed_for_it() {
    let postings = [sale(), on_capture(TOTAL)];
    for (account, expected) in [
        (Account::FanReceivable, 0),
        (Account::ProviderClearing, 12_550),
        (Account::PromoterPayable, -10_000),
        (Account::Fees, -550),
        (Account::TaxPayable, -2_000),
    ] {
        assert_eq!(balance(&postings, account), expected, "{account:?}");
    }
    let parties = postings.iter().flat_map(|posting| &posting.entries);
    let parties = parties.filter_map(|entry| Some((entry.account, entry.party?)));
    assert!(parties.eq([(Account::PromoterPayable, PROMOTER)]));
}

#[test]
fn every_way_back_leaves_every_account_of_every_party_at_zero() {
    let captured = [vec![sale(), on_capture(TOTAL)], on_refund(&sale(), true)].concat();
    let voided = [vec![sale()], on_refund(&sale(), false)].concat();
    let lost = [Bearer::House, Bearer::Partner(PROMOTER)].map(|bearer| {
        let chargeback = on_chargeback(TOTAL, bearer);
        vec![chargeback.clone(), on_chargeback_won(&chargeback)]
    });
    let partners = vec![partners_sale(), on_refund(&partners_sale(), false)[0].clone()];
    for postings in [captured, voided, on_return(TOTAL), partners].into_iter().chain(lost) {
        let entries = || postings.iter().flat_map(|posting| &posting.entries);
        for one in entries() {
            let same = entries().filter(|e| (e.account, e.party) == (one.account, one.party));
            assert_eq!(same.map(|e| e.amount.amount).sum::<i64>(), 0, "{one:?} of {postings:?}");
        }
    }
}

#[test]
fn what_a_partner_sells_is_owed_by_it_and_nothing_of_it_is_taken_or_given_back() {
    let sale = partners_sale();
    let owed = &sale.entries[0];
    assert_eq!((owed.account, owed.party), (Account::PartnerReceivable, Some(PARTNER)));
    assert_eq!(
        (owed.amount, balance(std::slice::from_ref(&sale), Account::FanReceivable)),
        (TOTAL, 0)
    );
    let refund = on_refund(&sale, false);
    assert_eq!(refund.len(), 1, "{refund:?}");
    let ticket = on_sale(
        Split { net: 900, fee: 100, tax: 0 },
        Currency::EUR,
        Payer::Partner(PARTNER),
        Some(PROMOTER),
    );
    let part = on_part_refund(&ticket_of(&sale, 1_000, (&sale, &ticket)));
    let [reversal] = &part[..] else { panic!("{part:?}") };
    assert_eq!(reversal.kind, PostingKind::PartReversal);
    assert_eq!(balance(&part, Account::PartnerReceivable), -1_000);
    assert_eq!(balance(&part, Account::ProviderClearing), 0);
    let by_share = ticket_of(&sale, 1_000, (&ticket, &ticket));
    assert_eq!(balance(&[by_share], Account::PartnerReceivable), 1_000);
}

/// What is left of a sale behind some of its parts.
fn left_of(sale: &Posting, parts: &[Posting]) -> Posting {
    let reversals = parts.iter().filter(|part| part.kind == PostingKind::PartReversal);
    let gone: Vec<Entry> = reversals.flat_map(|part| part.entries.clone()).collect();
    let left = sale.entries.iter().map(|&one| {
        let gone =
            gone.iter().filter(|gone| (gone.account, gone.party) == (one.account, one.party));
        let amount = one.amount.amount + gone.map(|gone| gone.amount.amount).sum::<i64>();
        Entry { amount: Money { amount, ..one.amount }, ..one }
    });
    Posting { kind: PostingKind::Sale, entries: left.collect() }
}

fn by_terms(terms: &Terms, prices: &[i64]) -> Posting {
    let parts = prices.iter().map(|&price| terms.split(price, 0));
    let split = parts.fold(Split::default(), |sum, part| sum + part);
    on_sale(split, Currency::EUR, Payer::Fan, terms.promoter)
}

/// Pays tickets back one by one by terms `now`, and the last with its order; returns all that is
/// booked.
fn one_by_one(sale: &Posting, prices: &[i64], now: &Terms) -> Vec<Posting> {
    let total = Money::new(prices.iter().sum(), Currency::EUR);
    let mut booked = vec![sale.clone(), on_capture(total)];
    for at in 0..prices.len() - 1 {
        let left = left_of(sale, &booked);
        let terms = (&by_terms(now, &prices[at..]), &by_terms(now, &prices[at..=at]));
        let ticket = ticket_of(&left, prices[at], terms);
        for (given, has) in ticket.entries.iter().zip(&left.entries) {
            let (given, has) = (given.amount.amount.abs(), has.amount.amount.abs());
            assert!(given <= has, "{ticket:?} of {left:?}");
        }
        booked.extend(on_part_refund(&ticket));
    }
    booked.extend(on_refund(&left_of(sale, &booked), true));
    booked
}

#[test]
fn tickets_that_go_back_one_by_one_leave_what_their_sale_would_that_goes_back_whole() {
    let fee_share = MilliPercent(2_500);
    let taxes = vec![MilliPercent(19_000)];
    let then =
        Terms { fee_fixed: 33, fee_share, promoter: Some(PROMOTER), taxes, ..Terms::default() };
    let other = Terms { fee_fixed: 50, ..Terms::default() };
    for prices in [&[5_001, 333, 0, 99][..], &[1, 1, 1], &[7, 12_345, 3], &[0, 0], &[2, 0, 0]] {
        let sale = by_terms(&then, prices);
        for now in [&then, &other, &Terms::default()] {
            let postings = one_by_one(&sale, prices, now);
            for account in Account::ALL {
                assert_eq!(balance(&postings, account), 0, "{account:?} of {prices:?}");
            }
        }
    }
}

#[test]
fn a_ticket_gives_back_what_was_booked_for_it_and_its_share_if_nobody_knows_that() {
    let terms = Terms { fee_fixed: 100, promoter: Some(PROMOTER), ..Terms::default() };
    let sale = by_terms(&terms, &[5_000, 1_000]);
    let fee = |now: &Terms| {
        let all = by_terms(now, &[5_000, 1_000]);
        let ticket = ticket_of(&sale, 1_000, (&all, &by_terms(now, &[1_000])));
        let part = on_part_refund(&ticket);
        assert_eq!(part[0].kind.as_str(), "part_reversal");
        assert_eq!(balance(&part, Account::ProviderClearing), -1_000);
        assert_eq!(balance(&part, Account::FanReceivable), 0);
        (balance(&part, Account::Fees), balance(&part, Account::PromoterPayable))
    };
    assert_eq!(fee(&terms), (100, 900), "the fee of the ticket");
    assert_eq!(fee(&Terms::default()), (33, 967), "a sixth of the fees");
}

#[test]
fn a_chargeback_takes_the_money_and_leaves_the_sale() {
    let before = vec![sale(), on_capture(TOTAL)];
    for (bearer, account) in [
        (Bearer::House, Account::Chargeback),
        (Bearer::Partner(PROMOTER), Account::PartnerReceivable),
    ] {
        let chargeback = on_chargeback(TOTAL, bearer);
        let party = (bearer != Bearer::House).then_some(PROMOTER);
        assert_eq!(chargeback.entries[0].party, party);
        let after = [before.clone(), vec![chargeback]].concat();
        assert_eq!(balance(&after, Account::ProviderClearing), 0);
        assert_eq!(balance(&after, account), 12_550);
        for same in [Account::FanReceivable, Account::PromoterPayable, Account::Fees] {
            assert_eq!(balance(&after, same), balance(&before, same), "{same:?}");
        }
    }
}

#[test]
fn a_free_ticket_is_booked_with_zeros() {
    assert_eq!(on_sale(Split::default(), Currency::EUR, Payer::Fan, None).entries.len(), 2);
}

#[test]
fn no_two_accounts_have_one_word() {
    let words: std::collections::BTreeSet<_> = Account::ALL.map(Account::as_str).into();
    assert_eq!(words.len(), Account::ALL.len());
}
