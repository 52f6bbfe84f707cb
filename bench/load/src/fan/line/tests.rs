//! Fans and bots in line, step by step.

use crate::fan::testing::{Stage, TWO_SECONDS, joined, plain, refused, status};
use crate::fan::{News, PlaceState, Step, What};
use crate::record::Deed;
use crate::scenario::{Habits, Kind};
use std::collections::BTreeSet;
use std::time::Duration;

fn place(state: PlaceState) -> News<'static> {
    News::Place { state, sold_out: false, poll_after: TWO_SECONDS }
}

/// A fan who has joined.
fn waiting(habits: Habits) -> Stage {
    let mut stage = Stage::new(Kind::Fan, habits, true);
    stage.asks(News::Woken, Deed::Join);
    stage.sleeps(joined());
    stage
}

#[test]
fn a_fan_polls_as_told_and_claims_when_called() {
    let mut stage = waiting(plain());
    stage.asks(News::Woken, Deed::Me);
    let slept = stage.sleeps(place(PlaceState::Waiting));
    assert!((TWO_SECONDS..TWO_SECONDS.mul_f64(1.1)).contains(&slept), "{slept:?}");
    stage.asks(News::Woken, Deed::Me);
    stage.asks(place(PlaceState::Called), Deed::Claim);
    // The pass opens the way to the seats.
    stage.asks(News::Pass("pass"), Deed::Event);
    assert_eq!(&*stage.papers().inside.as_ref().unwrap().pass, "pass");
}

#[test]
fn far_from_the_front_the_public_status_is_enough() {
    let mut stage = waiting(Habits { asks_me: 0.0, ..plain() });
    stage.asks(News::Woken, Deed::Status);
    // Number 70 of a line that calls one a second: 70 s away are 17.5 s between polls.
    stage.asks(News::Status(status(0)), Deed::Me);
    stage.sleeps(place(PlaceState::Waiting));
    stage.asks(News::Woken, Deed::Status);
    let slow = crate::fan::Status { rate_per_minute: 6, divisor: 1, ..status(0) };
    let slept = stage.sleeps(News::Status(slow));
    assert!(Duration::from_secs(23) <= slept && slept <= Duration::from_secs(30), "{slept:?}");
    stage.asks(News::Woken, Deed::Status);
    let sold_out = crate::fan::Status { sold_out: true, ..status(0) };
    assert_eq!(stage.hear(News::Status(sold_out)), Step::Gone);
}

#[test]
fn who_is_asked_to_come_later_joins_under_the_same_key() {
    let mut stage = Stage::new(Kind::Fan, plain(), true);
    let first = stage.asks(News::Woken, Deed::Join);
    assert!(matches!(first, What::Keyed(_)));
    for news in [refused(503, "BUSY"), News::Lost, refused(409, "IDEMPOTENCY_IN_FLIGHT")] {
        let slept = stage.sleeps(news);
        assert!(Duration::from_millis(500) <= slept && slept <= Duration::from_secs(8));
        assert_eq!(stage.asks(News::Woken, Deed::Join), first);
    }
    assert_eq!(stage.hear(refused(409, "SOLD_OUT")), Step::Gone);
}

#[test]
fn a_no_show_joins_and_never_comes_back() {
    let mut stage = Stage::new(Kind::Fan, Habits { no_show: 1.0, ..plain() }, true);
    stage.asks(News::Woken, Deed::Join);
    assert_eq!(stage.hear(joined()), Step::Gone);
}

#[test]
fn a_double_click_joins_twice_under_one_key() {
    let mut stage = Stage::new(Kind::Fan, Habits { double_click: 1.0, ..plain() }, true);
    let first = stage.asks(News::Woken, Deed::Join);
    assert_eq!(stage.asks(joined(), Deed::Join), first);
    stage.sleeps(joined());
}

#[test]
fn a_claim_that_comes_too_early_waits_and_one_too_late_ends_it() {
    let mut stage = waiting(plain());
    stage.asks(News::Woken, Deed::Me);
    stage.asks(place(PlaceState::Called), Deed::Claim);
    stage.sleeps(refused(409, "NOT_CALLED"));
    stage.asks(News::Woken, Deed::Me);
    stage.asks(place(PlaceState::Called), Deed::Claim);
    assert_eq!(stage.hear(refused(410, "CLAIM_EXPIRED")), Step::Gone);
    let mut stage = waiting(plain());
    stage.asks(News::Woken, Deed::Me);
    assert_eq!(stage.hear(place(PlaceState::Over)), Step::Gone);
}

#[test]
fn a_flooder_keeps_its_own_rhythm_until_its_time_is_over() {
    let habits = Habits { stay_s: 10.0, ..plain() };
    let mut stage = Stage::new(Kind::Flooder, habits, true);
    stage.asks(News::Woken, Deed::Join);
    stage.asks(joined(), Deed::Me);
    let mut polls = 0;
    while let Step::Sleep(_) = stage.hear(refused(429, "POLL_TOO_SOON")) {
        polls += 1;
        if stage.hear(News::Woken) == Step::Gone {
            break;
        }
    }
    assert_eq!(polls, 10);
}

#[test]
fn a_replayer_shows_what_is_not_its_own() {
    let mut stage = Stage::new(Kind::Replayer, plain(), true);
    let (mut seen, mut tokens, mut passes) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for _ in 0..200 {
        if let Step::Ask(ask) = stage.hear(refused(401, "TOKEN_INVALID")) {
            seen.insert(ask.deed);
            let papers = stage.papers();
            tokens.insert(papers.token.as_ref().unwrap().to_string());
            passes.extend(papers.inside.as_ref().map(|inside| inside.pass.to_string()));
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [Deed::Me, Deed::Claim, Deed::Reserve]);
    // A place's own token lets its owner see it, so that only changed ones are shown.
    assert!(!tokens.contains("GenuineToken"));
    let lengths: BTreeSet<usize> = tokens.iter().map(String::len).collect();
    assert_eq!(lengths, ["GenuineToken".len(), 96].into());
    // Another's pass as it is, and changed.
    assert!(passes.contains("head.body.seal") && 1 < passes.len(), "{passes:?}");
    assert!(passes.iter().all(|pass| pass.len() == "head.body.seal".len()));
}

#[test]
fn who_hears_that_nothing_is_left_waits_a_while_for_what_others_give_back() {
    let sold_out =
        News::Place { state: PlaceState::Waiting, sold_out: true, poll_after: TWO_SECONDS };
    let mut stage = waiting(Habits { linger_s: 5.0, ..plain() });
    for _ in 0..3 {
        stage.asks(News::Woken, Deed::Me);
        stage.sleeps(sold_out);
    }
    stage.asks(News::Woken, Deed::Me);
    assert_eq!(stage.hear(sold_out), Step::Gone);
    let mut stage = waiting(Habits { linger_s: 0.0, ..plain() });
    stage.asks(News::Woken, Deed::Me);
    assert_eq!(stage.hear(sold_out), Step::Gone);
}
