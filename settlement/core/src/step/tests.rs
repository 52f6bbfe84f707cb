//! Decisions as a script: `state[ +bound +sold +captured +part +late +partner] seen => step`.

use super::{Facts, Payer, Seen, Step, next};
use crate::order::{State, TRANSITIONS, Trigger, transition};
use schema::{AccountId, UnixMillis};

const NOW: UnixMillis = UnixMillis(1_000);

fn seen_of(word: &str) -> Option<Seen> {
    match word {
        "unasked" => None,
        "created" => Some(Seen::Created),
        "processing" => Some(Seen::Processing),
        "authorised" => Some(Seen::Authorised),
        "declined" => Some(Seen::Declined { reason: "no".to_owned() }),
        "captured" => Some(Seen::Captured),
        "cancelled" => Some(Seen::Cancelled),
        "refunded" => Some(Seen::Refunded),
        other => panic!("no such word: {other}"),
    }
}

fn step_word(step: &Step) -> &'static str {
    match step {
        Step::Create => "create",
        Step::Fetch => "fetch",
        Step::Authorise => "authorise",
        Step::Wait => "wait",
        Step::Sell { charged: false } => "sell",
        Step::Sell { charged: true } => "sell-charged",
        Step::Decline { .. } => "decline",
        Step::GiveUp => "give-up",
        Step::CancelPayment => "cancel",
        Step::FinishCancel => "finish-cancel",
        Step::Capture => "capture",
        Step::RecordCapture => "record",
        Step::RefundPayment => "refund",
        Step::FinishRefund => "finish-refund",
        Step::RefundPart => "refund-part",
        Step::RecordReturn => "record-return",
        Step::CloseReview => "close",
        Step::Review { .. } => "review",
        Step::Rest => "rest",
    }
}

fn facts_of(words: &[&str]) -> Facts {
    let has = |flag: &str| words.contains(&flag);
    Facts {
        state: words[0].parse().unwrap(),
        payer: if has("+partner") { Payer::Partner(AccountId(7)) } else { Payer::Fan },
        bound: has("+bound"),
        sold: has("+sold"),
        captured: has("+captured"),
        part: has("+part").then_some(1),
        payment_deadline: UnixMillis(if has("+late") { 1_000 } else { 1_001 }),
    }
}

fn check(script: &str) {
    for line in script.trim().lines() {
        let (given, expected) = line.split_once("=>").expect("given => step");
        let words: Vec<&str> = given.split_whitespace().collect();
        let (seen, facts) = words.split_last().unwrap();
        let step = next(&facts_of(facts), seen_of(seen).as_ref(), NOW);
        assert_eq!(step_word(&step), expected.trim(), "{line}");
    }
}

#[test]
fn a_payment_is_created_once_authorised_by_its_id_and_sold_when_the_money_is_there() {
    check(
        "paying unasked                  => create
         paying +bound unasked           => fetch
         paying +bound created           => authorise
         paying +bound processing        => wait
         paying +bound authorised        => sell
         paying +bound captured          => sell-charged
         paying +bound declined          => decline
         paying +bound cancelled         => decline
         paying +bound refunded          => review",
    );
}

#[test]
fn past_its_deadline_a_payment_is_given_up_unless_the_money_is_there() {
    check(
        "paying +late unasked            => give-up
         paying +late +bound unasked     => fetch
         paying +late +bound created     => give-up
         paying +late +bound processing  => give-up
         paying +late +bound cancelled   => give-up
         paying +late +bound declined    => decline
         paying +late +bound authorised  => sell
         paying +late +bound captured    => sell-charged",
    );
}

#[test]
fn a_given_up_payment_is_cancelled_at_the_provider_before_the_seats_are_free() {
    check(
        "cancelling unasked              => finish-cancel
         cancelling +bound unasked       => cancel
         cancelling +bound created       => cancel
         cancelling +bound authorised    => cancel
         cancelling +bound processing    => wait
         cancelling +bound cancelled     => finish-cancel
         cancelling +bound declined      => finish-cancel
         cancelling +bound refunded      => finish-cancel
         cancelling +bound captured      => sell-charged",
    );
}

#[test]
fn sold_tickets_are_paid_for_once() {
    check(
        "paid +bound +sold unasked              => capture
         paid +bound +sold authorised           => capture
         paid +bound +sold processing           => wait
         paid +bound +sold captured             => record
         paid +bound +sold cancelled            => review
         paid +bound +sold +captured unasked    => rest
         paid +bound +sold +captured captured   => rest",
    );
}

#[test]
fn a_ticket_that_goes_back_alone_waits_until_the_money_is_booked_as_taken() {
    check(
        "paid +bound +sold +part unasked             => capture
         paid +bound +sold +part captured            => record
         paid +bound +sold +part +captured unasked   => refund-part
         paid +bound +sold +part +captured captured  => refund-part
         paid +bound +sold +part +captured refunded  => refund-part
         refunding +bound +sold +captured +part captured => refund",
    );
}

#[test]
fn a_refund_gives_back_what_was_taken_and_books_it_first() {
    check(
        "refunding +bound +sold unasked             => fetch
         refunding +bound +sold authorised          => cancel
         refunding +bound +sold cancelled           => finish-refund
         refunding +bound +sold captured            => record
         refunding +bound +sold refunded            => record
         refunding +bound +sold +captured captured  => refund
         refunding +bound +sold +captured refunded  => finish-refund",
    );
}

#[test]
fn money_without_tickets_goes_back_while_a_person_is_waited_for() {
    check(
        "review_needed unasked                      => close
         review_needed +bound unasked               => fetch
         review_needed +bound authorised            => cancel
         review_needed +bound cancelled             => close
         review_needed +bound captured              => refund
         review_needed +bound refunded              => record-return
         review_needed +bound +captured refunded    => close
         review_needed +bound +sold unasked         => close",
    );
}

#[test]
fn what_a_partner_has_sold_needs_no_provider() {
    check(
        "paying +partner unasked                   => sell
         paying +partner +late unasked             => sell
         paid +partner +sold unasked               => rest
         paid +partner +sold +part unasked         => refund-part
         refunding +partner +sold unasked          => finish-refund
         refunding +partner +sold +part unasked    => finish-refund
         refunded +partner +sold unasked           => rest
         review_needed +partner unasked            => close",
    );
}

#[test]
fn an_order_at_rest_stays_at_rest() {
    check(
        "declined unasked      => rest
         cancelled unasked     => rest
         refunded unasked      => rest
         open unasked          => rest",
    );
}

#[test]
fn every_decided_move_is_in_the_table() {
    let words = [
        "unasked",
        "created",
        "processing",
        "authorised",
        "declined",
        "captured",
        "cancelled",
        "refunded",
    ];
    for state in State::ALL {
        for flags in 0..64 {
            let payer = if flags & 32 == 0 { Payer::Fan } else { Payer::Partner(AccountId(7)) };
            let facts = Facts {
                state,
                payer,
                bound: flags & 1 != 0 || matches!(state, State::Paid | State::Refunding),
                sold: flags & 2 != 0,
                captured: flags & 4 != 0,
                part: (flags & 16 != 0).then_some(1),
                payment_deadline: UnixMillis(1_000 + (flags >> 3 & 1)),
            };
            for word in words {
                let step = next(&facts, seen_of(word).as_ref(), NOW);
                if let Some(trigger) = trigger_of(&step) {
                    assert!(transition(state, trigger).is_ok(), "{facts:?} {word}: {step:?}");
                }
            }
        }
    }
    assert!(!TRANSITIONS.is_empty());
}

fn trigger_of(step: &Step) -> Option<Trigger> {
    match step {
        Step::Sell { .. } => Some(Trigger::Sell),
        Step::Decline { .. } => Some(Trigger::Decline),
        Step::GiveUp => Some(Trigger::GiveUp),
        Step::FinishCancel | Step::FinishRefund => Some(Trigger::MoneyBack),
        Step::Review { .. } => Some(Trigger::Review),
        _ => None,
    }
}
