//! Places of a sale whose money went back alone: they are free, and the rest stays sold.

use crate::Shard;
use crate::holds::HoldPhase;
use crate::shape::{areas_of, seats_of};
use schema::{Command, Held, OutcomeBody, Refusal, Released, ReturnedPart, SYSTEM_ACCOUNT};

impl Shard {
    // Sold => Sold with fewer places.
    pub(crate) fn rule_reduce_sale(
        &self,
        event: usize,
        command: &Command,
        part: u32,
        places: &ReturnedPart,
    ) -> Result<OutcomeBody, Refusal> {
        if command.account != SYSTEM_ACCOUNT {
            return Err(Refusal::RequestInvalid);
        }
        let hold = places.hold;
        let live = self.holds.find(hold).filter(|(_, entry)| entry.event == event);
        let Some((_, entry)) = live else {
            let ended = self.ended.get(hold).filter(|ended| ended.event == command.event);
            let ended = ended.ok_or(Refusal::HoldUnknown)?;
            // What went back whole has freed the places of its parts.
            let is_over = ended.why == Released::Refunded;
            return if is_over {
                Ok(OutcomeBody::Unchanged { hold })
            } else {
                Err(Refusal::HoldEnded)
            };
        };
        // It is decided once, also when the answer is forgotten.
        if part <= entry.hold.parts {
            return Ok(OutcomeBody::Unchanged { hold });
        }
        let is_next = entry.hold.phase == HoldPhase::Sold && part == entry.hold.parts + 1;
        let tables = &self.catalogue.events[event].listed().tables;
        let seats = seats_of(tables.seat_count(), &places.seats)?;
        let areas = areas_of(&tables.index.plan, &places.areas)?;
        // As the outcome has them: in order, each once.
        let in_order = seats == places.seats && areas == places.areas;
        if is_next && in_order && is_a_part(&entry.hold.held, places) {
            Ok(OutcomeBody::SaleReduced { part, places: places.clone() })
        } else {
            Err(Refusal::RequestInvalid)
        }
    }
}

/// Whether a hold has these places, and others. No place is named twice.
fn is_a_part(held: &Held, places: &ReturnedPart) -> bool {
    let has_area = |&(area, quantity)| {
        held.areas.iter().any(|part| part.area == area && quantity <= part.quantity)
    };
    let has_all =
        places.seats.iter().all(|&seat| held.has_seat(seat)) && places.areas.iter().all(has_area);
    if !has_all {
        return false;
    }
    let seats = u32::try_from(places.seats.len()).expect("a hold has at most 4,096 places");
    let count = seats + places.areas.iter().map(|(_, quantity)| quantity).sum::<u32>();
    0 < count && count < held.place_count()
}
