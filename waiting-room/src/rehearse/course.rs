//! How a rehearsed sale went, minute by minute.

use super::crowd::Fan;
use super::market::Counts;
use schema::admission::LimitedBy;
use serde::Serialize;

const MINUTE_MS: u64 = 60_000;

/// How a sale went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    pub minutes: Vec<Minute>,
    pub total: Total,
    /// Every tick's calls; not written.
    #[serde(skip)]
    pub releases: Vec<Release>,
}

/// One minute of a sale; stocks are those at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Minute {
    /// From 0 on, from the first join.
    pub minute: u64,
    pub joined: usize,
    /// In line, as the room knows it: also those who have gone and were not found out yet.
    pub waiting: u64,
    pub called: u32,
    /// Of those called the ones who were there.
    pub came: u32,
    /// Of those who came.
    pub wait_seconds: Option<Spread>,
    pub inside: u32,
    pub held: u32,
    pub sold: u32,
    pub free: u32,
    pub allowed_per_minute: u32,
    /// What bound in most ticks.
    pub limited_by: LimitedBy,
}

/// All of a sale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Total {
    pub fans: usize,
    pub no_shows: usize,
    pub called: u64,
    pub came: u64,
    /// Passed as gone.
    pub skipped: u64,
    /// Most calls within any 60 s.
    pub called_in_a_minute_max: u64,
    pub wait_seconds: Option<Spread>,
    pub sold: u32,
    pub unsold: u32,
    /// Fans who were let in and got nothing.
    pub empty_handed: u32,
    /// `None` if seats were left in the end.
    pub sold_out_after_seconds: Option<u64>,
    pub lasted_seconds: u64,
}

/// Half of all, nine tenths of all and all are no more than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    pub p50: u64,
    pub p90: u64,
    pub max: u64,
}

/// What a tick called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    pub at_ms: u64,
    pub called: u32,
    pub came: u32,
    pub skipped: u64,
}

/// How things stand after a tick.
pub(super) struct Look {
    pub joined: usize,
    pub waiting: u64,
    pub inside: u32,
    pub allowed_per_minute: u32,
    pub limited_by: LimitedBy,
    pub counts: Counts,
}

/// Writes a course down while it goes on.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    minutes: Vec<Minute>,
    releases: Vec<Release>,
    /// The waits of this minute and of those before, in milliseconds.
    waits: Vec<u64>,
    waits_before: Vec<u64>,
    limits: Vec<(LimitedBy, u32)>,
    joined_before: usize,
}

impl Recorder {
    /// Somebody came who had waited for so long.
    pub(super) fn waited(&mut self, wait_ms: u64) {
        self.waits.push(wait_ms);
    }

    pub(super) fn tick(&mut self, release: Release, look: &Look) {
        let minute = release.at_ms / MINUTE_MS;
        if self.minutes.last().is_none_or(|last| last.minute < minute) {
            self.close_minute();
            self.minutes.push(Minute::begin(minute, look));
        }
        match self.limits.iter_mut().find(|(limit, _)| *limit == look.limited_by) {
            Some((_, ticks)) => *ticks += 1,
            None => self.limits.push((look.limited_by, 1)),
        }
        let last = self.minutes.last_mut().expect("one was begun");
        (last.called, last.came) = (last.called + release.called, last.came + release.came);
        last.joined = look.joined - self.joined_before;
        last.show(look);
        if 0 < u64::from(release.called) + release.skipped {
            self.releases.push(release);
        }
    }

    fn close_minute(&mut self) {
        let Some(last) = self.minutes.last_mut() else { return };
        let most = self.limits.iter().rev().max_by_key(|(_, ticks)| *ticks);
        last.limited_by = most.map_or(LimitedBy::Nothing, |(limit, _)| *limit);
        last.wait_seconds = Spread::of(&mut self.waits);
        self.joined_before += last.joined;
        self.limits.clear();
        self.waits_before.append(&mut self.waits);
    }

    pub(super) fn end(mut self, ended_ms: u64, counts: Counts, fans: &[Fan]) -> Course {
        self.close_minute();
        let sum = |part: fn(&Release) -> u64| self.releases.iter().map(part).sum();
        let unsold = counts.free + counts.held;
        let lasted_seconds = ended_ms.div_ceil(1_000);
        let total = Total {
            fans: fans.len(),
            no_shows: fans.iter().filter(|fan| !fan.comes).count(),
            called: sum(|release| release.called.into()),
            came: sum(|release| release.came.into()),
            skipped: sum(|release| release.skipped),
            called_in_a_minute_max: called_in_a_minute_max(&self.releases),
            wait_seconds: Spread::of(&mut self.waits_before),
            sold: counts.sold,
            unsold,
            empty_handed: counts.empty_handed,
            sold_out_after_seconds: (unsold == 0).then_some(lasted_seconds),
            lasted_seconds,
        };
        Course { minutes: self.minutes, total, releases: self.releases }
    }
}

impl Minute {
    fn begin(minute: u64, look: &Look) -> Self {
        let mut begun = Self {
            minute,
            joined: 0,
            waiting: 0,
            called: 0,
            came: 0,
            wait_seconds: None,
            inside: 0,
            held: 0,
            sold: 0,
            free: 0,
            allowed_per_minute: 0,
            limited_by: look.limited_by,
        };
        begun.show(look);
        begun
    }

    fn show(&mut self, look: &Look) {
        (self.waiting, self.inside) = (look.waiting, look.inside);
        (self.free, self.held, self.sold) = (look.counts.free, look.counts.held, look.counts.sold);
        self.allowed_per_minute = look.allowed_per_minute;
    }
}

impl Spread {
    /// Of milliseconds, in seconds; sorts them.
    fn of(waits_ms: &mut [u64]) -> Option<Self> {
        waits_ms.sort_unstable();
        let rank = |percent: usize| waits_ms[(waits_ms.len() * percent).div_ceil(100) - 1] / 1_000;
        let max = waits_ms.last()? / 1_000;
        Some(Self { p50: rank(50), p90: rank(90), max })
    }
}

/// Most calls within any 60 s, both ends included.
fn called_in_a_minute_max(releases: &[Release]) -> u64 {
    let (mut from, mut sum, mut most) = (0, 0, 0);
    for release in releases {
        sum += u64::from(release.called);
        while releases[from].at_ms + MINUTE_MS < release.at_ms {
            sum -= u64::from(releases[from].called);
            from += 1;
        }
        most = most.max(sum);
    }
    most
}
