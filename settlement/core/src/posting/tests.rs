//! What is booked balances, and every way back leaves nothing.

use super::{
    Account, Bearer, Posting, on_capture, on_chargeback, on_chargeback_won, on_refund, on_return,
    on_sale,
};
use schema::{AccountId, Currency, Money, Split};

const SPLIT: Split = Split { net: 10_000, fee: 550, tax: 2_000 };
const TOTAL: Money = Money { amount: 12_550, currency: Currency::EUR };
const PROMOTER: AccountId = AccountId(7);

fn sale() -> Posting {
    on_sale(SPLIT, Currency::EUR, Some(PROMOTER))
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
    for postings in [captured, voided, on_return(TOTAL)].into_iter().chain(lost) {
        let entries = || postings.iter().flat_map(|posting| &posting.entries);
        for one in entries() {
            let same = entries().filter(|e| (e.account, e.party) == (one.account, one.party));
            assert_eq!(same.map(|e| e.amount.amount).sum::<i64>(), 0, "{one:?} of {postings:?}");
        }
    }
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
    assert_eq!(on_sale(Split::default(), Currency::EUR, None).entries.len(), 2);
}

#[test]
fn no_two_accounts_have_one_word() {
    let words: std::collections::BTreeSet<_> = Account::ALL.map(Account::as_str).into();
    assert_eq!(words.len(), Account::ALL.len());
}
