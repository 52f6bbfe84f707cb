//! What the room's records say: every reader of the stream keeps one of these.

use crate::bits::Bits;
use crate::limits::TOKEN_AGE_MAX;
use crate::mono::MonoMs;
use crate::place::is_among;
use crate::positions::Positions;
use schema::admission::{AdmissionRecord, Draw, Release};
use schema::{DurationMs, InvariantId, UnixMillis};
use std::collections::{BTreeMap, VecDeque};

/// How long a release is kept after its passes have ended, for those who ask late what became of
/// them.
const KEPT_AFTER_PASS: DurationMs = DurationMs(600_000);

/// How exactly it is known when numbers were passed: they are kept for so much longer than a token
/// is good, which is more than clocks are apart. A week of these are 168 entries.
const PASSED_STEP: DurationMs = DurationMs(3_600_000);

/// The state of a room as its stream has it.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// 0 before the first epoch: no number has been given out.
    pub epoch: u32,
    /// The numbers of this epoch are above it.
    pub number_floor: u64,
    /// The Redis process that may give out numbers of this epoch.
    pub redis_run_id: String,
    /// No number above it has been given out. While giving is closed it is the last one given.
    pub mark: u64,
    pub cursor: u64,
    /// The numbers above it wait for a draw.
    pub gathering: Option<u64>,
    /// What is fixed of that draw already.
    pub prepared: Option<Prepared>,
    /// In ascending order of `base`; they do not overlap.
    pub draws: Vec<Draw>,
    /// What was fixed of each of `draws` before it was made; `None` for one whose seed was made up.
    fixed: Vec<Option<Prepared>>,
    /// In ascending order of `cursor`, without gaps from `forgotten` to `cursor`.
    releases: VecDeque<Received>,
    /// All releases up to this number were dropped.
    forgotten: u64,
    /// Every number up to it was given out, or is in `gaps`, `unseen` or `doubts`.
    pub given: u64,
    /// Redis was seen to have given the numbers up to it in this epoch: it never names a smaller
    /// one as its last, unless it has another state than it had.
    pub seen: u64,
    /// Numbers that were given to nobody, first to last, ascending.
    gaps: Vec<(u64, u64)>,
    /// Numbers of which only Redis knows whether they were given: in doubt when it is lost.
    unseen: Vec<(u64, u64)>,
    /// Numbers of which nobody knows any more whether they were given.
    doubts: Vec<(u64, u64)>,
    /// Numbers of drawn pre-queues that were in doubt: who has one is in the closed cohort, and
    /// counts as alive with the draw. Of this epoch.
    decided: Vec<(u64, u64)>,
    /// Numbers passed as gone, first to last, and not called since; until no token of theirs is
    /// good any more.
    skipped: BTreeMap<u64, u64>,
    /// When the cursor was where: one entry for each [`PASSED_STEP`] in which somebody was skipped.
    passed: VecDeque<(UnixMillis, u64)>,
    /// Numbers that were called from the late lane.
    late: BTreeMap<u64, Terms>,
    /// Numbers that were given up after their call and before a claim, until their passes would
    /// have ended.
    left: BTreeMap<u64, UnixMillis>,
    /// How many were called from the line in all, without those of the late lane.
    pub called: u64,
    /// When the last release was, and what the stages behind the room bore then, in calls a minute;
    /// `None` if they bore all that the operator allows.
    pub pace: Option<(UnixMillis, u32)>,
    /// A room in standby that became a line.
    pub is_armed: bool,
    /// All places were gone once: who waits since then waits for returns.
    pub has_returns: bool,
    /// Of a room that drains: nobody has a number above it, and nobody gets one.
    pub cutoff: Option<u64>,
}

/// What is fixed of a draw before it is made: each part once, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pub nonce: [u8; 32],
    pub commitment: [u8; 32],
    /// The draw waits for a word from outside.
    pub needs_beacon: bool,
    /// The draw waits for the secrets with these commitments.
    pub witnesses: Vec<[u8; 32]>,
    /// The last place of the cohort, once it is closed: no place is given out until the draw.
    pub last: Option<u64>,
    pub root: Option<[u8; 32]>,
}

/// A release and when this process heard of it.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub release: Release,
    pub at: MonoMs,
    /// Who of its people claimed, as ascending ranges, once nobody else can any more.
    pub claimed: Option<Vec<(u64, u64)>>,
}

/// On what terms a place was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The epoch in which it was called.
    pub epoch: u32,
    pub claim_until: UnixMillis,
    pub pass_until: UnixMillis,
    /// Whether the place was claimed, once claims of its release are closed and that is journaled.
    pub counted: Option<bool>,
}

/// How a number stands to the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Ahead of the cursor.
    Waiting,
    Called(Terms),
    /// Passed as gone; whoever asks is not gone.
    Skipped,
    /// Called, and given up before a claim.
    Left,
    /// Called so long ago that the terms are forgotten.
    Over,
}

impl Ledger {
    /// Takes in the next record of the stream, heard of at `at`.
    ///
    /// # Panics When the record does not follow from those before: the stream is not what its fence
    /// promises.
    pub fn apply(&mut self, record: AdmissionRecord, at: MonoMs) {
        match record {
            AdmissionRecord::EpochStarted {
                epoch, given_to, number_floor, redis_run_id, ..
            } => {
                schema::check!(InvariantId::Line1, self.epoch < epoch, "epoch {epoch}");
                schema::check!(InvariantId::Line1, self.mark <= number_floor, "{number_floor}");
                self.epoch = epoch;
                self.number_floor = number_floor;
                self.redis_run_id = redis_run_id.into();
                self.lose_store(given_to, number_floor);
            }
            AdmissionRecord::MarkRaised { epoch, number_max } => {
                assert!(epoch == self.epoch);
                assert!(self.cutoff.is_none(), "nobody gets a number above the cutoff");
                schema::check!(InvariantId::Line1, self.mark <= number_max, "mark {number_max}");
                self.mark = number_max;
            }
            AdmissionRecord::Released(release) => self.release(release, at),
            AdmissionRecord::GatherStarted { given_to, base } => self.gather(given_to, base),
            AdmissionRecord::Committed { base, nonce, commitment, needs_beacon, witnesses } => {
                assert!(self.gathering == Some(base));
                assert!(self.prepared.is_none(), "what was committed to is never changed");
                let (last, root) = (None, None);
                let prepared = Prepared { nonce, commitment, needs_beacon, witnesses, last, root };
                self.prepared = Some(prepared);
            }
            AdmissionRecord::CohortClosed { base, last } => self.close_cohort(base, last),
            AdmissionRecord::Rooted { base, root } => {
                let prepared = self.prepared_of(base);
                assert!(prepared.last.is_some(), "only a closed cohort has a root");
                assert!(prepared.root.replace(root).is_none(), "a cohort has one root");
            }
            AdmissionRecord::Drawn(draw) => self.draw(draw),
            AdmissionRecord::Left { epoch, numbers } => {
                assert!(epoch == self.epoch);
                for number in numbers {
                    self.leave(number);
                }
            }
            AdmissionRecord::NumbersSeen { epoch, given_to } => {
                assert!(epoch == self.epoch);
                schema::check!(InvariantId::Line1, given_to <= self.mark, "{given_to} was given");
                (self.given, self.seen) = (self.given.max(given_to), self.seen.max(given_to));
            }
            AdmissionRecord::GivingClosed { epoch, given_to } => {
                assert!(epoch == self.epoch);
                schema::check!(InvariantId::Line1, self.given <= given_to, "{}", self.given);
                schema::check!(InvariantId::Line1, given_to <= self.mark, "{given_to} was given");
                (self.given, self.mark, self.seen) = (given_to, given_to, given_to);
            }
            AdmissionRecord::StandbyChanged { is_armed, .. } => self.is_armed = is_armed,
            AdmissionRecord::SeatsGone { .. } => self.has_returns = true,
            AdmissionRecord::Drained { epoch, cutoff, .. } => {
                assert!(epoch == self.epoch);
                assert!(cutoff.is_none_or(|cutoff| cutoff == self.mark), "somebody may give more");
                self.cutoff = cutoff;
            }
            AdmissionRecord::ClaimsClosed { epoch, number, claimed } => {
                self.close_claims(epoch, number, claimed);
            }
            AdmissionRecord::DoubtEnded { epoch, given_to } => {
                assert!(epoch == self.epoch);
                let last = self.number_floor;
                let Some(doubt) = self.doubts.pop_if(|doubt| doubt.1 == last) else { return };
                assert!(doubt.0 <= given_to + 1, "what was seen to be given was given");
                push_range(&mut self.gaps, given_to, last);
            }
        }
    }

    /// What only Redis knew is in doubt; the living are shown anew, with their cohorts.
    fn lose_store(&mut self, given_to: u64, number_floor: u64) {
        self.doubts.append(&mut self.unseen);
        push_range(&mut self.doubts, given_to, number_floor);
        self.decided.clear();
        (self.given, self.seen, self.mark) = (number_floor, number_floor, number_floor);
    }

    fn leave(&mut self, number: u64) {
        let Standing::Called(terms) = self.standing(number) else { return };
        // Of an earlier epoch nobody knows who has a pass.
        schema::check!(InvariantId::Line2, terms.epoch == self.epoch, "{number} may have a pass");
        self.left.insert(number, terms.pass_until);
    }

    /// Called places that were given up unclaimed.
    pub fn left(&self) -> impl Iterator<Item = u64> + '_ {
        self.left.keys().copied()
    }

    /// The numbers, as given out, of which nobody knows whether they were.
    pub fn doubts(&self) -> impl Iterator<Item = u64> + '_ {
        self.doubts.iter().flat_map(|&(first, last)| first..=last)
    }

    /// How many numbers were given out and not passed, those who are gone among them: known to all
    /// who read the stream, whatever becomes of Redis.
    pub fn crowd(&self) -> u64 {
        self.given.saturating_sub(self.cursor)
    }

    /// Whether numbers may be given out: no more are above the mark.
    pub fn is_giving(&self) -> bool {
        self.given < self.mark
    }

    /// What positions follow from. Doubts of a drawn pre-queue may be anywhere in its draw.
    pub fn positions(&self) -> Positions {
        let is_ahead = |&(_, last): &(u64, u64)| self.cursor < last;
        let nobodys = self.gaps.iter().chain(&self.doubts).copied().filter(is_ahead).collect();
        let in_line = |&(first, last): &(u64, u64)| match self.draw_of(last) {
            None => (first, last),
            Some(draw) => (draw.base + 1, draw.last),
        };
        let doubts = self.doubts.iter().map(in_line).filter(is_ahead).collect();
        Positions { cursor: self.cursor, nobodys, doubts }
    }

    /// Everybody who may be waiting, up to `last`, taken for alive: those in doubt too.
    pub fn all_alive(&self, last: u64) -> Bits {
        let first_word = Bits::word_of(self.cursor + 1);
        let word_count = (Bits::word_of(last) + 1).saturating_sub(first_word);
        let word_count = usize::try_from(word_count).expect("a line fits in memory");
        let mut live = Bits::zeroed(first_word, word_count);
        let mut from = self.cursor;
        for &(first, gap_last) in &self.gaps {
            live.fill(from, (first - 1).min(last));
            from = from.max(gap_last);
        }
        live.fill(from, last);
        live
    }

    fn release(&mut self, release: Release, at: MonoMs) {
        let (before, cursor) = (release.cursor_before, release.cursor);
        schema::check!(InvariantId::Line1, before == self.cursor, "{before} after {}", self.cursor);
        schema::check!(InvariantId::Line1, before <= cursor, "the cursor went back to {cursor}");
        schema::check!(InvariantId::Line1, cursor <= self.mark, "cursor {cursor} above the mark");
        let terms = Terms {
            epoch: release.epoch,
            claim_until: release.claim_until,
            pass_until: release.pass_until,
            counted: None,
        };
        self.pace = release.pace.map(|pace| (release.at, pace));
        self.called += u64::from(release.called).saturating_sub(release.late.len() as u64);
        self.skipped.extend(release.skipped.iter().copied());
        let is_known = self.passed.back().is_some_and(|&(at, _)| release.at < at + PASSED_STEP);
        match self.passed.back_mut().filter(|_| is_known) {
            Some(passed) => passed.1 = cursor,
            None if release.skipped.is_empty() => {}
            None => self.passed.push_back((release.at, cursor)),
        }
        for &number in &release.late {
            self.take_skipped(number);
            self.late.insert(number, terms);
        }
        self.cursor = cursor;
        self.releases.push_back(Received { release, at, claimed: None });
    }

    /// LINE-2: what makes room stays so. Were it forgotten with Redis, those who did not come could
    /// claim beside those who were called in their stead.
    fn close_claims(&mut self, epoch: u32, number: u64, claimed: Vec<(u64, u64)>) {
        assert!(epoch == self.epoch);
        // Its passes ended long ago, by a clock that was ahead.
        let Some(idx) = self.caller(number) else { return };
        let Received { release, claimed: known, .. } = &mut self.releases[idx];
        assert!(release.epoch == self.epoch, "after a loss nobody knows who claimed");
        assert!(known.is_none(), "claims are closed once");
        for number in &release.late {
            if let Some(terms) = self.late.get_mut(number) {
                terms.counted = Some(is_among(&claimed, *number));
            }
        }
        *known = Some(claimed);
    }

    /// Which of the kept releases called the number.
    fn caller(&self, number: u64) -> Option<usize> {
        if self.late.contains_key(&number) {
            return self.releases.iter().rposition(|kept| kept.release.late.contains(&number));
        }
        let idx = self.releases.partition_point(|kept| kept.release.cursor < number);
        (self.forgotten < number && idx < self.releases.len()).then_some(idx)
    }

    /// Takes a number out of the skipped ones; does nothing if it is none of them.
    fn take_skipped(&mut self, number: u64) {
        let Some((&first, &last)) = self.skipped.range(..=number).next_back() else { return };
        if last < number {
            return;
        }
        self.skipped.remove(&first);
        if first < number {
            self.skipped.insert(first, number - 1);
        }
        if number < last {
            self.skipped.insert(number + 1, last);
        }
    }

    /// How the place with `number` in line stands.
    pub fn standing(&self, number: u64) -> Standing {
        if self.cursor < number {
            return Standing::Waiting;
        }
        if self.left.contains_key(&number) {
            return Standing::Left;
        }
        if let Some(terms) = self.late.get(&number) {
            return Standing::Called(*terms);
        }
        let range = self.skipped.range(..=number).next_back();
        if range.is_some_and(|(_, &last)| number <= last) {
            return Standing::Skipped;
        }
        if number <= self.forgotten {
            return Standing::Over;
        }
        let idx = self.releases.partition_point(|kept| kept.release.cursor < number);
        let Received { release, claimed, .. } = &self.releases[idx];
        assert!(release.cursor_before < number, "releases leave no gap");
        Standing::Called(Terms {
            epoch: release.epoch,
            claim_until: release.claim_until,
            pass_until: release.pass_until,
            counted: claimed.as_ref().map(|claimed| is_among(claimed, number)),
        })
    }

    /// The last number that may be called, given the last one given out.
    pub fn line_last(&self, number_last: u64) -> u64 {
        self.gathering.map_or(number_last, |base| base.min(number_last)).max(self.cursor)
    }

    /// Drops what nobody can need at `now` any more.
    pub fn forget(&mut self, now: UnixMillis) {
        let over = |until: UnixMillis| until + KEPT_AFTER_PASS < now;
        while self.releases.front().is_some_and(|kept| over(kept.release.pass_until)) {
            let kept = self.releases.pop_front().expect("there is a front");
            self.forgotten = kept.release.cursor;
        }
        // LINE-2: as long as the release that passed a number is kept, so is what became of it
        // later: else that release would be taken for the one that called it, on terms that may
        // last longer.
        let forgotten = self.forgotten;
        let is_kept = |number: u64, until: UnixMillis| forgotten < number || !over(until);
        self.late.retain(|&number, terms| is_kept(number, terms.pass_until));
        self.left.retain(|&number, until| is_kept(number, *until));
        self.forget_skipped(now);
        let (cursor, draws) = (self.cursor, &self.draws);
        let is_passed = |&(_, last): &(u64, u64)| {
            let draw = draws.iter().find(|draw| draw.base < last && last <= draw.last);
            draw.map_or(last, |draw| draw.last) <= cursor
        };
        self.gaps.retain(|gap| !is_passed(gap));
        self.unseen.retain(|unseen| !is_passed(unseen));
        self.decided.retain(|decided| !is_passed(decided));
        self.doubts.retain(|doubt| !is_passed(doubt));
    }

    /// Drops the skipped numbers whose tokens are not good any more. O(numbers dropped).
    fn forget_skipped(&mut self, now: UnixMillis) {
        let is_over = |&(at, _): &(UnixMillis, u64)| at + PASSED_STEP + TOKEN_AGE_MAX < now;
        while let Some((_, cursor)) = self.passed.pop_front_if(|passed| is_over(passed)) {
            let last = cursor.min(self.forgotten);
            while self.skipped.first_key_value().is_some_and(|(_, &end)| end <= last) {
                self.skipped.pop_first();
            }
        }
    }

    pub(crate) fn releases(&self) -> impl Iterator<Item = &Received> {
        self.releases.iter()
    }
}

/// Adds the numbers in `(after, last]`, if there are any.
pub(crate) fn push_range(ranges: &mut Vec<(u64, u64)>, after: u64, last: u64) {
    if after < last {
        ranges.push((after + 1, last));
    }
}

mod draws;
#[cfg(test)]
mod tests;
