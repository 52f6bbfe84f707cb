//! Tests of the ledger.

use super::{Ledger, Standing};
use crate::bits::{Bits, LiveIndex};
use crate::mono::MonoMs;
use schema::UnixMillis;
use schema::admission::{AdmissionRecord, Draw, DrawMadeOf, Release};

fn release(before: u64, cursor: u64, skipped: &[(u64, u64)], late: &[u64]) -> AdmissionRecord {
    AdmissionRecord::Released(Release {
        epoch: 1,
        cursor_before: before,
        cursor,
        called: 1,
        at: UnixMillis(cursor),
        claim_until: UnixMillis(1_000 + cursor),
        pass_until: UnixMillis(2_000 + cursor),
        skipped: skipped.to_vec(),
        late: late.to_vec(),
        clock: None,
        pace: None,
    })
}

fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    let started = AdmissionRecord::EpochStarted {
        epoch: 1,
        given_to: 0,
        number_floor: 0,
        redis_run_id: "r".into(),
        at: UnixMillis(0),
    };
    ledger.apply(started, MonoMs(0));
    ledger.apply(AdmissionRecord::MarkRaised { epoch: 1, number_max: 1_000 }, MonoMs(0));
    ledger
}

fn claim_until(ledger: &Ledger, number: u64) -> Option<u64> {
    match ledger.standing(number) {
        Standing::Called(terms) => Some(terms.claim_until.0),
        _ => None,
    }
}

#[test]
fn a_number_finds_its_release_and_a_skipped_one_its_late_call() {
    let mut ledger = ledger();
    ledger.apply(release(0, 10, &[(3, 5)], &[]), MonoMs(0));
    ledger.apply(release(10, 10, &[], &[4]), MonoMs(0));
    ledger.apply(release(10, 20, &[], &[]), MonoMs(0));
    assert_eq!(claim_until(&ledger, 2), Some(1_010));
    assert_eq!(claim_until(&ledger, 11), Some(1_020));
    assert_eq!(ledger.standing(3), Standing::Skipped);
    assert_eq!(claim_until(&ledger, 4), Some(1_010));
    assert_eq!(ledger.standing(5), Standing::Skipped);
    assert_eq!(ledger.standing(21), Standing::Waiting);
    ledger.forget(UnixMillis(602_015));
    assert_eq!(ledger.standing(2), Standing::Over);
    assert_eq!(ledger.standing(4), Standing::Over, "a late call ends for good");
    assert_eq!(ledger.standing(3), Standing::Skipped);
    assert_eq!(claim_until(&ledger, 11), Some(1_020));
}

/// As [`release`], with passes that are good until `pass_until`.
fn release_until(
    pass_until: u64,
    before: u64,
    cursor: u64,
    skipped: &[(u64, u64)],
    late: &[u64],
) -> AdmissionRecord {
    let AdmissionRecord::Released(release) = release(before, cursor, skipped, late) else {
        unreachable!("it is a release");
    };
    AdmissionRecord::Released(Release { pass_until: UnixMillis(pass_until), ..release })
}

#[test]
fn a_pass_that_has_ended_stays_ended_while_longer_ones_of_older_releases_are_good() {
    let mut ledger = ledger();
    // An operator lets passes end sooner from the second release on.
    ledger.apply(release_until(3_600_000, 0, 10, &[(3, 5)], &[]), MonoMs(0));
    ledger.apply(release_until(300_000, 10, 20, &[], &[4]), MonoMs(0));
    ledger.apply(AdmissionRecord::Left { epoch: 1, numbers: vec![12] }, MonoMs(0));
    for now in [300_001, 900_001, 3_600_001] {
        ledger.forget(UnixMillis(now));
        let Standing::Called(terms) = ledger.standing(4) else { panic!("4 was called") };
        assert_eq!(terms.pass_until, UnixMillis(300_000), "at {now}");
        assert_eq!(ledger.standing(12), Standing::Left, "at {now}");
    }
    ledger.forget(UnixMillis(4_200_001));
    for number in [2, 4, 12] {
        assert_eq!(ledger.standing(number), Standing::Over);
    }
    assert!(ledger.late.is_empty());
    assert!(ledger.left.is_empty());
}

#[test]
fn skipped_numbers_are_kept_for_as_long_as_their_tokens_are_good() {
    const HOUR: u64 = 3_600_000;
    let mut ledger = ledger();
    for hour in 0..48 {
        let before = hour * 20;
        let first = Release {
            at: UnixMillis(hour * HOUR),
            pass_until: UnixMillis(hour * HOUR + 1),
            ..match release(before, before + 20, &[(before + 1, before + 19)], &[]) {
                AdmissionRecord::Released(release) => release,
                _ => unreachable!("it is a release"),
            }
        };
        ledger.apply(AdmissionRecord::Released(first), MonoMs(0));
    }
    let week = 7 * 24 * HOUR;
    // Tokens of the first hour's numbers were made before it, of all others later.
    ledger.forget(UnixMillis(week));
    assert_eq!(ledger.standing(1), Standing::Skipped);
    assert_eq!(ledger.skipped.len(), 48);
    ledger.forget(UnixMillis(week + HOUR + 1));
    assert_eq!(ledger.standing(1), Standing::Over);
    assert_eq!(ledger.standing(21), Standing::Skipped);
    assert_eq!(ledger.skipped.len(), 47);
    ledger.forget(UnixMillis(week + 49 * HOUR));
    assert_eq!((ledger.skipped.len(), ledger.passed.len()), (0, 0));
}

#[test]
fn a_pre_queue_has_no_numbers_until_it_is_drawn() {
    let mut ledger = ledger();
    ledger.apply(AdmissionRecord::GatherStarted { given_to: 90, base: 100 }, MonoMs(0));
    assert_eq!(ledger.line_last(150), 100);
    assert_eq!(ledger.draw_of(120), None);
    let draw = Draw { base: 100, last: 150, seed: [7; 32], at: UnixMillis(0), made_of: None };
    ledger.apply(AdmissionRecord::Drawn(draw.clone()), MonoMs(0));
    assert_eq!(ledger.line_last(150), 150);
    assert_eq!(ledger.draw_of(101), Some(&draw));
    assert_eq!(ledger.draw_of(150), Some(&draw));
    assert_eq!(ledger.draw_of(100), None);
    assert_eq!(ledger.draw_of(151), None);
}

#[test]
fn the_pre_queue_after_one_that_nobody_came_to_is_of_other_numbers() {
    let mut ledger = ledger();
    assert_eq!(ledger.next_base(), 1_000);
    ledger.apply(AdmissionRecord::MarkRaised { epoch: 1, number_max: 2_000 }, MonoMs(0));
    ledger.apply(AdmissionRecord::GatherStarted { given_to: 90, base: 1_000 }, MonoMs(0));
    let draw = Draw { base: 1_000, last: 1_000, seed: [7; 32], at: UnixMillis(0), made_of: None };
    ledger.apply(AdmissionRecord::Drawn(draw), MonoMs(0));
    assert_eq!(ledger.next_base(), 2_000);
    ledger.apply(closed(1, 1_000), MonoMs(0));
    assert_eq!(ledger.next_base(), 1_001);
    ledger.apply(AdmissionRecord::MarkRaised { epoch: 1, number_max: 3_000 }, MonoMs(0));
    ledger.apply(AdmissionRecord::GatherStarted { given_to: 1_000, base: 1_001 }, MonoMs(0));
    assert_eq!(ledger.line_last(1_500), 1_001, "the numbers above it wait for the draw");
}

fn epoch(epoch: u32, given_to: u64, number_floor: u64) -> AdmissionRecord {
    let (redis_run_id, at) = ("s".into(), UnixMillis(0));
    AdmissionRecord::EpochStarted { epoch, given_to, number_floor, redis_run_id, at }
}

#[test]
fn what_nobody_knows_is_in_doubt_and_what_was_given_to_nobody_is_not_alive() {
    let mut ledger = ledger();
    ledger.apply(release(0, 10, &[], &[]), MonoMs(0));
    ledger.apply(AdmissionRecord::NumbersSeen { epoch: 1, given_to: 15 }, MonoMs(0));
    assert_eq!(ledger.given, 15);
    ledger.apply(epoch(2, 15, 1_000), MonoMs(0));
    assert_eq!((ledger.given, ledger.doubts().count()), (1_000, 985));
    assert_eq!(ledger.all_alive(1_000).count(0, 5_000), 990);
    ledger.apply(AdmissionRecord::DoubtEnded { epoch: 2, given_to: 17 }, MonoMs(0));
    assert_eq!(ledger.doubts().count(), 0);
    ledger.apply(epoch(3, 1_002, 1_004), MonoMs(0));
    assert_eq!(ledger.doubts().collect::<Vec<_>>(), [1_003, 1_004]);
    let alive: Vec<u64> = ledger.all_alive(1_006).iter(0, 5_000).collect();
    assert_eq!(alive[..7], [11, 12, 13, 14, 15, 16, 17]);
    assert_eq!(alive[7..], [1_001, 1_002, 1_003, 1_004, 1_005, 1_006]);
}

fn closed(epoch: u32, given_to: u64) -> AdmissionRecord {
    AdmissionRecord::GivingClosed { epoch, given_to }
}

#[test]
fn what_is_lost_while_giving_is_closed_leaves_nobody_in_doubt() {
    let mut ledger = ledger();
    assert!(ledger.is_giving());
    ledger.apply(AdmissionRecord::NumbersSeen { epoch: 1, given_to: 15 }, MonoMs(0));
    ledger.apply(closed(1, 17), MonoMs(0));
    assert!(!ledger.is_giving());
    assert_eq!((ledger.given, ledger.mark), (17, 17));
    let mut lost = ledger.clone();
    lost.apply(epoch(2, 17, 17), MonoMs(0));
    assert_eq!(lost.doubts().count(), 0);
    assert!(!lost.is_giving());
    assert_eq!(lost.positions().ahead(&LiveIndex::default(), 18), 17);
    assert_eq!(lost.positions().doubt_before(18), None);
    ledger.apply(AdmissionRecord::MarkRaised { epoch: 1, number_max: 100 }, MonoMs(0));
    assert!(ledger.is_giving());
    ledger.apply(epoch(2, 18, 100), MonoMs(0));
    assert_eq!(ledger.doubts().count(), 82, "lost while it was open again");
}

#[test]
#[should_panic(expected = "LINE-1 is broken")]
fn giving_is_not_closed_below_what_was_given() {
    let mut ledger = ledger();
    ledger.apply(AdmissionRecord::NumbersSeen { epoch: 1, given_to: 15 }, MonoMs(0));
    ledger.apply(closed(1, 14), MonoMs(0));
}

#[test]
fn numbers_in_doubt_are_not_people_ahead_until_they_have_checked_in() {
    let mut ledger = ledger();
    ledger.apply(release(0, 10, &[], &[]), MonoMs(0));
    ledger.apply(epoch(2, 15, 1_000), MonoMs(0));
    ledger.apply(AdmissionRecord::MarkRaised { epoch: 2, number_max: 2_000 }, MonoMs(0));
    let unread = LiveIndex::default();
    assert_eq!(
        ledger.positions().ahead(&unread, 700),
        5,
        "a place in doubt sees those who are known"
    );
    assert_eq!(ledger.positions().ahead(&unread, 1_001), 5);
    assert_eq!(ledger.positions().ahead(&unread, 1_003), 7);
    assert_eq!(ledger.positions().ahead(&unread, 12), 1);
    let mut live = Bits::zeroed(0, 32);
    live.fill(10, 15);
    live.set(700);
    live.set(1_001);
    let read = LiveIndex::new(live, 1_001);
    assert_eq!(ledger.positions().ahead(&read, 700), 5);
    assert_eq!(
        ledger.positions().ahead(&read, 1_003),
        8,
        "one has checked in, one joined after the reading"
    );
    let before = [15, 16, 17, 1_001].map(|number| ledger.positions().doubt_before(number));
    assert_eq!(before, [None, None, Some(16), Some(16)]);
    ledger.apply(AdmissionRecord::DoubtEnded { epoch: 2, given_to: 17 }, MonoMs(0));
    assert_eq!(ledger.positions().doubt_before(1_001), None);
    assert_eq!(
        ledger.positions().ahead(&unread, 1_001),
        7,
        "and those above it were given to nobody"
    );
}

#[test]
fn a_doubt_in_a_drawn_pre_queue_may_be_before_each_of_its_places() {
    let mut ledger = ledger();
    ledger.apply(AdmissionRecord::GatherStarted { given_to: 100, base: 100 }, MonoMs(0));
    ledger.apply(epoch(2, 120, 1_000), MonoMs(0));
    let draw = Draw { base: 100, last: 1_000, seed: [7; 32], at: UnixMillis(0), made_of: None };
    ledger.apply(AdmissionRecord::Drawn(draw), MonoMs(0));
    assert_eq!(ledger.positions().doubt_before(101), None);
    assert_eq!(ledger.positions().doubt_before(102), Some(101));
}

#[test]
fn numbers_between_line_and_pre_queue_are_in_doubt_only_after_a_loss() {
    let mut ledger = ledger();
    ledger.apply(AdmissionRecord::GatherStarted { given_to: 90, base: 100 }, MonoMs(0));
    assert_eq!(ledger.doubts().count(), 0, "Redis knows");
    ledger.apply(epoch(2, 1_000, 1_000), MonoMs(0));
    assert_eq!(ledger.doubts().count(), 10);
    ledger.apply(release(0, 100, &[], &[]), MonoMs(0));
    ledger.forget(UnixMillis(0));
    assert_eq!(ledger.doubts().count(), 0, "passed");
}

#[test]
fn a_called_place_that_was_given_up_is_over_for_good_and_others_are_as_they_were() {
    let mut ledger = ledger();
    ledger.apply(release(0, 10, &[(3, 5)], &[]), MonoMs(0));
    ledger.apply(release(10, 12, &[], &[4]), MonoMs(0));
    let left = AdmissionRecord::Left { epoch: 1, numbers: vec![2, 4, 5, 13] };
    for _ in 0..2 {
        ledger.apply(left.clone(), MonoMs(0));
        assert_eq!(ledger.left().collect::<Vec<_>>(), [2, 4], "only who was called");
    }
    assert_eq!(ledger.standing(2), Standing::Left);
    assert_eq!(ledger.standing(4), Standing::Left);
    assert_eq!(ledger.standing(5), Standing::Skipped);
    assert_eq!(ledger.standing(13), Standing::Waiting);
    ledger.forget(UnixMillis(700_000));
    assert_eq!(ledger.standing(2), Standing::Over);
    assert_eq!(ledger.left().count(), 0);
}

#[test]
#[should_panic(expected = "LINE-1 is broken")]
fn an_epoch_below_the_mark_is_refused() {
    let started = AdmissionRecord::EpochStarted {
        epoch: 2,
        given_to: 900,
        number_floor: 999,
        redis_run_id: "s".into(),
        at: UnixMillis(0),
    };
    ledger().apply(started, MonoMs(0));
}

fn prepared(ledger: &mut Ledger) {
    ledger.apply(AdmissionRecord::GatherStarted { given_to: 100, base: 100 }, MonoMs(0));
    let (nonce, commitment) = ([1; 32], [2; 32]);
    let (needs_beacon, witnesses) = (true, vec![[5; 32]]);
    let committed =
        AdmissionRecord::Committed { base: 100, nonce, commitment, needs_beacon, witnesses };
    ledger.apply(committed, MonoMs(0));
}

fn drawn(last: u64, root: [u8; 32]) -> AdmissionRecord {
    drawn_with(last, root, vec![[6; 32]])
}

fn drawn_with(last: u64, root: [u8; 32], witnesses: Vec<[u8; 32]>) -> AdmissionRecord {
    let made_of = DrawMadeOf { root, secret: [4; 32], beacon: "b".into(), witnesses };
    let (seed, at) = ([7; 32], UnixMillis(0));
    AdmissionRecord::Drawn(Draw { base: 100, last, seed, at, made_of: Some(made_of) })
}

/// As [`drawn`], without the beacon that was promised.
fn drawn_alone(last: u64, root: [u8; 32]) -> AdmissionRecord {
    let witnesses = vec![[6; 32]];
    let made_of = DrawMadeOf { root, secret: [4; 32], beacon: "".into(), witnesses };
    let (seed, at) = ([7; 32], UnixMillis(0));
    AdmissionRecord::Drawn(Draw { base: 100, last, seed, at, made_of: Some(made_of) })
}

#[test]
fn what_is_fixed_of_a_draw_is_known_until_it_is_made_and_then_with_it() {
    let mut ledger = ledger();
    prepared(&mut ledger);
    let fixed = ledger.prepared.clone().unwrap();
    assert_eq!((fixed.commitment, fixed.needs_beacon, fixed.last), ([2; 32], true, None));
    ledger.apply(AdmissionRecord::CohortClosed { base: 100, last: 150 }, MonoMs(0));
    ledger.apply(AdmissionRecord::Rooted { base: 100, root: [3; 32] }, MonoMs(0));
    let fixed = ledger.prepared.clone().unwrap();
    assert_eq!((fixed.last, fixed.root), (Some(150), Some([3; 32])));
    assert_eq!(ledger.given, 150, "a closed cohort says how far numbers were given");
    assert_eq!(ledger.line_last(150), 100, "nobody is called before the draw");
    ledger.apply(drawn(150, [3; 32]), MonoMs(0));
    assert_eq!((ledger.gathering, &ledger.prepared), (None, &None));
    assert_eq!(ledger.line_last(150), 150);
    let (_, published) = ledger.made().next_back().unwrap();
    assert_eq!(published, Some(&fixed), "what was published stays");
}

#[test]
fn a_draw_that_does_not_follow_from_what_was_published_is_a_bug() {
    let mut ledger = ledger();
    prepared(&mut ledger);
    let unclosed = ledger.clone();
    ledger.apply(AdmissionRecord::CohortClosed { base: 100, last: 150 }, MonoMs(0));
    let rootless = ledger.clone();
    ledger.apply(AdmissionRecord::Rooted { base: 100, root: [3; 32] }, MonoMs(0));
    let again = AdmissionRecord::Committed {
        base: 100,
        nonce: [9; 32],
        commitment: [9; 32],
        needs_beacon: false,
        witnesses: Vec::new(),
    };
    for (ledger, record) in [
        (&ledger, drawn(150, [9; 32])),
        (&ledger, drawn(151, [3; 32])),
        (&ledger, drawn_alone(150, [3; 32])),
        (&ledger, drawn_with(150, [3; 32], Vec::new())),
        (&ledger, drawn_with(150, [3; 32], vec![[6; 32]; 2])),
        (&ledger, again),
        (&ledger, AdmissionRecord::CohortClosed { base: 100, last: 151 }),
        (&ledger, AdmissionRecord::Rooted { base: 100, root: [9; 32] }),
        (&rootless, drawn(150, [3; 32])),
        (&unclosed, AdmissionRecord::Rooted { base: 100, root: [3; 32] }),
    ] {
        let mut ledger = ledger.clone();
        let what = format!("{record:?}");
        let applied = std::panic::catch_unwind(move || ledger.apply(record, MonoMs(0)));
        assert!(applied.is_err(), "{what}");
    }
}

#[test]
fn the_closed_cohort_ends_every_doubt_about_its_numbers_and_no_other() {
    let mut ledger = ledger();
    ledger.apply(AdmissionRecord::NumbersSeen { epoch: 1, given_to: 90 }, MonoMs(0));
    prepared(&mut ledger);
    ledger.apply(epoch(2, 120, 1_000), MonoMs(0));
    ledger.apply(AdmissionRecord::MarkRaised { epoch: 2, number_max: 1_100 }, MonoMs(0));
    ledger.apply(epoch(3, 1_010, 1_100), MonoMs(0));
    ledger.apply(AdmissionRecord::DoubtEnded { epoch: 3, given_to: 1_020 }, MonoMs(0));
    ledger.apply(AdmissionRecord::MarkRaised { epoch: 3, number_max: 1_200 }, MonoMs(0));
    assert_eq!(ledger.doubts().count(), 880);
    ledger.apply(AdmissionRecord::CohortClosed { base: 100, last: 1_150 }, MonoMs(0));
    ledger.apply(AdmissionRecord::Rooted { base: 100, root: [3; 32] }, MonoMs(0));
    ledger.apply(drawn(1_150, [3; 32]), MonoMs(0));
    assert_eq!(ledger.doubts().count(), 0);
    assert_eq!(ledger.positions().doubt_before(1_150), None);
    let draw = ledger.draw_of(101).unwrap().clone();
    assert_eq!(ledger.decided(&draw), [(121, 1_000)]);
    assert_eq!(ledger.cohort_draws().count(), 1);
    let mut passed = ledger.clone();
    ledger.apply(epoch(4, 1_160, 1_200), MonoMs(0));
    assert_eq!(ledger.doubts().collect::<Vec<_>>(), (1_161..=1_200).collect::<Vec<_>>());
    assert_eq!(ledger.decided(&draw), [], "the new epoch shows the living anew");
    passed.apply(release(0, 1_150, &[], &[]), MonoMs(0));
    passed.forget(UnixMillis(0));
    assert_eq!((passed.decided(&draw), passed.cohort_draws().count()), (vec![], 0));
}

#[test]
fn claims_that_were_closed_stay_closed_and_known_of_each_whom_the_release_called() {
    let mut ledger = ledger();
    ledger.apply(release(0, 10, &[(3, 5)], &[]), MonoMs(0));
    ledger.apply(release(10, 10, &[], &[5, 3]), MonoMs(0));
    ledger.apply(release(10, 20, &[], &[]), MonoMs(0));
    let close = |ledger: &mut Ledger, number: u64, claimed: &[(u64, u64)]| {
        let claimed = claimed.to_vec();
        ledger.apply(AdmissionRecord::ClaimsClosed { epoch: 1, number, claimed }, MonoMs(0));
    };
    close(&mut ledger, 1, &[(2, 2), (6, 8)]);
    close(&mut ledger, 5, &[(3, 3)]);
    ledger.apply(epoch(2, 1_000, 1_000), MonoMs(0));
    let counted = |number: u64| match ledger.standing(number) {
        Standing::Called(terms) => terms.counted,
        other => panic!("{number} is {other:?}"),
    };
    for number in [2, 3, 6, 7, 8] {
        assert_eq!(counted(number), Some(true), "{number}");
    }
    for number in [1, 5, 9, 10] {
        assert_eq!(counted(number), Some(false), "{number}");
    }
    assert_eq!(counted(11), None, "that release is open");
}
