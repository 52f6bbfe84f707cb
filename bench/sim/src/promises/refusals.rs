//! SEAT-4: a refusal is true where it stands in the journal, which is an instant of its call.

use super::book::Book;
use super::hold::{Hold, Phase, longest};
use super::{Checked, expect};
use crate::hall::{ACCOUNT_PLACES_MAX, AREA_CAPACITY, ROWS};
use schema::{
    AccountId, Command, CommandBody, EventId, HoldId, InvariantId, OwnerKind, Refusal, SeatIdx,
    UnixMillis, Want,
};

/// Checks a refusal against what the model has before it.
pub fn is_true(book: &Book, time: UnixMillis, asked: &Command, refusal: &Refusal) -> Checked {
    let holds = match &asked.body {
        CommandBody::HoldSeats(ask) => {
            let fan = ask.owner == OwnerKind::Fan;
            hold_is_refused(book, asked, &ask.want, None, refusal)
                && (fan || *refusal != Refusal::LimitExceeded)
        }
        CommandBody::SwapSeats { hold, want } => {
            let own = book.holds.get(hold).filter(|own| own.account == asked.account);
            change_is_refused(book, time, asked.account, *hold, refusal)
                || own.is_some() && hold_is_refused(book, asked, want, own, refusal)
        }
        CommandBody::ReleaseHold { hold } | CommandBody::ExtendHold { hold } => {
            change_is_refused(book, time, asked.account, *hold, refusal)
        }
        CommandBody::StartPayment(ask) => {
            change_is_refused(book, time, asked.account, ask.hold, refusal)
        }
        CommandBody::ReturnAllotted { seats, areas, .. } => {
            let standing = areas.iter().map(|(_, quantity)| quantity).sum();
            *refusal == Refusal::NotAllotted
                && !has_allotted(book, &asked.event, asked.account, seats, standing)
        }
        // Settlement's reader looks at refused verdicts.
        CommandBody::RecordVerdict(_) => true,
    };
    expect(InvariantId::Seat4, holds, || format!("{refusal:?} is no answer to {asked:?}"))
}

/// Whether there is no such hold. What `own` has does not count against it.
fn hold_is_refused(
    book: &Book,
    asked: &Command,
    want: &Want,
    own: Option<&Hold>,
    refusal: &Refusal,
) -> bool {
    let event = &asked.event;
    match (refusal, want) {
        (Refusal::SeatTaken { seats }, Want::Seats(wanted)) => {
            let taken = book.taken(event);
            let truly = |seat: &SeatIdx| {
                let is_own = own.is_some_and(|own| own.seats.contains(&seat.0));
                wanted.contains(seat) && taken.contains(&seat.0) && !is_own
            };
            !seats.is_empty() && seats.iter().all(truly)
        }
        (Refusal::SoldOut, _) => book.counts_of(event).free == 0,
        (Refusal::NotEnoughSeats, Want::Areas(areas)) => {
            let has = own.map_or(0, |own| own.standing);
            let room = AREA_CAPACITY - book.standing(event) + has;
            areas.iter().any(|&(_, quantity)| room < quantity)
        }
        (Refusal::NotEnoughSeats, Want::BestAvailable(best)) => {
            !has_run(book, event, best.quantity)
        }
        (Refusal::LimitExceeded, _) => {
            let wanted = match want {
                Want::Seats(seats) => u32::try_from(seats.len()).unwrap_or(u32::MAX),
                Want::BestAvailable(best) => u32::from(best.quantity),
                Want::Areas(areas) => areas.iter().map(|(_, quantity)| quantity).sum(),
            };
            let is_fans =
                |hold: &&Hold| hold.owner == OwnerKind::Fan && hold.account == asked.account;
            let all = book.of_event(event).map(|(_, hold)| hold).filter(is_fans);
            let has = all.map(Hold::places).sum::<u32>() - own.map_or(0, Hold::places);
            u32::from(ACCOUNT_PLACES_MAX) < has + wanted
        }
        _ => false,
    }
}

/// Whether a row has so many free seats side by side.
fn has_run(book: &Book, event: &EventId, quantity: u8) -> bool {
    let taken = book.taken(event);
    ROWS.iter().any(|row| {
        row.clone().any(|first| {
            let mut run = first..first + u32::from(quantity);
            run.end <= row.end && run.all(|seat| !taken.contains(&seat))
        })
    })
}

/// Refusals to release, to extend, to swap or to pay.
fn change_is_refused(
    book: &Book,
    time: UnixMillis,
    account: AccountId,
    id: HoldId,
    refusal: &Refusal,
) -> bool {
    let own = book.holds.get(&id).filter(|hold| hold.account == account);
    match refusal {
        Refusal::HoldUnknown => own.is_none(),
        Refusal::HoldEnded => own.is_none_or(|hold| {
            let over = hold.deadline.is_some_and(|deadline| deadline <= time);
            hold.phase == Phase::Held && over
        }),
        Refusal::PaymentInProgress => own.is_some_and(|hold| hold.phase == Phase::Paying),
        Refusal::HoldAtLimit => own.is_some_and(|hold| {
            hold.phase == Phase::Held && hold.deadline >= Some(longest(time, id))
        }),
        Refusal::AlreadySold => own.is_some_and(|hold| hold.phase == Phase::Sold),
        _ => false,
    }
}

fn has_allotted(
    book: &Book,
    event: &EventId,
    account: AccountId,
    seats: &[SeatIdx],
    standing: u32,
) -> bool {
    let own = |hold: &&Hold| hold.account == account && hold.phase == Phase::Blocked;
    let allotments: Vec<&Hold> = book.of_event(event).map(|(_, hold)| hold).filter(own).collect();
    let has_seat = |seat: &SeatIdx| allotments.iter().any(|hold| hold.seats.contains(&seat.0));
    let places: u32 = allotments.iter().map(|hold| hold.standing).sum();
    seats.iter().all(has_seat) && standing <= places
}
