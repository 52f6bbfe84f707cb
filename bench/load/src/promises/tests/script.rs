//! Deals of an event `E` as lines `ACCOUNT ASKED-ANSWERED WHAT ...`, times in seconds.
//!
//! `reserve R PLACES life S` · `confirm R B PLACES` · `release R` · `cancel B` · `taken SEATS` ·
//! `lapsed R` ·
//! `refused CODE QUANTITY [AREA]` · `lost reserve SEATS` · `lost best QUANTITY` ·
//! `lost stand AREA QUANTITY` ·
//! `lost confirm|release|cancel R`; each may end with `key N`. `FLOOR*3` are standing places.

use crate::promises::holds::ledger;
use crate::promises::map::{Area, Row, Seat, SeatMap, Section, Status};
use crate::promises::owners::{double_owners, overfull};
use crate::promises::refusals::{self, Judged};
use crate::record::{Deal, Dealt, Deed, Place};
use std::time::Duration;

/// Finds nothing but what contains `wanted`; with an empty one, nothing at all.
pub fn check(script: &str, wanted: &str) {
    let deals = deals(script);
    let ledger = ledger(&deals.iter().collect::<Vec<_>>());
    let mut found = double_owners("E", &ledger);
    found.extend(overfull("E", &ledger, &hall().areas));
    assert_eq!(found.is_empty(), wanted.is_empty(), "{script}\n{found:?}");
    assert!(found.iter().all(|found| found.contains(wanted)), "{script}\n{found:?}");
}

/// Judges the one refusal: "true", "open", "false", or "none" if it is not judged.
pub fn judge(script: &str, wanted: &str) {
    let deals = deals(script);
    let ledger = ledger(&deals.iter().collect::<Vec<_>>());
    let Judged { sure, open, false_ones } = refusals::judge("E", &ledger, &hall());
    let verdict = match (sure, open, false_ones.len()) {
        (1, 0, 0) => "true",
        (0, 1, 0) => "open",
        (1, 0, 1) => "false",
        (0, 0, 0) => "none",
        counts => panic!("{script}\n{counts:?}"),
    };
    assert_eq!(verdict, wanted, "{script}");
}

/// Two rows of five: `A-2-4` is for wheelchairs, `A-2-5` is blocked. And a floor for ten.
pub fn hall() -> SeatMap {
    let seat = |row: u32, number: u32| Seat {
        id: format!("A-{row}-{number}").into(),
        status: if (row, number) == (2, 5) { Status::Blocked } else { Status::Free },
        accessible: (row, number) == (2, 4),
    };
    let row = |row| Row { seats: (1..=5).map(|number| seat(row, number)).collect() };
    let areas = vec![Area { id: "FLOOR".into(), capacity: 10, free: 10 }];
    SeatMap { sections: vec![Section { rows: vec![row(1), row(2)] }], areas }
}

pub fn deals(script: &str) -> Vec<Dealt> {
    script.lines().map(|line| deal(line.trim())).collect()
}

fn deal(line: &str) -> Dealt {
    let (line, key) = match line.split_once(" key ") {
        Some((line, key)) => (line, Some(key.parse().unwrap())),
        None => (line, None),
    };
    let words: Vec<&str> = line.split(' ').collect();
    let (asked, answered) = words[1].split_once('-').unwrap();
    let seconds = |text: &str| Duration::from_secs(text.parse().unwrap());
    let deal = match &words[2..] {
        ["reserve", reservation, places, "life", seconds_left] => Deal::Reserved {
            reservation: (*reservation).into(),
            places: list(places),
            expires_in: seconds(seconds_left),
        },
        ["confirm", reservation, booking, places] => Deal::Confirmed {
            reservation: (*reservation).into(),
            booking: (*booking).into(),
            places: list(places),
        },
        ["release", reservation] => Deal::Released { reservation: (*reservation).into() },
        ["cancel", booking] => Deal::Cancelled { booking: (*booking).into() },
        ["lapsed", reservation] => Deal::Lapsed { reservation: (*reservation).into() },
        ["taken", seats] => refused("SEAT_TAKEN", seats, 0),
        ["refused", code, quantity] => refused(code, "", quantity.parse().unwrap()),
        ["refused", code, quantity, area] => refused(code, area, quantity.parse().unwrap()),
        ["lost", "stand", area, quantity] => {
            unknown(Deed::Reserve, None, area, quantity.parse().unwrap())
        }
        ["lost", "reserve", seats] => unknown(Deed::Reserve, None, seats, 0),
        ["lost", "best", quantity] => unknown(Deed::Reserve, None, "", quantity.parse().unwrap()),
        ["lost", what, reservation] => {
            let deed = match *what {
                "confirm" => Deed::Confirm,
                "release" => Deed::Release,
                _ => Deed::Cancel,
            };
            unknown(deed, Some((*reservation).into()), "", 1)
        }
        _ => panic!("{line}"),
    };
    Dealt {
        event: "E".into(),
        account: words[0].parse().unwrap(),
        key,
        asked: seconds(asked),
        answered: seconds(answered),
        deal,
    }
}

fn list(text: &str) -> Box<[Place]> {
    let place = |text: &str| match text.split_once('*') {
        Some((area, quantity)) => {
            Place::Area { area: area.into(), quantity: quantity.parse().unwrap() }
        }
        None => Place::Seat(text.into()),
    };
    text.split(',').map(place).collect()
}

fn names(text: &str) -> Box<[Box<str>]> {
    text.split(',').filter(|name| !name.is_empty()).map(Into::into).collect()
}

fn refused(code: &str, seats: &str, quantity: u32) -> Deal {
    Deal::Refused { deed: Deed::Reserve, code: code.into(), seats: names(seats), quantity }
}

fn unknown(deed: Deed, reservation: Option<Box<str>>, seats: &str, quantity: u32) -> Deal {
    Deal::Unknown { deed, reservation, seats: names(seats), quantity }
}
