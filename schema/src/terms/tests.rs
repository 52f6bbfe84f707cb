//! Prices in cents, thirds among them, and any price under any terms.

use super::{FeePayer, MilliPercent, Split, Terms};
use proptest::prelude::*;

fn terms(fee_fixed: i64, fee_share: u32, fee_payer: FeePayer, tax: u32) -> Terms {
    Terms {
        fee_fixed,
        fee_share: MilliPercent(fee_share),
        fee_payer,
        promoter: None,
        taxes: vec![MilliPercent(tax)],
    }
}

#[test]
fn a_price_is_split_to_the_cent() {
    use FeePayer::{Buyer, Seller};
    // Fixed fee, its share, who pays it, tax; face price => charged, net, fee, tax.
    for (fixed, share, payer, tax, face, charged, parts) in [
        (0, 0, Seller, 0, 4_000, 4_000, (4_000, 0, 0)),
        (150, 2_500, Seller, 0, 4_000, 4_000, (3_750, 250, 0)),
        (150, 2_500, Buyer, 0, 4_000, 4_250, (4_000, 250, 0)),
        // 19 % in 119.00 is 19.00, and 7 % in 10.00 is 0.654.
        (0, 0, Seller, 19_000, 11_900, 11_900, (10_000, 0, 1_900)),
        (0, 0, Seller, 7_000, 1_000, 1_000, (935, 0, 65)),
        // A fee that the buyer pays is the house's: the face price alone includes the tax.
        (100, 0, Buyer, 19_000, 11_900, 12_000, (10_000, 100, 1_900)),
        // A third: 33.333 % of 1.00 is 0.33333, of 0.50 is 0.166665, of 2.00 is 0.66666.
        (0, 33_333, Seller, 0, 100, 100, (67, 33, 0)),
        (0, 33_333, Seller, 0, 50, 50, (33, 17, 0)),
        (0, 33_333, Buyer, 0, 200, 267, (200, 67, 0)),
        // A half is rounded up: 2.5 % of 0.20 is half a cent; of 0.19 it is less, of 0.60 1.5.
        (0, 2_500, Seller, 0, 20, 20, (19, 1, 0)),
        (0, 2_500, Seller, 0, 19, 19, (19, 0, 0)),
        (0, 2_500, Buyer, 0, 60, 62, (60, 2, 0)),
        // 50 % within 0.01 is a third of a cent, within 0.02 two thirds.
        (0, 0, Seller, 50_000, 1, 1, (1, 0, 0)),
        (0, 0, Seller, 50_000, 2, 2, (1, 0, 1)),
        // More than the price bears, and a free ticket.
        (500, 0, Seller, 19_000, 119, 119, (0, 100, 19)),
        (500, 100_000, Buyer, 19_000, 0, 0, (0, 0, 0)),
        (500, 100_000, Seller, 19_000, 0, 0, (0, 0, 0)),
    ] {
        let terms = terms(fixed, share, payer, tax);
        let (net, fee, tax) = parts;
        assert_eq!(terms.charged(face), charged, "{face} by {terms:?}");
        assert_eq!(terms.split(charged, 0), Split { net, fee, tax }, "{face} by {terms:?}");
    }
}

#[test]
fn three_tickets_are_rounded_one_by_one() {
    let thirds = terms(0, 33_333, FeePayer::Seller, 0);
    let three = thirds.split(50, 0) * 3;
    assert_eq!((three.fee, three.charged()), (51, 150), "not 50, a third of what all cost");
}

#[test]
fn a_level_without_a_tax_of_its_own_has_none() {
    let terms = terms(0, 0, FeePayer::Seller, 19_000);
    assert_eq!(terms.split(11_900, 0).tax, 1_900);
    assert_eq!(terms.split(11_900, 1).tax, 0);
}

#[test]
fn a_price_of_other_terms_is_split_without_a_rest() {
    // With a fee of 1.00 nothing is charged between 0 and 1.01.
    let terms = terms(100, 0, FeePayer::Buyer, 19_000);
    assert_eq!(terms.split(60, 0), Split { net: 0, fee: 60, tax: 0 });
    assert_eq!(terms.split(101, 0), Split { net: 1, fee: 100, tax: 0 });
}

prop_compose! {
    fn any_terms()(
        fixed in 0_i64..100_000,
        share in 0_u32..=100_000,
        buyer in any::<bool>(),
        tax in 0_u32..=100_000,
    ) -> Terms {
        terms(fixed, share, if buyer { FeePayer::Buyer } else { FeePayer::Seller }, tax)
    }
}

proptest! {
    #[test]
    fn net_and_fee_and_tax_are_the_price(terms in any_terms(), price in 0_i64..4_000_000_000) {
        let split = terms.split(price, 0);
        prop_assert_eq!(split.net + split.fee + split.tax, price);
        prop_assert!(0 <= split.net && 0 <= split.fee && 0 <= split.tax);
    }

    #[test]
    fn what_a_buyer_is_charged_tells_the_face_price(
        terms in any_terms(),
        face in 0_i64..1_000_000_000,
    ) {
        let charged = terms.charged(face);
        prop_assert_eq!(charged - terms.fee_on_top(charged), face);
        prop_assert!(charged < terms.charged(face + 1));
    }
}
