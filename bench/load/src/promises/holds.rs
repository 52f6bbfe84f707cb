//! From answers to holds: whose which places certainly were, and possibly, and when.

use super::span::{FOREVER, Span};
use crate::record::{Deal, Dealt, Deed, Place};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How long after its deadline a hold may still be one. To be late breaks another promise
/// (SEAT-3); a refusal for the sake of a late hold is true.
const LATE_MAX: Duration = Duration::from_secs(10);

/// Some places in one hand: a reservation, and the booking that it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub reservation: Box<str>,
    pub places: Box<[Place]>,
    /// From the answer until it could end at the earliest.
    pub certain: Option<Span>,
    /// From the question until it had ended at the latest.
    pub possible: Span,
    /// Each booking once; more than one is one too many.
    pub bookings: Vec<Booking>,
}

/// A booking that was answered as confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    pub id: Box<str>,
    pub account: u32,
    pub places: Box<[Place]>,
    /// When its account first asked to cancel it.
    pub cancel_asked: Option<Duration>,
    /// When it was told so.
    pub cancelled: Option<Duration>,
}

/// A reserve of which nobody knows what came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    /// Those that it would own, or the area; empty where any would do.
    pub seats: Box<[Box<str>]>,
    /// How many of any, or of the area; 0 for seats.
    pub quantity: u32,
    pub possible: Span,
}

/// A refusal, and when it must have been true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: Box<str>,
    pub seats: Box<[Box<str>]>,
    pub quantity: u32,
    pub at: Span,
}

/// A payment that was refused because the hold had ended, as it must have at a time of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapsed {
    pub reservation: Box<str>,
    pub at: Span,
}

/// What is known of one event.
#[derive(Debug, Default)]
pub struct Ledger {
    pub holds: Vec<Hold>,
    pub loose: Vec<Loose>,
    pub refused: Vec<Refused>,
    pub lapsed: Vec<Lapsed>,
}

/// A hold while its end is not known.
struct Open<'a> {
    reserved: Option<&'a Dealt>,
    asked: Duration,
    /// When its account first knew of it.
    answered: Duration,
    account: u32,
    release_asked: Option<Duration>,
    released: Option<Duration>,
    bookings: Vec<Booking>,
}

/// An account and a key: one command, however often it is sent.
type Command = (u32, u64);

/// Reads the deals of one event.
pub fn ledger(deals: &[&Dealt]) -> Ledger {
    let mut deals = deals.to_vec();
    deals.sort_by_key(|dealt| dealt.answered);
    let first_asked = first_asked(&deals);
    let mut opens: Vec<(Box<str>, Open<'_>)> = Vec::new();
    let mut by_reservation: HashMap<&str, Vec<usize>> = HashMap::new();
    for dealt in &deals {
        let (reservation, reserves) = match &dealt.deal {
            Deal::Reserved { reservation, .. } => (reservation, true),
            Deal::Confirmed { reservation, .. } => (reservation, false),
            _ => continue,
        };
        let known = by_reservation.entry(reservation).or_default();
        // A confirmed reservation whose own answer was lost begins with its booking.
        if reserves || known.is_empty() {
            known.push(opens.len());
            opens.push((reservation.clone(), Open::of(dealt, reserves, &first_asked)));
        }
    }
    for dealt in &deals {
        end(dealt, &by_reservation, &mut opens);
    }
    cancel(&deals, &by_reservation, &mut opens);
    let payers = payers(&deals);
    let holds = opens.into_iter().map(|(reservation, open)| open.close(reservation, &payers));
    let holds = holds.collect();
    let loose = loose(&deals, &first_asked);
    let refused = deals.iter().filter_map(|dealt| refused(dealt, &first_asked)).collect();
    let lapsed = deals.iter().filter_map(|dealt| lapsed(dealt)).collect();
    Ledger { holds, loose, refused, lapsed }
}

/// When each command was sent first.
fn first_asked(deals: &[&Dealt]) -> HashMap<Command, Duration> {
    let mut first = HashMap::new();
    for dealt in deals {
        if let Some(command) = command(dealt) {
            let at = first.entry(command).or_insert(dealt.asked);
            *at = dealt.asked.min(*at);
        }
    }
    first
}

fn command(dealt: &Dealt) -> Option<Command> {
    Some((dealt.account, dealt.key?))
}

fn asked(dealt: &Dealt, first_asked: &HashMap<Command, Duration>) -> Duration {
    let command = command(dealt);
    command.and_then(|command| first_asked.get(&command)).copied().unwrap_or(dealt.asked)
}

/// Accounts whose payments ended otherwise than in a booking: their holds may have lived longer.
fn payers(deals: &[&Dealt]) -> HashSet<u32> {
    let pays = |dealt: &&&Dealt| {
        matches!(
            dealt.deal,
            Deal::Refused { deed: Deed::Confirm, .. }
                | Deal::Lapsed { .. }
                | Deal::Unknown { deed: Deed::Confirm, .. }
        )
    };
    deals.iter().filter(pays).map(|dealt| dealt.account).collect()
}

/// Notes what a deal says about the end of a hold, or that it was paid.
fn end(dealt: &Dealt, known: &HashMap<&str, Vec<usize>>, opens: &mut [(Box<str>, Open<'_>)]) {
    let (reservation, is_told) = match &dealt.deal {
        Deal::Confirmed { reservation, .. } | Deal::Released { reservation } => (reservation, true),
        Deal::Unknown { deed: Deed::Release, reservation: Some(reservation), .. } => {
            (reservation, false)
        }
        _ => return,
    };
    // Of holds under one name, the last that was known when this was asked.
    let of_name = known.get(&**reservation).map_or(&[][..], Vec::as_slice);
    let begun = |at: &&usize| {
        let reserved = opens[**at].1.reserved;
        reserved.is_none_or(|reserved| reserved.answered <= dealt.asked)
    };
    let Some(&at) = of_name.iter().rev().find(begun) else { return };
    let open = &mut opens[at].1;
    if let Deal::Confirmed { booking, places, .. } = &dealt.deal {
        if open.bookings.iter().all(|known| known.id != *booking) {
            let (id, places, account) = (booking.clone(), places.clone(), dealt.account);
            let (cancel_asked, cancelled) = (None, None);
            open.bookings.push(Booking { id, account, places, cancel_asked, cancelled });
        }
        return;
    }
    earlier(&mut open.release_asked, dealt.asked);
    if is_told {
        earlier(&mut open.released, dealt.answered);
    }
}

fn earlier(time: &mut Option<Duration>, other: Duration) {
    *time = Some(time.map_or(other, |time| time.min(other)));
}

fn cancel(
    deals: &[&Dealt],
    by_reservation: &HashMap<&str, Vec<usize>>,
    opens: &mut [(Box<str>, Open<'_>)],
) {
    let mut by_booking: HashMap<Box<str>, usize> = HashMap::new();
    for (at, (_, open)) in opens.iter().enumerate() {
        by_booking.extend(open.bookings.iter().map(|booking| (booking.id.clone(), at)));
    }
    for dealt in deals {
        let (open, booking) = match &dealt.deal {
            Deal::Cancelled { booking } => (by_booking.get(booking).copied(), Some(booking)),
            Deal::Unknown { deed: Deed::Cancel, reservation: Some(reservation), .. } => {
                let known = by_reservation.get(&**reservation);
                (known.and_then(|known| known.last().copied()), None)
            }
            _ => continue,
        };
        let Some(open) = open else { continue };
        for of_hold in &mut opens[open].1.bookings {
            if booking.is_none_or(|booking| *booking == of_hold.id) {
                earlier(&mut of_hold.cancel_asked, dealt.asked);
                if booking.is_some() {
                    earlier(&mut of_hold.cancelled, dealt.answered);
                }
            }
        }
    }
}

impl<'a> Open<'a> {
    fn of(dealt: &'a Dealt, reserves: bool, first_asked: &HashMap<Command, Duration>) -> Self {
        Self {
            reserved: reserves.then_some(dealt),
            // Nobody knows when a reservation was made whose answer was lost.
            asked: if reserves { asked(dealt, first_asked) } else { Duration::ZERO },
            answered: dealt.answered,
            account: dealt.account,
            release_asked: None,
            released: None,
            bookings: Vec::new(),
        }
    }

    fn close(self, reservation: Box<str>, payers: &HashSet<u32>) -> Hold {
        let told = self.reserved.and_then(|dealt| match &dealt.deal {
            Deal::Reserved { places, expires_in, .. } => Some((places, *expires_in)),
            _ => None,
        });
        let expires_first = told.map(|(_, life)| self.asked.saturating_add(life));
        let expires_last =
            told.map(|(_, life)| self.answered.saturating_add(life).saturating_add(LATE_MAX));
        let is_sold = !self.bookings.is_empty();
        let ends_first = if is_sold {
            let asked = self.bookings.iter().map(|booking| booking.cancel_asked);
            asked.min_by_key(|asked| asked.unwrap_or(FOREVER)).flatten()
        } else {
            [self.release_asked, expires_first].into_iter().flatten().min()
        };
        let ends_last = if is_sold {
            let told = self.bookings.iter().map(|booking| booking.cancelled);
            told.max_by_key(|told| told.unwrap_or(FOREVER)).flatten()
        } else {
            let lapses = expires_last.filter(|_| !payers.contains(&self.account));
            [self.released, lapses].into_iter().flatten().min()
        };
        let places = match told {
            Some((places, _)) => places.clone(),
            None => self.bookings.first().map(|booking| booking.places.clone()).unwrap_or_default(),
        };
        Hold {
            reservation,
            places,
            certain: Span::new(self.answered, ends_first.unwrap_or(FOREVER)),
            possible: Span::including(self.asked, ends_last.unwrap_or(FOREVER)),
            bookings: self.bookings,
        }
    }
}

/// Reserves without a definite answer, also later under the same key.
fn loose(deals: &[&Dealt], first_asked: &HashMap<Command, Duration>) -> Vec<Loose> {
    let definite = |dealt: &&&Dealt| !matches!(dealt.deal, Deal::Unknown { .. });
    let settled: HashSet<Command> =
        deals.iter().filter(definite).filter_map(|dealt| command(dealt)).collect();
    let mut seen = HashSet::new();
    let mut loose = Vec::new();
    for dealt in deals {
        let Deal::Unknown { deed, seats, quantity, .. } = &dealt.deal else { continue };
        let is_reserve = matches!(deed, Deed::Reserve | Deed::Allocate);
        let is_new = command(dealt).is_none_or(|of| !settled.contains(&of) && seen.insert(of));
        if is_reserve && is_new {
            let possible = Span::including(asked(dealt, first_asked), FOREVER);
            let (seats, quantity) = (seats.clone(), *quantity);
            loose.push(Loose { seats, quantity, possible });
        }
    }
    loose
}

fn refused(dealt: &Dealt, first_asked: &HashMap<Command, Duration>) -> Option<Refused> {
    let Deal::Refused { deed: Deed::Reserve, code, seats, quantity } = &dealt.deal else {
        return None;
    };
    let at = Span::including(asked(dealt, first_asked), dealt.answered);
    let (code, seats, quantity) = (code.clone(), seats.clone(), *quantity);
    Some(Refused { code, seats, quantity, at })
}

fn lapsed(dealt: &Dealt) -> Option<Lapsed> {
    let Deal::Lapsed { reservation } = &dealt.deal else { return None };
    let at = Span::including(dealt.asked, dealt.answered);
    Some(Lapsed { reservation: reservation.clone(), at })
}
