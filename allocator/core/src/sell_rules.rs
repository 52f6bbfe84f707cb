//! Partners sell places: those of their allotments, and free ones where they say so.
//!
//! One outcome takes the places out of the allotments and gives them to a new hold that is Paying
//! already, so that nobody can come between and nothing is half done.

use crate::Shard;
use crate::rules::{check_on_sale, priced_area, priced_seat};
use crate::sale::Sale;
use crate::seat_word::{SeatState, generation_after};
use schema::limits::{BUYER_BYTES_MAX, PAYMENT_WAIT_MAX};
use schema::{
    Command, HOUSE_ACCOUNT, Held, HeldSeat, HoldId, OutcomeBody, OwnerKind, PARTNER_SALE, Payment,
    Refusal, SellAllotted, UnixMillis,
};

impl Shard {
    // Blocked | Free => Paying.
    pub(crate) fn rule_sell(
        &mut self,
        now: UnixMillis,
        event: usize,
        command: &Command,
        ask: &SellAllotted,
    ) -> Result<OutcomeBody, Refusal> {
        let account = command.account;
        let (seats, areas) = self.operation_places(event, &ask.seats, &ask.areas)?;
        // What the house has blocked is in no allotment.
        if usize::from(BUYER_BYTES_MAX) < ask.buyer.len() || account == HOUSE_ACCOUNT {
            return Err(Refusal::RequestInvalid);
        }
        let listed = self.catalogue.events[event].listed().clone();
        check_on_sale(self.wall(now), &listed.listing, OwnerKind::PartnerSale)?;
        let own = match ask.previous {
            None => seats.clone(),
            Some(previous) => self.own_among(event, account, (&seats, &areas), previous)?,
        };
        let parts = self.parts_of(event, account, (&own, &areas))?;
        let id = HoldId::compose(self.id, now, command.id);
        let holds = u32::try_from(self.holds.len()).expect("holds_max fits into 32 bits");
        // A hold of this id is one of a command that was forgotten in the same millisecond.
        let id_used = self.holds.slot(id).is_some() || self.ended.has_just_seen(id);
        if self.limits.holds_max <= holds || id_used {
            return Err(Refusal::Full);
        }
        let sale = self.catalogue.events[event].sale();
        let seat = |seat| claimed_seat(sale, priced_seat(&listed, sale, seat));
        let payment_deadline = now + PAYMENT_WAIT_MAX;
        let held = Held {
            hold: id,
            account,
            owner: OwnerKind::PartnerSale,
            seats: seats.into_iter().map(seat).collect(),
            areas: areas.into_iter().map(|part| priced_area(&listed, part)).collect(),
            currency: listed.listing.currency(),
            deadline: Some(payment_deadline),
            pass: None,
        };
        let payment = Payment {
            held,
            attempt: 1,
            method: PARTNER_SALE.into(),
            token: ask.buyer.clone(),
            payment_deadline,
            trace: command.trace.as_deref().map(Box::from),
        };
        Ok(OutcomeBody::AllottedSold { parts, payment })
    }
}

/// A seat as it will be once its allotment has given it back and the sale has claimed it.
fn claimed_seat(sale: &Sale, seat: HeldSeat) -> HeldSeat {
    let is_allotted = sale.map.read(seat.seat).state == SeatState::Blocked;
    let generation = generation_after(seat.generation, 1 + u32::from(is_allotted));
    HeldSeat { generation, ..seat }
}
