//! One tick: look, decide, journal, show.

use super::Leader;
use super::release::sight_words;
use crate::config::{LATE_LOOKED_MAX, LATE_SEEN_MAX, LEAVES_SEEN_MAX};
use crate::metrics;
use crate::store::{Fault, Look, LookMost, Shift};
use bytes::Bytes;
use chassis::{AppendError, Owner};
use schema::admission::{AdmissionRecord, HoldReason, LimitedBy, RoomLife, RoomStatus};
use schema::{DurationMs, RoomSettings, codec, subject};
use std::time::Duration;
use waiting_room_core::{MARK_BLOCK, NUMBER_MAX, POLLS};

impl Leader {
    pub(super) async fn tick(&mut self, owner: &Owner, tick: Duration) -> Result<(), AppendError> {
        let settings = self.room.settings();
        (self.is_troubled, self.hold) = (false, None);
        self.hear();
        self.take_completed();
        self.generations.advance(self.clock.now());
        let (limited_by, live_ahead) = match self.look().await {
            Ok(look) => self.step(owner, &settings, look).await?,
            Err(Fault::Unblessed) => {
                self.hold = Some(HoldReason::NewEpoch);
                self.start_epoch(owner).await?;
                (LimitedBy::Recovery, 0)
            }
            Err(fault @ (Fault::Away(_) | Fault::Refused)) => {
                self.trouble(&fault);
                (LimitedBy::Recovery, 0)
            }
        };
        self.show(&settings, limited_by, live_ahead, tick).await;
        Ok(())
    }

    /// A tick with Redis there and blessed.
    async fn step(
        &mut self,
        owner: &Owner,
        settings: &RoomSettings,
        look: Look,
    ) -> Result<(LimitedBy, u64), AppendError> {
        self.note_wanted(&look);
        let live_ahead = live_ahead(self.rules.cursor, &look);
        self.watch_life(owner, settings, &look, live_ahead).await?;
        self.last_seen = Some(look.last);
        self.note_cutoff(owner, settings).await?;
        match self.begin_gather(owner, settings, look.phase).await? {
            Ok(false) => {}
            Ok(true) => return Ok((LimitedBy::Mode, live_ahead)),
            Err(fault) => {
                self.trouble(&fault);
                return Ok((LimitedBy::Recovery, live_ahead));
            }
        }
        if let Err(fault) = self.raise_mark(owner, settings, &look).await? {
            self.trouble(&fault);
            return Ok((LimitedBy::Recovery, live_ahead));
        }
        if let Err(fault) = self.know_givers(owner, &look).await? {
            self.trouble(&fault);
            return Ok((LimitedBy::Recovery, live_ahead));
        }
        if let Err(fault) = self.close_giving(owner, settings, &look).await? {
            self.trouble(&fault);
            return Ok((LimitedBy::Recovery, live_ahead));
        }
        // Before anybody is called: a leave is about the place as it stood at the look.
        if let Err(fault) = self.hear_leaves(owner, &look).await? {
            self.trouble(&fault);
            return Ok((LimitedBy::Recovery, live_ahead));
        }
        match self.shift_phase(owner, settings, look.phase).await? {
            Ok(true) => {}
            Ok(false) => return Ok((LimitedBy::Mode, live_ahead)),
            Err(fault) => {
                self.trouble(&fault);
                return Ok((LimitedBy::Recovery, live_ahead));
            }
        }
        if !self.knows_sales().await {
            self.hold = Some(HoldReason::SalesUnknown);
            return Ok((LimitedBy::Recovery, live_ahead));
        }
        self.count_claims(owner).await?;
        let limited_by = self.decide(owner, settings, &look).await?;
        Ok((limited_by, live_ahead))
    }

    async fn look(&self) -> Result<Look, Fault> {
        if self.ledger.epoch == 0 {
            return Err(Fault::Unblessed);
        }
        let words = sight_words(self.rules.cursor);
        let most =
            LookMost { late: LATE_SEEN_MAX, late_looked: LATE_LOOKED_MAX, leaves: LEAVES_SEEN_MAX };
        let (leading, generations) = (self.leading(), self.generations.pair());
        let look = self.room.store.look(&leading, words, generations, most).await?;
        // LINE-1: it has forgotten what it gave, so it is in an older state than it was, and may
        // have forgotten claims and check-ins too.
        let given = self.ledger.seen.max(self.last_seen.unwrap_or(0));
        if look.last < given { Err(Fault::Unblessed) } else { Ok(look) }
    }

    /// Keeps the durable mark well above the last number while numbers are given or asked for, and
    /// Redis' copy at it.
    async fn raise_mark(
        &mut self,
        owner: &Owner,
        settings: &RoomSettings,
        look: &Look,
    ) -> Result<Result<(), Fault>, AppendError> {
        let ahead = self.ledger.mark.saturating_sub(look.last);
        let is_wanted =
            (self.ledger.is_giving() || !look.asking.is_empty()) && !self.is_draining(settings);
        if is_wanted && ahead < MARK_BLOCK / 2 && self.ledger.mark < NUMBER_MAX - MARK_BLOCK {
            let (epoch, number_max) = (self.ledger.epoch, look.last + MARK_BLOCK);
            let number_max = number_max.max(self.ledger.mark);
            self.append(owner, AdmissionRecord::MarkRaised { epoch, number_max }).await?;
        }
        if look.mark < self.ledger.mark {
            let shift = Shift { mark: self.ledger.mark, ..Shift::default() };
            let raised = self.room.store.shift(&self.leading(), &shift).await;
            return Ok(raised.map(drop));
        }
        Ok(Ok(()))
    }

    /// Redis does not do its part: nobody is called, and nobody's silence means anything.
    pub(super) fn trouble(&mut self, fault: &Fault) {
        metrics::store_failed("tick");
        tracing::debug!(event = %self.room.event, %fault, "the room holds");
        self.is_troubled = true;
        self.hold.get_or_insert(HoldReason::RedisAway);
        self.lost_check_ins();
    }

    /// Some check-ins were lost, or may be: nobody's silence of before means anything.
    pub(super) fn lost_check_ins(&mut self) {
        self.rules.check_ins_failed();
        self.heard_since = self.clock.now();
    }

    /// Who is over makes room, whether by buying or by giving the pass back.
    fn take_completed(&mut self) {
        let fresh = self.room.completed().fresh.replace(Vec::new());
        for number in fresh.into_iter().flatten() {
            self.rules.completed(number);
        }
    }

    /// Tells every instance. At most once: the next tick says it again.
    async fn show(
        &mut self,
        settings: &RoomSettings,
        limited_by: LimitedBy,
        live_ahead: u64,
        tick: Duration,
    ) {
        let now = self.clock.now();
        let check_in_horizon = self.horizon(settings);
        let seats_remaining = self.room.seats().band();
        let status = RoomStatus {
            event: self.room.event.clone(),
            mode: settings.mode,
            epoch: self.ledger.epoch,
            cursor: self.ledger.cursor,
            number_last: self.last_seen.unwrap_or(self.ledger.given.max(self.ledger.cursor)),
            live_ahead,
            rate_per_minute: self.headroom.binding(settings.admission_rate_per_minute).0,
            limited_by,
            seats_remaining,
            called_last_minute: self.rules.called_last_minute(now),
            active: self.rules.active(now),
            at: chassis::clock::now(),
            tick: DurationMs(u64::try_from(tick.as_millis()).unwrap_or(u64::MAX)),
            check_in_horizon,
            life: RoomLife { is_armed: self.ledger.is_armed, hold: self.hold },
        };
        metrics::ticked(&status);
        let subject = subject::room_status(&self.room.event);
        let told = self.nats.client.publish(subject, Bytes::from(codec::encode(&status)));
        match tokio::time::timeout(tick, told).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(event = %self.room.event, %error, "tick not told"),
            Err(_) => tracing::debug!(event = %self.room.event, "NATS takes no tick now"),
        }
    }

    /// The horizon counts as published only while check-ins can be written.
    ///
    /// Places of a pre-queue are not asked before its draw has said which numbers they are: who was
    /// never asked must not count as silent.
    fn horizon(&mut self, settings: &RoomSettings) -> u64 {
        let given = self.ledger.line_last(self.last_seen.unwrap_or(self.ledger.cursor));
        let now = self.clock.now();
        let polls = self.room.polls_per_second_max;
        let ceiling = POLLS.ceilings_for(self.ledger.crowd(), settings, polls).longest();
        let horizon = self.rules.publish_horizon(now, given, &self.doubt, settings, ceiling);
        if self.is_troubled {
            self.lost_check_ins();
        }
        horizon
    }
}

/// The living beyond the cursor, all along the line.
fn live_ahead(cursor: u64, look: &Look) -> u64 {
    let behind = look.live.count((look.live.first_word() * 64).saturating_sub(1), cursor);
    look.live_total.saturating_sub(behind)
}
