//! A room that is off until too many come, and arms itself then.

use crate::mono::MonoMs;
use schema::{DurationMs, Standby};
use std::collections::VecDeque;

/// Into how many slots the window is cut. Finer costs memory, coarser forgets joins later by up to
/// one slot, which arms a little early.
const SLOTS: u64 = 50;

/// Joins over a sliding window.
#[derive(Debug, Clone, Default)]
struct Inflow {
    /// When each slot began, and how many joined in it; ascending.
    slots: VecDeque<(MonoMs, u64)>,
    sum: u64,
}

impl Inflow {
    fn note(&mut self, now: MonoMs, joins: u64, window: DurationMs) {
        let slot = DurationMs((window.0 / SLOTS).max(1));
        if 0 < joins {
            match self.slots.back_mut() {
                Some((began, count)) if now.since(*began) < slot => *count += joins,
                _ => self.slots.push_back((now, joins)),
            }
            self.sum += joins;
        }
        while self.slots.front().is_some_and(|&(began, _)| window <= now.since(began)) {
            let (_, joins) = self.slots.pop_front().expect("there is a front");
            self.sum -= joins;
        }
    }
}

/// What a leader watches of a room in standby.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    inflow: Inflow,
    /// Since when the room is known to be armed.
    armed_since: Option<MonoMs>,
    /// Since when nobody waits.
    empty_since: Option<MonoMs>,
}

/// What a tick shows of the crowd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// Numbers given out since the last tick.
    pub joins: u64,
    /// Live people who wait.
    pub waiting: u64,
}

impl Watch {
    /// Takes in a tick and returns the new state of the room if it changes: armed or not.
    ///
    /// It arms when more joined within the window than the threshold allows in it, or when as many
    /// wait: a crowd that the caps hold up is one too. It is disarmed once it has been armed for
    /// the least time, nobody has waited for a while, and few come.
    ///
    /// A new leader counts both times from when it took over: in doubt a room stays a line.
    pub fn step(
        &mut self,
        now: MonoMs,
        standby: &Standby,
        is_armed: bool,
        crowd: Crowd,
    ) -> Option<bool> {
        let window = DurationMs::from_secs(standby.window_seconds.max(1).into());
        self.inflow.note(now, crowd.joins, window);
        self.empty_since =
            if crowd.waiting == 0 { Some(self.empty_since.unwrap_or(now)) } else { None };
        let crowd_min = u64::from(standby.joins_per_second) * (window.0 / 1_000);
        let is_crowded = crowd_min < self.inflow.sum.max(crowd.waiting);
        if !is_armed {
            self.armed_since = None;
            return is_crowded.then_some(true);
        }
        let armed_since = *self.armed_since.get_or_insert(now);
        let is_old = seconds(standby.min_activation_seconds) <= now.since(armed_since);
        let empty_min = seconds(standby.empty_seconds);
        let is_quiet = self.empty_since.is_some_and(|since| empty_min <= now.since(since));
        (is_old && is_quiet && !is_crowded).then_some(false)
    }
}

fn seconds(count: u32) -> DurationMs {
    DurationMs::from_secs(count.into())
}

#[cfg(test)]
mod tests {
    use super::{Crowd, Watch};
    use crate::mono::MonoMs;
    use proptest::prelude::*;
    use schema::Standby;

    const STANDBY: Standby = Standby {
        joins_per_second: 10,
        window_seconds: 10,
        min_activation_seconds: 300,
        empty_seconds: 60,
    };

    /// A room under its watch, a tick a second.
    #[derive(Default)]
    struct World {
        watch: Watch,
        now: u64,
        is_armed: bool,
        changes: Vec<(u64, bool)>,
    }

    impl World {
        fn tick(&mut self, joins: u64, waiting: u64) {
            self.now += 1_000;
            let crowd = Crowd { joins, waiting };
            let change = self.watch.step(MonoMs(self.now), &STANDBY, self.is_armed, crowd);
            if let Some(is_armed) = change {
                assert_ne!(is_armed, self.is_armed, "a change changes something");
                self.is_armed = is_armed;
                self.changes.push((self.now / 1_000, is_armed));
            }
        }

        fn ticks(&mut self, count: u64, joins: u64, waiting: u64) {
            for _ in 0..count {
                self.tick(joins, waiting);
            }
        }
    }

    #[test]
    fn a_room_arms_when_more_come_than_its_threshold_and_not_before() {
        let mut world = World::default();
        world.ticks(100, 10, 2);
        assert_eq!(world.changes, [], "ten a second are as many as it allows");
        world.tick(11, 2);
        assert_eq!(world.changes, [(101, true)]);
        let mut world = World::default();
        world.tick(101, 0);
        assert_eq!(world.changes, [(1, true)], "a crowd of one second is one of the window too");
        let mut world = World::default();
        world.tick(0, 100);
        assert_eq!(world.changes, []);
        world.tick(0, 101);
        assert_eq!(world.changes, [(2, true)], "they wait because a cap holds them up");
    }

    #[test]
    fn joins_older_than_the_window_do_not_count() {
        let mut world = World::default();
        world.tick(100, 0);
        world.ticks(9, 0, 0);
        world.tick(100, 0);
        assert_eq!(world.changes, [], "the first hundred are ten seconds old");
        world.tick(1, 0);
        assert_eq!(world.changes, [(12, true)]);
    }

    #[test]
    fn an_armed_room_stays_a_line_for_its_least_time_and_until_nobody_has_waited_for_a_while() {
        let mut world = World::default();
        world.tick(200, 200);
        world.ticks(300, 0, 0);
        assert_eq!(world.changes, [(1, true)], "armed since the next tick");
        world.tick(0, 0);
        assert_eq!(world.changes, [(1, true), (302, false)]);
        let mut world = World::default();
        world.tick(200, 200);
        world.ticks(400, 0, 5);
        world.ticks(59, 0, 0);
        world.tick(0, 1);
        world.ticks(60, 0, 0);
        assert_eq!(world.changes, [(1, true)], "somebody waited in between");
        world.tick(0, 0);
        assert_eq!(world.changes.last(), Some(&(522, false)));
    }

    #[test]
    fn a_new_leader_keeps_an_armed_room_armed_for_the_least_time_again() {
        let mut world = World::default();
        world.tick(200, 200);
        world.ticks(290, 0, 0);
        world.watch = Watch::default();
        world.ticks(300, 0, 0);
        assert_eq!(world.changes.len(), 1);
        world.tick(0, 0);
        assert_eq!(world.changes.len(), 2);
    }

    proptest! {
        #[test]
        fn no_inflow_makes_a_room_flap(
            ticks in prop::collection::vec((0_u64..40, 0_u64..3), 2_000),
        ) {
            let mut world = World::default();
            for (joins, waiting) in ticks {
                world.tick(joins, waiting.saturating_sub(1));
            }
            for pair in world.changes.windows(2) {
                let [(from, was_armed), (to, _)] = pair else { unreachable!("pairs") };
                prop_assert!(!was_armed || from + 300 <= *to, "{:?}", world.changes);
            }
        }
    }
}
