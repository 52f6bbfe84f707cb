//! Places as partners and operators name them, many at once.

use std::ops::RangeInclusive;

use schema::limits::OPERATION_PLACES_MAX;
use schema::{AreaIdx, PlanIndex, PreviousStatuses, RowSpan, SeatIdx};

/// What an operation is about, in the order of the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    pub seats: Vec<SeatIdx>,
    pub areas: Vec<(AreaIdx, u32)>,
}

/// `seats`, or a `section`, or a `row` of it, or its seats `from`, `to`, or `areaId`, `quantity`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Named<'a> {
    pub seats: Option<&'a [String]>,
    pub section: Option<&'a str>,
    pub row: Option<&'a str>,
    /// Seat numbers, both included.
    pub from: Option<u16>,
    pub to: Option<u16>,
    pub area_id: Option<&'a str>,
    pub quantity: Option<u32>,
}

/// The guard of an operation on `places` that may find seats in the `allowed` statuses. `None` for
/// the `usual` ones, which it allows without a guard.
///
/// # Errors
/// The code of the fault: no status at all, or standing places, of which each is like any other.
pub fn guard(
    places: &Places,
    allowed: PreviousStatuses,
    usual: PreviousStatuses,
) -> Result<Option<PreviousStatuses>, &'static str> {
    let names_any = allowed.free || allowed.set_aside;
    if !names_any || !places.areas.is_empty() {
        return Err("REQUEST_INVALID");
    }
    Ok((allowed != usual).then_some(allowed))
}

impl Named<'_> {
    /// Resolves names to positions.
    ///
    /// # Errors
    /// The code of the first fault.
    pub fn resolve(&self, plan: &PlanIndex) -> Result<Places, &'static str> {
        let row = (self.section, self.row, self.from, self.to);
        let places = match (self.seats, row, (self.area_id, self.quantity)) {
            (Some(seats), (None, None, None, None), (None, None)) => named(seats, plan)?,
            (None, (Some(section), None, None, None), (None, None)) => in_section(plan, section)?,
            (None, (Some(section), Some(row), None, None), (None, None)) => {
                in_row(plan, section, row, None)?
            }
            (None, (Some(section), Some(row), Some(from), Some(to)), (None, None)) => {
                in_row(plan, section, row, Some(from..=to))?
            }
            (None, (None, None, None, None), (Some(area), Some(quantity))) => {
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

fn in_section(plan: &PlanIndex, section: &str) -> Result<Places, &'static str> {
    let section = plan.section(section).ok_or("SEAT_UNKNOWN")?;
    let seats_of = |row: &RowSpan| row.first.0..row.first.0 + u32::from(row.seat_count);
    let seats = plan.rows_of(section).iter().flat_map(seats_of).map(SeatIdx).collect();
    Ok(Places { seats, areas: Vec::new() })
}

fn in_row(
    plan: &PlanIndex,
    section: &str,
    label: &str,
    numbers: Option<RangeInclusive<u16>>,
) -> Result<Places, &'static str> {
    let (span, row) = plan.row(section, label).ok_or("SEAT_UNKNOWN")?;
    let last = row.first_number + u16::from(row.seat_count) - 1;
    let numbers = numbers.unwrap_or(row.first_number..=last);
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
    use super::{Named, Places, guard};
    use crate::testing::plan;
    use schema::{AreaIdx, PreviousStatuses, SeatIdx};
    use serde_json::{Value, json};

    fn resolve(value: &Value) -> Result<Places, &'static str> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let number = |name: &str| {
            value.get(name).map(|number| u32::try_from(number.as_u64().unwrap()).unwrap())
        };
        let seats = value.get("seats").map(|seats| {
            let seats = seats.as_array().unwrap().iter();
            seats.map(|seat| seat.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        });
        let named = Named {
            seats: seats.as_deref(),
            section: text("section"),
            row: text("row"),
            from: number("from").map(|number| u16::try_from(number).unwrap()),
            to: number("to").map(|number| u16::try_from(number).unwrap()),
            area_id: text("areaId"),
            quantity: number("quantity"),
        };
        named.resolve(&plan())
    }

    #[test]
    fn a_guard_is_of_seats_and_names_a_status_and_the_usual_one_is_none() {
        let statuses = |free, set_aside| PreviousStatuses { free, set_aside };
        let seats = Places { seats: vec![SeatIdx(1)], areas: vec![] };
        let (free, both) = (statuses(true, false), statuses(true, true));
        assert_eq!(guard(&seats, free, free), Ok(None));
        assert_eq!(guard(&seats, both, free), Ok(Some(both)));
        assert_eq!(guard(&seats, free, statuses(false, true)), Ok(Some(free)));
        assert_eq!(guard(&seats, statuses(false, false), free), Err("REQUEST_INVALID"));
        let standing = Places { seats: vec![], areas: vec![(AreaIdx(0), 1)] };
        assert_eq!(guard(&standing, free, free), Err("REQUEST_INVALID"));
    }

    #[test]
    fn places_are_named_by_seat_by_row_or_by_area() {
        let seats = |seats: &[u32]| {
            Ok(Places { seats: seats.iter().copied().map(SeatIdx).collect(), areas: vec![] })
        };
        assert_eq!(resolve(&json!({"seats": ["A-2-1", "A-1-1"]})), seats(&[0, 4]));
        let row = json!({"section": "A", "row": "2", "from": 2, "to": 4});
        assert_eq!(resolve(&row), seats(&[5, 6, 7]));
        assert_eq!(resolve(&json!({"section": "A", "row": "2"})), seats(&[4, 5, 6, 7, 8]));
        assert_eq!(resolve(&json!({"section": "A"})), seats(&[0, 1, 2, 3, 4, 5, 6, 7, 8]));
        let area = resolve(&json!({"areaId": "FLOOR", "quantity": 3}));
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
            (json!({"section": "A", "row": "9"}), "SEAT_UNKNOWN"),
            (json!({"section": "Z"}), "SEAT_UNKNOWN"),
            (json!({"section": "A", "row": "1", "from": 2}), "REQUEST_INVALID"),
            (json!({"section": "A", "from": 1, "to": 2}), "REQUEST_INVALID"),
            (json!({"row": "1"}), "REQUEST_INVALID"),
            (json!({"seats": ["A-1-1"], "row": "1"}), "REQUEST_INVALID"),
            (json!({"areaId": "FLOOR", "quantity": 5_000}), "TOO_MANY_PLACES"),
            (json!({"areaId": "FLOOR", "quantity": 0}), "REQUEST_INVALID"),
        ] {
            assert_eq!(resolve(&value), Err(code), "{value}");
        }
    }
}
