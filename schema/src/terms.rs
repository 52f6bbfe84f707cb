//! An event's terms: who gets what of the price of a ticket.
//!
//! A price is what the buyer is charged. It is split a ticket at a time, so that a ticket that is
//! given back alone gives back whole minor units. Each part is rounded half up once, and the
//! promoter's part is what is left: net + fee + tax is the price by construction.

use crate::id::AccountId;
use serde::{Deserialize, Serialize};
use std::ops::{Add, Mul};

/// A share of an amount, in thousandths of a percent.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct MilliPercent(pub u32);

impl MilliPercent {
    /// All of it.
    pub const WHOLE: Self = Self(100_000);

    /// This share of `amount`, rounded half up.
    pub fn of(self, amount: i64) -> i64 {
        half_up(i128::from(amount) * i128::from(self.0), i128::from(Self::WHOLE.0))
    }

    /// What of `amount` was added to it as this share of the rest, rounded half up: the tax in a
    /// price that includes it.
    pub fn within(self, amount: i64) -> i64 {
        let whole = i128::from(Self::WHOLE.0) + i128::from(self.0);
        half_up(i128::from(amount) * i128::from(self.0), whole)
    }
}

/// Who pays the fee.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FeePayer {
    /// The fee is added to the face price, and the buyer is charged both.
    Buyer,
    /// The fee is taken out of what the promoter gets.
    #[default]
    Seller,
}

/// What was agreed with the promoter of an event. Without anything agreed all of a price is the
/// promoter's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// For each ticket that is not free, in minor units, 0 or more.
    pub fee_fixed: i64,
    /// Of the face price, on top of the fixed part; at most [`MilliPercent::WHOLE`].
    pub fee_share: MilliPercent,
    pub fee_payer: FeePayer,
    /// Whom the net is owed to; without one it is the house's own event.
    pub promoter: Option<AccountId>,
    /// The tax that is included in the face price, by price level; none where the list ends. At
    /// most [`MilliPercent::WHOLE`] each.
    pub taxes: Vec<MilliPercent>,
}

/// The parts of a price, none of them negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Split {
    /// The promoter's.
    pub net: i64,
    /// The house's.
    pub fee: i64,
    /// The tax office's, by way of the house.
    pub tax: i64,
}

impl Terms {
    /// What a buyer is charged for a ticket with this face price, 0 or more.
    pub fn charged(&self, face: i64) -> i64 {
        match self.fee_payer {
            FeePayer::Buyer => face.saturating_add(self.fee_of(face)),
            FeePayer::Seller => face,
        }
    }

    /// Splits what a buyer was charged for one ticket of a level, 0 or more.
    ///
    /// These may be other terms than those that the price was made by: it is charged already, so
    /// the parts are made to fit. No part is negative: a fee that is more than the price bears is
    /// what it bears. O(1).
    pub fn split(&self, charged: i64, level: u8) -> Split {
        assert!(0 <= charged, "nobody is paid for taking a ticket");
        let face = match self.fee_payer {
            FeePayer::Buyer => self.face(charged),
            FeePayer::Seller => charged,
        };
        let share = self.taxes.get(usize::from(level)).copied().unwrap_or_default();
        let tax = share.within(face);
        let fee = match self.fee_payer {
            FeePayer::Buyer => charged - face,
            FeePayer::Seller => self.fee_of(face).min(face - tax),
        };
        let split = Split { net: charged - fee - tax, fee, tax };
        assert!(0 <= split.net.min(split.fee).min(split.tax), "{split:?} of {charged}");
        split
    }

    /// What of `charged` a buyer pays as a fee, on top of the face price.
    pub fn fee_on_top(&self, charged: i64) -> i64 {
        match self.fee_payer {
            FeePayer::Buyer => charged - self.face(charged),
            FeePayer::Seller => 0,
        }
    }

    /// A free ticket is free: there is nothing to take a fee of.
    fn fee_of(&self, face: i64) -> i64 {
        if face == 0 { 0 } else { self.fee_fixed.saturating_add(self.fee_share.of(face)) }
    }

    /// The highest face price that is charged with `charged` at most. What is charged rises with
    /// the face price, so this is the very one wherever there is one.
    fn face(&self, charged: i64) -> i64 {
        let whole = i128::from(MilliPercent::WHOLE.0);
        let rest = i128::from(charged) - i128::from(self.fee_fixed);
        let about = rest * whole / (whole + i128::from(self.fee_share.0));
        // Rounding moves what is charged by half a unit at most, so the face by less than one.
        let about = i64::try_from(about.max(0)).expect("at most what is charged");
        let fits = |face: &i64| 0 <= *face && self.charged(*face) <= charged;
        [about + 1, about, about - 1].into_iter().find(fits).unwrap_or(0)
    }
}

impl Split {
    /// The price that was split.
    pub fn charged(self) -> i64 {
        self.net + self.fee + self.tax
    }
}

impl Add for Split {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { net: self.net + other.net, fee: self.fee + other.fee, tax: self.tax + other.tax }
    }
}

/// Of so many tickets.
impl Mul<i64> for Split {
    type Output = Self;

    fn mul(self, count: i64) -> Self {
        Self { net: self.net * count, fee: self.fee * count, tax: self.tax * count }
    }
}

/// `numerator / denominator`, halves rounded up. Neither is negative.
fn half_up(numerator: i128, denominator: i128) -> i64 {
    assert!(0 <= numerator);
    assert!(0 < denominator);
    i64::try_from((2 * numerator + denominator) / (2 * denominator)).expect("a part of an amount")
}

#[cfg(test)]
mod tests;
