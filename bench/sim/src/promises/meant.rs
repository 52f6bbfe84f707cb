//! Whether an outcome is what the command that it names asked for.

use super::best::could_sit;
use super::{Checked, Finding, expect};
use crate::hall;
use crate::standing::Standing;
use schema::{
    Command, CommandBody, EventId, Held, HoldId, HoldSeats, InvariantId, Outcome, OutcomeBody,
    OwnerKind, PARTNER_SALE, Payment, Released, ReturnedPart, SeatIdx, UnixMillis, Verdict,
    VerdictKind, Want,
};
use std::collections::BTreeSet;

/// An outcome that nothing led to.
pub fn unasked(outcome: &Outcome) -> Finding {
    let says = format!("nobody asked for {outcome:?}");
    let promise = match &outcome.body {
        OutcomeBody::HoldReleased { why: Released::PaymentCancelled, .. } => InvariantId::Seat3,
        OutcomeBody::HoldReleased { why: Released::Refunded, .. }
        | OutcomeBody::SeatsSold { .. } => InvariantId::Ord3,
        _ => InvariantId::Seat1,
    };
    Finding { promise, says }
}

/// Whether a hold is what was asked for.
pub fn fits(asked: Option<&Command>, held: &Held) -> Option<()> {
    let asked = asked.filter(|command| command.account == held.account)?;
    let CommandBody::HoldSeats(ask) = &asked.body else { return None };
    // Which seats are left to claim is the guard's to say.
    let gives = ask.previous().is_some() || gives(&ask.want, held);
    (gives && ask.owner == held.owner).then_some(())
}

/// Whether a hold is what it was to become by a swap.
pub fn swaps(asked: Option<&Command>, held: &Held) -> Option<()> {
    let asked = asked.filter(|command| command.account == held.account)?;
    let CommandBody::SwapSeats { hold: id, want, .. } = &asked.body else { return None };
    (gives(want, held) && *id == held.hold).then_some(())
}

fn gives(want: &Want, held: &Held) -> bool {
    let seats: BTreeSet<_> = held.seats.iter().map(|seat| seat.seat).collect();
    let fits = match want {
        Want::Seats(wanted) => seats == wanted.iter().copied().collect() && held.areas.is_empty(),
        Want::BestAvailable(best) => {
            let is_given = |seat: u32| seats.contains(&SeatIdx(seat));
            let right = seats.len() == usize::from(best.quantity) && could_sit(*best, is_given);
            right && held.areas.is_empty()
        }
        Want::Areas(wanted) => {
            let given = held.areas.iter().map(|area| (area.area, area.quantity));
            seats.is_empty() && Standing::of(given) == Standing::of(wanted.iter().copied())
        }
    };
    fits && seats.len() == held.seats.len()
}

/// Whether a party leaves the choice of its seats to the house.
pub fn is_for_best(asked: &Command) -> bool {
    match &asked.body {
        CommandBody::HoldSeats(HoldSeats { want, .. }) | CommandBody::SwapSeats { want, .. } => {
            matches!(want, Want::BestAvailable(_))
        }
        _ => false,
    }
}

/// Whether parts of allotments are what was to be given back.
pub fn returns(asked: &Command, parts: &[ReturnedPart]) -> Option<()> {
    let CommandBody::ReturnAllotted { seats, areas, previous } = &asked.body else { return None };
    let given = parts.iter().flat_map(|part| &part.seats).collect::<BTreeSet<_>>();
    let standing = parts.iter().flat_map(|part| &part.areas).copied();
    let all = Standing::of(standing) == Standing::of(areas.iter().copied());
    // Which seats are left to give back is the guard's to say.
    (all && (previous.is_some() || given == seats.iter().collect())).then_some(())
}

/// Whether a sale is what its partner asked for, and takes no more than that out of allotments.
pub fn sells(asked: &Command, parts: &[ReturnedPart], payment: &Payment) -> Option<()> {
    let CommandBody::SellAllotted(ask) = &asked.body else { return None };
    let held = &payment.held;
    let sold: BTreeSet<SeatIdx> = held.seats.iter().map(|seat| seat.seat).collect();
    let given: BTreeSet<SeatIdx> = parts.iter().flat_map(|part| &part.seats).copied().collect();
    let wanted = Standing::of(ask.areas.iter().copied());
    let standing = held.areas.iter().map(|area| (area.area, area.quantity));
    let taken = parts.iter().flat_map(|part| &part.areas).copied();
    let same_areas = Standing::of(standing) == wanted && Standing::of(taken) == wanted;
    let same_seats = sold == ask.seats.iter().copied().collect() && given.is_subset(&sold);
    // Which of the seats may be free is the guard's to say.
    let own = ask.previous.is_some() || given == sold;
    let is_theirs = held.account == asked.account && held.owner == OwnerKind::PartnerSale;
    let as_said = payment.method == PARTNER_SALE && payment.token == ask.buyer;
    (same_areas && same_seats && own && is_theirs && as_said).then_some(())
}

/// SEAT-4 from the other side: who had to be refused for a channel was. Seats that the hold had
/// `before` are its own.
pub fn may(
    time: UnixMillis,
    event: &EventId,
    asked: Option<&Command>,
    held: &Held,
    before: &BTreeSet<u32>,
) -> Checked {
    let key = match asked.map(|command| &command.body) {
        Some(CommandBody::HoldSeats(ask)) => ask.channel(),
        Some(CommandBody::SwapSeats { channel, .. }) => channel.as_deref(),
        _ => None,
    };
    let is_kept = |seat: u32| !before.contains(&seat) && hall::is_kept(event, seat, time, key);
    let kept = held.owner == OwnerKind::Fan && held.seats.iter().any(|held| is_kept(held.seat.0));
    expect(InvariantId::Seat4, !kept, || {
        format!("{} has seats of a channel with the key {key:?}", held.hold)
    })
}

pub fn is_release_of(command: &Command, id: HoldId) -> bool {
    matches!(command.body, CommandBody::ReleaseHold { hold } if hold == id)
}

pub fn verdict_of(asked: Option<&Command>, kind: VerdictKind) -> Option<Verdict> {
    match asked?.body {
        CommandBody::RecordVerdict(verdict) if verdict.kind == kind => Some(verdict),
        _ => None,
    }
}

pub fn is_verdict(asked: Option<&Command>, kind: VerdictKind, hold: HoldId) -> bool {
    verdict_of(asked, kind).is_some_and(|verdict| verdict.hold == hold)
}
