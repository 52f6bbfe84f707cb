//! Partners give allotted places back. What they sell is found the same way.

use crate::Shard;
use crate::rules::Places;
use crate::seat_word::SeatState;
use crate::shape::{areas_of, seats_of};
use schema::limits::OPERATION_PLACES_MAX;
use schema::{AccountId, AreaIdx, OutcomeBody, PreviousStatuses, Refusal, ReturnedPart, SeatIdx};
use std::collections::BTreeMap;

/// What is returned, by the slot of the allotment it comes from.
type Parts = BTreeMap<u32, ReturnedPart>;

impl Shard {
    /// All or nothing: one place that is not in the account's allotments refuses the whole.
    pub(crate) fn rule_return(
        &self,
        event: usize,
        account: AccountId,
        (seats, areas): (&[SeatIdx], &[(AreaIdx, u32)]),
        previous: Option<PreviousStatuses>,
    ) -> Result<OutcomeBody, Refusal> {
        let (mut seats, areas) = self.operation_places(event, seats, areas)?;
        if let Some(previous) = previous {
            seats = self.own_among(event, account, (&seats, &areas), previous)?;
            if seats.is_empty() {
                return Ok(OutcomeBody::SeatsUnchanged);
            }
        }
        let parts = self.parts_of(event, account, (&seats, &areas))?;
        Ok(OutcomeBody::AllotmentReduced { parts })
    }

    /// The places of an operation on allotments, which exist and are each named once.
    pub(crate) fn operation_places(
        &self,
        event: usize,
        seats: &[SeatIdx],
        areas: &[(AreaIdx, u32)],
    ) -> Result<Places, Refusal> {
        let listed = self.catalogue.events[event].listed();
        let seats = seats_of(listed.tables.seat_count(), seats)?;
        let areas = areas_of(&listed.tables.index.plan, areas)?;
        let place_count = areas
            .iter()
            .fold(seats.len(), |sum, &(_, quantity)| sum.saturating_add(quantity as usize));
        let fits = (1..=usize::from(OPERATION_PLACES_MAX)).contains(&place_count);
        if fits { Ok((seats, areas)) } else { Err(Refusal::RequestInvalid) }
    }

    /// Which of the account's allotments places are in.
    pub(crate) fn parts_of(
        &self,
        event: usize,
        account: AccountId,
        (seats, areas): (&[SeatIdx], &[(AreaIdx, u32)]),
    ) -> Result<Vec<ReturnedPart>, Refusal> {
        let mut parts = Parts::new();
        self.find_seats(event, account, seats, &mut parts)?;
        self.find_areas(event, account, areas, &mut parts)?;
        Ok(parts.into_values().collect())
    }

    fn find_seats(
        &self,
        event: usize,
        account: AccountId,
        seats: &[SeatIdx],
        parts: &mut Parts,
    ) -> Result<(), Refusal> {
        let sale = self.catalogue.events[event].sale.as_ref();
        for &seat in seats {
            let word = sale.ok_or(Refusal::NotAllotted)?.map.read(seat);
            if word.state != SeatState::Blocked
                || self.holds.get(word.slot).hold.held.account != account
            {
                return Err(Refusal::NotAllotted);
            }
            self.part(parts, word.slot).seats.push(seat);
        }
        Ok(())
    }

    fn find_areas(
        &self,
        event: usize,
        account: AccountId,
        areas: &[(AreaIdx, u32)],
        parts: &mut Parts,
    ) -> Result<(), Refusal> {
        let sale = self.catalogue.events[event].sale.as_ref();
        for &(area, quantity) in areas {
            let mut left = quantity;
            for &slot in &sale.ok_or(Refusal::NotAllotted)?.blocked {
                let held = &self.holds.get(slot).hold.held;
                let part = held.areas.iter().find(|part| part.area == area);
                let allotted = part.filter(|_| held.account == account);
                let taken = allotted.map_or(0, |part| part.quantity.min(left));
                if 0 < taken {
                    self.part(parts, slot).areas.push((area, taken));
                    left -= taken;
                }
            }
            if 0 < left {
                return Err(Refusal::NotAllotted);
            }
        }
        Ok(())
    }

    fn part<'a>(&self, parts: &'a mut Parts, slot: u32) -> &'a mut ReturnedPart {
        let hold = self.holds.get(slot).hold.held.hold;
        let empty = || ReturnedPart { hold, seats: Vec::new(), areas: Vec::new() };
        parts.entry(slot).or_insert_with(empty)
    }
}
