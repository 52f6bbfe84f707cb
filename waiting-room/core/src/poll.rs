//! When to ask again: from the distance to the cursor, so that the load does not grow with the
//! line.

use schema::{DurationMs, RoomSettings};

/// What a fan is told to wait between polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollPolicy {
    /// Shorter gains a fan nothing: three quarters of the shortest claim window are longer.
    pub floor: DurationMs,
    /// Longer and a fan near the front would not check in within a horizon's lapse.
    pub ceiling: DurationMs,
    /// The longest that a fan far from the front is told, in however long a line.
    ///
    /// A horizon lapses later by as much, so a longer one lets the gone be skipped later. It is
    /// what 4,500,000 waiting need at 20,000 polls a second.
    pub far_ceiling: DurationMs,
    /// A fan asks this many times on the way from here to the cursor.
    pub divisor: u64,
}

/// The longest that anybody is told to wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// Those who must check in or have been called.
    pub near: DurationMs,
    /// Those who wait and are not asked to check in: as long or longer.
    pub far: DurationMs,
}

impl Ceilings {
    /// The longest that a process can have told which had heard of other settings a moment ago, if
    /// no far ceiling was longer.
    pub fn longest(self) -> DurationMs {
        self.far.max(POLLS.ceiling)
    }
}

pub const POLLS: PollPolicy = PollPolicy {
    floor: DurationMs(2_000),
    ceiling: DurationMs(30_000),
    far_ceiling: DurationMs(300_000),
    divisor: 4,
};

/// The largest jitter, in 1/256 of the wait: 0.3.
const JITTER_MAX: u64 = 77;

impl PollPolicy {
    /// The longest that anybody is told while `crowd` numbers wait, so that all together ask at
    /// most `polls_per_second_max` times a second.
    ///
    /// What those near the front ask, who must check in, is left to them: some 30 polls for each
    /// person called, half of the budget at most. Nobody is told to stay away for longer than three
    /// quarters of the claim window: a rate that is raised at once, or a draw, may call a place
    /// that was far a moment ago. The far are told 30 s all the same if the budget needs it, so a
    /// window shorter than 40 s keeps that promise only in a line that the budget bears.
    pub fn ceilings_for(
        &self,
        crowd: u64,
        settings: &RoomSettings,
        polls_per_second_max: u32,
    ) -> Ceilings {
        let asked = settings.admission_rate_per_minute / 2;
        let left = polls_per_second_max.saturating_sub(asked).max(polls_per_second_max / 2);
        let away_max = u64::from(settings.claim_window_seconds) * 750;
        // The jitter comes on top of the floor, too.
        let near_min = self.floor.0 * (256 + JITTER_MAX) / 256 + 1;
        let near = DurationMs(away_max.clamp(near_min, self.ceiling.0));
        let far = self.spread(crowd, left, near).min(DurationMs(away_max).max(self.ceiling));
        Ceilings { near, far }
    }

    /// The longest that [`Ceilings::longest`] can have been, whatever the settings were.
    pub fn ceiling_max(&self, crowd: u64, polls_per_second_max: u32) -> DurationMs {
        self.spread(crowd, polls_per_second_max / 2, self.ceiling)
    }

    fn spread(&self, crowd: u64, per_second: u32, least: DurationMs) -> DurationMs {
        assert!(0 < per_second);
        let mean = crowd.saturating_mul(1_000) / u64::from(per_second);
        let longest = mean.saturating_mul(256 + JITTER_MAX) / 256;
        DurationMs(longest.clamp(least.0, self.far_ceiling.0))
    }

    /// How long a place with `ahead` people before it waits until its next poll.
    ///
    /// `is_far` is a place that is not asked to check in. `jitter` is a byte that belongs to the
    /// place: the same place keeps its rhythm, and a crowd that joined in one second does not ask
    /// in one second.
    pub fn poll_after(
        &self,
        ahead: u64,
        rate_per_minute: u32,
        ceilings: Ceilings,
        is_far: bool,
        jitter: u8,
    ) -> DurationMs {
        let minute = 60_000;
        // A room that calls nobody is asked as seldom as one that calls one a second.
        let rate = u64::from(rate_per_minute).max(60);
        let wait = ahead.saturating_mul(minute) / rate / self.divisor;
        let Ceilings { near, far } = ceilings;
        let base = if is_far && near < far {
            // The crowd is what counts: nobody so far from the front misses anything.
            base_max(far)
        } else {
            wait.clamp(self.floor.0, base_max(near))
        };
        let poll_after = DurationMs(base + base * JITTER_MAX * u64::from(jitter) / (256 * 255));
        assert!(self.floor <= poll_after);
        assert!(poll_after <= if is_far { far } else { near });
        poll_after
    }
}

/// The jitter comes on top, so the base ends below the ceiling by as much.
fn base_max(ceiling: DurationMs) -> u64 {
    ceiling.0 * 256 / (256 + JITTER_MAX)
}

/// A byte of jitter from bytes that differ from place to place, such as a MAC.
pub fn jitter(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |mixed, byte| mixed ^ byte)
}

/// Who polls too often: one call a second on average, ten at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PollGuard;

impl PollGuard {
    const INTERVAL_MS: u32 = 1_000;
    const BURST: u32 = 10;

    /// Decides over a call at `now_ms` for a place whose next free time is `next_ms` (0 for a new
    /// one). The clock may go round: a time further ahead than any call leaves it has long passed.
    ///
    /// Returns the place's new next free time, or how long to wait. A refused call moves nothing,
    /// so impatience costs no more than itself.
    ///
    /// # Errors
    /// The time until the next call is accepted.
    pub fn call(next_ms: u32, now_ms: u32) -> Result<u32, DurationMs> {
        let ahead = next_ms.wrapping_sub(now_ms);
        let ahead = if ahead <= Self::INTERVAL_MS * Self::BURST { ahead } else { 0 };
        let wait = ahead.saturating_sub(Self::INTERVAL_MS * (Self::BURST - 1));
        if 0 < wait {
            return Err(DurationMs(u64::from(wait)));
        }
        Ok(now_ms.wrapping_add(ahead + Self::INTERVAL_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::{Ceilings, POLLS, PollGuard};
    use schema::{DurationMs, RoomSettings};

    fn ceilings(near_ms: u64, far_ms: u64) -> Ceilings {
        Ceilings { near: DurationMs(near_ms), far: DurationMs(far_ms) }
    }

    #[test]
    fn the_next_poll_is_far_for_the_far_and_within_bounds_for_all() {
        for jitter in [0, 128, 255] {
            for ahead in [0, 1, 100, 1_000, 1_000_000, u64::MAX] {
                let long = ceilings(30_000, 90_000);
                let wait = POLLS.poll_after(ahead, 600, long, false, jitter);
                assert!(POLLS.floor <= wait && wait <= POLLS.ceiling, "{ahead}: {wait:?}");
                let wait = POLLS.poll_after(ahead, 600, long, true, jitter);
                assert!(wait <= DurationMs(90_000), "{ahead}: {wait:?}");
                let short = ceilings(3_750, 3_750);
                for is_far in [false, true] {
                    let wait = POLLS.poll_after(ahead, 600, short, is_far, jitter);
                    assert!(POLLS.floor <= wait && wait <= short.near, "{ahead}: {wait:?}");
                }
            }
        }
        let wait = |jitter| POLLS.poll_after(400, 600, ceilings(30_000, 30_000), false, jitter).0;
        assert_eq!((wait(0), wait(255)), (10_000, 13_007));
    }

    fn settings(rate_per_minute: u32, claim_window_seconds: u32) -> RoomSettings {
        let admission_rate_per_minute = rate_per_minute;
        RoomSettings { admission_rate_per_minute, claim_window_seconds, ..RoomSettings::default() }
    }

    /// Polls a second of `crowd` people who do as they are told, the first 4 minutes of the rate
    /// near the front.
    fn polls_per_second(crowd: u64, settings: &RoomSettings, budget: u32) -> u64 {
        let told = POLLS.ceilings_for(crowd, settings, budget);
        let rate = settings.admission_rate_per_minute;
        let near = u64::from(rate) * 4;
        let steps = 10_000;
        let polls_a_million_seconds = |step: u64| {
            let ahead = crowd * step / steps;
            1_000_000_000 / POLLS.poll_after(ahead, rate, told, near <= ahead, 128).0
        };
        (0..steps).map(polls_a_million_seconds).sum::<u64>() * (crowd / steps) / 1_000_000
    }

    #[test]
    fn a_line_asks_within_the_budget_while_nobody_need_stay_away_for_too_long() {
        let patient = settings(600, 600);
        for budget in [1_000, 20_000] {
            for tenth_seconds in [240, 500, 1_000, 2_000] {
                let crowd = u64::from(budget) * tenth_seconds / 10;
                let per_second = polls_per_second(crowd, &patient, budget);
                let most = u64::from(budget);
                assert!(per_second <= most, "{per_second} polls of {crowd}, {most} allowed");
                assert!(most * 3 / 5 <= per_second, "{per_second} of {most}: longer than needed");
            }
        }
        // 500 a second are called: those near the front ask more than the far ones.
        let fast = polls_per_second(1_000_000, &settings(30_000, 600), 20_000);
        assert!(fast <= 20_000, "{fast}");
        let short = settings(600, 120);
        assert!(polls_per_second(1_000_000, &short, 20_000) <= 20_000);
        let told = POLLS.ceilings_for(400_000, &short, 20_000);
        assert_eq!(told, ceilings(30_000, 30_000), "as in a short line");
        // However short the claim window is, the far keep within the budget.
        let hasty = polls_per_second(400_000, &settings(60, 10), 20_000);
        assert!(hasty <= 20_000, "{hasty}");
    }

    #[test]
    fn nobody_is_told_to_stay_away_for_a_claim_window_or_shorter_than_in_a_short_line() {
        let told = |crowd, claim_s| POLLS.ceilings_for(crowd, &settings(600, claim_s), 20_000);
        assert_eq!(told(0, 600), ceilings(30_000, 30_000));
        assert_eq!(told(1_000_000, 600), ceilings(30_000, 66_028));
        assert_eq!(told(1_000_000, 120), ceilings(30_000, 66_028));
        assert_eq!(told(2_000_000, 120), ceilings(30_000, 90_000));
        assert_eq!(told(u64::MAX, 3_600), ceilings(30_000, 300_000));
        // Whoever is called within a short window has asked before its end.
        assert_eq!(told(0, 40), ceilings(30_000, 30_000));
        assert_eq!(told(50_000, 10), ceilings(7_500, 7_500));
        assert_eq!(told(2_000_000, 5), ceilings(3_750, 30_000), "more than the budget bears");
        assert_eq!(told(0, 1), ceilings(2_602, 2_602), "with jitter on top of the floor");
        assert_eq!(told(0, 5).longest(), POLLS.ceiling, "of another window a moment ago");
        let any = POLLS.ceiling_max(1_000_000, 20_000);
        for rate in [0, 600, 1_000_000] {
            for claim_s in [5, 3_600] {
                let now = POLLS.ceilings_for(1_000_000, &settings(rate, claim_s), 20_000);
                assert!(now.longest() <= any, "{rate} {claim_s}");
            }
        }
    }

    #[test]
    fn a_crowd_that_joined_at_once_is_spread_over_the_jitter_by_its_next_poll() {
        let bytes = |place: u64| place.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        let mut per_second = [0_u32; 400];
        for place in 0..100_000 {
            let jitter = super::jitter(&bytes(place));
            let wait = POLLS.poll_after(900_000, 600, ceilings(30_000, 130_000), true, jitter);
            per_second[usize::try_from(wait.0 / 1_000).unwrap()] += 1;
        }
        let busiest = per_second.into_iter().max().unwrap();
        // 30 s of jitter: an even spread is 3,333 a second.
        assert!(busiest < 4_400, "{busiest} of 100,000 in one second");
    }

    #[test]
    fn ten_calls_at_once_are_fine_and_then_one_a_second() {
        let mut next = 0;
        for _ in 0..10 {
            next = PollGuard::call(next, 50_000).unwrap();
        }
        assert_eq!(PollGuard::call(next, 50_000), Err(DurationMs(1_000)));
        assert_eq!(PollGuard::call(next, 50_400), Err(DurationMs(600)), "it did not move");
        next = PollGuard::call(next, 51_000).unwrap();
        assert!(PollGuard::call(next, 51_001).is_err());
        assert!(PollGuard::call(next, 90_000).is_ok());
    }

    #[test]
    fn a_place_is_guarded_as_before_when_the_clock_has_gone_round() {
        let (before, after) = (u32::MAX - 499, 500);
        let mut next = PollGuard::call(u32::MAX / 2, before).unwrap();
        for _ in 0..9 {
            next = PollGuard::call(next, before).unwrap();
        }
        assert_eq!(PollGuard::call(next, before), Err(DurationMs(1_000)));
        next = PollGuard::call(next, after).unwrap();
        assert_eq!(PollGuard::call(next, after), Err(DurationMs(1_000)));
        assert!(PollGuard::call(next, after + 60_000).is_ok());
    }
}
