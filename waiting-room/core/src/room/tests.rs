//! Tests of the leader's decision, with a whole small room around it.

use super::{Plan, Room, Sight};
use crate::adapt::{Adapt, Headroom, Signals};
use crate::basket::Basket;
use crate::bits::Bits;
use crate::inside::Uncounted;
use crate::ledger::Ledger;
use crate::manner::{Life, manner};
use crate::mono::MonoMs;
use crate::number_set::NumberSet;
use crate::restore::{Origin, restore};
use crate::returns::{Baskets, Returns};
use proptest::prelude::*;
use schema::admission::{AdmissionRecord, LimitedBy, MachineClock, Release};
use schema::{AllocatorLoad, DurationMs, RoomMode, RoomSettings, ShardId, UnixMillis};

/// A room with its fans, in virtual time.
struct World {
    room: Room,
    settings: RoomSettings,
    now: u64,
    last: u64,
    live: Bits,
    seen: Bits,
    late: Vec<u64>,
    seats_free: Option<u32>,
    headroom: Headroom,
    called: Vec<(u64, u64)>,
    /// What a new leader finds.
    stored: Vec<Release>,
    left: Vec<u64>,
    /// Records behind the releases.
    beside: Vec<AdmissionRecord>,
    doubt: Bits,
    is_armed: bool,
    returns: Option<Returns>,
}

impl World {
    fn new(rate: u32) -> Self {
        Self {
            room: Room::default(),
            settings: RoomSettings {
                admission_rate_per_minute: rate,
                active_max: 1_000_000,
                ..RoomSettings::default()
            },
            now: 1_000_000,
            last: 0,
            live: Bits::zeroed(0, 1_024),
            seen: Bits::zeroed(0, 1_024),
            late: Vec::new(),
            seats_free: None,
            headroom: Headroom::default(),
            called: Vec::new(),
            stored: Vec::new(),
            left: Vec::new(),
            beside: Vec::new(),
            doubt: Bits::default(),
            is_armed: false,
            returns: None,
        }
    }

    fn join(&mut self, count: u64) {
        for _ in 0..count {
            self.last += 1;
            self.live.set(self.last);
        }
    }

    /// One tick whose append takes `append_ms`; the release shows somewhere within.
    fn tick(&mut self, append_ms: u64, shows_after_ms: u64) -> (Option<Plan>, LimitedBy) {
        let (is_armed, now) = (self.is_armed, UnixMillis(self.now));
        let beside = Life { gathering: false, is_armed, is_over: false, now };
        let sight = Sight {
            settings: &self.settings,
            manner: manner(&self.settings, beside),
            line_last: self.last,
            sight_last: 65_535,
            live: &self.live,
            seen: &self.seen,
            doubt: &self.doubt,
            late: &self.late,
            seats_free: self.seats_free,
            returns: self.returns,
            headroom: self.headroom,
        };
        let decision = self.room.decide(MonoMs(self.now), sight);
        if let Some(plan) = &decision.release {
            assert_eq!(plan.cursor_before, self.room.cursor);
            let shown = self.now + shows_after_ms.min(append_ms);
            let is_skipped =
                |n: u64| plan.skipped.iter().any(|&(first, last)| first <= n && n <= last);
            let line = (plan.cursor_before + 1..=plan.cursor).filter(|&n| !is_skipped(n));
            let numbers: Vec<u64> = line.chain(plan.late.iter().copied()).collect();
            assert_eq!(numbers.len(), plan.called as usize);
            self.called.extend(numbers.into_iter().map(|number| (shown, number)));
            self.late.drain(..plan.late.len());
            self.store(plan.clone());
            self.now += append_ms;
            let (claim, pass) = (DurationMs(120_000), DurationMs(420_000));
            self.room.acked(MonoMs(self.now), claim, pass);
        }
        (decision.release, decision.limited_by)
    }

    fn publish(&mut self, given: u64) -> u64 {
        let ceiling = crate::poll::POLLS.ceiling;
        self.room.publish_horizon(MonoMs(self.now), given, &self.doubt, &self.settings, ceiling)
    }

    /// Redis was lost: the numbers in `(after, last]` may have been given.
    fn lose(&mut self, after: u64, last: u64) {
        self.doubt = Bits::zeroed(0, 1_024);
        self.doubt.fill(after, last);
        self.last = last;
        self.room.epoch_started();
    }

    /// A fan polls: that the number is somebody's is known from here on.
    fn check_in(&mut self, number: u64) {
        self.live.set(number);
        self.seen.set(number);
    }

    /// A called fan gives the place up; the leader hears of it as often as it is said.
    fn leave(&mut self, number: u64) {
        if !self.left.contains(&number) {
            self.left.push(number);
            self.room.left(number);
        }
    }

    fn store(&mut self, plan: Plan) {
        self.stored.push(Release {
            epoch: 1,
            cursor_before: plan.cursor_before,
            cursor: plan.cursor,
            called: plan.called,
            at: UnixMillis(self.now),
            claim_until: UnixMillis(self.now + 120_000),
            pass_until: UnixMillis(self.now + 420_000),
            skipped: plan.skipped,
            late: plan.late,
            clock: Some(MachineClock { boot: 1, uptime: DurationMs(self.now) }),
            pace: None,
        });
    }

    /// Another process leads from here on, on this machine or on another one.
    fn take_over(&mut self, boot: u64) {
        self.take_over_with(boot, UnixMillis(self.now));
    }

    /// As [`Self::take_over`], and its wall clock says `wall`.
    fn take_over_with(&mut self, boot: u64, wall: UnixMillis) {
        let mut ledger = Ledger::default();
        let at = MonoMs(self.now);
        let started = AdmissionRecord::EpochStarted {
            epoch: 1,
            given_to: 0,
            number_floor: 0,
            redis_run_id: "r".into(),
            at: UnixMillis(0),
        };
        ledger.apply(started, at);
        ledger.apply(AdmissionRecord::MarkRaised { epoch: 1, number_max: 65_535 }, at);
        for release in &self.stored {
            ledger.apply(AdmissionRecord::Released(release.clone()), at);
        }
        if !self.left.is_empty() {
            let left = AdmissionRecord::Left { epoch: 1, numbers: self.left.clone() };
            ledger.apply(left, at);
        }
        for record in &self.beside {
            ledger.apply(record.clone(), at);
        }
        let origin = Origin { now: at, boot: Some(boot), wall };
        self.room = restore(&ledger, &NumberSet::default(), origin, 1_000);
    }

    fn called_within_any(&self, window: u64) -> usize {
        let times: Vec<u64> = self.called.iter().map(|&(at, _)| at).collect();
        let in_window =
            |from: u64| times.iter().filter(|&&at| from <= at && at <= from + window).count();
        times.iter().map(|&from| in_window(from)).max().unwrap_or(0)
    }
}

#[test]
fn the_gone_are_passed_and_the_living_called_in_order() {
    let mut world = World::new(60_000);
    world.join(10);
    world.live = Bits::zeroed(0, 1_024);
    for number in [2, 5, 6, 9] {
        world.live.set(number);
    }
    let (plan, limited_by) = world.tick(1, 0);
    let plan = plan.unwrap();
    assert_eq!((plan.called, plan.cursor), (4, 10));
    assert_eq!(plan.skipped, [(1, 1), (3, 4), (7, 8), (10, 10)]);
    assert_eq!(limited_by, LimitedBy::Nothing);
    assert_eq!(world.tick(1, 0), (None, LimitedBy::Nothing), "the cursor stays within the given");
}

#[test]
fn each_limit_binds_and_is_named() {
    let mut world = World::new(60_000);
    world.join(1_000);
    world.seats_free = Some(3);
    assert_eq!(world.tick(1, 0).1, LimitedBy::Seats);
    assert_eq!(world.room.cursor, 3);
    world.seats_free = None;
    world.settings.active_max = 10;
    world.now += 200;
    assert_eq!(world.tick(1, 0).1, LimitedBy::Active);
    assert_eq!(world.room.cursor, 10);
    world.settings.active_max = 1_000_000;
    world.now += 200;
    assert_eq!(world.tick(1, 0).1, LimitedBy::Rate);
    for mode in [RoomMode::Hold, RoomMode::Closed, RoomMode::Off] {
        world.settings.mode = mode;
        world.now += 200;
        assert_eq!(world.tick(1, 0), (None, LimitedBy::Mode));
    }
}

#[test]
fn what_a_stage_bears_lowers_the_pace_at_once_and_is_named_until_it_bears_all_again() {
    let mut world = World::new(6_000);
    world.join(9_000);
    let ticks = |world: &mut World, count: u32| -> (usize, LimitedBy) {
        let (before, mut binding) = (world.called.len(), LimitedBy::Nothing);
        for _ in 0..count {
            binding = world.tick(1, 0).1;
            world.now += 200 - world.now % 200;
        }
        (world.called.len() - before, binding)
    };
    assert_eq!(ticks(&mut world, 150), (3_005, LimitedBy::Rate), "a tick more at first");
    world.headroom = Headroom { allocator: Some(600), settlement: Some(900) };
    assert_eq!(ticks(&mut world, 50), (100, LimitedBy::Allocator), "though the minute was busy");
    world.headroom = Headroom { allocator: None, settlement: Some(900) };
    assert_eq!(ticks(&mut world, 50), (150, LimitedBy::Settlement));
    world.headroom = Headroom::default();
    assert_eq!(ticks(&mut world, 50), (1_000, LimitedBy::Rate), "and nothing was saved");
    assert!(world.called_within_any(60_000) <= 6_000);
}

#[test]
fn a_room_that_adapts_calls_for_returns_as_many_as_they_are_for_and_no_faster_than_is_borne() {
    let mut world = World::new(6_000);
    world.join(9_000);
    let (mut adapt, basket) = (Adapt::default(), Basket::default());
    // With so many places free or held, as its leader does it: how many are called in `count`
    // ticks, and what binds in the last.
    let mut ticks = |world: &mut World, pending: u32, open: u32, count: u32| {
        let load = AllocatorLoad { shard: ShardId(0), pending, reply_p99: DurationMs(1) };
        let signals = Signals { allocator: Some((load, DurationMs(0))), settlement: None };
        let (before, mut binding) = (world.called.len(), LimitedBy::Nothing);
        for _ in 0..count {
            let now = MonoMs(world.now);
            world.headroom = adapt.step(now, 6_000, &signals);
            world.seats_free = Some(basket.people(open, world.room.active(now)));
            binding = world.tick(1, 0).1;
            world.now += 200 - world.now % 200;
        }
        (world.called.len() - before, binding)
    };
    assert_eq!(ticks(&mut world, 0, 25, 50), (10, LimitedBy::Seats), "2.5 places each");
    (1..=10).for_each(|number| world.room.completed(number));
    assert_eq!(ticks(&mut world, 0, 0, 500), (0, LimitedBy::Seats), "all is gone");
    assert_eq!(ticks(&mut world, 0, 5, 1), (2, LimitedBy::Seats), "five came back");
    assert_eq!(ticks(&mut world, 0, 5, 500), (0, LimitedBy::Seats), "those two are at them");
    // The allocator has too much to do when a whole stand comes back.
    assert_eq!(ticks(&mut world, 1_000, 5, 5), (0, LimitedBy::Seats));
    assert_eq!(ticks(&mut world, 1_000, 2_500, 40), (563, LimitedBy::Allocator));
    assert_eq!(ticks(&mut world, 0, 2_500, 50), (435, LimitedBy::Seats), "a thousand in all");
}

#[test]
fn a_room_in_standby_calls_all_at_once_within_its_caps_until_it_is_armed() {
    let mut world = World::new(600);
    world.settings.mode = RoomMode::Standby;
    world.join(500);
    assert_eq!(world.tick(1, 0).0.unwrap().called, 500, "no steady pace");
    world.join(500);
    world.now += 200;
    assert_eq!(world.tick(1, 0).0.unwrap().called, 100, "never more than the cap in a minute");
    world.now += 200;
    assert_eq!(world.tick(1, 0), (None, LimitedBy::Rate));
    world.is_armed = true;
    world.now += 61_000;
    assert_eq!(world.tick(1, 0).0.unwrap().called, 2, "armed, it is a line like any other");
    assert!(world.called_within_any(60_000) <= 600);
}

#[test]
fn seats_that_come_back_call_only_as_many_as_they_are_enough_for() {
    let mut world = World::new(60_000);
    world.join(100);
    let baskets = Baskets { count: 100, places: 200 };
    world.returns = Some(Returns { holding: 0, baskets });
    world.seats_free = Some(0);
    assert_eq!(world.tick(1, 0), (None, LimitedBy::Seats));
    world.seats_free = Some(3);
    for _ in 0..5 {
        world.now += 200;
        world.tick(1, 0);
    }
    assert_eq!(
        world.called.len(),
        2,
        "two and a half baskets, and nobody for what others may take"
    );
    world.returns = Some(Returns { holding: 1, baskets });
    world.seats_free = Some(4);
    world.now += 200;
    world.tick(1, 0);
    let called: Vec<u64> = world.called.iter().map(|&(_, number)| number).collect();
    assert_eq!(called, [1, 2, 3], "in the order of the line");
}

#[test]
fn the_active_cap_counts_claims_and_frees_what_was_not_claimed_or_has_bought() {
    let mut world = World::new(60_000);
    world.settings.active_max = 10;
    world.join(100);
    world.tick(1, 0);
    assert_eq!(world.room.cursor, 10);
    world.room.completed(4);
    world.now += 1_000;
    world.tick(1, 0);
    assert_eq!(world.room.cursor, 11, "one bought");
    world.now += 119_500;
    let (line, late) = (vec![(1, 10)], vec![]);
    let uncounted = Uncounted { cursor_before: 0, cursor: 10, line, late };
    assert_eq!(world.room.uncounted(MonoMs(world.now)), [uncounted]);
    world.tick(1, 0);
    assert_eq!(world.room.cursor, 11, "who claimed is not known yet");
    world.room.claimed(0, 10, &[], 6);
    world.now += 200;
    world.tick(1, 0);
    assert_eq!(world.room.cursor, 15, "four never came");
    world.room.epoch_started();
    world.now += 200_000;
    world.tick(1, 0);
    assert_eq!(world.room.cursor, 15, "after a loss all who were called count until the end");
    world.now += 400_000;
    world.tick(1, 0);
    assert_eq!(world.room.cursor, 25);
}

#[test]
fn claims_that_are_counted_in_the_records_stay_so_after_a_loss_also_for_the_next_leader() {
    let mut world = World::new(60_000);
    world.settings.active_max = 10;
    world.join(100);
    world.tick(1, 0);
    world.now += 121_000;
    let closed =
        AdmissionRecord::ClaimsClosed { epoch: 1, number: 1, claimed: vec![(1, 3), (9, 9)] };
    world.beside.push(closed);
    world.room.claimed(0, 10, &[], 4);
    world.tick(1, 0);
    assert_eq!(world.room.cursor, 16, "six never came");
    let lost = AdmissionRecord::EpochStarted {
        epoch: 2,
        given_to: 100,
        number_floor: 65_535,
        redis_run_id: "s".into(),
        at: UnixMillis(world.now),
    };
    world.beside.push(lost);
    world.room.epoch_started();
    assert_eq!(world.room.active(MonoMs(world.now)), 10, "those who did not come cannot any more");
    for boot in [1, 2] {
        world.take_over(boot);
        assert_eq!(world.room.active(MonoMs(world.now)), 10, "boot {boot}");
        assert_eq!(world.room.uncounted(MonoMs(world.now + 300_000)), [], "boot {boot}");
    }
}

#[test]
fn who_leaves_unclaimed_makes_room_once_also_under_the_next_leader() {
    let mut world = World::new(60_000);
    world.settings.active_max = 10;
    world.join(100);
    world.tick(1, 0);
    world.leave(3);
    world.leave(3);
    world.now += 200;
    world.tick(1, 0);
    assert_eq!(world.room.cursor, 11, "one left");
    world.take_over(1);
    // The new leader's window counts everybody; the cap of those inside is what is looked at.
    assert_eq!(world.room.active(MonoMs(world.now)), 10);
    world.room.epoch_started();
    assert_eq!(world.room.active(MonoMs(world.now)), 10, "the one who left cannot come back");
    world.now += 119_800;
    world.room.claimed(0, 10, &[], 9);
    assert_eq!(world.room.active(MonoMs(world.now)), 10, "nine claimed, and the eleventh");
}

#[test]
fn a_returner_counts_with_the_release_that_called_it() {
    let mut world = World::new(60_000);
    world.join(4);
    world.live = Bits::zeroed(0, 1_024);
    world.live.set(4);
    world.tick(1, 0);
    world.now += 121_000;
    let uncounted = |world: &World| world.room.uncounted(MonoMs(world.now));
    let (line, late) = (vec![(4, 4)], vec![]);
    let first = Uncounted { cursor_before: 0, cursor: 4, line, late };
    assert_eq!(uncounted(&world), [first], "nobody else was called by it");
    world.room.claimed(0, 4, &[], 1);
    world.late = vec![2];
    world.tick(1, 0);
    let now = world.now + 121_000;
    let (line, late) = (vec![], vec![2]);
    let second = Uncounted { cursor_before: 4, cursor: 4, line, late };
    assert_eq!(world.room.uncounted(MonoMs(now)), [second]);
    assert_eq!(world.room.active(MonoMs(world.now)), 2);
    world.leave(2);
    assert_eq!(world.room.active(MonoMs(world.now)), 1, "the fourth has a pass");
    world.now += 302_000;
    assert_eq!(world.room.active(MonoMs(world.now)), 0, "which has ended, and nobody else is in");
}

#[test]
fn a_silent_number_is_passed_only_after_the_horizon_has_lapsed() {
    let mut world = World::new(60);
    world.join(100);
    world.publish(100);
    for number in [50, 51] {
        world.seen.set(number);
    }
    world.now += 40_000;
    assert_eq!(world.tick(1, 0).0.unwrap().cursor, 1);
    world.now += 1_000;
    let plan = world.tick(1, 0).0.unwrap();
    assert_eq!((plan.skipped, plan.cursor), (vec![(2, 49)], 50));
    world.room.check_ins_failed();
    world.live.set(52);
    world.now += 1_000;
    assert_eq!(world.tick(1, 0).0.unwrap().cursor, 51);
    world.now += 1_000;
    assert_eq!(world.tick(1, 0).0.unwrap().cursor, 52, "silence means nothing any more");
}

#[test]
fn fans_who_join_a_room_that_stood_empty_for_long_are_called_in_order() {
    let mut world = World::new(60);
    world.publish(0);
    world.now += 100_000;
    world.join(8);
    world.publish(8);
    world.now += 1_000;
    let plan = world.tick(1, 0).0.unwrap();
    assert_eq!((plan.skipped, plan.cursor), (vec![], 1), "nobody has been silent for long");
}

#[test]
fn phantoms_are_never_called_and_hold_the_line_for_one_lapse_at_most() {
    let mut world = World::new(60);
    world.join(3);
    world.lose(3, 40_000);
    world.join(1);
    world.check_in(10);
    for _ in 0..39 {
        assert_eq!(world.publish(40_001), 40_000, "all doubts are asked");
        let (plan, limited_by) = world.tick(1, 0);
        assert!(world.room.cursor <= 3, "the tenth is there, and others may be");
        if plan.is_none() && world.room.cursor == 3 {
            assert_eq!(limited_by, LimitedBy::Recovery);
        }
        world.now += 1_000;
    }
    for _ in 0..4 {
        world.now += 1_000;
        world.tick(1, 0);
    }
    let called: Vec<u64> = world.called.iter().map(|&(_, number)| number).collect();
    assert_eq!(called, [1, 2, 3, 10, 40_001], "and no phantom took a call");
}

#[test]
fn returners_get_a_share_and_all_of_an_empty_line() {
    let mut world = World::new(24_000);
    world.join(1_000);
    world.tick(1, 0);
    world.now += 250;
    world.late = (1..=40).collect();
    let plan = world.tick(1, 0).0.unwrap();
    assert_eq!((plan.called, plan.late.len()), (100, 25));
    world.live = Bits::zeroed(0, 1_024);
    world.now += 250;
    assert_eq!(world.tick(1, 0).0.unwrap().late.len(), 15);
}

#[test]
fn what_a_short_line_leaves_of_the_rate_is_the_returners() {
    let mut world = World::new(24_000);
    world.join(60);
    world.tick(1, 0);
    for _ in 0..3 {
        world.join(3);
        world.now += 250;
        world.late = (1..=200).collect();
        let (plan, limited_by) = world.tick(1, 0);
        let plan = plan.unwrap();
        assert_eq!((plan.called, plan.late.len()), (100, 97));
        assert_eq!(limited_by, LimitedBy::Rate, "which is used up");
    }
    // Who is in line and may be there keeps the share of the line.
    world.lose(69, 1_000);
    world.join(1);
    world.now += 250;
    let (plan, limited_by) = world.tick(1, 0);
    assert_eq!((plan.unwrap().late.len(), limited_by), (25, LimitedBy::Recovery));
}

#[test]
fn ninety_eight_of_a_hundred_come_in_when_most_of_the_line_has_gone() {
    let mut world = World::new(6_000);
    world.join(60_000);
    let all = world.live.clone();
    world.live = Bits::zeroed(0, 1_024);
    for number in all.iter(0, 60_000).filter(|n| n % 5 < 2) {
        world.live.set(number);
    }
    for _ in 0..300 {
        world.tick(3, 1);
        world.now += 200 - world.now % 200;
    }
    let called = world.called.len();
    assert!((5_880..=6_000).contains(&called), "{called} of 6,000");
}

#[test]
fn a_new_leader_of_the_same_boot_goes_on_at_once_and_another_one_waits_out_the_window() {
    let mut world = World::new(600);
    world.join(5_000);
    for _ in 0..500 {
        world.tick(3, 1);
        world.now += 200 - world.now % 200;
    }
    let before = world.called.len();
    world.take_over(1);
    for _ in 0..50 {
        world.tick(3, 1);
        world.now += 200 - world.now % 200;
    }
    assert!((before + 95..=before + 101).contains(&world.called.len()));
    let before = world.called.len();
    world.take_over(2);
    world.tick(3, 1);
    assert_eq!(world.called.len(), before, "nobody knows how old the releases are");
    world.now += 60_001;
    world.tick(3, 1);
    assert!(before < world.called.len());
    assert!(world.called_within_any(60_000) <= 600);
}

#[test]
fn whatever_the_clock_of_the_next_leader_says_those_inside_count_until_their_passes_end() {
    for boot in [1, 2] {
        for skew in [-60_000_i64, -1, 0, 1, 60_000] {
            let mut world = World::new(60_000);
            world.settings.active_max = 10;
            world.join(100);
            world.tick(0, 0);
            assert_eq!(world.room.cursor, 10);
            world.now += 200_000;
            let wall = UnixMillis(world.now.checked_add_signed(skew).unwrap());
            world.take_over_with(boot, wall);
            // Their passes end after 420 s.
            world.now += 221_999;
            assert_eq!(world.room.active(MonoMs(world.now)), 10, "boot {boot}, {skew} ms");
            // Without the machine's clock it is not known to the second.
            world.now += if boot == 1 { 1 } else { 120_001 };
            assert_eq!(world.room.active(MonoMs(world.now)), 0, "boot {boot}, {skew} ms");
        }
    }
}

#[test]
fn a_leader_that_has_heard_of_a_release_counts_it_by_its_own_clock_alone() {
    let mut ledger = Ledger::default();
    let mut world = World::new(60_000);
    world.join(10);
    world.tick(0, 0);
    let release = world.stored.pop().unwrap();
    let number_max = 10;
    ledger.epoch = 1;
    ledger.apply(AdmissionRecord::MarkRaised { epoch: 1, number_max }, MonoMs(0));
    ledger.apply(AdmissionRecord::Released(release.clone()), MonoMs(5_000));
    for wall in [0, release.at.0, release.at.0 + 60_000] {
        let origin = Origin { now: MonoMs(6_000), boot: Some(2), wall: UnixMillis(wall) };
        let mut room = restore(&ledger, &NumberSet::default(), origin, 1_000);
        assert_eq!(room.active(MonoMs(426_999)), 10, "{wall}");
        assert_eq!(room.active(MonoMs(427_000)), 0, "{wall}: 420 s and the leeway have passed");
    }
}

proptest! {
    #[test]
    fn whoever_was_given_a_number_in_doubt_is_called_in_order(
        known in 0_u64..20,
        fans in prop::collection::btree_map(21_u64..400, 0_u64..30_000, 0..30),
        newcomers in 1_u64..10,
        rate in 60_u32..6_000,
    ) {
        let mut world = World::new(rate);
        world.join(known);
        world.lose(known, 400);
        world.join(newcomers);
        let started = world.now;
        while world.now < started + 120_000 {
            // Each fan polls within `pollAfterMs`, and is heard from then on.
            for (&number, &polls_at) in &fans {
                if started + polls_at <= world.now {
                    world.check_in(number);
                }
            }
            world.seen.fill(0, known);
            world.seen.fill(400, 400 + newcomers);
            world.publish(400 + newcomers);
            world.tick(1, 0);
            world.now += 199;
        }
        let called: Vec<u64> = world.called.iter().map(|&(_, number)| number).collect();
        let line: Vec<u64> =
            (1..=known).chain(fans.keys().copied()).chain(401..=400 + newcomers).collect();
        prop_assert_eq!(called, line, "LINE-1, LINE-3, and no phantoms");
    }

    #[test]
    fn no_window_holds_more_than_the_cap_and_nobody_is_overtaken(
        rate in 1_u32..3_000,
        is_standby in any::<bool>(),
        steps in prop::collection::vec(
            (0_u64..40, 1_u64..20_000, 0_u64..9_000, 0_u64..9_000, 0_u8..30),
            1..150,
        ),
    ) {
        let mut world = World::new(rate);
        if is_standby {
            world.settings.mode = RoomMode::Standby;
        }
        for (joins, pause, append, shows, event) in steps {
            world.join(joins);
            match event {
                0 => world.take_over(1),
                1 => world.take_over(2),
                2 => world.headroom.allocator = Some(rate / 3),
                3 => world.headroom = Headroom::default(),
                4 => world.is_armed = !world.is_armed,
                _ => {}
            }
            world.now += if pause < 15_000 { pause % 500 } else { pause };
            world.tick(append % (pause + 1), shows);
        }
        let most = world.called_within_any(60_000);
        prop_assert!(most <= rate as usize, "{} of {}", most, rate);
        let numbers: Vec<u64> = world.called.iter().map(|&(_, number)| number).collect();
        prop_assert!(numbers.is_sorted_by(|a, b| a < b), "LINE-1");
    }
}
