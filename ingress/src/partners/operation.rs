//! One operation: read, and resolved against its event's plan.

use schema::{EventId, PlanIndex, PreviousStatuses};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::buyer::Buyer;
use crate::extract::strict;
use crate::places::{Named, Places, guard};

/// Longest `ref`.
const REF_BYTES_MAX: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Sets places aside for the partner.
    Allocate,
    /// Gives them back.
    Release,
    /// Sells places of the partner's allotments: they become a booking of the partner's, which has
    /// the buyer's money and owes it.
    Sell,
}

/// In which a seat may be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SeatStatus {
    Free,
    /// In an allotment of this partner.
    Allotted,
}

/// An operation as partners write it: `seats`, or a `section`, or a `row` of it, or its seats
/// `from`, `to`, or `areaId`, `quantity`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// The partner's name for it: repeated, it gives the same result.
    pub r#ref: String,
    pub op: Op,
    pub event_id: String,
    #[serde(default)]
    seats: Option<Vec<String>>,
    section: Option<String>,
    row: Option<String>,
    /// Seat numbers, both included; without them the whole row, and without a row the whole
    /// section.
    from: Option<u16>,
    to: Option<u16>,
    area_id: Option<String>,
    quantity: Option<u32>,
    /// The operation happens only if each of its seats is in one of these statuses. Those that are
    /// already as it would make them stay so. Without it `allocate` allows `FREE`, `release` and
    /// `sell` `ALLOTTED`; `sell` sells all of them. Not with `areaId`.
    allowed_previous_statuses: Option<Vec<SeatStatus>>,
    /// With `sell` only: shown in the booking.
    pub buyer: Option<Buyer>,
}

/// One result, in the order of the operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResultLine {
    /// Null where the operation's own could not be read.
    pub r#ref: Option<String>,
    /// `ok`, `refused` or `invalid`.
    pub status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Whether the same operation may succeed when it is sent again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seat_ids: Option<Vec<String>>,
    /// Of what was sold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booking_id: Option<String>,
}

impl ResultLine {
    pub fn ok(reference: &str, seat_ids: Option<Vec<String>>) -> Self {
        Self { seat_ids, ..Self::new(Some(reference), "ok", None) }
    }

    pub fn refused(reference: &str, code: &'static str) -> Self {
        Self::new(Some(reference), "refused", Some(code))
    }

    pub fn invalid(reference: Option<&str>, code: &'static str) -> Self {
        Self::new(reference, "invalid", Some(code))
    }

    fn new(reference: Option<&str>, status: &'static str, code: Option<&'static str>) -> Self {
        let r#ref = reference.map(str::to_owned);
        Self { r#ref, status, code, retryable: false, seat_ids: None, booking_id: None }
    }
}

impl Operation {
    /// Reads an operation; what cannot be one has its result at once.
    pub fn read(value: &Value) -> Result<Self, ResultLine> {
        let reference = value.get("ref").and_then(Value::as_str);
        let reference = reference.filter(|text| (1..=REF_BYTES_MAX).contains(&text.len()));
        let operation = strict::read::<Self>(value);
        let operation = operation.ok().filter(|_| reference.is_some());
        let buys = |operation: &Self| {
            operation
                .buyer
                .as_ref()
                .is_none_or(|buyer| operation.op == Op::Sell && buyer.is_valid())
        };
        operation.filter(buys).ok_or_else(|| ResultLine::invalid(reference, "REQUEST_INVALID"))
    }

    pub fn event(&self) -> Option<EventId> {
        self.event_id.parse().ok()
    }

    /// Resolves names to positions.
    ///
    /// # Errors
    /// The code of the first fault.
    pub fn resolve(&self, plan: &PlanIndex) -> Result<Places, &'static str> {
        let named = Named {
            seats: self.seats.as_deref(),
            section: self.section.as_deref(),
            row: self.row.as_deref(),
            from: self.from,
            to: self.to,
            area_id: self.area_id.as_deref(),
            quantity: self.quantity,
        };
        named.resolve(plan)
    }

    /// The guard of an operation on `places`; `None` for the usual one.
    ///
    /// # Errors
    /// The code of its fault.
    pub fn guard(&self, places: &Places) -> Result<Option<PreviousStatuses>, &'static str> {
        let Some(named) = &self.allowed_previous_statuses else { return Ok(None) };
        let allowed = PreviousStatuses {
            free: named.contains(&SeatStatus::Free),
            set_aside: named.contains(&SeatStatus::Allotted),
        };
        let usual =
            PreviousStatuses { free: self.op == Op::Allocate, set_aside: self.op != Op::Allocate };
        guard(places, allowed, usual)
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation, ResultLine};
    use serde_json::json;

    #[test]
    fn what_is_no_operation_keeps_its_ref_where_it_can_be_read() {
        let invalid = |reference, code| Err(ResultLine::invalid(reference, code));
        assert_eq!(Operation::read(&json!([1])), invalid(None, "REQUEST_INVALID"));
        let seats = json!(["A-1-1"]);
        let list =
            json!(["r", "allocate", "EVT001", seats, null, null, null, null, null, null, null]);
        assert_eq!(Operation::read(&list), invalid(None, "REQUEST_INVALID"));
        let nameless = json!({"op": "allocate", "eventId": "EVT001"});
        assert_eq!(Operation::read(&nameless), invalid(None, "REQUEST_INVALID"));
        let unknown = json!({"ref": "r", "op": "steal", "eventId": "EVT001"});
        assert_eq!(Operation::read(&unknown), invalid(Some("r"), "REQUEST_INVALID"));
        let status = json!({"ref": "r", "op": "release", "eventId": "EVT001",
            "allowedPreviousStatuses": ["FREE", "SOLD"]});
        assert_eq!(Operation::read(&status), invalid(Some("r"), "REQUEST_INVALID"));
        let buyer = |op, buyer| json!({"ref": "r", "op": op, "eventId": "EVT001", "buyer": buyer});
        assert!(Operation::read(&buyer("sell", json!({"name": "Ana"}))).is_ok());
        for faulty in [
            buyer("allocate", json!({"name": "Ana"})),
            buyer("sell", json!({"name": ""})),
            buyer("sell", json!({"phone": "1"})),
            buyer("sell", json!(["Ana", null])),
        ] {
            assert_eq!(Operation::read(&faulty), invalid(Some("r"), "REQUEST_INVALID"), "{faulty}");
        }
    }
}
