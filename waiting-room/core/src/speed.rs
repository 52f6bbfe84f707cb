//! How fast the line moves, measured, and what that says of a wait.

use crate::mono::MonoMs;
use schema::DurationMs;
use std::collections::VecDeque;

/// How long each slot of the measurement is, and how many are kept: ten minutes. Longer would speak
/// of another hour of the sale, shorter would forget its last stall.
const SLOT: DurationMs = DurationMs(10_000);
const SLOTS_MAX: usize = 60;

/// How many slots make a stretch whose pace counts: a minute, as long as the rate's window.
const STRETCH: usize = 6;

/// Less measured time than this says nothing.
const MEASURED_MIN: DurationMs = DurationMs(1_000);

/// A pause between two words of the leader that is longer is no measured time.
const PAUSE_MAX: DurationMs = DurationMs(3_000);

/// From how many stretches on the slow ones are known.
const STRETCHES_MIN: usize = 5;

/// What was called while people waited, and for how long that was looked at.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    called: u64,
    measured_ms: u64,
}

/// The speed of a line while people wait in it: what is called when nobody waits says nothing.
#[derive(Debug, Clone, Default)]
pub struct Speed {
    slots: VecDeque<(MonoMs, Slot)>,
    /// At the leader's last word: when that was, the count of all who were called, and whether
    /// people were left waiting.
    last: Option<(MonoMs, u64, bool)>,
    paces: Option<Paces>,
}

/// Calls a minute, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paces {
    /// Of the last minute in which people waited.
    typical: u64,
    /// Of one minute in ten of the last ten.
    slow: u64,
}

/// An estimate of a wait, in seconds: half of the people wait less than the first, nine of ten less
/// than the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    pub p50: u64,
    pub p90: u64,
}

impl Speed {
    /// Takes in the leader's word at `now`: how many were called from the line in all, and whether
    /// people are left waiting.
    ///
    /// Of the time since the word before it counts if people were left waiting then.
    pub fn note(&mut self, now: MonoMs, called_all: u64, is_waiting: bool) {
        let before = self.last.replace((now, called_all, is_waiting));
        let Some((at, called_before, was_waiting)) = before else { return };
        let span = now.since(at);
        if was_waiting && span <= PAUSE_MAX {
            let called = called_all.saturating_sub(called_before);
            match self.slots.back_mut() {
                Some((began, slot)) if now.since(*began) < SLOT => slot.add(called, span.0),
                _ => self.slots.push_back((now, Slot { called, measured_ms: span.0 })),
            }
        }
        let age_max = DurationMs(SLOT.0 * SLOTS_MAX as u64);
        while self.slots.front().is_some_and(|&(began, _)| age_max < now.since(began)) {
            self.slots.pop_front();
        }
        self.paces = self.measure();
    }

    /// What was measured; `None` while that is too little, or nobody was called.
    pub fn paces(&self) -> Option<Paces> {
        self.paces
    }

    fn measure(&self) -> Option<Paces> {
        let slots: Vec<Slot> = self.slots.iter().map(|&(_, slot)| slot).collect();
        let newest = &slots[slots.len().saturating_sub(STRETCH)..];
        let typical = pace(newest)?;
        let mut stretches: Vec<u64> =
            slots.windows(STRETCH).map(|all| pace(all).unwrap_or(0)).collect();
        stretches.sort_unstable();
        // With few of them a pace that falls by a third is allowed for.
        let slow = match stretches.get(stretches.len() / 10) {
            Some(&slow) if STRETCHES_MIN <= stretches.len() => slow.min(typical),
            _ => typical * 2 / 3,
        };
        // A stall of all of one minute in ten must not make a wait of it that never ends.
        let slow = slow.max(typical / 4);
        (0 < slow).then_some(Paces { typical, slow })
    }
}

impl Slot {
    fn add(&mut self, called: u64, measured_ms: u64) {
        self.called += called;
        self.measured_ms += measured_ms;
    }
}

fn pace(slots: &[Slot]) -> Option<u64> {
    let mut sum = Slot::default();
    for slot in slots {
        sum.add(slot.called, slot.measured_ms);
    }
    let is_known = MEASURED_MIN.0 <= sum.measured_ms && 0 < sum.called;
    is_known.then(|| sum.called * 60_000 * 1_000 / sum.measured_ms)
}

impl Paces {
    /// The wait with `ahead` live people before.
    ///
    /// `doubt_ahead` people wait before a doubt that stands before the place, if one does. Should
    /// the line come there before its `lapse` is over, it stands for a time that nobody knows: then
    /// `None`.
    pub fn wait(self, ahead: u64, doubt_ahead: Option<u64>, lapse: DurationMs) -> Option<Wait> {
        let seconds = |people: u64, pace: u64| people.saturating_mul(60_000) / pace;
        if doubt_ahead.is_some_and(|people| seconds(people, self.typical) < lapse.0 / 1_000) {
            return None;
        }
        // The next tick, on top of what the pace says.
        Some(Wait { p50: seconds(ahead, self.typical), p90: seconds(ahead, self.slow) + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::{Paces, Speed, Wait};
    use crate::limits::HORIZON_LAPSE;
    use crate::mono::MonoMs;

    /// A word every 200 ms for so many seconds; each second `called` come in.
    fn run(speed: &mut Speed, from_s: u64, seconds: u64, all: &mut u64, called: u64, waits: bool) {
        for tick in 0..seconds * 5 {
            if tick % 5 == 0 {
                *all += called;
            }
            speed.note(MonoMs(from_s * 1_000 + tick * 200), *all, waits);
        }
    }

    #[test]
    fn nothing_is_known_before_people_have_waited_and_been_called() {
        let (mut speed, mut all) = (Speed::default(), 5_000);
        run(&mut speed, 0, 60, &mut all, 3, false);
        assert_eq!(speed.paces(), None, "three a second came and were called: nobody waited");
        run(&mut speed, 60, 10, &mut all, 0, true);
        assert_eq!(speed.paces(), None, "people wait and nobody is called");
        run(&mut speed, 70, 10, &mut all, 10, true);
        assert!(speed.paces().is_some());
    }

    #[test]
    fn a_steady_line_gives_its_pace_and_a_margin_until_slow_minutes_are_known() {
        let (mut speed, mut all) = (Speed::default(), 0);
        run(&mut speed, 0, 30, &mut all, 10, true);
        let wait = speed.paces().unwrap().wait(600, None, HORIZON_LAPSE).unwrap();
        assert!((59..=63).contains(&wait.p50), "{wait:?}");
        assert!((88..=95).contains(&wait.p90), "{wait:?}");
        run(&mut speed, 30, 570, &mut all, 10, true);
        let wait = speed.paces().unwrap().wait(600, None, HORIZON_LAPSE).unwrap();
        assert!((59..=61).contains(&wait.p50), "{wait:?}");
        assert!((60..=63).contains(&wait.p90), "ten minutes without a slow one: {wait:?}");
    }

    #[test]
    fn one_slow_minute_in_ten_is_in_the_upper_figure_and_forgotten_later() {
        let (mut speed, mut all) = (Speed::default(), 0);
        run(&mut speed, 0, 300, &mut all, 10, true);
        run(&mut speed, 300, 90, &mut all, 5, true);
        run(&mut speed, 390, 200, &mut all, 10, true);
        let wait = speed.paces().unwrap().wait(600, None, HORIZON_LAPSE).unwrap();
        assert!((59..=61).contains(&wait.p50), "{wait:?}");
        assert!((90..=125).contains(&wait.p90), "{wait:?}");
        run(&mut speed, 590, 600, &mut all, 10, true);
        let wait = speed.paces().unwrap().wait(600, None, HORIZON_LAPSE).unwrap();
        assert!(wait.p90 <= 63, "{wait:?}");
    }

    #[test]
    fn a_time_in_which_nobody_spoke_or_waited_is_not_measured() {
        let (mut speed, mut all) = (Speed::default(), 0);
        run(&mut speed, 0, 20, &mut all, 10, true);
        let before = speed.paces().unwrap();
        // The leader is silent for a minute, then the line is empty for one.
        run(&mut speed, 80, 1, &mut all, 0, false);
        run(&mut speed, 81, 60, &mut all, 0, false);
        assert_eq!(speed.paces().unwrap().typical, before.typical);
    }

    #[test]
    fn a_wait_behind_a_doubt_is_known_only_if_the_doubt_is_over_when_the_line_comes_there() {
        let paces = Paces { typical: 60_000, slow: 40_000 };
        assert_eq!(paces.wait(60, None, HORIZON_LAPSE), Some(Wait { p50: 60, p90: 91 }));
        assert_eq!(paces.wait(60, Some(39), HORIZON_LAPSE), None);
        assert_eq!(paces.wait(60, Some(40), HORIZON_LAPSE), Some(Wait { p50: 60, p90: 91 }));
        assert_eq!(paces.wait(0, None, HORIZON_LAPSE), Some(Wait { p50: 0, p90: 1 }));
    }
}
