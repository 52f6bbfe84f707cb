//! One operation: read, and resolved against its event's plan.

use schema::{EventId, PlanIndex, PreviousStatuses};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

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
    /// Not taken yet.
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
    /// already as it would make them stay so. Without it `allocate` allows `FREE` and `release`
    /// `ALLOTTED`. Not with `areaId`.
    allowed_previous_statuses: Option<Vec<SeatStatus>>,
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
}

impl ResultLine {
    pub fn ok(reference: &str, seat_ids: Option<Vec<String>>) -> Self {
        let r#ref = Some(reference.to_owned());
        Self { r#ref, status: "ok", code: None, retryable: false, seat_ids }
    }

    pub fn refused(reference: &str, code: &'static str) -> Self {
        let r#ref = Some(reference.to_owned());
        Self { r#ref, status: "refused", code: Some(code), retryable: false, seat_ids: None }
    }

    pub fn invalid(reference: Option<&str>, code: &'static str) -> Self {
        let r#ref = reference.map(str::to_owned);
        Self { r#ref, status: "invalid", code: Some(code), retryable: false, seat_ids: None }
    }
}

impl Operation {
    /// Reads an operation; what cannot be one has its result at once.
    pub fn read(value: &Value) -> Result<Self, ResultLine> {
        let reference = value.get("ref").and_then(Value::as_str);
        let reference = reference.filter(|text| (1..=REF_BYTES_MAX).contains(&text.len()));
        let operation = strict::read::<Self>(value);
        let operation = operation.ok().filter(|_| reference.is_some());
        let operation =
            operation.ok_or_else(|| ResultLine::invalid(reference, "REQUEST_INVALID"))?;
        if operation.op == Op::Sell {
            return Err(ResultLine::invalid(reference, "OP_UNSUPPORTED"));
        }
        Ok(operation)
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
        let releases = self.op == Op::Release;
        guard(places, allowed, PreviousStatuses { free: !releases, set_aside: releases })
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
        let list = json!(["r", "allocate", "EVT001", seats, null, null, null, null, null, null]);
        assert_eq!(Operation::read(&list), invalid(None, "REQUEST_INVALID"));
        let nameless = json!({"op": "allocate", "eventId": "EVT001"});
        assert_eq!(Operation::read(&nameless), invalid(None, "REQUEST_INVALID"));
        let unknown = json!({"ref": "r", "op": "steal", "eventId": "EVT001"});
        assert_eq!(Operation::read(&unknown), invalid(Some("r"), "REQUEST_INVALID"));
        let status = json!({"ref": "r", "op": "release", "eventId": "EVT001",
            "allowedPreviousStatuses": ["FREE", "SOLD"]});
        assert_eq!(Operation::read(&status), invalid(Some("r"), "REQUEST_INVALID"));
        let sell = json!({"ref": "r", "op": "sell", "eventId": "EVT001"});
        assert_eq!(Operation::read(&sell), invalid(Some("r"), "OP_UNSUPPORTED"));
    }
}
