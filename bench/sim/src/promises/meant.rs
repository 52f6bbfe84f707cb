//! Whether an outcome is what the command that it names asked for.

use super::Finding;
use schema::{
    Command, CommandBody, Held, HoldId, InvariantId, Outcome, OutcomeBody, Released, Verdict,
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
    (gives(&ask.want, held) && ask.owner == held.owner).then_some(())
}

/// Whether a hold is what it was to become by a swap.
pub fn swaps(asked: Option<&Command>, held: &Held) -> Option<()> {
    let asked = asked.filter(|command| command.account == held.account)?;
    let CommandBody::SwapSeats { hold: id, want } = &asked.body else { return None };
    (gives(want, held) && *id == held.hold).then_some(())
}

fn gives(want: &Want, held: &Held) -> bool {
    let seats: BTreeSet<_> = held.seats.iter().map(|seat| seat.seat).collect();
    let fits = match want {
        Want::Seats(wanted) => seats == wanted.iter().copied().collect() && held.areas.is_empty(),
        Want::BestAvailable(best) => {
            seats.len() == usize::from(best.quantity) && held.areas.is_empty()
        }
        Want::Areas(wanted) => {
            let given: Vec<_> = held.areas.iter().map(|area| (area.area, area.quantity)).collect();
            seats.is_empty() && given == *wanted
        }
    };
    fits && seats.len() == held.seats.len()
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
