//! SEAT-4: a refusal is true where it stands in the journal, which is an instant of its call.

use super::best::could_sit;
use super::book::Book;
use super::guards::guard_of;
use super::hold::{Hold, Phase, longest};
use super::{Checked, expect};
use crate::hall::{ACCOUNT_PLACES_MAX, SECTION, is_kept};
use crate::standing::Standing;
use schema::{
    AccountId, AreaIdx, Command, CommandBody, EventId, HoldId, InvariantId, OwnerKind, Refusal,
    SeatIdx, SellAllotted, UnixMillis, Want,
};

/// Checks a refusal against what the model has before it.
pub fn is_true(book: &Book, time: UnixMillis, asked: &Command, refusal: &Refusal) -> Checked {
    if guard_of(asked).is_some() {
        // The guard says what had to be refused.
        return Ok(());
    }
    let holds = match &asked.body {
        CommandBody::HoldSeats(ask) => {
            let is_fan = ask.owner == OwnerKind::Fan;
            let places = Places { want: &ask.want, channel: ask.channel(), own: None, is_fan };
            hold_is_refused(book, time, asked, places, refusal)
        }
        CommandBody::SwapSeats { hold, want, channel } => {
            let own = book.holds.get(hold).filter(|own| own.account == asked.account);
            let places = Places { want, channel: channel.as_deref(), own, is_fan: true };
            change_is_refused(book, time, asked.account, *hold, refusal)
                || own.is_some() && hold_is_refused(book, time, asked, places, refusal)
        }
        CommandBody::ReleaseHold { hold } | CommandBody::ExtendHold { hold } => {
            change_is_refused(book, time, asked.account, *hold, refusal)
        }
        CommandBody::StartPayment(ask) => {
            change_is_refused(book, time, asked.account, ask.hold, refusal)
        }
        CommandBody::ReturnAllotted { seats, areas, .. }
        | CommandBody::SellAllotted(SellAllotted { seats, areas, .. }) => {
            let standing = Standing::of(areas.iter().copied());
            *refusal == Refusal::NotAllotted
                && !has_allotted(book, &asked.event, asked.account, seats, standing)
        }
        CommandBody::Reseat(ask) => book.late_is_refused(time, asked, ask, refusal),
        // Settlement's reader looks at refused verdicts and parts.
        CommandBody::RecordVerdict(_) | CommandBody::ReduceSale { .. } => true,
    };
    expect(InvariantId::Seat4, holds, || format!("{refusal:?} is no answer to {asked:?}"))
}

/// The places that are asked for, in whose name, and what the asker gives for them.
#[derive(Clone, Copy)]
struct Places<'a> {
    want: &'a Want,
    channel: Option<&'a str>,
    /// The hold that is to have them instead of its own.
    own: Option<&'a Hold>,
    is_fan: bool,
}

/// Whether there is no such hold. What it has already does not count against it.
fn hold_is_refused(
    book: &Book,
    time: UnixMillis,
    asked: &Command,
    places: Places<'_>,
    refusal: &Refusal,
) -> bool {
    let event = &asked.event;
    let Places { want, channel, own, is_fan } = places;
    let is_kept = |seat: u32| is_kept(event, seat, time, channel);
    let is_own = |seat: &SeatIdx| own.is_some_and(|own| own.seats.contains(&seat.0));
    match (refusal, want) {
        (Refusal::SeatTaken { seats }, Want::Seats(wanted)) => {
            let taken = book.taken(event);
            let truly =
                |seat: &SeatIdx| wanted.contains(seat) && taken.contains(&seat.0) && !is_own(seat);
            !seats.is_empty() && seats.iter().all(truly)
        }
        (Refusal::ChannelRequired { seats }, Want::Seats(wanted)) => {
            let truly = |seat: &SeatIdx| wanted.contains(seat) && is_kept(seat.0) && !is_own(seat);
            is_fan && !seats.is_empty() && seats.iter().all(truly)
        }
        (Refusal::SoldOut | Refusal::NotEnoughSeats, Want::Areas(areas)) => {
            let none_left = *refusal != Refusal::SoldOut || book.counts_of(event).free == 0;
            none_left && !with_areas(book, event, own, areas).fits()
        }
        (Refusal::SoldOut | Refusal::NotEnoughSeats, Want::BestAvailable(best)) => {
            let none_left = *refusal != Refusal::SoldOut || book.counts_of(event).free == 0;
            let taken = book.taken(event);
            let is_usable = |seat: u32| !(taken.contains(&seat) || is_fan && is_kept(seat));
            none_left && !could_sit(*best, is_usable)
        }
        (Refusal::SeatUnknown, Want::BestAvailable(best)) => {
            best.section.is_some_and(|section| section != SECTION)
        }
        (
            Refusal::PassForeign | Refusal::PassSpent | Refusal::PassExpired | Refusal::PassInUse,
            _,
        ) => is_fan && book.pass_is_refused(time, asked, refusal),
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
            is_fan && u32::from(ACCOUNT_PLACES_MAX) < has + wanted
        }
        _ => false,
    }
}

/// The standing places of an event if these came to them, instead of those of `own`.
fn with_areas(
    book: &Book,
    event: &EventId,
    own: Option<&Hold>,
    areas: &[(AreaIdx, u32)],
) -> Standing {
    let has = own.map_or(Standing::default(), |own| own.standing);
    let others = book.standing(event).minus(has).expect("a hold's places are among all");
    others.plus(Standing::of(areas.iter().copied()))
}

/// Whether each area had room for what was asked, and the pool had not.
pub fn is_for_a_pool(book: &Book, asked: &Command) -> bool {
    let (want, own) = match &asked.body {
        CommandBody::HoldSeats(ask) => (&ask.want, None),
        CommandBody::SwapSeats { hold, want, .. } => (want, book.holds.get(hold)),
        _ => return false,
    };
    let Want::Areas(areas) = want else { return false };
    let all = with_areas(book, &asked.event, own.filter(|own| own.event == asked.event), areas);
    all.fits_each() && !all.fits()
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
    standing: Standing,
) -> bool {
    let own = |hold: &&Hold| hold.account == account && hold.phase == Phase::Blocked;
    let allotments: Vec<&Hold> = book.of_event(event).map(|(_, hold)| hold).filter(own).collect();
    let has_seat = |seat: &SeatIdx| allotments.iter().any(|hold| hold.seats.contains(&seat.0));
    let places = allotments.iter().map(|hold| hold.standing);
    let places = places.fold(Standing::default(), Standing::plus);
    seats.iter().all(has_seat) && places.minus(standing).is_some()
}
