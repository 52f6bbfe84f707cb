//! The pace that the stages behind the room bear: it rises slowly and falls fast, and nobody is
//! called into a stage that answers nobody in time.
//!
//! Additive increase while a stage is well and multiplicative decrease while it is not is the one
//! linear rule that comes to rest near what is borne, wherever it starts (Chiu and Jain, "Analysis
//! of the Increase and Decrease Algorithms for Congestion Avoidance in Computer Networks", Computer
//! Networks and ISDN Systems 17, 1989). Each stage has a rate of its own, so that the smallest one
//! says which stage binds.

use crate::mono::MonoMs;
use schema::admission::LimitedBy;
use schema::{AllocatorLoad, DurationMs, SettlementLoad, UnixMillis, limits};

/// How often a rate changes at most: a stage's word is about its last second.
pub const ADAPT_STEP: DurationMs = DurationMs(1_000);

/// The increase of a step: this part of the operator's cap, which is reached in five minutes.
///
/// Whoever is called chooses seats some twenty seconds later and pays after ninety. Until then more
/// is called than is borne: with 1/300 orders wait for half a minute where settlement bears two
/// fifths of the cap, with 1/60 for a minute and a half. Slower, seats lie unsold after a moment's
/// trouble.
const INCREASE_PARTS: u64 = 300;

/// A decrease leaves seven tenths.
///
/// It takes back what the increases of ninety seconds have added to the cap. With half, a trouble
/// of a moment would cost two minutes of the line; nearer to one, a stage that is overrun stays so.
const DECREASE: (u64, u64) = (7, 10);

/// How soon one decrease may follow another.
///
/// The first shows when those who were called before it have chosen. At once, one trouble would be
/// answered until the rate is at its floor: a stage that feels a call after ten seconds then gets
/// six tenths of what it bears, with this 0.84 to 0.87. Longer, a stage that is down is called into
/// for more than the 90 s that nine decreases take.
pub const DECREASE_REST: DurationMs = DurationMs(10_000);

/// The floor is this part of the cap, and at least one a minute.
///
/// A twentieth is no load to speak of, and by it the room hears whether a stage is well again.
/// Nobody at all is let in by the operator's word (mode `hold`), or above [`REPLY_STOP`].
const FLOOR_PARTS: u64 = 20;

/// A word older than this says nothing of now: the rate stays as it is. Six are lost by then.
pub const SIGNAL_FRESH: DurationMs = DurationMs(3_000);

/// A stage that has spoken and is silent for so long is in trouble: the rate falls to its floor.
///
/// Some times what a restart, a take-over or an election takes. Whoever is let in meanwhile finds a
/// stage that does not answer, and their time to buy runs.
pub const SIGNAL_LOST: DurationMs = DurationMs(30_000);

/// An owner that takes longer from its decision to its answer stops the line.
///
/// Half of the time that askers wait is gone then, whatever they waited for the decision: with a
/// few more people nobody would be answered. Owners tell the end of a class of times, so it begins
/// at 768 ms. Short of that the rate alone gives way, as a call is felt only when people choose,
/// and each stop is followed by as long a lull. Settlement stops nobody: a call is felt there after
/// a minute and more, and who waits for a payment is told that it is on its way.
pub const REPLY_STOP: DurationMs = DurationMs(REPLY_TARGET.0 * 5);

/// How long the pace of a leader that is gone means something: within it the increases alone go
/// from nothing to the whole cap, where the stages are well.
pub const PACE_KEPT: DurationMs = DurationMs(ADAPT_STEP.0 * INCREASE_PARTS);

/// Commands that may wait to be decided: those of one batch. More do not fit the next one.
pub const PENDING_TARGET: u32 = {
    assert!(limits::BATCH_OUTCOMES_MAX == 512);
    512
};

/// How soon 99 of 100 commands must be answered.
///
/// Ten times what an owner needs, and well before askers send their commands again: from there on
/// load makes load.
pub const REPLY_TARGET: DurationMs = DurationMs(200);

/// The part of the orders that settlements can work on at once that they may have at hand, in
/// 1/1000.
///
/// Whoever is inside has still to pay: the other half is theirs.
pub const ORDERS_TARGET_MILLI: u64 = 500;

/// How long a payment may wait to become an order. A commit takes a tenth of it.
pub const COMMIT_TARGET: DurationMs = DurationMs(1_000);

const _: () = {
    assert!(REPLY_TARGET.0 < limits::ASK_AGAIN.0);
    assert!(REPLY_STOP.0 * 2 == limits::ASK_WAIT.0);
    assert!(limits::LOAD_SPAN.0 <= ADAPT_STEP.0);
    assert!(limits::LOAD_EVERY.0 * 4 <= SIGNAL_FRESH.0);
    assert!(SIGNAL_FRESH.0 < SIGNAL_LOST.0);
    assert!(DECREASE.0 < DECREASE.1);
    assert!(ADAPT_STEP.0 < DECREASE_REST.0);
};

/// What was last heard of the stages, and how long ago. `None` for one that has never spoken: a
/// room without it is not held back by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signals {
    pub allocator: Option<(AllocatorLoad, DurationMs)>,
    pub settlement: Option<(SettlementLoad, DurationMs)>,
}

/// The highest rates that the stages bear, in calls a minute; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headroom {
    pub allocator: Option<u32>,
    pub settlement: Option<u32>,
}

impl Headroom {
    /// The rate under the operator's `cap`, and which limit says so. Of equal ones the one that
    /// lasts is named.
    pub fn binding(self, cap: u32) -> (u32, LimitedBy) {
        let rates = [
            (cap, LimitedBy::Rate),
            (self.allocator.unwrap_or(u32::MAX), LimitedBy::Allocator),
            (self.settlement.unwrap_or(u32::MAX), LimitedBy::Settlement),
        ];
        rates.into_iter().min_by_key(|&(rate, _)| rate).expect("there are three")
    }
}

/// The controller of one room.
#[derive(Debug, Clone, Default)]
pub struct Adapt {
    allocator: Pressure,
    settlement: Pressure,
    stepped_at: Option<MonoMs>,
    lowered_at: Option<MonoMs>,
}

impl Adapt {
    /// Goes on at the pace at which the last leader called somebody, whichever stage that was for.
    /// One that is older than [`PACE_KEPT`] says nothing of now.
    pub fn resume(pace: Option<(UnixMillis, u32)>, now: UnixMillis) -> Self {
        let Some((_, pace)) = pace.filter(|&(at, _)| now < at + PACE_KEPT) else {
            return Self::default();
        };
        let pressure = Pressure { rate: Some(u64::from(pace) * MILLI) };
        Self { allocator: pressure, settlement: pressure, ..Self::default() }
    }

    /// What the stages bear of `cap` calls a minute, whatever the payment provider does; `None` for
    /// all of it.
    pub fn pace(&self, cap: u32) -> Option<u32> {
        let cap = u64::from(cap) * MILLI;
        let paces = [self.allocator.shown(cap), self.settlement.shown(cap)];
        paces.into_iter().flatten().min()
    }

    /// Takes a step if one is due at `now`, and returns what the stages bear under `cap` calls a
    /// minute: nothing, without waiting for a step, while the allocator stops the line.
    pub fn step(&mut self, now: MonoMs, cap: u32, signals: &Signals) -> Headroom {
        let cap = u64::from(cap) * MILLI;
        if self.stepped_at.is_none_or(|at| ADAPT_STEP <= now.since(at)) {
            self.stepped_at = Some(now);
            // A rate that does not bind has not been tried: what is too much is the one that does.
            let tried = self.allocator.under(cap).min(self.settlement.under(cap));
            let healths = [allocator_health(signals), settlement_health(signals)];
            let stages = [&mut self.allocator, &mut self.settlement];
            // Nothing rises while anything is in trouble, or unknown.
            let may_rise = healths == [Health::Well; 2];
            let may_fall = self.lowered_at.is_none_or(|at| DECREASE_REST <= now.since(at));
            for (stage, health) in stages.into_iter().zip(healths) {
                match health {
                    Health::Over if may_fall && floor(cap) < tried => {
                        stage.lower(cap, tried);
                        self.lowered_at = Some(now);
                    }
                    Health::Well if may_rise => stage.raise(cap),
                    Health::Over | Health::Well | Health::Unknown => {}
                }
                assert!(floor(cap) <= stage.under(cap));
                assert!(stage.under(cap) <= cap);
            }
        }
        let allocator = [self.allocator.shown(cap), stop(signals)];
        let settlement = [self.settlement.shown(cap), outage(signals, cap)];
        Headroom {
            allocator: allocator.into_iter().flatten().min(),
            settlement: settlement.into_iter().flatten().min(),
        }
    }
}

impl Headroom {
    /// What the stages bear for a room that does not adapt: all of its cap, but for an outage of
    /// the payment provider.
    pub fn of_outage(signals: &Signals, cap: u32) -> Self {
        Self { settlement: outage(signals, u64::from(cap) * MILLI), ..Self::default() }
    }
}

/// The floor while the payment provider is down: who is called then finds nobody to pay, and the
/// time to buy runs. A few are, so that somebody asks whether it is back.
fn outage(signals: &Signals, cap: u64) -> Option<u32> {
    let (load, age) = signals.settlement.as_ref()?;
    let is_down = load.provider_down && *age <= SIGNAL_LOST;
    is_down.then(|| u32::try_from(floor(cap) / MILLI).expect("at most the cap"))
}

/// Rates are kept in thousandths of a call a minute, so that a small cap rises too.
const MILLI: u64 = 1_000;

/// What one stage bears.
#[derive(Debug, Clone, Copy, Default)]
struct Pressure {
    /// `None` while all of the cap is borne, also when the cap is raised.
    rate: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Well,
    Over,
    Unknown,
}

impl Pressure {
    fn under(self, cap: u64) -> u64 {
        self.rate.map_or(cap, |rate| rate.clamp(floor(cap), cap))
    }

    fn shown(self, cap: u64) -> Option<u32> {
        let shown = |_| u32::try_from(self.under(cap) / MILLI).expect("at most the cap");
        self.rate.map(shown)
    }

    fn lower(&mut self, cap: u64, tried: u64) {
        let rate = self.under(cap).min(tried) * DECREASE.0 / DECREASE.1;
        self.rate = Some(rate.max(floor(cap)));
    }

    fn raise(&mut self, cap: u64) {
        let rate = self.under(cap) + cap / INCREASE_PARTS;
        self.rate = (rate < cap).then_some(rate);
    }
}

fn floor(cap: u64) -> u64 {
    (cap / FLOOR_PARTS).max(MILLI).min(cap)
}

fn health(age: DurationMs, is_over: bool) -> Health {
    if SIGNAL_LOST < age {
        Health::Over
    } else if SIGNAL_FRESH < age {
        Health::Unknown
    } else if is_over {
        Health::Over
    } else {
        Health::Well
    }
}

fn allocator_health(signals: &Signals) -> Health {
    let Some((load, age)) = &signals.allocator else { return Health::Well };
    health(*age, PENDING_TARGET < load.pending || REPLY_TARGET < load.reply_p99)
}

/// No calls while the owner answers too late for most askers, by its last word: one that was so
/// slow and is silent is not well yet. After [`SIGNAL_LOST`] the word says nothing any more.
fn stop(signals: &Signals) -> Option<u32> {
    let (load, age) = signals.allocator.as_ref()?;
    (*age <= SIGNAL_LOST && REPLY_STOP < load.reply_p99).then_some(0)
}

fn settlement_health(signals: &Signals) -> Health {
    let Some((load, age)) = &signals.settlement else { return Health::Well };
    let orders_target = u64::from(load.orders_max) * ORDERS_TARGET_MILLI / 1_000;
    let is_slow = orders_target < u64::from(load.orders) || COMMIT_TARGET < load.commit_wait;
    health(*age, is_slow || load.provider_down)
}

#[cfg(test)]
mod tests;
