//! What a request asks for, resolved against the event's plan.

use chassis::Problem;
use schema::limits::REQUEST_PLACES_MAX;
use schema::{BestAvailable, EventListing, PlanIndex, Refusal, Want};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::channels::Code;
use crate::problems;

/// An event, and one of `seats`, `bestAvailable` and `areas`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReserveBody {
    #[schema(example = "EVT002")]
    pub event_id: String,
    #[serde(default)]
    seats: Option<Vec<SeatBody>>,
    #[serde(default)]
    best_available: Option<BestBody>,
    #[serde(default)]
    areas: Option<Vec<AreaBody>>,
    /// Opens the seats of the channel that has this code, beside those that are everybody's.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub channel_code: Option<Code>,
}

/// One of `seats`, `bestAvailable` and `areas`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwapBody {
    #[serde(default)]
    seats: Option<Vec<SeatBody>>,
    #[serde(default)]
    best_available: Option<BestBody>,
    #[serde(default)]
    areas: Option<Vec<AreaBody>>,
    /// As for a reservation. Seats that the reservation has need none.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub channel_code: Option<Code>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeatBody {
    #[schema(example = "A-1-1")]
    seat_id: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BestBody {
    /// 1 to `requestPlacesMax` adjacent seats.
    quantity: u32,
    section: Option<String>,
    price_level: Option<u8>,
    /// Whether one of them must be an accessible place.
    #[serde(default)]
    accessible: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AreaBody {
    area_id: String,
    quantity: u32,
}

impl ReserveBody {
    /// Resolves names to positions; the owner checks everything that can change. Who asks for more
    /// than any event allows is told that this one allows `max`.
    pub fn resolve(&self, plan: &PlanIndex, max: u16) -> Result<Want, Problem> {
        let (seats, areas) = (self.seats.as_deref(), self.areas.as_deref());
        one_of(seats, self.best_available.as_ref(), areas, plan, max)
    }
}

impl SwapBody {
    /// As [`ReserveBody::resolve`].
    pub fn resolve(&self, plan: &PlanIndex, max: u16) -> Result<Want, Problem> {
        let (seats, areas) = (self.seats.as_deref(), self.areas.as_deref());
        one_of(seats, self.best_available.as_ref(), areas, plan, max)
    }
}

fn one_of(
    seats: Option<&[SeatBody]>,
    best: Option<&BestBody>,
    areas: Option<&[AreaBody]>,
    plan: &PlanIndex,
    max: u16,
) -> Result<Want, Problem> {
    match (seats, best, areas) {
        (Some(seats), None, None) => named(seats, plan, max),
        (None, Some(best), None) => adjacent(best, plan, max),
        (None, None, Some(areas)) => standing(areas, plan, max),
        _ => Err(problems::invalid("ask for one of seats, bestAvailable and areas")),
    }
}

fn named(seats: &[SeatBody], plan: &PlanIndex, max: u16) -> Result<Want, Problem> {
    check_count(u64::try_from(seats.len()).unwrap_or(u64::MAX), max)?;
    let mut found = Vec::with_capacity(seats.len());
    for seat in seats {
        let idx = plan.seat(&seat.seat_id).ok_or_else(|| unknown("seat", &seat.seat_id))?;
        if found.contains(&idx) {
            return Err(problems::invalid("a seat is named twice"));
        }
        found.push(idx);
    }
    Ok(Want::Seats(found))
}

fn adjacent(best: &BestBody, plan: &PlanIndex, max: u16) -> Result<Want, Problem> {
    check_count(best.quantity.into(), max)?;
    let quantity = u8::try_from(best.quantity).expect("checked to be at most 12");
    let section = match &best.section {
        None => None,
        Some(name) => Some(plan.section(name).ok_or_else(|| unknown("section", name))?),
    };
    let (price_level, accessible) = (best.price_level, best.accessible);
    Ok(Want::BestAvailable(BestAvailable { quantity, section, price_level, accessible }))
}

fn standing(areas: &[AreaBody], plan: &PlanIndex, max: u16) -> Result<Want, Problem> {
    check_count(areas.iter().map(|area| u64::from(area.quantity)).sum(), max)?;
    let mut found = Vec::with_capacity(areas.len());
    for area in areas {
        let idx = plan.area(&area.area_id).ok_or_else(|| unknown("area", &area.area_id))?;
        if area.quantity == 0 || found.iter().any(|(known, _)| *known == idx) {
            return Err(problems::invalid("an area is named twice or for nobody"));
        }
        found.push((idx, area.quantity));
    }
    Ok(Want::Areas(found))
}

/// Refuses what no event allows; see [`check_event_max`] for what this one does.
fn check_count(places: u64, max: u16) -> Result<(), Problem> {
    let is_any = (1..=u64::from(REQUEST_PLACES_MAX)).contains(&places);
    if is_any { Ok(()) } else { Err(not_so_many(max)) }
}

/// Whether the event allows so many places now. The number may be changed, so a repeated request
/// hears its first answer all the same.
pub fn check_event_max(want: &Want, listing: &EventListing) -> Result<(), Problem> {
    let max = listing.request_places_max;
    if want.place_count() <= u32::from(max) { Ok(()) } else { Err(not_so_many(max)) }
}

fn not_so_many(max: u16) -> Problem {
    problems::invalid(format!("a reservation of this event is for 1 to {max} places"))
}

fn unknown(what: &str, name: &str) -> Problem {
    let mut problem = problems::refused(&Refusal::SeatUnknown, None);
    // Hostile text is cut: it is only there to be recognised.
    let name: String = name.chars().take(40).collect();
    problem.detail = format!("the event has no {what} {name:?}");
    problem
}

#[cfg(test)]
mod tests {
    use super::ReserveBody;
    use crate::testing::plan;
    use schema::{AreaIdx, SeatIdx, Want};
    use serde_json::{Value, json};

    fn resolve(mut body: Value) -> Result<Want, (u16, &'static str)> {
        body["eventId"] = json!("EVT001");
        let body: ReserveBody = serde_json::from_value(body).unwrap();
        body.resolve(&plan(), 10).map_err(|problem| (problem.status, problem.code))
    }

    #[test]
    fn names_of_the_plan_become_positions() {
        let seats = resolve(json!({"seats": [{"seatId": "A-2-1"}, {"seatId": "A-1-1"}]}));
        assert_eq!(seats, Ok(Want::Seats(vec![SeatIdx(4), SeatIdx(0)])));
        let areas = resolve(json!({"areas": [{"areaId": "FLOOR", "quantity": 12}]}));
        assert_eq!(areas, Ok(Want::Areas(vec![(AreaIdx(0), 12)])));
        let best = resolve(json!({"bestAvailable": {"quantity": 2, "section": "A"}}));
        assert!(matches!(best, Ok(Want::BestAvailable(best)) if best.section == Some(0)));
    }

    #[test]
    fn a_name_outside_of_the_plan_is_unknown() {
        for body in [
            json!({"seats": [{"seatId": "A-9-1"}]}),
            json!({"seats": [{"seatId": "A-1-1"}, {"seatId": "'; DROP TABLE"}]}),
            json!({"areas": [{"areaId": "ROOF", "quantity": 1}]}),
            json!({"bestAvailable": {"quantity": 1, "section": "Z"}}),
        ] {
            assert_eq!(resolve(body.clone()), Err((422, "SEAT_UNKNOWN")), "{body}");
        }
    }

    #[test]
    fn a_request_for_nothing_for_too_much_or_twice_the_same_makes_no_sense() {
        let thirteen: Vec<_> = (0..13).map(|_| json!({"seatId": "A-1-1"})).collect();
        for body in [
            json!({}),
            json!({"seats": []}),
            json!({"seats": thirteen}),
            json!({"seats": [{"seatId": "A-1-1"}, {"seatId": "A-1-1"}]}),
            json!({"bestAvailable": {"quantity": 0}}),
            json!({"bestAvailable": {"quantity": 13}}),
            json!({"bestAvailable": {"quantity": 4_000_000_000_u32}}),
            json!({"areas": [{"areaId": "FLOOR", "quantity": 13}]}),
            json!({"areas": [{"areaId": "FLOOR", "quantity": 0}]}),
            json!({"seats": [{"seatId": "A-1-1"}], "areas": [{"areaId": "FLOOR", "quantity": 1}]}),
        ] {
            assert_eq!(resolve(body.clone()), Err((422, "REQUEST_INVALID")), "{body}");
        }
    }
}
