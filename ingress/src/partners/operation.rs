//! One operation: read, and resolved against its event's plan.

use schema::limits::OPERATION_PLACES_MAX;
use schema::{AreaIdx, EventId, PlanIndex, SeatIdx};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::extract::strict;

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

/// An operation as partners write it: `seats`, or `section`, `row`, `from`, `to`, or `areaId`,
/// `quantity`.
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
    /// Seat numbers, both included.
    from: Option<u16>,
    to: Option<u16>,
    area_id: Option<String>,
    quantity: Option<u32>,
}

/// What an operation is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    pub seats: Vec<SeatIdx>,
    pub areas: Vec<(AreaIdx, u32)>,
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
        let row = self.section.as_ref().zip(self.row.as_ref());
        let range = self.from.zip(self.to);
        let places = match (&self.seats, row.zip(range), self.area_id.as_ref().zip(self.quantity)) {
            (Some(seats), None, None) => named(seats, plan)?,
            (None, Some(((section, row), (from, to))), None) => {
                in_row(plan, section, row, from..=to)?
            }
            (None, None, Some((area, quantity))) => {
                let area = plan.area(area).ok_or("SEAT_UNKNOWN")?;
                Places { seats: Vec::new(), areas: vec![(area, quantity)] }
            }
            _ => return Err("REQUEST_INVALID"),
        };
        let seats = u64::try_from(places.seats.len()).unwrap_or(u64::MAX);
        let standing: u64 = places.areas.iter().map(|(_, quantity)| u64::from(*quantity)).sum();
        match seats.saturating_add(standing) {
            0 => Err("REQUEST_INVALID"),
            count if u64::from(OPERATION_PLACES_MAX) < count => Err("TOO_MANY_PLACES"),
            _ => Ok(places),
        }
    }
}

fn named(seats: &[String], plan: &PlanIndex) -> Result<Places, &'static str> {
    if usize::from(OPERATION_PLACES_MAX) < seats.len() {
        return Err("TOO_MANY_PLACES");
    }
    let found: Option<Vec<SeatIdx>> = seats.iter().map(|seat| plan.seat(seat)).collect();
    let mut found = found.ok_or("SEAT_UNKNOWN")?;
    let count = found.len();
    found.sort_unstable();
    found.dedup();
    if found.len() < count {
        return Err("REQUEST_INVALID");
    }
    Ok(Places { seats: found, areas: Vec::new() })
}

fn in_row(
    plan: &PlanIndex,
    section: &str,
    label: &str,
    numbers: std::ops::RangeInclusive<u16>,
) -> Result<Places, &'static str> {
    let (span, row) = plan.row(section, label).ok_or("SEAT_UNKNOWN")?;
    let last = row.first_number + u16::from(row.seat_count) - 1;
    if numbers.is_empty() {
        return Err("REQUEST_INVALID");
    }
    if *numbers.start() < row.first_number || last < *numbers.end() {
        return Err("SEAT_UNKNOWN");
    }
    let seat = |number: u16| SeatIdx(span.first.0 + u32::from(number - row.first_number));
    Ok(Places { seats: numbers.map(seat).collect(), areas: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::{Operation, Places, ResultLine};
    use crate::testing::plan;
    use schema::{AreaIdx, SeatIdx};
    use serde_json::{Value, json};

    fn resolve(mut value: Value) -> Result<Places, &'static str> {
        for (name, member) in [("ref", "r"), ("op", "allocate"), ("eventId", "EVT001")] {
            value[name] = json!(member);
        }
        Operation::read(&value).unwrap().resolve(&plan())
    }

    #[test]
    fn places_are_named_by_seat_by_row_or_by_area() {
        let seats = |seats: &[u32]| {
            Ok(Places { seats: seats.iter().copied().map(SeatIdx).collect(), areas: vec![] })
        };
        assert_eq!(resolve(json!({"seats": ["A-2-1", "A-1-1"]})), seats(&[0, 4]));
        let row = json!({"section": "A", "row": "2", "from": 2, "to": 4});
        assert_eq!(resolve(row), seats(&[5, 6, 7]));
        let area = resolve(json!({"areaId": "FLOOR", "quantity": 3}));
        assert_eq!(area, Ok(Places { seats: vec![], areas: vec![(AreaIdx(0), 3)] }));
    }

    #[test]
    fn a_faulty_operation_has_the_code_of_its_fault() {
        for (value, code) in [
            (json!({}), "REQUEST_INVALID"),
            (json!({"seats": []}), "REQUEST_INVALID"),
            (json!({"seats": ["A-1-1", "A-1-1"]}), "REQUEST_INVALID"),
            (json!({"seats": ["A-1-1"], "areaId": "FLOOR", "quantity": 1}), "REQUEST_INVALID"),
            (json!({"seats": ["A-1-9"]}), "SEAT_UNKNOWN"),
            (json!({"section": "A", "row": "1", "from": 2, "to": 5}), "SEAT_UNKNOWN"),
            (json!({"section": "A", "row": "1", "from": 3, "to": 2}), "REQUEST_INVALID"),
            (json!({"section": "A", "row": "9", "from": 1, "to": 2}), "SEAT_UNKNOWN"),
            (json!({"areaId": "FLOOR", "quantity": 5_000}), "TOO_MANY_PLACES"),
            (json!({"areaId": "FLOOR", "quantity": 0}), "REQUEST_INVALID"),
        ] {
            assert_eq!(resolve(value.clone()), Err(code), "{value}");
        }
    }

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
        let sell = json!({"ref": "r", "op": "sell", "eventId": "EVT001"});
        assert_eq!(Operation::read(&sell), invalid(Some("r"), "OP_UNSUPPORTED"));
    }
}
