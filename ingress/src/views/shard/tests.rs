//! A journal as text, and what the view makes of it.
//!
//! A line is one batch of one outcome: `held H 1 2`, `blocked H 3` (an allotment), `standing H 5`
//! (places in area 0), `paying H 1`, `declined H 1`, `sold H`, `released H`, `expired H`, `refunded
//! H`, `reduced H 3`, `swapped H 2 3` and `stands H 2` (other places), `reseated H 1 2` (late
//! money), `sells H 1 2` (out of the allotment A).
//!
//! `=> seats ....` shows seats from 0 as `.` free, `h` held, `s` sold, `b`
//! blocked; `=> area 5` what is taken; `=> H HELD` a hold's state; `=> counts held paying sold
//! blocked`.

use super::{Fault, Keep, ShardView};
use crate::views::seats::{SeatStatus, Start};
use schema::{
    AccountId, Applied, AreaIdx, Batch, Currency, DurationMs, EndedHold, EventId, EventState, Held,
    HeldArea, HeldSeat, HoldId, LiveHold, Outcome, OutcomeBody, OwnerKind, Payment, Phase,
    Released, ReturnedPart, SeatIdx, ShardState, UnixMillis,
};

const KEEP: Keep = Keep { ended_for: DurationMs(1_000), ended_max: 3 };

fn event() -> EventId {
    "EVT001".parse().unwrap()
}

fn hold_id(name: &str) -> HoldId {
    HoldId(name.bytes().fold(0, |id, byte| id << 8 | u128::from(byte)))
}

fn held(name: &str, owner: OwnerKind, seats: &[u32], standing: u32) -> Held {
    let seat = |&seat| HeldSeat { seat: SeatIdx(seat), generation: 1, price_level: 0, price: 10 };
    let area = HeldArea { area: AreaIdx(0), quantity: standing, price_level: 0, price: 5 };
    Held {
        hold: hold_id(name),
        account: AccountId(1),
        owner,
        seats: seats.iter().map(seat).collect(),
        areas: if standing == 0 { vec![] } else { vec![area] },
        currency: Currency::EUR,
        deadline: (!owner.is_set_aside()).then_some(UnixMillis(9_999)),
        pass: None,
    }
}

fn outcome(words: &[&str]) -> OutcomeBody {
    let (what, name) = (words[0], words[1]);
    let numbers: Vec<u32> = words[2..].iter().map(|word| word.parse().unwrap()).collect();
    let hold = hold_id(name);
    let attempt = numbers.first().copied().unwrap_or(1);
    match what {
        "held" => OutcomeBody::SeatsHeld(held(name, OwnerKind::Fan, &numbers, 0)),
        "swapped" => OutcomeBody::SeatsSwapped(held(name, OwnerKind::Fan, &numbers, 0)),
        "stands" => OutcomeBody::SeatsSwapped(held(name, OwnerKind::Fan, &[], numbers[0])),
        "blocked" => OutcomeBody::SeatsHeld(held(name, OwnerKind::Allotment, &numbers, 0)),
        "standing" => OutcomeBody::SeatsHeld(held(name, OwnerKind::Fan, &[], numbers[0])),
        "paying" => OutcomeBody::PaymentStarted(Payment {
            held: held(name, OwnerKind::Fan, &[], 0),
            attempt,
            method: "CREDIT_CARD".into(),
            token: "tok_ok".into(),
            payment_deadline: UnixMillis(9_999),
            trace: None,
        }),
        "reseated" => OutcomeBody::Reseated(Payment {
            held: held(name, OwnerKind::Fan, &numbers, 0),
            attempt: 1,
            method: schema::LATE_MONEY.into(),
            token: "r-1".into(),
            payment_deadline: UnixMillis(9_999),
            trace: None,
        }),
        "sells" => OutcomeBody::AllottedSold {
            parts: vec![ReturnedPart {
                hold: hold_id("A"),
                seats: numbers.iter().copied().map(SeatIdx).collect(),
                areas: vec![],
            }],
            payment: Payment {
                held: held(name, OwnerKind::PartnerSale, &numbers, 0),
                attempt: 1,
                method: schema::PARTNER_SALE.into(),
                token: "".into(),
                payment_deadline: UnixMillis(9_999),
                trace: None,
            },
        },
        "declined" => OutcomeBody::PaymentDeclined { hold, attempt, deadline: UnixMillis(20_000) },
        "sold" => OutcomeBody::SeatsSold { hold, pass: None },
        "released" => OutcomeBody::HoldReleased { hold, why: Released::ByOwner },
        "expired" => OutcomeBody::HoldReleased { hold, why: Released::Expired },
        "refunded" => OutcomeBody::HoldReleased { hold, why: Released::Refunded },
        "reduced" => OutcomeBody::AllotmentReduced {
            parts: vec![ReturnedPart {
                hold,
                seats: numbers.into_iter().map(SeatIdx).collect(),
                areas: vec![],
            }],
        },
        "back" => OutcomeBody::SaleReduced {
            part: 1,
            places: ReturnedPart {
                hold,
                seats: numbers.into_iter().map(SeatIdx).collect(),
                areas: vec![],
            },
        },
        _ => panic!("no outcome is called {what}"),
    }
}

fn batch(number: u64, time: u64, body: OutcomeBody) -> Batch {
    let outcome = Outcome { asked: None, event: event(), free_after: 7, body };
    Batch { epoch: 1, number, time: UnixMillis(time), outcomes: vec![outcome], previous: 0 }
}

fn seats(view: &ShardView, count: usize) -> String {
    let statuses = &view.events[&event()].seats;
    let letter = |at: usize| match statuses.get(at).copied().unwrap_or_default() {
        SeatStatus::Free => '.',
        SeatStatus::Held => 'h',
        SeatStatus::Sold => 's',
        SeatStatus::Blocked => 'b',
    };
    (0..count).map(letter).collect()
}

fn expect(view: &ShardView, words: &[&str]) {
    let counts = view.events[&event()].counts;
    match words[0] {
        "seats" => assert_eq!(seats(view, words[1].len()), words[1]),
        "area" => assert_eq!(view.events[&event()].areas_taken[0].to_string(), words[1]),
        "counts" => {
            let counts = [counts.held, counts.paying, counts.sold, counts.blocked];
            assert_eq!(
                counts.map(|count| count.to_string()),
                words[1..],
                "held paying sold blocked"
            );
        }
        name => {
            let state = view.holds.get(&hold_id(name)).map_or("gone", |hold| hold.state.name());
            assert_eq!(state, words[1], "{name}");
        }
    }
}

fn check(script: &str) -> ShardView {
    let mut view = ShardView::new(KEEP);
    let mut number = 0;
    for line in script.lines() {
        let (ask, wanted) = line.split_once("=>").unwrap_or((line, ""));
        let words: Vec<&str> = ask.split_whitespace().collect();
        if !words.is_empty() {
            number += 1;
            view.apply(batch(number, number * 400, outcome(&words)), number + 1).unwrap();
        }
        let words: Vec<&str> = wanted.split_whitespace().collect();
        if !words.is_empty() {
            expect(&view, &words);
        }
    }
    view
}

#[test]
fn seats_follow_their_hold_from_claim_to_refund() {
    check(
        "held H1 1 2    => seats .hh.
                        => counts 2 0 0 0
         paying H1 1    => seats .hh.
                        => H1 PAYING
                        => counts 0 2 0 0
         declined H1 1  => H1 HELD
         paying H1 2    => counts 0 2 0 0
         sold H1        => seats .ss.
                        => H1 CONFIRMED
                        => counts 0 0 2 0
         refunded H1    => seats ....
                        => H1 RELEASED
                        => counts 0 0 0 0",
    );
}

#[test]
fn a_seat_whose_ticket_went_back_is_free_and_the_others_stay_sold() {
    check(
        "held H1 1 2    => seats .hh.
         paying H1 1    => counts 0 2 0 0
         sold H1        => seats .ss.
         back H1 2      => seats .s..
                        => H1 CONFIRMED
                        => counts 0 0 1 0
         held H2 2      => seats .sh.
         refunded H1    => seats ..h.
                        => H1 RELEASED
                        => counts 1 0 0 0",
    );
}

#[test]
fn an_expired_or_released_hold_frees_its_places() {
    check(
        "held H1 0
         held H2 3      => seats h..h
         expired H1     => seats ...h
                        => H1 EXPIRED
         released H2    => seats ....
         standing H3 5  => area 5
         standing H4 2  => area 7
         released H3    => area 2
                        => counts 2 0 0 0",
    );
}

#[test]
fn a_swap_shows_the_seats_that_come_and_go_and_counts_them_once() {
    let mut view = check(
        "held H1 0 1    => seats hh..
         swapped H1 1 2 => seats .hh.
                        => H1 HELD
                        => counts 2 0 0 0
         stands H1 5    => seats ....
                        => area 5
         stands H1 3    => area 3
                        => counts 3 0 0 0
         swapped H1 1 2 => area 0
         sold H1        => seats .ss.
                        => counts 0 0 2 0
         refunded H1    => seats ....
         held H2 0 1    => counts 2 0 0 0",
    );
    let (_, mut receiver) = view.events.get_mut(&event()).unwrap().read(None);
    view.apply(batch(9, 1, outcome(&["swapped", "H2", "1", "2"])), 10).unwrap();
    let delta = receiver.try_recv().unwrap();
    assert_eq!(delta.seats, [(SeatIdx(0), SeatStatus::Free), (SeatIdx(2), SeatStatus::Held)]);
    let unknown = batch(10, 1, outcome(&["swapped", "H9", "1"]));
    let fault = Fault::HoldUnknown { hold: hold_id("H9") };
    assert_eq!(view.apply(unknown, 11), Err(fault));
}

#[test]
fn an_allotment_blocks_seats_until_its_last_part_comes_back() {
    let view = check(
        "blocked H1 0 1 2  => seats bbb.
                           => counts 0 0 0 3
         reduced H1 1      => seats b.b.
                           => counts 0 0 0 2
         reduced H1 0 2    => seats ....
                           => counts 0 0 0 0",
    );
    assert!(view.set_aside[&AccountId(1)].is_empty());
}

#[test]
fn ended_holds_are_forgotten_by_age_and_count_and_sold_ones_are_not() {
    check(
        "held H1 0
         released H1    => H1 RELEASED
         held H2 1
         sold H2
         held H3 2      => H1 gone
         held H4 3
         held H5 4
         held H6 5      => H2 CONFIRMED",
    );
}

#[test]
fn a_repeated_batch_changes_nothing_and_a_missing_one_stops_the_view() {
    let mut view = ShardView::new(KEEP);
    let first = || batch(1, 1, outcome(&["held", "H1", "0"]));
    view.apply(first(), 2).unwrap();
    view.apply(first(), 2).unwrap();
    view.apply(first(), 3).unwrap();
    assert_eq!(view.events[&event()].counts.held, 1);
    let third = batch(3, 1, outcome(&["released", "H1"]));
    assert_eq!(view.apply(third, 4), Err(Fault::Gap { epoch: 1, number: 3 }));
    let unknown = batch(2, 1, outcome(&["released", "H9"]));
    let fault = Fault::HoldUnknown { hold: hold_id("H9") };
    assert_eq!(view.apply(unknown, 4), Err(fault));
}

/// What a replica tells after the script of
/// [`a_state_makes_the_view_that_its_outcomes_make`].
fn told() -> ShardState {
    let fan = |name, seats: &[u32], standing| held(name, OwnerKind::Fan, seats, standing);
    let declined = Held { deadline: Some(UnixMillis(20_000)), ..fan("H1", &[0], 0) };
    let holds = vec![
        LiveHold { phase: Phase::Held, attempt: 1, held: declined },
        LiveHold { phase: Phase::Paying, attempt: 1, held: fan("H2", &[1], 0) },
        LiveHold { phase: Phase::Sold, attempt: 1, held: fan("H3", &[2], 0) },
        LiveHold {
            phase: Phase::Blocked,
            attempt: 0,
            held: held("H4", OwnerKind::Allotment, &[3], 0),
        },
        LiveHold { phase: Phase::Held, attempt: 0, held: fan("H5", &[], 4) },
    ];
    let (currency, why, at) = (Currency::EUR, Released::Expired, UnixMillis(4_800));
    let (hold, account) = (hold_id("H6"), AccountId(1));
    ShardState {
        applied: Applied { epoch: 1, number: 12, sequence: 13 },
        time: Some(at),
        ago: DurationMs(0),
        events: vec![EventState { event: event(), version: 13, free: 7, holds, spent: vec![] }],
        ended: vec![EndedHold { hold, event: event(), account, currency, why, at }],
    }
}

#[test]
fn a_state_makes_the_view_that_its_outcomes_make() {
    let read = check(
        "held H1 0
         paying H1 1
         declined H1 1
         held H2 1
         paying H2 1
         held H3 2
         paying H3 1
         sold H3
         blocked H4 3
         standing H5 4
         held H6 5
         expired H6",
    );
    let mut begun = ShardView::of_state(KEEP, told());
    let hold = |view: &ShardView, name: &str| {
        let hold = &view.holds[&hold_id(name)];
        let attempts = (hold.attempt_started, hold.attempt_declined);
        (hold.state, hold.deadline, attempts, hold.seat_status(), hold.held.account)
    };
    for name in ["H1", "H2", "H3", "H4", "H5"] {
        assert_eq!(hold(&begun, name), hold(&read, name), "{name}");
    }
    assert_eq!(begun.holds[&hold_id("H6")].state, read.holds[&hold_id("H6")].state);
    assert_eq!((begun.applied, &begun.set_aside), (read.applied, &read.set_aside));
    let (one, other) = (&begun.events[&event()], &read.events[&event()]);
    assert_eq!((one.free, one.counts, one.version), (other.free, other.counts, other.version));
    assert_eq!((&one.areas_taken, seats(&begun, 6)), (&other.areas_taken, seats(&read, 6)));
    begun.apply(batch(13, 5_000, outcome(&["sold", "H2"])), 14).unwrap();
    expect(&begun, &["counts", "5", "0", "2", "1"]);
    let early = batch(12, 5_000, outcome(&["expired", "H6"]));
    begun.apply(early, 13).unwrap();
    expect(&begun, &["counts", "5", "0", "2", "1"]);
}

#[test]
fn a_reader_gets_what_it_has_missed_and_then_every_change_once() {
    let mut view = check("held H1 0\n held H2 1");
    let seats = view.events.get_mut(&event()).unwrap();
    let (start, mut receiver) = seats.read(Some(2));
    let Start::Deltas(missed) = start else { panic!("the delta of version 2 is kept") };
    assert_eq!(missed.iter().map(|delta| delta.version).collect::<Vec<_>>(), [3]);
    let (start, _) = seats.read(Some(3));
    assert!(matches!(start, Start::Deltas(missed) if missed.is_empty()), "up to date");
    let (start, _) = seats.read(Some(1));
    assert!(matches!(start, Start::Snapshot(_)), "nobody knows what came between");
    view.apply(batch(3, 1, outcome(&["released", "H1"])), 4).unwrap();
    let delta = receiver.try_recv().unwrap();
    assert_eq!(delta.seats, [(SeatIdx(0), SeatStatus::Free)]);
    assert!(receiver.try_recv().is_err());
}

#[test]
fn who_watches_a_hold_hears_of_its_next_change() {
    let mut view = check("held H1 0");
    let mut changed = view.watch(hold_id("H1"));
    assert!(changed.try_recv().is_err());
    view.apply(batch(2, 1, outcome(&["sold", "H1"])), 3).unwrap();
    assert_eq!(changed.try_recv(), Ok(()));
}

#[test]
fn late_money_has_its_seats_at_once_and_they_are_being_paid() {
    check(
        "held A 1
         expired A
         reseated B 1 2 => seats .hh.
         => B PAYING
         => counts 0 2 0 0
         sold B => seats .ss.
         => counts 0 0 2 0
         refunded B => seats ....",
    );
}

#[test]
fn what_a_partner_sells_leaves_its_allotment_and_is_being_paid_at_once() {
    let view = check(
        "blocked A 1 2 3 => seats .bbb.
         sells S 1 2 => seats .hhb.
         => S PAYING
         => A HELD
         => counts 0 2 0 1
         sold S => seats .ssb.
         sells T 3 => seats .ssh.
         => A RELEASED
         => counts 0 1 2 0
         refunded S => seats ...h.
         => counts 0 1 0 0",
    );
    let left = view.set_aside_of(AccountId(1)).count();
    assert_eq!(left, 0, "nothing of what is sold is set aside");
}
