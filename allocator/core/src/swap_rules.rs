//! The owner of a hold takes other places: all of them or none, and until then keeps its own.

use crate::Shard;
use crate::holds::HoldPhase;
use crate::rules::{claim, closed_to, priced_area, priced_seat};
use crate::shape::Wanted;
use schema::{Command, Held, HoldId, OutcomeBody, OwnerKind, Refusal, SeatIdx, UnixMillis, Want};

impl Shard {
    // Held => Held with other places.
    pub(crate) fn rule_swap(
        &mut self,
        now: UnixMillis,
        event: usize,
        command: &Command,
        hold: HoldId,
        (want, channel): (&Want, Option<&str>),
    ) -> Result<OutcomeBody, Refusal> {
        let before = self.waiting_hold(now, event, command, hold)?.hold.held.clone();
        let slot = self.holds.slot(hold).expect("found just above");
        let listed = self.catalogue.events[event].listed().clone();
        let wanted = Wanted::new(&listed, want, OwnerKind::Fan)?;
        if wanted.is_all_of(&before) {
            return Ok(OutcomeBody::Unchanged { hold });
        }
        let wall = self.wall(now);
        let sale = self.catalogue.events[event].sale();
        let others = sale.places_of(command.account) - before.place_count();
        if u32::from(listed.listing.account_places_max) < others + want.place_count() {
            return Err(Refusal::LimitExceeded);
        }
        let added = wanted.beyond(&before);
        // What the hold has already it has, whatever channels keep.
        let closed = closed_to(wall, &listed, OwnerKind::Fan, channel, &added)?;
        let claimed = match &added {
            Wanted::Seats(seats) if seats.is_empty() => Vec::new(),
            Wanted::Areas(areas) => sale.find_room(areas, &before.areas).map(|()| Vec::new())?,
            _ => claim(sale, &added, &closed, HoldPhase::Held, slot, &mut self.tally)?.0,
        };
        // Nothing refuses from here on: what is added is claimed. What is dropped becomes free when
        // the outcome takes effect.
        let (seats, areas) = match wanted {
            Wanted::Seats(seats) => (seats, Vec::new()),
            Wanted::Best(_) => (claimed, Vec::new()),
            Wanted::Areas(areas) => (Vec::new(), areas),
        };
        Ok(OutcomeBody::SeatsSwapped(Held {
            seats: seats.into_iter().map(|seat| priced_seat(&listed, sale, seat)).collect(),
            areas: areas.iter().map(|&part| priced_area(&listed, part)).collect(),
            currency: listed.listing.currency(),
            ..before
        }))
    }
}

impl Wanted {
    /// Whether the hold has these places and no others.
    fn is_all_of(&self, held: &Held) -> bool {
        match self {
            Self::Seats(seats) => held.areas.is_empty() && seats.iter().eq(seats_of(held)),
            Self::Best(_) => false,
            Self::Areas(areas) => {
                let parts = held.areas.iter().map(|part| (part.area, part.quantity));
                held.seats.is_empty() && areas.iter().copied().eq(parts)
            }
        }
    }

    /// It without the seats that the hold has. The best seats are chosen among free ones, so they
    /// are never the hold's own.
    fn beyond(&self, held: &Held) -> Self {
        match self {
            Self::Seats(seats) => {
                Self::Seats(seats.iter().copied().filter(|seat| !held.has_seat(*seat)).collect())
            }
            Self::Best(best) => Self::Best(*best),
            Self::Areas(areas) => Self::Areas(areas.clone()),
        }
    }
}

fn seats_of(held: &Held) -> impl Iterator<Item = &SeatIdx> {
    held.seats.iter().map(|held| &held.seat)
}
