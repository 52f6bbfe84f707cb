//! Tests of rehearsed sales.

use super::{Course, Rehearsal, RehearsalFault, TICK, rehearse};
use schema::admission::LimitedBy;
use schema::{DurationMs, RoomSettings};

/// An arena that 30,000 want to see, of whom a fifth is gone when called.
fn arena() -> Rehearsal {
    Rehearsal {
        settings: RoomSettings {
            admission_rate_per_minute: 1_000,
            active_max: 5_000,
            ..RoomSettings::default()
        },
        joins: vec![500; 60],
        opens_after: DurationMs(0),
        seats: 20_000,
        basket_milli: 2_300,
        checkout: DurationMs::from_secs(90),
        no_show_milli: 200,
        orders_per_minute: None,
        seed: 7,
    }
}

fn adaptive(rehearsal: Rehearsal) -> Rehearsal {
    let settings = RoomSettings { adaptive: true, ..rehearsal.settings.clone() };
    Rehearsal { settings, ..rehearsal }
}

/// Most calls within 60 s, counted anew.
fn called_within_a_minute(course: &Course) -> u64 {
    let from = |start: u64| {
        let inside =
            course.releases.iter().filter(|r| start <= r.at_ms && r.at_ms <= start + 60_000);
        inside.map(|release| u64::from(release.called)).sum()
    };
    course.releases.iter().map(|release| from(release.at_ms)).max().unwrap_or(0)
}

#[test]
fn the_same_seed_gives_the_same_sale_and_another_one_another() {
    let sale = adaptive(arena());
    let course = rehearse(&sale).unwrap();
    assert_eq!(rehearse(&sale).unwrap(), course);
    let other = rehearse(&Rehearsal { seed: 8, ..sale }).unwrap();
    assert_ne!(other, course);
    assert_eq!(other.total.sold, course.total.sold);
}

#[test]
fn exactly_the_seats_are_sold_and_no_minute_has_more_than_the_cap() {
    for sale in [arena(), adaptive(arena())] {
        let course = rehearse(&sale).unwrap();
        let total = &course.total;
        assert_eq!((total.sold, total.unsold), (20_000, 0), "{total:?}");
        assert!(total.sold_out_after_seconds.is_some());
        assert!(called_within_a_minute(&course) <= 1_000);
        assert_eq!(total.called_in_a_minute_max, called_within_a_minute(&course));
        for minute in &course.minutes {
            assert_eq!(minute.free + minute.held + minute.sold, 20_000, "{minute:?}");
            assert!(minute.inside <= 5_000 && minute.called <= 1_000, "{minute:?}");
        }
        let joined: usize = course.minutes.iter().map(|minute| minute.joined).sum();
        assert_eq!(joined, 30_000);
    }
}

#[test]
fn a_room_that_adapts_lets_hardly_anybody_in_for_nothing() {
    let mut sale = arena();
    (sale.settings.admission_rate_per_minute, sale.settings.active_max) = (6_000, 20_000);
    let plain = rehearse(&sale).unwrap();
    let adapts = rehearse(&adaptive(sale)).unwrap();
    assert!(1_000 < plain.total.empty_handed, "{:?}", plain.total);
    assert!(adapts.total.empty_handed * 20 < plain.total.empty_handed, "{:?}", adapts.total);
    let bound_by_seats = |minute: &super::Minute| minute.limited_by == LimitedBy::Seats;
    assert!(adapts.minutes.iter().any(bound_by_seats));
}

#[test]
fn a_slow_settlement_is_called_for_no_faster_than_it_bears() {
    // Of 1,000 called 800 come and order.
    let sale = Rehearsal { orders_per_minute: Some(300), seats: 60_000, ..arena() };
    let course = rehearse(&adaptive(sale.clone())).unwrap();
    let bound = course.minutes.iter().filter(|minute| minute.limited_by == LimitedBy::Settlement);
    assert!(course.minutes.len() < 2 * bound.count(), "{:?}", course.minutes);
    let steady = &course.minutes[10..30];
    let came: u32 = steady.iter().map(|minute| minute.came).sum();
    assert!((180 * 20..=300 * 20).contains(&came), "{came} in 20 minutes");
    let held_max = |course: &Course| course.minutes.iter().map(|m| m.held).max().unwrap();
    let plain = rehearse(&sale).unwrap();
    assert!(held_max(&course) * 2 < held_max(&plain), "orders do not pile up");
}

#[test]
fn with_most_of_the_line_gone_those_who_come_reach_the_rate_after_five_ticks() {
    for (no_show_milli, rate) in [(0, 6_000), (300, 6_000), (600, 6_000), (600, 500)] {
        let mut sale = Rehearsal { no_show_milli, seats: 100_000, ..arena() };
        sale.settings.admission_rate_per_minute = rate;
        // By the opening everybody in sight was asked to check in for longer than the lapse.
        sale.opens_after = DurationMs::from_secs(110);
        let course = rehearse(&sale).unwrap();
        let five = 5 * TICK.0;
        let target = u64::from(rate) * five / 60_000;
        for from in (110_000 + five..150_000).step_by(usize::try_from(five).unwrap()) {
            let inside =
                course.releases.iter().filter(|r| from <= r.at_ms && r.at_ms < from + five);
            let came: u64 = inside.map(|release| u64::from(release.came)).sum();
            assert!(target * 98 <= came * 100, "{came} of {target} at {from}, {no_show_milli}");
        }
        assert!(called_within_a_minute(&course) <= u64::from(rate));
    }
}

#[test]
fn the_active_bound_and_an_empty_line_are_named() {
    let mut sale = arena();
    sale.settings.active_max = 100;
    let course = rehearse(&sale).unwrap();
    assert_eq!(course.minutes[3].limited_by, LimitedBy::Active);
    let few = Rehearsal { joins: vec![10], ..arena() };
    let course = rehearse(&few).unwrap();
    assert_eq!(course.minutes.last().unwrap().limited_by, LimitedBy::Nothing);
    assert_eq!(course.total.sold_out_after_seconds, None);
    assert!(course.total.sold + course.total.unsold == 20_000 && 0 < course.total.sold);
}

#[test]
fn what_cannot_be_is_refused() {
    use RehearsalFault::{Basket, Fans, Long, Nobody, Seats, Share};
    let refused = |change: &dyn Fn(&mut Rehearsal)| {
        let mut sale = arena();
        change(&mut sale);
        rehearse(&sale).unwrap_err()
    };
    assert_eq!(refused(&|sale| sale.joins = vec![]), Fans);
    assert_eq!(refused(&|sale| sale.joins = vec![5_000_001]), Fans);
    assert_eq!(refused(&|sale| sale.seats = 0), Seats);
    assert_eq!(refused(&|sale| sale.basket_milli = 999), Basket);
    assert_eq!(refused(&|sale| sale.basket_milli = 10_001), Basket);
    assert_eq!(refused(&|sale| sale.no_show_milli = 1_001), Share);
    assert_eq!(refused(&|sale| sale.settings.admission_rate_per_minute = 0), Nobody);
    assert_eq!(refused(&|sale| sale.orders_per_minute = Some(0)), Nobody);
    assert_eq!(refused(&|sale| sale.opens_after = DurationMs::from_secs(200_000)), Long);
}
