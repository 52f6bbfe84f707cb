//! Tests of the controller, with the trouble and the silence that stages may be in.

use super::{
    ADAPT_STEP, Adapt, COMMIT_TARGET, DECREASE_REST, Headroom, PENDING_TARGET, REPLY_STOP,
    REPLY_TARGET, SIGNAL_FRESH, SIGNAL_LOST, Signals,
};
use crate::mono::MonoMs;
use proptest::prelude::*;
use schema::admission::LimitedBy;
use schema::limits::ASK_WAIT;
use schema::{AllocatorLoad, DurationMs, SettlementLoad, ShardId, UnixMillis};

const FRESH: DurationMs = DurationMs(400);
const STALE: DurationMs = DurationMs(SIGNAL_FRESH.0 + 1);
const LOST: DurationMs = DurationMs(SIGNAL_LOST.0 + 1);

fn allocator(pending: u32, reply_p99: DurationMs) -> AllocatorLoad {
    AllocatorLoad { shard: ShardId(0), pending, reply_p99 }
}

fn settlement(orders: u32, commit_wait: DurationMs) -> SettlementLoad {
    let (instance, provider_down) = ("one".into(), false);
    SettlementLoad { instance, orders, orders_max: 2_048, commit_wait, provider_down }
}

/// Both stages, each well or not, as of so long ago.
fn signals(allocator_is_well: bool, settlement_is_well: bool, age: DurationMs) -> Signals {
    let pending = if allocator_is_well { PENDING_TARGET } else { PENDING_TARGET + 1 };
    let orders = if settlement_is_well { 1_024 } else { 1_025 };
    Signals {
        allocator: Some((allocator(pending, REPLY_TARGET), age)),
        settlement: Some((settlement(orders, COMMIT_TARGET), age)),
    }
}

/// Takes so many steps with the same signals; the rate and what binds after each.
fn steps(
    adapt: &mut Adapt,
    now: &mut u64,
    cap: u32,
    signals: &Signals,
    count: usize,
) -> Vec<(u32, LimitedBy)> {
    let step = |_| {
        *now += ADAPT_STEP.0;
        adapt.step(MonoMs(*now), cap, signals).binding(cap)
    };
    (0..count).map(step).collect()
}

/// Takes steps with the same signals until so many decreases were due; as [`steps`] after each.
fn falls(
    adapt: &mut Adapt,
    now: &mut u64,
    cap: u32,
    signals: &Signals,
    count: usize,
) -> Vec<(u32, LimitedBy)> {
    *now += DECREASE_REST.0;
    let taken = steps(adapt, now, cap, signals, count * 10);
    for rest in taken.chunks(10) {
        assert!(rest.iter().all(|step| *step == rest[0]), "one decrease is given time: {rest:?}");
    }
    taken.into_iter().step_by(10).collect()
}

#[test]
fn a_stage_in_trouble_takes_the_rate_to_its_floor_and_gives_it_back_in_five_minutes() {
    let (mut adapt, mut now) = (Adapt::default(), 0);
    let well = signals(true, true, FRESH);
    assert_eq!(steps(&mut adapt, &mut now, 6_000, &well, 1), [(6_000, LimitedBy::Rate)]);
    let fall = falls(&mut adapt, &mut now, 6_000, &signals(false, true, FRESH), 10);
    let rates: Vec<u32> = fall.iter().map(|(rate, _)| *rate).collect();
    assert_eq!(rates, [4_200, 2_940, 2_058, 1_440, 1_008, 705, 494, 345, 300, 300]);
    assert!(fall.iter().all(|(_, by)| *by == LimitedBy::Allocator), "{fall:?}");
    let rise = steps(&mut adapt, &mut now, 6_000, &well, 285);
    assert_eq!((rise[0], rise[283]), ((320, LimitedBy::Allocator), (5_980, LimitedBy::Allocator)));
    assert_eq!(rise[284], (6_000, LimitedBy::Rate));
}

#[test]
fn each_sign_of_trouble_counts_by_itself_and_names_its_stage() {
    let beyond = |target: DurationMs| target + DurationMs(1);
    let of_allocator =
        [allocator(PENDING_TARGET + 1, DurationMs(0)), allocator(0, beyond(REPLY_TARGET))];
    let of_settlement = [settlement(1_025, DurationMs(0)), settlement(0, beyond(COMMIT_TARGET))];
    let allocators = of_allocator.map(|load| {
        let signals = Signals { allocator: Some((load, FRESH)), settlement: None };
        (signals, LimitedBy::Allocator)
    });
    let settlements = of_settlement.map(|load| {
        let signals = Signals { allocator: None, settlement: Some((load, FRESH)) };
        (signals, LimitedBy::Settlement)
    });
    for (signals, by) in allocators.into_iter().chain(settlements) {
        let bound = Adapt::default().step(MonoMs(7), 600, &signals).binding(600);
        assert_eq!(bound, (420, by), "{signals:?}");
    }
}

#[test]
fn the_stage_that_bears_least_is_named_and_the_other_goes_on_from_what_was_tried() {
    let (mut adapt, mut now) = (Adapt::default(), 0);
    let fall = falls(&mut adapt, &mut now, 6_000, &signals(true, false, FRESH), 4);
    assert_eq!(fall[3], (1_440, LimitedBy::Settlement));
    // The allocator is in trouble at 1,440, not at the cap that its own rate still says.
    let both = steps(&mut adapt, &mut now, 6_000, &signals(false, true, FRESH), 1);
    assert_eq!(both[0], (1_008, LimitedBy::Allocator));
}

#[test]
fn silence_holds_the_rate_then_lowers_it_and_a_stage_that_never_spoke_is_no_limit() {
    let (mut adapt, mut now) = (Adapt::default(), 0);
    let before = falls(&mut adapt, &mut now, 6_000, &signals(false, true, FRESH), 2);
    let held = steps(&mut adapt, &mut now, 6_000, &signals(true, true, STALE), 25);
    assert!(held.iter().all(|held| *held == before[1]), "{held:?}");
    let mut untouched = Adapt::default();
    let held = steps(&mut untouched, &mut 0, 6_000, &signals(false, false, STALE), 25);
    assert!(held.iter().all(|held| *held == (6_000, LimitedBy::Rate)), "{held:?}");
    let lost = falls(&mut adapt, &mut now, 6_000, &signals(true, true, LOST), 8);
    assert_eq!((before[1].0, lost[6].0, lost[7].0), (2_940, 300, 300));
    let alone = steps(&mut Adapt::default(), &mut 0, 6_000, &Signals::default(), 100);
    assert!(alone.iter().all(|alone| *alone == (6_000, LimitedBy::Rate)), "{alone:?}");
}

#[test]
fn while_nobody_can_pay_the_rate_is_at_its_floor_and_then_where_it_fell_to() {
    let (mut adapt, mut now) = (Adapt::default(), 0);
    let down = |age| {
        let load = SettlementLoad { provider_down: true, ..settlement(0, DurationMs(0)) };
        Signals { allocator: None, settlement: Some((load, age)) }
    };
    let floor = (300, LimitedBy::Settlement);
    assert_eq!(steps(&mut adapt, &mut now, 6_000, &down(FRESH), 5), [floor; 5]);
    assert_eq!(steps(&mut adapt, &mut now, 6_000, &down(STALE), 5), [floor; 5]);
    // A single decrease was due, and what is heard again rises by its steps.
    let well = signals(true, true, FRESH);
    let after = (4_220, LimitedBy::Settlement);
    assert_eq!(steps(&mut adapt, &mut now, 6_000, &well, 1), [after]);
    for (age, borne) in [(FRESH, floor), (STALE, floor), (LOST, (6_000, LimitedBy::Rate))] {
        assert_eq!(Headroom::of_outage(&down(age), 6_000).binding(6_000), borne);
    }
    assert_eq!(Headroom::of_outage(&well, 6_000), Headroom::default());
    assert_eq!(Headroom::of_outage(&down(FRESH), 0).binding(0).0, 0);
}

/// As a leader goes on whose predecessor called somebody at that pace just now.
fn resumed(pace: u32) -> Adapt {
    Adapt::resume(Some((UnixMillis(1), pace)), UnixMillis(2))
}

#[test]
fn a_new_leader_goes_on_where_the_last_one_was() {
    let (mut adapt, mut now) = (resumed(1_000), 0);
    let held = steps(&mut adapt, &mut now, 6_000, &signals(true, true, STALE), 3);
    assert_eq!(held, [(1_000, LimitedBy::Allocator); 3]);
    assert_eq!(adapt.pace(6_000), Some(1_000));
    assert_eq!(steps(&mut adapt, &mut now, 6_000, &signals(true, true, FRESH), 1)[0].0, 1_020);
    let mut unlimited = resumed(6_000);
    let headroom = unlimited.step(MonoMs(0), 6_000, &signals(true, true, FRESH));
    assert_eq!((headroom, unlimited.pace(6_000)), (Headroom::default(), None));
    // After five minutes of increases the whole cap would be borne.
    let long_ago = Adapt::resume(Some((UnixMillis(1), 1_000)), UnixMillis(300_001));
    assert_eq!(long_ago.pace(6_000), None);
    assert_eq!(Adapt::resume(None, UnixMillis(0)).pace(6_000), None);
}

#[test]
fn an_outage_of_the_provider_is_no_pace_of_the_stages() {
    let mut adapt = resumed(1_000);
    let mut down = signals(true, true, STALE);
    if let Some((load, age)) = &mut down.settlement {
        (load.provider_down, *age) = (true, FRESH);
    }
    assert_eq!(adapt.step(MonoMs(0), 6_000, &down).binding(6_000).0, 300, "the floor");
    assert!(adapt.pace(6_000).is_some_and(|pace| 300 < pace), "{adapt:?}");
}

#[test]
fn what_the_operator_sets_is_the_cap_at_once() {
    let (mut adapt, mut now) = (Adapt::default(), 0);
    let well = signals(true, true, FRESH);
    for cap in [600, 6_000, 60, 0, 1] {
        assert_eq!(steps(&mut adapt, &mut now, cap, &well, 1), [(cap, LimitedBy::Rate)]);
    }
    // One that is held back rises by the new cap's steps, and is never above a lower one.
    falls(&mut adapt, &mut now, 600, &signals(true, false, FRESH), 4);
    assert_eq!(steps(&mut adapt, &mut now, 6_000, &well, 1)[0].0, 320);
    assert_eq!(steps(&mut adapt, &mut now, 90, &well, 1), [(90, LimitedBy::Rate)]);
}

/// The words of an owner that is so slow, and of a settlement that is well.
fn slow(reply_p99: DurationMs, age: DurationMs) -> Signals {
    Signals { allocator: Some((allocator(0, reply_p99), age)), ..signals(true, true, age) }
}

#[test]
fn ten_times_as_slow_for_half_a_minute_stops_the_line_at_the_next_tick_and_once() {
    let (mut adapt, tick) = (Adapt::default(), 250);
    let ten_times = DurationMs(REPLY_TARGET.0 * 10);
    let mut rates = Vec::new();
    for at in (0..600_000).step_by(tick) {
        let is_slow = (60_250..90_250).contains(&at);
        let reply_p99 = if is_slow { ten_times } else { REPLY_TARGET };
        let now = MonoMs(u64::try_from(at).unwrap());
        let bound = adapt.step(now, 6_000, &slow(reply_p99, FRESH)).binding(6_000);
        if is_slow {
            assert_eq!(bound, (0, LimitedBy::Allocator), "at {at} ms");
        } else {
            rates.push(bound.0);
        }
    }
    let (before, after) = rates.split_at(241);
    assert!(before.iter().all(|rate| *rate == 6_000), "{before:?}");
    // Three decreases were due meanwhile; from there on it only rises, to where it was.
    assert_eq!((after[0], after.last()), (2_058, Some(&6_000)));
    assert!(after.is_sorted(), "no swing: {after:?}");
}

#[test]
fn a_stop_needs_answers_beyond_its_limit_outlasts_silence_and_ends_with_the_next_good_word() {
    let beyond = DurationMs(REPLY_STOP.0 + 1);
    let rate = |adapt: &mut Adapt, now, signals: &Signals| {
        adapt.step(MonoMs(now), 6_000, signals).binding(6_000)
    };
    let mut adapt = Adapt::default();
    assert_eq!(rate(&mut adapt, 0, &slow(REPLY_STOP, FRESH)).0, 4_200, "it slows");
    let stopped = (0, LimitedBy::Allocator);
    for (at, age) in [(1, FRESH), (2, STALE), (3, SIGNAL_LOST)] {
        assert_eq!(rate(&mut adapt, at, &slow(beyond, age)), stopped);
    }
    assert_eq!(rate(&mut adapt, 4, &slow(beyond, LOST)).0, 4_200);
    assert_eq!(rate(&mut adapt, 5, &slow(REPLY_TARGET, FRESH)).0, 4_200);
}

/// A stage that feels after so many seconds who was let in under a cap of 6,000, and bears `borne`
/// people a minute. Returns the mean rate of the last 100 of 120 minutes; `say` is what it says
/// when whoever comes waits for so long.
fn mean_rate(
    mut adapt: Adapt,
    borne: u32,
    feels_after: usize,
    say: fn(DurationMs) -> Signals,
) -> u32 {
    let mut let_in = vec![0; feels_after];
    // In sixtieths of a person: the rates are of a minute.
    let mut waiting: u32 = 0;
    for second in 0..7_200_u64 {
        waiting += let_in[let_in.len() - feels_after];
        waiting = waiting.saturating_sub(borne);
        let wait = DurationMs(u64::from(waiting) * 1_000 / u64::from(borne));
        let headroom = adapt.step(MonoMs(second * 1_000), 6_000, &say(wait));
        let_in.push(headroom.binding(6_000).0);
    }
    let last: &[u32] = &let_in[let_in.len() - 6_000..];
    last.iter().sum::<u32>() / 6_000
}

fn settlement_says(wait: DurationMs) -> Signals {
    Signals { allocator: None, settlement: Some((settlement(0, wait), FRESH)) }
}

/// An owner answers nothing that nobody waits for any more.
fn allocator_says(wait: DurationMs) -> Signals {
    Signals { allocator: Some((allocator(0, wait.min(ASK_WAIT)), FRESH)), settlement: None }
}

#[test]
fn it_comes_to_rest_near_what_is_borne_wherever_it_starts() {
    type Stage = (fn(DurationMs) -> Signals, usize, u32);
    let stages: [Stage; 5] = [
        (settlement_says, 10, 80),
        (settlement_says, 30, 65),
        (settlement_says, 90, 60),
        // Its stops cost a part of it.
        (allocator_says, 10, 70),
        (allocator_says, 30, 60),
    ];
    for (say, feels_after, share_min) in stages {
        for borne in [1_000, 2_500, 4_500] {
            for start in [300, 3_000, 6_000] {
                let mean = mean_rate(resumed(start), borne, feels_after, say);
                let share = mean * 100 / borne;
                assert!(
                    (share_min..=100).contains(&share),
                    "{mean} of {borne} from {start}, felt after {feels_after} s"
                );
            }
        }
    }
    assert_eq!(mean_rate(resumed(300), 6_000, 10, settlement_says), 6_000);
}

/// Which of the two is well, how old the word is, and the time to the next look.
fn look() -> impl Strategy<Value = (bool, bool, u64, u64)> {
    let age = prop_oneof![4 => 0..=3_000_u64, 2 => 3_001..=30_000_u64, 1 => 30_001..=90_000_u64];
    (any::<bool>(), any::<bool>(), age, 1..=1_500_u64)
}

proptest! {
    #[test]
    fn no_rate_is_above_the_cap_below_the_floor_or_moves_further_than_a_step(
        cap in 1_u32..=1_000_000,
        looks in prop::collection::vec(look(), 1..300),
    ) {
        let (mut adapt, mut now, mut last) = (Adapt::default(), 0, cap);
        let (mut stepped, mut lowered): (Option<u64>, Option<u64>) = (None, None);
        let floor = (cap / 20).max(1);
        for (allocator_is_well, settlement_is_well, age, wait) in looks {
            now += wait;
            let signals = signals(allocator_is_well, settlement_is_well, DurationMs(age));
            let (rate, by) = adapt.step(MonoMs(now), cap, &signals).binding(cap);
            prop_assert!(floor <= rate && rate <= cap, "{} of {}", rate, cap);
            prop_assert_eq!(by == LimitedBy::Rate, rate == cap);
            prop_assert!(rate <= last.saturating_add(cap / 300 + 1), "{} after {}", rate, last);
            prop_assert!(last * 7 / 10 <= rate + 1 || rate == floor, "{} after {}", rate, last);
            if stepped.is_some_and(|at| now - at < 1_000) {
                prop_assert_eq!(rate, last, "it steps once a second");
                continue;
            }
            stepped = Some(now);
            let is_over =
                30_000 < age || age <= 3_000 && !(allocator_is_well && settlement_is_well);
            if is_over {
                prop_assert!(rate <= last, "{} after {}", rate, last);
            } else {
                prop_assert!(last <= rate, "{} after {}", rate, last);
            }
            if is_over && lowered.is_none_or(|at| at + 10_000 <= now) {
                prop_assert!(rate < last || rate == floor || rate < 4, "{} after {}", rate, last);
            }
            if 3_000 < age && age <= 30_000 {
                prop_assert_eq!(rate, last, "nothing is known");
            }
            if rate < last {
                lowered = Some(now);
            }
            last = rate;
        }
    }
}
