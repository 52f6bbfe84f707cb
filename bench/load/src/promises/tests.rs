//! Deals as text: what is found in them, and what is not.

mod crowd;
pub mod fake;
mod honest;
mod naive;
mod script;

use super::auditor;
use super::findings::Findings;
use super::line::too_fast;
use crate::results::{Finding, Kept};
use crate::sample::Inside;
use script::{check, judge};
use std::time::Duration;

#[test]
fn two_confirmed_bookings_of_one_seat_are_found() {
    let sold_once = "1 0-1 reserve r1 A-1-1,A-1-2 life 60
                     1 2-3 confirm r1 b1 A-1-1,A-1-2";
    check(sold_once, "");
    let later = "2 50-51 reserve r2 A-1-2 life 60
                 2 52-53 confirm r2 b2 A-1-2";
    check(&format!("{sold_once}\n{later}"), "seat A-1-2 of E is b1's and b2's at once");
    check(&format!("{sold_once}\n1 20-22 cancel b1\n{later}"), "");
    check(&format!("{sold_once}\n1 51-54 cancel b1\n{later}"), "");
    check(&format!("{sold_once}\n1 52-54 cancel b1\n{later}"), "b1's and b2's at once");
    // Nobody knows whether it was cancelled.
    check(&format!("{sold_once}\n1 20-22 lost cancel r1\n{later}"), "");
}

#[test]
fn live_holds_of_one_seat_do_not_overlap_where_both_certainly_live() {
    let first = "1 0-10 reserve r1 A-1-1 life 60";
    for (second, found) in [
        ("2 11-12 reserve r2 A-1-1 life 60", true),
        ("2 1-9 reserve r2 A-1-1 life 60", true),
        // The first may have ended at 60, which is 60 s after it was asked for.
        ("2 59-61 reserve r2 A-1-1 life 60", false),
        ("2 57-59 reserve r2 A-1-1 life 60", true),
        ("1 20-25 release r1\n2 21-22 reserve r2 A-1-1 life 60", false),
        ("1 20-25 release r1\n2 18-19 reserve r2 A-1-1 life 60", true),
        ("1 20-25 lost release r1\n2 21-22 reserve r2 A-1-1 life 60", false),
        ("2 11-12 reserve r2 A-1-2 life 60", false),
    ] {
        let wanted = if found { "A-1-1 of E is" } else { "" };
        check(&format!("{first}\n{second}"), wanted);
    }
}

#[test]
fn a_booking_has_the_places_of_its_reservation_and_a_reservation_one_booking() {
    check("1 0-1 reserve r1 A-1-1 life 60\n1 2-3 confirm r1 b1 A-1-2", "has other places than");
    check("1 0-1 reserve r1 A-1-1,A-1-1 life 60", "names seat A-1-1 twice");
    let twice = "1 0-1 reserve r1 A-1-1 life 60
                 1 2-3 confirm r1 b1 A-1-1
                 1 4-5 confirm r1 b2 A-1-1";
    check(twice, "sold as b1 and as b2");
    let told_again = "1 0-1 reserve r1 A-1-1 life 60
                      1 2-3 confirm r1 b1 A-1-1
                      1 4-5 confirm r1 b1 A-1-1";
    check(told_again, "");
    // The answer to the reserve was lost, the booking was not.
    check("1 0-1 confirm r1 b1 A-1-1\n2 2-3 reserve r2 A-1-1 life 60", "b1's and r2's at once");
}

#[test]
fn an_area_does_not_sell_more_places_than_it_has() {
    check("1 0-1 reserve r1 FLOOR*6 life 60\n2 2-3 reserve r2 FLOOR*4 life 60", "");
    let over = "1 0-1 reserve r1 FLOOR*6 life 60\n2 2-3 reserve r2 FLOOR*5 life 60";
    check(over, "11 places of FLOOR of E are owned at once, it has 10");
    check(&over.replace("2 2-3", "2 62-63"), "");
}

#[test]
fn a_seat_is_refused_only_while_somebody_may_have_it() {
    let hold = "1 10-20 reserve r1 A-1-1 life 60";
    for (refusal, verdict) in [
        ("2 11-12 taken A-1-1", "true"),
        ("2 5-9 taken A-1-1", "false"),
        ("2 5-10 taken A-1-1", "true"),
        ("2 11-12 taken A-1-2", "false"),
        ("2 11-12 taken A-1-2,A-1-1", "true"),
        // It lapses at 80 at the latest, and may be late.
        ("2 89-90 taken A-1-1", "true"),
        ("2 91-92 taken A-1-1", "false"),
        ("1 30-40 release r1\n2 40-41 taken A-1-1", "true"),
        ("1 30-40 release r1\n2 41-42 taken A-1-1", "false"),
        ("1 30-40 lost release r1\n2 41-42 taken A-1-1", "true"),
        // A payment may keep it.
        ("1 30-40 lost confirm r1\n2 91-92 taken A-1-1", "true"),
        ("1 30-40 confirm r1 b1 A-1-1\n2 91-92 taken A-1-1", "true"),
        ("1 30-40 confirm r1 b1 A-1-1\n1 50-60 cancel b1\n2 61-62 taken A-1-1", "false"),
        ("3 1-2 lost reserve A-1-2\n2 3-4 taken A-1-2", "open"),
        ("3 1-2 lost best 1\n2 3-4 taken A-1-2", "open"),
        ("3 5-6 lost best 1\n2 3-4 taken A-1-2", "false"),
        // Blocked on the map, and nobody of the crowd had it.
        ("2 3-4 taken A-2-5", "true"),
        // Not about places.
        ("2 3-4 refused LIMIT_EXCEEDED 1", "none"),
    ] {
        judge(&format!("{hold}\n{refusal}"), verdict);
    }
}

#[test]
fn a_repeated_question_has_its_first_answer() {
    // The first try was lost; the second is answered as the first was meant to be.
    let hold = "1 10-20 reserve r1 A-1-1 life 60\n1 30-40 release r1";
    judge(&format!("{hold}\n2 50-51 taken A-1-1 key 7"), "false");
    judge(&format!("{hold}\n2 35-36 lost reserve A-1-1 key 7\n2 50-51 taken A-1-1 key 7"), "true");
    judge(&format!("{hold}\n3 35-36 lost reserve A-1-1 key 7\n2 50-51 taken A-1-1 key 7"), "open");
    // What came of it at last is known: it owned that seat only, from the first try on.
    let lost = "3 1-2 lost best 1 key 9\n3 8-9 reserve r3 A-1-4 life 60 key 9";
    judge(&format!("{lost}\n2 3-4 taken A-1-4"), "true");
    judge(&format!("{lost}\n2 3-4 taken A-1-3"), "false");
}

#[test]
fn a_hall_is_sold_out_only_when_nothing_may_be_free() {
    // 10 seats, of them one blocked, and 10 standing places.
    let most = "1 0-1 reserve r1 A-1-1,A-1-2,A-1-3,A-1-4,A-1-5 life 60
                1 0-1 reserve r2 A-2-1,A-2-2,A-2-3,A-2-4 life 60
                1 0-1 reserve r3 FLOOR*8 life 60";
    judge(&format!("{most}\n2 2-3 refused SOLD_OUT 1"), "false");
    judge(&format!("{most}\n2 2-3 refused SOLD_OUT 3"), "true");
    let all = format!("{most}\n1 1-2 reserve r4 FLOOR*2 life 60");
    judge(&format!("{all}\n2 2-3 refused SOLD_OUT 1"), "true");
    judge(&format!("{all}\n1 3-4 release r4\n2 4-5 refused SOLD_OUT 1"), "true");
    judge(&format!("{all}\n1 3-4 release r4\n2 5-6 refused SOLD_OUT 1"), "false");
    judge(&format!("{most}\n3 0-1 lost best 2\n2 2-3 refused SOLD_OUT 1"), "true");
}

#[test]
fn neighbours_are_refused_only_where_no_row_may_have_so_many() {
    // Row 1 has five, row 2 three: one is for wheelchairs, and one is blocked.
    judge("2 2-3 refused NOT_ENOUGH_SEATS 6", "true");
    judge("2 2-3 refused NOT_ENOUGH_SEATS 5", "false");
    let middle = "1 0-1 reserve r1 A-1-3 life 60";
    judge(&format!("{middle}\n2 2-3 refused NOT_ENOUGH_SEATS 4"), "true");
    judge(&format!("{middle}\n2 2-3 refused NOT_ENOUGH_SEATS 3"), "false");
    let both = format!("{middle}\n1 1-2 reserve r2 A-2-3 life 60");
    judge(&format!("{both}\n2 2-3 refused NOT_ENOUGH_SEATS 3"), "true");
    judge(&format!("{both}\n3 0-1 lost best 1\n2 2-3 refused NOT_ENOUGH_SEATS 2"), "open");
}

#[test]
fn standing_places_are_refused_only_where_the_area_may_have_had_fewer() {
    let most = "1 0-1 reserve r1 FLOOR*8 life 60";
    judge(&format!("{most}\n2 2-3 refused NOT_ENOUGH_SEATS 3 FLOOR"), "true");
    judge(&format!("{most}\n2 2-3 refused NOT_ENOUGH_SEATS 2 FLOOR"), "false");
    let lost = "3 0-1 lost stand FLOOR 1";
    judge(&format!("{most}\n{lost}\n2 2-3 refused NOT_ENOUGH_SEATS 2 FLOOR"), "true");
    judge(&format!("{most}\n{lost}\n2 2-3 refused SOLD_OUT 11"), "true");
    judge(&format!("{most}\n{lost}\n2 2-3 refused SOLD_OUT 10"), "false");
}

#[test]
fn a_payment_comes_too_late_only_for_a_hold_that_may_have_ended() {
    let hold = "1 0-10 reserve r1 A-1-1 life 60";
    for (refusal, verdict) in [
        ("1 20-21 lapsed r1", "false"),
        ("1 58-59 lapsed r1", "false"),
        // It may have been made at 0 already, and then ends at 60.
        ("1 59-61 lapsed r1", "true"),
        ("1 70-71 lapsed r1", "true"),
        ("1 15-30 release r1\n1 20-21 lapsed r1", "true"),
        ("1 15-16 confirm r1 b1 A-1-1\n1 70-71 lapsed r1", "false"),
        ("1 20-21 lapsed r9", "none"),
    ] {
        judge(&format!("{hold}\n{refusal}"), verdict);
    }
}

#[test]
fn more_than_the_cap_in_a_minute_is_found_and_a_raised_cap_is_none() {
    let sample = |second: u64, called, cap| Inside {
        at: Duration::from_secs(second),
        called,
        admission_per_minute: cap,
        room_lag: Some(Duration::ZERO),
        ..Inside::default()
    };
    let steady: Vec<_> = (0..200).map(|at| sample(at, 10 * at, Some(600))).collect();
    assert_eq!(too_fast("E", &steady), None);
    let mut fast = steady.clone();
    for sample in &mut fast[150..] {
        sample.called += 30;
    }
    // The 58 s before were 580: beside the 2 s that a figure may be old.
    assert_eq!(
        too_fast("E", &fast).unwrap(),
        "E called 610 in the 60 s before 150 s, its cap was 600"
    );
    let mut raised = fast.clone();
    for sample in &mut raised[145..] {
        sample.admission_per_minute = Some(700);
    }
    assert_eq!(too_fast("E", &raised), None);
    // The room's word may be old: then more time has passed than between the samples.
    for sample in &mut fast {
        sample.room_lag = Some(Duration::from_secs(5));
    }
    assert_eq!(too_fast("E", &fast), None);
    fast[150].admission_per_minute = None;
    assert_eq!(too_fast("E", &fast), None, "an open room has no cap");
}

#[test]
fn differences_of_the_audit_break_what_they_name() {
    let found = |lines: &[&str]| -> Vec<Finding> {
        let mut findings = Findings::default();
        auditor::read("audited 3 events", lines, &mut findings);
        findings.into_list()
    };
    let all = found(&[]);
    assert!(all.iter().all(|finding| finding.kept == Kept::Held));
    assert_eq!(all.len(), 5);
    let found = found(&["MON-1: the ledger is off by 3 EUR", "journal 3 at 7: not a batch"]);
    let broken = found.iter().filter(|finding| finding.kept == Kept::Broken);
    let broken: Vec<_> = broken.map(|finding| finding.promise).collect();
    assert_eq!(broken, ["MON-1", "SEAT-2"]);
}

#[test]
fn what_one_check_breaks_no_other_mends() {
    let mut findings = Findings::default();
    findings.held("SEAT-1", "looked well");
    findings.broken("SEAT-1", "was not");
    findings.held("SEAT-1", "looked well again");
    let list = findings.into_list();
    assert_eq!((list.len(), list[0].kept, &*list[0].says), (1, Kept::Broken, "was not"));
}
