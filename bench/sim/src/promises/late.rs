//! Late money's places: the same ones, else as many equal ones beside each other, else none.

use super::book::Book;
use super::hold::{Hold, Phase};
use super::{Checked, expect, meant};
use crate::hall::{ACCESSIBLE, ACCOUNT_PLACES_MAX, ROWS, is_kept};
use crate::standing::Standing;
use schema::limits::PAYMENT_WAIT_MAX;
use schema::{
    Command, CommandBody, Held, HoldId, InvariantId, LATE_MONEY, LATE_MONEY_ACCOUNT, OrderId,
    Outcome, OutcomeBody, OwnerKind, Refusal, Reseat, UnixMillis,
};
use std::collections::BTreeSet;
use std::ops::Range;

impl Book {
    /// Late money has places, in a new hold that is being paid from the beginning.
    pub fn reseat(
        &mut self,
        time: UnixMillis,
        outcome: &Outcome,
        asked: Option<&Command>,
    ) -> Checked {
        let OutcomeBody::Reseated(payment) = &outcome.body else { return Ok(()) };
        let (asked, ask) = asked.and_then(ask_of).ok_or_else(|| meant::unasked(outcome))?;
        let (event, held) = (&outcome.event, &payment.held);
        let fresh = Hold { phase: Phase::Paying, attempt: 1, ..Hold::new(event, held, self.calm) };
        let known = self.holds.contains_key(&held.hold) || self.ended.contains_key(&held.hold);
        expect(InvariantId::Ord2, !known, || format!("{} buys once more", held.hold))?;
        self.is_free(event, held.hold, &fresh)?;
        let is_as_paid = is_as_paid(&ask.paid, held)
            && (payment.method.as_str(), payment.attempt) == (LATE_MONEY, 1)
            && payment.token == ask.before.to_string();
        expect(InvariantId::Ord3, is_as_paid, || format!("{held:?} is for {ask:?}"))?;
        let elsewhere = ROWS.iter().find(|row| {
            let has: Vec<u32> =
                fresh.seats.iter().copied().filter(|seat| row.contains(seat)).collect();
            let rooms = run_in(&ask.paid, row).map(|run| self.rooms(time, asked, &run));
            let fits = |rooms: &Vec<Range<u32>>| {
                rooms.iter().any(|room| room.clone().eq(has.iter().copied()))
            };
            !rooms.as_ref().map_or(has.is_empty(), fits)
        });
        expect(InvariantId::Ord3, elsewhere.is_none(), || {
            format!("{held:?} is neither the same as {:?} nor equal", ask.paid)
        })?;
        let may = !self.is_beyond_limit(asked, ask) && !self.has_taken_since(asked, ask);
        expect(InvariantId::Ord3, may, || format!("{} has more than it may", held.account))?;
        let in_time = payment.payment_deadline == time + PAYMENT_WAIT_MAX;
        expect(InvariantId::Seat3, in_time, || format!("ends wrong: {payment:?}"))?;
        self.bought.insert(OrderId::from(ask.before), OrderId::from(held.hold));
        self.holds.insert(held.hold, fresh);
        Ok(())
    }

    /// SEAT-4: whether there are no places for late money.
    pub fn late_is_refused(
        &self,
        time: UnixMillis,
        asked: &Command,
        ask: &Reseat,
        refusal: &Refusal,
    ) -> bool {
        match refusal {
            Refusal::LimitExceeded => {
                self.is_beyond_limit(asked, ask) || self.has_taken_since(asked, ask)
            }
            Refusal::NotEnoughSeats | Refusal::SoldOut => {
                let standing = self.standing(&asked.event).plus(standing_of(&ask.paid));
                let mut runs = ROWS.iter().filter_map(|row| run_in(&ask.paid, row));
                !standing.fits() || runs.any(|run| self.rooms(time, asked, &run).is_empty())
            }
            _ => false,
        }
    }

    /// Where the seats of a run may be: at their own places if these are free, else at any others
    /// of the row, which is all of its price level.
    fn rooms(&self, time: UnixMillis, asked: &Command, paid: &Range<u32>) -> Vec<Range<u32>> {
        let taken = self.taken(&asked.event);
        let is_free = |seat: u32| !taken.contains(&seat);
        if paid.clone().all(is_free) {
            return vec![paid.clone()];
        }
        let row = ROWS.iter().find(|row| row.contains(&paid.start)).expect("it is in a row");
        let count = paid.end - paid.start;
        let all = (row.start..=row.end - count).map(|start| start..start + count);
        let is_like = |run: &Range<u32>| {
            let usable = |seat: u32| is_free(seat) && !is_kept(&asked.event, seat, time, None);
            run.contains(&ACCESSIBLE) == paid.contains(&ACCESSIBLE) && run.clone().all(usable)
        };
        all.filter(is_like).collect()
    }

    fn is_beyond_limit(&self, asked: &Command, ask: &Reseat) -> bool {
        let has: u32 = self.of_fan(asked, ask).map(|(_, hold)| hold.places()).sum();
        u32::from(ACCOUNT_PLACES_MAX) < has + ask.paid.place_count()
    }

    /// Who has bought again does not want both.
    fn has_taken_since(&self, asked: &Command, ask: &Reseat) -> bool {
        self.of_fan(asked, ask).any(|(id, _)| ask.before.made_at() < id.made_at())
    }

    /// What the fan of late money has of the event.
    fn of_fan<'a>(
        &'a self,
        asked: &'a Command,
        ask: &'a Reseat,
    ) -> impl Iterator<Item = (&'a HoldId, &'a Hold)> {
        let all = self.of_event(&asked.event);
        all.filter(|(_, hold)| hold.owner == OwnerKind::Fan && hold.account == ask.paid.account)
    }
}

fn ask_of(asked: &Command) -> Option<(&Command, &Reseat)> {
    match &asked.body {
        CommandBody::Reseat(ask) if asked.account == LATE_MONEY_ACCOUNT => Some((asked, ask)),
        _ => None,
    }
}

/// Whether a hold is for whom it was paid, under the id that was asked for, as large and as dear.
fn is_as_paid(paid: &Held, held: &Held) -> bool {
    let same_fan = (paid.hold, paid.account, paid.owner) == (held.hold, held.account, held.owner);
    let same_size = paid.seats.len() == held.seats.len() && standing_of(paid) == standing_of(held);
    same_fan && same_size && paid.total() == held.total() && held.pass.is_none()
}

fn standing_of(held: &Held) -> Standing {
    Standing::of(held.areas.iter().map(|area| (area.area, area.quantity)))
}

/// The seats of a hold in a row. Fans have them beside each other.
fn run_in(paid: &Held, row: &Range<u32>) -> Option<Range<u32>> {
    let seats = paid.seats.iter().map(|seat| seat.seat.0).filter(|seat| row.contains(seat));
    let seats: BTreeSet<u32> = seats.collect();
    let run = *seats.first()?..*seats.last()? + 1;
    assert!(run.clone().eq(seats), "a fan's seats of a row are beside each other");
    Some(run)
}
