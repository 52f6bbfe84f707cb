//! Plays a sale against the rules of the line, in virtual time: what a room's settings would come
//! to with so many fans.
//!
//! Whom the room calls is decided by the same code as in a real one. Who comes, how long they take
//! and what they want is made up, from a seed: the same crowd for any settings.

mod course;
mod crowd;
mod market;

pub use course::{Course, Minute, Release, Spread, Total};

use crate::config::POLLS_PER_SECOND_MAX;
use course::Recorder;
use crowd::{Fan, crowd};
use market::Market;
use schema::limits::REQUEST_PLACES;
use schema::{
    AllocatorLoad, DurationMs, PLAN_PLACES_MAX, RoomMode, RoomSettings, ShardId, UnixMillis,
};
use waiting_room_core::{
    Adapt, Bits, Headroom, Life, MonoMs, POLLS, Room as Rules, SIGHT_NUMBERS, Sight, Signals,
    manner,
};

/// How often the rehearsed leader decides: the default of a real one.
pub const TICK: DurationMs = DurationMs(200);

/// Most fans of a rehearsal; each costs 16 bytes.
pub const FANS_MAX: u64 = 5_000_000;

/// How long a rehearsed sale lasts at most: the seats of one that goes on by then are not wanted.
pub const LASTS_MAX: DurationMs = DurationMs::from_secs(48 * 3_600);

/// A sale to be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// The mode is `open`, whatever they say.
    pub settings: RoomSettings,
    /// How many join in each second, from the first on.
    pub joins: Vec<u32>,
    /// For how long the room holds first.
    pub opens_after: DurationMs,
    pub seats: u32,
    /// How many places a fan wants on average, in thousandths; 1,000 to 10,000. All want the whole
    /// number below it or the one above.
    pub basket_milli: u32,
    /// From the claim of a pass to the payment on average; each takes between a half and one and a
    /// half of it. The places are chosen after a quarter.
    pub checkout: DurationMs,
    /// How many of a thousand fans are never heard of again after their join.
    pub no_show_milli: u32,
    /// How many orders settlement bears a minute; `None` for as many as come.
    pub orders_per_minute: Option<u32>,
    pub seed: u64,
}

/// Why a sale cannot be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RehearsalFault {
    #[error("there are no fans, or more than {FANS_MAX}")]
    Fans,
    #[error("seats are 1 to {PLAN_PLACES_MAX}")]
    Seats,
    #[error("a basket is 1 to {REQUEST_PLACES} places")]
    Basket,
    #[error("a share is 0 to 1")]
    Share,
    #[error("a rate and a bound are 1 or more: with 0 nobody is called")]
    Nobody,
    #[error("a sale opens and is paid for within {} hours", LASTS_MAX.0 / 3_600_000)]
    Long,
}

/// Plays it. O(ticks and fans).
///
/// # Errors
/// [`RehearsalFault`] for a sale that cannot be.
pub fn rehearse(rehearsal: &Rehearsal) -> Result<Course, RehearsalFault> {
    rehearsal.check()?;
    let mut stage = Stage::new(rehearsal);
    let mut now = 0;
    while !stage.is_over() && now < LASTS_MAX.0 {
        stage.tick(now);
        now += TICK.0;
    }
    Ok(stage.recorder.end(now, stage.market.counts(), &stage.fans))
}

impl Rehearsal {
    fn check(&self) -> Result<(), RehearsalFault> {
        let fans: u64 = self.joins.iter().map(|&joins| u64::from(joins)).sum();
        let places_max = u32::from(REQUEST_PLACES) * 1_000;
        let bounds = [self.settings.admission_rate_per_minute, self.settings.active_max];
        let seconds = u64::try_from(self.joins.len()).unwrap_or(u64::MAX);
        let is_long = [self.opens_after, self.checkout].iter().any(|span| LASTS_MAX <= *span)
            || LASTS_MAX.0 / 1_000 <= seconds;
        if !(1..=FANS_MAX).contains(&fans) {
            Err(RehearsalFault::Fans)
        } else if !(1..=u64::from(PLAN_PLACES_MAX)).contains(&u64::from(self.seats)) {
            Err(RehearsalFault::Seats)
        } else if !(1_000..=places_max).contains(&self.basket_milli) {
            Err(RehearsalFault::Basket)
        } else if 1_000 < self.no_show_milli {
            Err(RehearsalFault::Share)
        } else if bounds.contains(&0) || self.orders_per_minute == Some(0) {
            Err(RehearsalFault::Nobody)
        } else if is_long {
            Err(RehearsalFault::Long)
        } else {
            Ok(())
        }
    }
}

/// A room with its crowd and its seats.
struct Stage<'a> {
    rehearsal: &'a Rehearsal,
    settings: RoomSettings,
    fans: Vec<Fan>,
    /// Fans that have joined: the numbers up to this are given out.
    joined: usize,
    /// Of those who come, how many have not been called.
    awaited: usize,
    live: Bits,
    seen: Bits,
    rules: Rules,
    adapt: Adapt,
    market: Market,
    recorder: Recorder,
}

impl<'a> Stage<'a> {
    fn new(rehearsal: &'a Rehearsal) -> Self {
        let fans = crowd(rehearsal);
        let bits = || Bits::zeroed(0, fans.len() / 64 + 1);
        let (live, seen, claimed) = (bits(), bits(), bits());
        Self {
            rehearsal,
            settings: rehearsal.settings.clone(),
            joined: 0,
            awaited: fans.iter().filter(|fan| fan.comes).count(),
            live,
            seen,
            rules: Rules::default(),
            adapt: Adapt::default(),
            market: Market::new(rehearsal, claimed),
            recorder: Recorder::default(),
            fans,
        }
    }

    fn is_over(&self) -> bool {
        self.market.is_sold_out() || self.awaited == 0 && self.market.is_quiet()
    }

    fn tick(&mut self, now: u64) {
        self.join(now);
        for number in self.market.turn(now, &self.fans) {
            self.rules.completed(number);
        }
        self.count_claims(now);
        let opened = self.rehearsal.opens_after.0 <= now;
        self.settings.mode = if opened { RoomMode::Open } else { RoomMode::Hold };
        let (headroom, seats_free) = self.bear(now);
        let given = u64::try_from(self.joined).expect("a count");
        let life = Life { gathering: false, is_armed: false, is_over: false, now: UnixMillis(now) };
        let sight = Sight {
            settings: &self.settings,
            manner: manner(&self.settings, life),
            line_last: given,
            sight_last: self.rules.cursor + SIGHT_NUMBERS,
            live: &self.live,
            seen: &self.seen,
            doubt: &Bits::default(),
            late: &[],
            seats_free,
            returns: None,
            headroom,
        };
        let decision = self.rules.decide(MonoMs(now), sight);
        let mut released = Release { at_ms: now, called: 0, came: 0, skipped: 0 };
        if let Some(plan) = decision.release {
            released = self.call(now, &plan);
        }
        // Everybody who is there checks in when asked to.
        let nowhere = Bits::default();
        let crowd = given.saturating_sub(self.rules.cursor);
        let ceiling = POLLS.ceilings_for(crowd, &self.settings, POLLS_PER_SECOND_MAX).longest();
        self.rules.publish_horizon(MonoMs(now), given, &nowhere, &self.settings, ceiling);
        let cap = self.settings.admission_rate_per_minute;
        let look = course::Look {
            joined: self.joined,
            waiting: self.live.count(self.rules.cursor, given),
            inside: self.rules.active(MonoMs(now)),
            allowed_per_minute: headroom.binding(cap).0,
            limited_by: decision.limited_by,
            counts: self.market.counts(),
        };
        self.recorder.tick(released, &look);
    }

    /// Lets those join who have come by now.
    fn join(&mut self, now: u64) {
        while let Some(fan) = self.fans.get(self.joined).filter(|fan| fan.joins_at_ms <= now) {
            self.joined += 1;
            let number = u64::try_from(self.joined).expect("a count");
            self.live.set(number);
            if fan.comes {
                self.seen.set(number);
            }
        }
    }

    fn count_claims(&mut self, now: u64) {
        for release in self.rules.uncounted(MonoMs(now)) {
            let (before, cursor) = (release.cursor_before, release.cursor);
            let claimed = self.market.claimed.count(before, cursor);
            let claimed = u32::try_from(claimed).expect("at most a release");
            self.rules.claimed(before, cursor, &release.late, claimed);
        }
    }

    /// What settlement bears, and for how many people there are seats: as a leader finds it.
    fn bear(&mut self, now: u64) -> (Headroom, Option<u32>) {
        let counts = self.market.counts();
        if !self.settings.adaptive {
            return (Headroom::default(), Some(counts.free));
        }
        let allocator = AllocatorLoad { shard: ShardId(0), pending: 0, reply_p99: DurationMs(0) };
        let signals = Signals {
            allocator: Some((allocator, DurationMs(0))),
            settlement: Some((self.market.load(now), DurationMs(0))),
        };
        let cap = self.settings.admission_rate_per_minute;
        let headroom = self.adapt.step(MonoMs(now), cap, &signals);
        let inside = self.rules.active(MonoMs(now));
        let open = counts.free + counts.held;
        (headroom, Some(self.market.basket.people(open, inside)))
    }

    fn call(&mut self, now: u64, plan: &waiting_room_core::Plan) -> Release {
        let is_skipped = |number: u64| {
            plan.skipped.iter().any(|&(first, last)| first <= number && number <= last)
        };
        let claim_window = DurationMs::from_secs(self.settings.claim_window_seconds.into());
        let pass_life = claim_window + DurationMs::from_secs(self.settings.pass_ttl_seconds.into());
        let mut came = 0;
        for number in (plan.cursor_before + 1..=plan.cursor).filter(|&n| !is_skipped(n)) {
            let fan = &self.fans[usize::try_from(number - 1).expect("a fan's number")];
            if fan.comes {
                came += 1;
                self.market.called(now, number, fan);
                self.recorder.waited(now - fan.joins_at_ms);
            }
        }
        self.awaited -= usize::try_from(came).expect("a count");
        self.rules.acked(MonoMs(now), claim_window, pass_life);
        let skipped = plan.skipped.iter().map(|(first, last)| last - first + 1).sum();
        Release { at_ms: now, called: plan.called, came, skipped }
    }
}

#[cfg(test)]
mod tests;
