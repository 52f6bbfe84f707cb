//! One release: decided by the core, durable, and only then shown.

use super::Leader;
use crate::config::LATE_SEEN_MAX;
use crate::metrics;
use crate::store::{Fault, Look};
use chassis::clock::Monotonic;
use chassis::{AppendError, Owner};
use schema::admission::{AdmissionRecord, HoldReason, LimitedBy, Release};
use schema::{DurationMs, RoomMode, RoomSettings};
use waiting_room_core::{Bits, GENERATION, Plan, SIGHT_NUMBERS, Sight, Standing, Uncounted};

impl Leader {
    /// Decides over the line as it was just seen; returns what binds.
    pub(super) async fn decide(
        &mut self,
        owner: &Owner,
        settings: &RoomSettings,
        look: &Look,
    ) -> Result<LimitedBy, AppendError> {
        let is_skipped = |number: &u64| self.ledger.standing(*number) == Standing::Skipped;
        let late: Vec<u64> = look.late.iter().copied().filter(is_skipped).collect();
        let now = self.clock.now();
        let seats_free = self.adapt(settings, now);
        // A room that adapts calls nobody for whom there is no place as it is.
        let returns =
            (self.ledger.has_returns && !settings.adaptive).then(|| self.room.seats().returns());
        let sight = Sight {
            settings,
            manner: self.manner(settings),
            line_last: self.ledger.line_last(look.last),
            sight_last: sight_last(self.rules.cursor),
            live: &look.live,
            seen: &look.seen,
            doubt: &self.doubt,
            late: &late,
            seats_free,
            returns,
            headroom: self.headroom,
        };
        let decision = self.rules.decide(now, sight);
        self.hold = match decision.limited_by {
            LimitedBy::Recovery => Some(HoldReason::NumbersInDoubt),
            LimitedBy::Mode if is_held(settings) => Some(HoldReason::Operator),
            _ => None,
        };
        if let Some(plan) = decision.release {
            self.release(owner, settings, plan).await?;
        }
        self.drop_late(look).await;
        Ok(decision.limited_by)
    }

    async fn release(
        &mut self,
        owner: &Owner,
        settings: &RoomSettings,
        plan: Plan,
    ) -> Result<(), AppendError> {
        let started = Monotonic::now();
        let claim_window = DurationMs::from_secs(settings.claim_window_seconds.into());
        let pass_life = claim_window + DurationMs::from_secs(settings.pass_ttl_seconds.into());
        let at = chassis::clock::now();
        let skipped: u64 = plan.skipped.iter().map(|(first, last)| last - first + 1).sum();
        let called = plan.called;
        let release = Release {
            epoch: self.ledger.epoch,
            cursor_before: plan.cursor_before,
            cursor: plan.cursor,
            called,
            at,
            claim_until: at + claim_window,
            pass_until: at + pass_life,
            skipped: plan.skipped,
            late: plan.late,
            clock: self.clock.stamp(self.clock.now()),
            pace: self.adapt.pace(settings.admission_rate_per_minute),
        };
        self.append(owner, AdmissionRecord::Released(release)).await?;
        self.rules.acked(self.clock.now(), claim_window, pass_life);
        metrics::released(called, skipped, started.elapsed());
        Ok(())
    }

    /// Takes those out of the late lane who were called, are not late, or have gone again: these
    /// come back by asking.
    ///
    /// LINE-3: who is silent keeps the turn until all who are there must have been heard, as those
    /// in line do. A new leader's sets are empty at first.
    async fn drop_late(&self, look: &Look) {
        let is_heard = GENERATION <= self.clock.now().since(self.heard_since);
        let over = |number: &u64| self.ledger.standing(*number) != Standing::Skipped;
        let silent = look.late_gone.iter().filter(|&number| is_heard || over(number));
        let present = look.late.iter().filter(|&number| over(number));
        let gone: Vec<u64> = present.chain(silent).copied().take(LATE_SEEN_MAX).collect();
        if gone.is_empty() {
            return;
        }
        // What stays in the lane by a failure is taken out at a later tick: it is not late any
        // more.
        if let Err(fault) = self.room.store.late_over(&self.leading(), &gone).await {
            tracing::debug!(event = %self.room.event, %fault, "the late lane keeps who was called");
        }
    }

    /// Counts the claims of releases whose window is over: who did not come makes room.
    ///
    /// LINE-2: first Redis refuses further claims of them. One that an instance has let pass in
    /// time may come there at any time, and would else be a pass beside the slot's next one. Then
    /// the record says who claimed, and that nobody else can, also for those who lose Redis and for
    /// later leaders; and only then slots are free.
    pub(super) async fn count_claims(&mut self, owner: &Owner) -> Result<(), AppendError> {
        for release in self.rules.uncounted(self.clock.now()) {
            // Without an answer everybody counts until the next tick.
            let Ok(claimed) = self.claims_of(&release).await else { return Ok(()) };
            let (before, cursor) = (release.cursor_before, release.cursor);
            let first = release.line.first().map(|&(first, _)| first);
            let number = first.or(release.late.first().copied()).expect("it called somebody");
            let (epoch, count) = (self.ledger.epoch, count_in(&claimed));
            let closed = AdmissionRecord::ClaimsClosed { epoch, number, claimed };
            self.append(owner, closed).await?;
            self.rules.claimed(before, cursor, &release.late, count);
        }
        Ok(())
    }

    /// Who has claimed, when nobody else can any more: ascending ranges.
    async fn claims_of(&self, release: &Uncounted) -> Result<Vec<(u64, u64)>, Fault> {
        let (leading, store) = (self.leading(), &self.room.store);
        let late = release.late.iter().map(|&number| (number, number));
        let called: Vec<(u64, u64)> = release.line.iter().copied().chain(late).collect();
        store.close_claims(&leading, &called).await?;
        let mut claimed = Vec::new();
        if let (Some(&first), Some(&last)) = (release.late.iter().min(), release.late.iter().max())
        {
            let claims = store.claims(&leading.blessed, first - 1, last).await?;
            claimed.extend(release.late.iter().copied().filter(|&number| claims.contains(number)));
            claimed.sort_unstable();
        }
        if !release.line.is_empty() {
            let (before, cursor) = (release.cursor_before, release.cursor);
            let claims = store.claims(&leading.blessed, before, cursor).await?;
            // Numbers between these stretches were gone, or called by another release.
            let stretches = release.line.iter();
            claimed.extend(stretches.flat_map(|&(first, last)| claims.iter(first - 1, last)));
        }
        Ok(ranges_of(&claimed))
    }
}

/// Ascending numbers as ranges.
fn ranges_of(numbers: &[u64]) -> Vec<(u64, u64)> {
    let follows = |before: &u64, number: &u64| before + 1 == *number;
    numbers.chunk_by(follows).map(|range| (range[0], range[range.len() - 1])).collect()
}

/// How many numbers these ranges have.
fn count_in(ranges: &[(u64, u64)]) -> u32 {
    let count: u64 = ranges.iter().map(|(first, last)| last - first + 1).sum();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Whether an operator holds the line, rather than that it has not begun or is over.
fn is_held(settings: &RoomSettings) -> bool {
    settings.mode == RoomMode::Hold || settings.options.queue_all
}

/// The words a tick looks at, from the cursor on.
pub(super) fn sight_words(cursor: u64) -> (u64, u64) {
    (Bits::word_of(cursor + 1), SIGHT_NUMBERS / 64)
}

/// The last number in those words.
fn sight_last(cursor: u64) -> u64 {
    let (first, count) = sight_words(cursor);
    (first + count) * 64 - 1
}
