//! An honest seller whose answers are late or lost is never called a liar.

use super::script::hall;
use crate::promises::holds::ledger;
use crate::promises::owners::double_owners;
use crate::promises::refusals;
use crate::record::{Deal, Dealt, Deed, Place};
use proptest::collection::vec;
use proptest::prelude::*;
use std::time::Duration;

/// What is tried at each second of the seller's clock.
#[derive(Debug, Clone)]
struct Try {
    what: u8,
    /// Of which seat, or of which reservation.
    which: usize,
    count: usize,
    asked_before: u64,
    answered_after: u64,
    is_lost: bool,
    account: u32,
}

#[derive(Debug, Clone)]
struct Known {
    id: u64,
    seats: Vec<usize>,
    account: u32,
    /// When its account was told; none if it never was.
    told: Option<u64>,
    ends: u64,
    sold: bool,
    gone: bool,
}

/// The first row of the hall.
const SEATS: usize = 5;
const LIFE: u64 = 12;

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let one = (0_u8..8, 0..SEATS, 1_usize..4, 0_u64..6, 0_u64..6, 0_u8..8, 0_u32..4);
    let one = one.prop_map(|(what, which, count, asked_before, answered_after, lost, account)| {
        Try { what, which, count, asked_before, answered_after, is_lost: lost == 0, account }
    });
    vec(one, 1..80)
}

fn name(seat: usize) -> Box<str> {
    format!("A-1-{}", seat + 1).into()
}

/// The seller's books.
#[derive(Debug, Default)]
struct Seller {
    known: Vec<Known>,
}

fn play(tries: &[Try]) -> Vec<Dealt> {
    let mut seller = Seller::default();
    let mut deals = Vec::new();
    // The run begins when the first could have been asked.
    for (now, one) in (10_u64..).zip(tries) {
        for hold in &mut seller.known {
            hold.gone |= !hold.sold && hold.ends <= now;
        }
        let done = if one.what < 4 { seller.reserve(now, one) } else { seller.go_on(now, one) };
        let Some((account, asked, deal)) = done else { continue };
        let answered = Duration::from_secs(now + one.answered_after);
        let (event, asked) = ("E".into(), Duration::from_secs(asked));
        deals.push(Dealt { event, account, key: None, asked, answered, deal });
    }
    deals
}

impl Seller {
    fn is_free(&self, seat: usize) -> bool {
        self.known.iter().all(|hold| hold.gone || !hold.seats.contains(&seat))
    }

    fn reserve(&mut self, now: u64, one: &Try) -> Option<(u32, u64, Deal)> {
        let is_named = one.what < 3;
        let neighbours = |first: usize| (first..SEATS.min(first + one.count)).collect::<Vec<_>>();
        let all_free = |seats: &Vec<usize>| seats.iter().all(|seat| self.is_free(*seat));
        let seats = if is_named {
            neighbours(one.which)
        } else {
            (0..=SEATS - one.count).map(neighbours).find(all_free).unwrap_or_default()
        };
        let is_free = !seats.is_empty() && all_free(&seats);
        let names: Box<[Box<str>]> = seats.iter().map(|seat| name(*seat)).collect();
        let (names, quantity) =
            if is_named { (names, 0) } else { (Box::default(), u32::try_from(one.count).unwrap()) };
        if is_free {
            let told = (!one.is_lost).then_some(now + one.answered_after);
            let (account, ends, sold, gone) = (one.account, now + LIFE, false, false);
            let seats = seats.clone();
            self.known.push(Known { id: now, seats, account, told, ends, sold, gone });
        }
        let deed = Deed::Reserve;
        let deal = match (one.is_lost, is_free) {
            (true, _) => Deal::Unknown { deed, reservation: None, seats: names, quantity },
            (false, true) => Deal::Reserved {
                reservation: format!("r{now}").into(),
                places: seats.iter().map(|seat| Place::Seat(name(*seat))).collect(),
                expires_in: Duration::from_secs(LIFE - one.answered_after),
            },
            // Who named none would have been given the second row.
            (false, false) if !is_named => return None,
            (false, false) => {
                Deal::Refused { deed, code: "SEAT_TAKEN".into(), seats: names, quantity }
            }
        };
        Some((one.account, now - one.asked_before, deal))
    }

    /// Confirms, releases or cancels a hold that its account knows.
    fn go_on(&mut self, now: u64, one: &Try) -> Option<(u32, u64, Deal)> {
        let is_told = |hold: &&mut Known| hold.told.is_some_and(|told| told <= now) && !hold.gone;
        let told: Vec<&mut Known> = self.known.iter_mut().filter(is_told).collect();
        let count = told.len();
        let hold = told.into_iter().nth(one.which % count.max(1))?;
        let asked = (now - one.asked_before).max(hold.told?);
        let reservation: Box<str> = format!("r{}", hold.id).into();
        let booking: Box<str> = format!("b{}", hold.id).into();
        let (deed, deal) = if hold.sold {
            hold.gone = true;
            (Deed::Cancel, Deal::Cancelled { booking })
        } else if one.what < 6 {
            hold.sold = true;
            // Whoever did not hear of a booking cannot cancel it.
            hold.told = (!one.is_lost).then_some(now + one.answered_after);
            let places = hold.seats.iter().map(|seat| Place::Seat(name(*seat))).collect();
            let reservation = reservation.clone();
            (Deed::Confirm, Deal::Confirmed { reservation, booking, places })
        } else {
            hold.gone = true;
            (Deed::Release, Deal::Released { reservation: reservation.clone() })
        };
        let (reservation, seats) = (Some(reservation), Box::default());
        let unknown = Deal::Unknown { deed, reservation, seats, quantity: 1 };
        Some((hold.account, asked, if one.is_lost { unknown } else { deal }))
    }
}

proptest! {
    #[test]
    fn an_honest_seller_is_never_called_a_liar(tries in tries()) {
        let deals = play(&tries);
        let ledger = ledger(&deals.iter().collect::<Vec<_>>());
        prop_assert_eq!(double_owners("E", &ledger), Vec::<String>::new());
        let judged = refusals::judge("E", &ledger, &hall());
        prop_assert_eq!(judged.false_ones, Vec::<String>::new());
    }
}
