//! SEAT-4 of operations on many seats that say in which statuses they may find them: such a one
//! does what it may for exactly the seats that are left to do, or it refuses and names what is in
//! the way.

use super::book::Book;
use super::hold::{Hold, Phase};
use super::{Checked, expect};
use schema::{
    AccountId, Command, CommandBody, EventId, InvariantId, OutcomeBody, OwnerKind,
    PreviousStatuses, Refusal, SeatIdx, Want,
};
use std::collections::BTreeSet;

/// What follows from a guard.
#[derive(Debug, PartialEq, Eq)]
enum Must {
    /// Claims or frees these seats and no others.
    Change(BTreeSet<u32>),
    Nothing,
    Refuse(Refusal),
}

/// Seats by the status in which the model has them.
#[derive(Debug, Default)]
struct Found {
    free: BTreeSet<u32>,
    /// Set aside for the account.
    own: BTreeSet<u32>,
    others: BTreeSet<u32>,
}

/// The guard that an operation names.
pub fn guard_of(command: &Command) -> Option<PreviousStatuses> {
    match &command.body {
        CommandBody::HoldSeats(ask) => ask.previous(),
        CommandBody::ReturnAllotted { previous, .. } => *previous,
        CommandBody::SellAllotted(ask) => ask.previous,
        _ => None,
    }
}

/// Checks what a guarded operation came to; others leave no seats as they are.
pub fn is_kept(book: &Book, asked: Option<&Command>, body: &OutcomeBody) -> Checked {
    let guarded = asked.and_then(|asked| Some((asked, guard_of(asked)?)));
    let Some((asked, guard)) = guarded else {
        let changes = *body != OutcomeBody::SeatsUnchanged;
        return expect(InvariantId::Seat4, changes, || format!("nothing is done for {asked:?}"));
    };
    let must = match &asked.body {
        CommandBody::HoldSeats(ask) => match (&ask.want, ask.owner) {
            (_, OwnerKind::Fan) => Must::Refuse(Refusal::RequestInvalid),
            (Want::Seats(seats), _) => claim(&book.find(asked, seats), guard),
            _ => Must::Refuse(Refusal::RequestInvalid),
        },
        CommandBody::ReturnAllotted { seats, areas, .. } if areas.is_empty() => {
            give_back(&book.find(asked, seats), guard)
        }
        CommandBody::SellAllotted(ask) if ask.areas.is_empty() => {
            sell(&book.find(asked, &ask.seats), guard)
        }
        _ => Must::Refuse(Refusal::RequestInvalid),
    };
    let is_done = match (&must, body) {
        (Must::Change(seats), OutcomeBody::SeatsHeld(held)) => {
            held.areas.is_empty() && held.seats.iter().map(|held| held.seat.0).eq(seats.clone())
        }
        (Must::Change(seats), OutcomeBody::AllotmentReduced { parts }) => {
            let given = parts.iter().flat_map(|part| &part.seats).map(|seat| seat.0);
            parts.iter().all(|part| part.areas.is_empty())
                && given.collect::<BTreeSet<_>>() == *seats
        }
        (Must::Change(seats), OutcomeBody::AllottedSold { payment, .. }) => {
            let held = &payment.held;
            held.areas.is_empty() && held.seats.iter().map(|held| held.seat.0).eq(seats.clone())
        }
        (Must::Nothing, OutcomeBody::SeatsUnchanged) => true,
        (Must::Refuse(refusal), OutcomeBody::Refused(said)) => refusal == said,
        _ => false,
    };
    expect(InvariantId::Seat4, is_done, || format!("{must:?} became {body:?} for {asked:?}"))
}

fn claim(found: &Found, guard: PreviousStatuses) -> Must {
    let Found { free, own, others } = found;
    let in_the_way = if guard.set_aside { others.clone() } else { others | own };
    if !guard.free && !guard.set_aside {
        Must::Refuse(Refusal::RequestInvalid)
    } else if !in_the_way.is_empty() {
        Must::Refuse(Refusal::SeatTaken { seats: named(&in_the_way) })
    } else if !guard.free && !free.is_empty() {
        Must::Refuse(Refusal::StatusNotAllowed { seats: named(free) })
    } else if free.is_empty() {
        Must::Nothing
    } else {
        Must::Change(free.clone())
    }
}

fn give_back(found: &Found, guard: PreviousStatuses) -> Must {
    let Found { free, own, others } = found;
    if !guard.free && !guard.set_aside {
        Must::Refuse(Refusal::RequestInvalid)
    } else if !others.is_empty() || (!guard.free && !free.is_empty()) {
        Must::Refuse(Refusal::NotAllotted)
    } else if !guard.set_aside && !own.is_empty() {
        Must::Refuse(Refusal::StatusNotAllowed { seats: named(own) })
    } else if own.is_empty() {
        Must::Nothing
    } else {
        Must::Change(own.clone())
    }
}

/// What is sold are all of them, wherever they were.
fn sell(found: &Found, guard: PreviousStatuses) -> Must {
    let all = &found.free | &found.own;
    match give_back(found, guard) {
        Must::Change(_) | Must::Nothing => Must::Change(all),
        Must::Refuse(refusal) => Must::Refuse(refusal),
    }
}

fn named(seats: &BTreeSet<u32>) -> Vec<SeatIdx> {
    seats.iter().map(|&seat| SeatIdx(seat)).collect()
}

impl Book {
    fn find(&self, asked: &Command, seats: &[SeatIdx]) -> Found {
        let wanted: BTreeSet<u32> = seats.iter().map(|seat| seat.0).collect();
        let taken = self.taken(&asked.event);
        let own = self.set_aside(&asked.event, asked.account);
        Found { free: &wanted - &taken, others: &(&wanted & &taken) - &own, own: &wanted & &own }
    }

    /// The seats that are set aside for an account.
    fn set_aside(&self, event: &EventId, account: AccountId) -> BTreeSet<u32> {
        let own = |hold: &&Hold| hold.account == account && hold.phase == Phase::Blocked;
        let holds = self.of_event(event).map(|(_, hold)| hold).filter(own);
        holds.flat_map(|hold| hold.seats.iter().copied()).collect()
    }
}
