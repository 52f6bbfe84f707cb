//! What a request asks for, checked against the plan alone.

use crate::catalogue::Listed;
use schema::limits::OPERATION_PLACES_MAX;
use schema::{AreaIdx, BestAvailable, OwnerKind, Refusal, SeatIdx, SeatingPlan, Want};

/// Places that exist, each named once.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// Ascending.
    Seats(Vec<SeatIdx>),
    Best(BestAvailable),
    /// Ascending, no quantity is 0.
    Areas(Vec<(AreaIdx, u32)>),
}

impl Wanted {
    pub fn new(listed: &Listed, want: &Want, owner: OwnerKind) -> Result<Self, Refusal> {
        let plan = &listed.tables.index.plan;
        let wanted = match want {
            Want::Seats(seats) => Self::Seats(seats_of(listed.tables.seat_count(), seats)?),
            Want::Areas(areas) => Self::Areas(areas_of(plan, areas)?),
            &Want::BestAvailable(best) => {
                let section_known =
                    best.section.is_none_or(|at| usize::from(at) < plan.sections.len());
                let level_known =
                    best.price_level.is_none_or(|level| listed.listing.price(level).is_some());
                if !section_known || !level_known {
                    return Err(Refusal::SeatUnknown);
                }
                Self::Best(best)
            }
        };
        let places_max = match owner {
            OwnerKind::Fan => listed.listing.request_places_max,
            OwnerKind::Allotment | OwnerKind::Kill(_) => OPERATION_PLACES_MAX,
            // What a partner sells has a command of its own.
            OwnerKind::PartnerSale => return Err(Refusal::RequestInvalid),
        };
        let fits = (1..=u32::from(places_max)).contains(&want.place_count());
        if fits { Ok(wanted) } else { Err(Refusal::RequestInvalid) }
    }
}

/// Brings seats into ascending order.
pub(crate) fn seats_of(seat_count: u32, seats: &[SeatIdx]) -> Result<Vec<SeatIdx>, Refusal> {
    if usize::from(OPERATION_PLACES_MAX) < seats.len() {
        return Err(Refusal::RequestInvalid);
    }
    let mut sorted = seats.to_vec();
    sorted.sort_unstable();
    if !sorted.is_sorted_by(|a, b| a < b) {
        return Err(Refusal::RequestInvalid);
    }
    if sorted.last().is_some_and(|last| seat_count <= last.0) {
        return Err(Refusal::SeatUnknown);
    }
    Ok(sorted)
}

/// Brings areas into ascending order.
pub(crate) fn areas_of(
    plan: &SeatingPlan,
    areas: &[(AreaIdx, u32)],
) -> Result<Vec<(AreaIdx, u32)>, Refusal> {
    if usize::from(OPERATION_PLACES_MAX) < areas.len() {
        return Err(Refusal::RequestInvalid);
    }
    let mut sorted = areas.to_vec();
    sorted.sort_unstable();
    let named_once = sorted.is_sorted_by(|a, b| a.0 < b.0);
    if !named_once || sorted.iter().any(|&(_, quantity)| quantity == 0) {
        return Err(Refusal::RequestInvalid);
    }
    if sorted.iter().any(|&(area, _)| plan.area(area).is_none()) {
        return Err(Refusal::SeatUnknown);
    }
    Ok(sorted)
}
