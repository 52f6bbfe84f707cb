//! The terms of an event as operators write them.

use chassis::Problem;
use schema::{AccountId, FeePayer, MilliPercent, Terms};
use serde::Deserialize;
use utoipa::ToSchema;

use super::event_body::AMOUNT_MAX;
use crate::problems;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TermsInput {
    /// For each ticket that is not free, in minor units of the prices; 0 without.
    #[serde(default)]
    fee_fixed: i64,
    /// Of the price, in thousandths of a percent, on top of the fixed part: 2500 is 2.5 %. At most
    /// 100,000; 0 without.
    #[serde(default)]
    fee_milli_percent: u32,
    /// `BUYER`: the fee is added to the prices. `SELLER`, as without: it is taken out of them.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    fee_paid_by: FeePayer,
    /// The account whom the rest is owed to; the house itself without.
    pub promoter_id: Option<String>,
    /// The tax that is included in the price of each level, in their order and thousandths of a
    /// percent: 19000 is 19 %. At most 100,000 each; none where the list ends.
    #[serde(default)]
    tax_milli_percent: Vec<u32>,
}

impl TermsInput {
    /// The promoter's account, if the text is that of one.
    pub fn promoter(&self) -> Result<Option<AccountId>, Problem> {
        let promoter = self.promoter_id.as_deref().map(str::parse).transpose();
        promoter.map_err(|_| problems::invalid("promoterId is no account's id"))
    }
}

/// Makes the terms of an event with so many price levels.
pub fn terms(input: TermsInput, level_count: usize) -> Result<Terms, Problem> {
    if !(0..=AMOUNT_MAX).contains(&input.fee_fixed) {
        return Err(problems::invalid("feeFixed is 0 to 1,000,000,000 minor units"));
    }
    if level_count < input.tax_milli_percent.len() {
        return Err(problems::invalid("taxMilliPercent has more entries than there are levels"));
    }
    let shares = input.tax_milli_percent.iter().chain([&input.fee_milli_percent]);
    if shares.copied().any(|share| MilliPercent::WHOLE < MilliPercent(share)) {
        let what = "feeMilliPercent and each of taxMilliPercent are 0 to 100,000";
        return Err(problems::invalid(what));
    }
    Ok(Terms {
        fee_fixed: input.fee_fixed,
        fee_share: MilliPercent(input.fee_milli_percent),
        fee_payer: input.fee_paid_by,
        promoter: input.promoter()?,
        taxes: input.tax_milli_percent.into_iter().map(MilliPercent).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::{TermsInput, terms};
    use serde_json::{Value, json};

    fn read(input: Value) -> Result<schema::Terms, chassis::Problem> {
        let input: TermsInput = serde_json::from_value(input).expect("the test wrote terms");
        terms(input, 2)
    }

    #[test]
    fn terms_are_read_and_those_out_of_range_are_refused() {
        assert_eq!(read(json!({})).unwrap(), schema::Terms::default());
        let all = json!({"feeFixed": 1_000_000_000, "feeMilliPercent": 100_000,
            "feePaidBy": "BUYER", "taxMilliPercent": [0, 100_000]});
        assert_eq!(read(all).unwrap().charged(1), 1_000_000_002);
        for faulty in [
            json!({"feeFixed": -1}),
            json!({"feeFixed": 1_000_000_001}),
            json!({"feeMilliPercent": 100_001}),
            json!({"taxMilliPercent": [0, 100_001]}),
            json!({"taxMilliPercent": [1, 2, 3]}),
        ] {
            assert_eq!(read(faulty.clone()).unwrap_err().code, "REQUEST_INVALID", "{faulty}");
        }
    }
}
