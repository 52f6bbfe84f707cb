//! Purchases, step by step.

use crate::fan::testing::{Stage, TWO_SECONDS, plain, refused, reserved};
use crate::fan::{Card, News, Step, Want, What};
use crate::record::Deed;
use crate::scenario::{Act, Habits, Kind};
use std::time::Duration;

/// A fan of an event without a room who has looked, and now reserves.
fn reserving(habits: Habits) -> (Stage, What) {
    let mut stage = Stage::new(Kind::Fan, habits, false);
    stage.asks(News::Woken, Deed::Event);
    assert_eq!(stage.sleeps(News::Fine).as_millis(), 100);
    let what = stage.asks(News::Woken, Deed::Reserve);
    (stage, what)
}

fn paying(habits: Habits) -> (Stage, What) {
    let (mut stage, _) = reserving(habits);
    assert_eq!(stage.sleeps(reserved()).as_secs(), 1);
    let what = stage.asks(News::Woken, Deed::Confirm);
    (stage, what)
}

#[test]
fn a_fan_looks_reserves_thinks_and_pays() {
    let (mut stage, what) = paying(plain());
    assert_eq!(what, What::Pay(Card::Good));
    assert_eq!(&*stage.papers().inside.as_ref().unwrap().reservation, "r-1");
    assert_eq!(stage.hear(News::Confirmed { booking: "b-1" }), Step::Gone);
}

#[test]
fn who_names_seats_takes_free_ones_of_the_map_and_others_when_they_are_taken() {
    let habits = Habits { named: 1.0, tries_max: 2, ..plain() };
    let mut stage = Stage::new(Kind::Fan, habits, false);
    let mut map = vec![0; 18];
    // The first row is held, the second is free.
    map.extend([0b0101_0101, 0b0101_0101, 0b0000_0101, 0, 0]);
    stage.asks(News::Woken, Deed::Seats);
    stage.sleeps(News::Seats(&map));
    let What::Reserve { want: Want::Seats(seats), .. } = stage.asks(News::Woken, Deed::Reserve)
    else {
        panic!("no seats were named")
    };
    assert!(seats.len() == 2 && seats.iter().all(|seat| 10 <= *seat), "{seats:?}");
    stage.asks(refused(409, "SEAT_TAKEN"), Deed::Seats);
    stage.sleeps(News::Seats(&map));
    stage.asks(News::Woken, Deed::Reserve);
    assert_eq!(stage.hear(refused(409, "SEAT_TAKEN")), Step::Gone, "two tries are enough");
}

#[test]
fn a_party_shrinks_when_there_is_no_room_for_all_of_it() {
    let (mut stage, what) = reserving(plain());
    assert!(matches!(what, What::Reserve { want: Want::Best(2), .. }));
    stage.asks(refused(409, "NOT_ENOUGH_SEATS"), Deed::Event);
    stage.sleeps(News::Fine);
    let again = stage.asks(News::Woken, Deed::Reserve);
    assert!(matches!(again, What::Reserve { want: Want::Best(1), .. }));
    assert_eq!(stage.hear(refused(409, "NOT_ENOUGH_SEATS")), Step::Gone);
}

#[test]
fn who_finds_no_seat_stands_where_that_is_possible() {
    let mut stage = Stage::new(Kind::Fan, plain(), false);
    stage.plan = stage.plan.with_areas(vec!["PIT".into()]);
    let mut news = News::Woken;
    for want in [Want::Best(2), Want::Best(1), Want::Standing(2)] {
        stage.asks(news, Deed::Event);
        stage.sleeps(News::Fine);
        let What::Reserve { want: asked, .. } = stage.asks(News::Woken, Deed::Reserve) else {
            panic!("nothing was reserved")
        };
        assert_eq!(asked, want);
        news = refused(409, "NOT_ENOUGH_SEATS");
    }
    stage.asks(refused(409, "NOT_ENOUGH_SEATS"), Deed::Event);
    stage.sleeps(News::Fine);
    stage.asks(News::Woken, Deed::Reserve);
    assert_eq!(stage.hear(refused(409, "NOT_ENOUGH_SEATS")), Step::Gone);
}

#[test]
fn a_lost_answer_is_asked_for_again_under_the_same_key() {
    let (mut stage, first) = reserving(plain());
    stage.sleeps(News::Lost);
    assert_eq!(stage.asks(News::Woken, Deed::Reserve), first);
    stage.sleeps(reserved());
}

#[test]
fn a_double_click_reserves_twice_under_one_key() {
    let (mut stage, first) = reserving(Habits { double_click: 1.0, ..plain() });
    assert_eq!(stage.asks(reserved(), Deed::Reserve), first);
    stage.sleeps(reserved());
    stage.asks(News::Woken, Deed::Confirm);
}

#[test]
fn a_declined_card_is_followed_by_another() {
    let (mut stage, what) = paying(Habits { decline: 1.0, ..plain() });
    assert_eq!(what, What::Pay(Card::Declined));
    stage.sleeps(refused(402, "PAYMENT_DECLINED"));
    assert_eq!(stage.asks(News::Woken, Deed::Confirm), What::Pay(Card::Good));
    assert_eq!(stage.hear(News::Confirmed { booking: "b-1" }), Step::Gone);
}

#[test]
fn who_changes_their_mind_cancels_the_booking() {
    let (mut stage, _) = paying(Habits { cancel: 1.0, ..plain() });
    stage.sleeps(News::Confirmed { booking: "b-9" });
    stage.asks(News::Woken, Deed::Cancel);
    assert_eq!(&*stage.papers().inside.as_ref().unwrap().booking, "b-9");
    assert_eq!(stage.hear(News::Fine), Step::Gone);
}

#[test]
fn a_pending_payment_is_looked_after_until_it_is_settled() {
    let (mut stage, _) = paying(plain());
    let pending = News::Pending { booking: "b-1", poll_after: TWO_SECONDS };
    assert_eq!(stage.sleeps(pending), TWO_SECONDS);
    stage.asks(News::Woken, Deed::Booking);
    stage.sleeps(pending);
    assert_eq!(&*stage.papers().inside.as_ref().unwrap().booking, "b-1");
    stage.asks(News::Woken, Deed::Booking);
    assert_eq!(stage.hear(News::Confirmed { booking: "b-1" }), Step::Gone);
}

#[test]
fn who_abandons_goes_without_a_word_and_who_releases_says_so() {
    let (mut stage, _) = reserving(Habits { abandon: 1.0, ..plain() });
    stage.sleeps(reserved());
    assert_eq!(stage.hear(News::Woken), Step::Gone);
    let (mut stage, _) = reserving(Habits { release: 1.0, ..plain() });
    stage.sleeps(reserved());
    stage.asks(News::Woken, Deed::Release);
    assert_eq!(stage.hear(News::Fine), Step::Gone);
}

#[test]
fn a_hoarder_takes_ten_lets_them_lapse_and_takes_again() {
    let habits = Habits { stay_s: 1_500.0, ..plain() };
    let mut stage = Stage::new(Kind::Hoarder, habits, false);
    let what = stage.asks(News::Woken, Deed::Reserve);
    assert!(matches!(what, What::Reserve { want: Want::Best(10), .. }));
    assert_eq!(stage.sleeps(reserved()).as_secs(), 600);
    stage.asks(News::Woken, Deed::Reserve);
    assert_eq!(stage.sleeps(refused(409, "SOLD_OUT")).as_secs(), 1, "it tries again soon");
    stage.asks(News::Woken, Deed::Reserve);
    stage.sleeps(reserved());
    stage.now += Duration::from_mins(10);
    assert_eq!(stage.hear(News::Woken), Step::Gone);
}

#[test]
fn a_shopper_acts_and_thinks_until_the_session_is_over() {
    let acts = [(Act::Search, 1.0), (Act::Event, 1.0), (Act::Seats, 1.0)].into();
    let habits = Habits { stay_s: 30.0, acts, ..plain() };
    let mut stage = Stage::new(Kind::Shopper, habits, false);
    let mut seen = Vec::new();
    while let Step::Ask(ask) = stage.hear(News::Woken) {
        seen.push(ask.deed);
        stage.sleeps(News::Fine);
    }
    assert_eq!(seen.len(), 30, "one a second");
    for deed in [Deed::Search, Deed::Event, Deed::Seats] {
        assert!(seen.contains(&deed), "{deed:?}");
    }
}

#[test]
fn a_partner_gives_back_the_row_that_it_has() {
    let mut stage = Stage::new(Kind::Partner, plain(), false);
    let What::Allot { row, back: false, .. } = stage.asks(News::Woken, Deed::Allocate) else {
        panic!("it has nothing to give back")
    };
    stage.sleeps(News::Fine);
    let given = stage.asks(News::Woken, Deed::Allocate);
    assert!(matches!(given, What::Allot { row: back_row, back: true, .. } if back_row == row));
    stage.sleeps(News::Fine);
    let next = stage.asks(News::Woken, Deed::Allocate);
    assert!(matches!(next, What::Allot { back: false, .. }));
    stage.sleeps(refused(409, "SEAT_TAKEN"));
    let next = stage.asks(News::Woken, Deed::Allocate);
    assert!(matches!(next, What::Allot { back: false, .. }), "it got nothing");
}

#[test]
fn who_finds_everything_sold_looks_again_for_a_while() {
    let (mut stage, _) = reserving(Habits { linger_s: 2.5, ..plain() });
    // Each try takes 1.1 s: to wait, and to look.
    for _ in 0..3 {
        assert_eq!(stage.sleeps(refused(409, "SOLD_OUT")).as_secs(), 1);
        stage.asks(News::Woken, Deed::Event);
        stage.sleeps(News::Fine);
        stage.asks(News::Woken, Deed::Reserve);
    }
    assert_eq!(stage.hear(refused(409, "SOLD_OUT")), Step::Gone);
}
