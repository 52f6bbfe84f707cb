//! Who gives out numbers: after a loss of Redis their word says which were given.

use super::Leader;
use crate::config::{GIVER_SILENCE_MS, REPORTS_WAIT};
use crate::store::{Closing, Fault, Look};
use bytes::Bytes;
use chassis::{AppendError, Owner};
use futures_util::{FutureExt, StreamExt};
use schema::admission::{AdmissionRecord, GivenReport};
use schema::{DurationMs, RoomMode, RoomSettings, codec};
use std::collections::{BTreeMap, BTreeSet};
use waiting_room_core::GIVING_IDLE;

impl Leader {
    /// Notes what was given out, and lets in those who ask to give.
    ///
    /// The record comes first: an overtaken leader admits nobody behind the back of its successor.
    /// Whoever has been silent for long is taken out, in Redis before it is forgotten here; it may
    /// have died, and a loss of Redis would wait for its word in vain.
    pub(super) async fn know_givers(
        &mut self,
        owner: &Owner,
        look: &Look,
    ) -> Result<Result<(), Fault>, AppendError> {
        let (now, leading) = (self.clock.now(), self.leading());
        let (epoch, given_to) = (self.ledger.epoch, look.last);
        if self.ledger.given < given_to || !look.asking.is_empty() {
            self.append(owner, AdmissionRecord::NumbersSeen { epoch, given_to }).await?;
        }
        let givers = self.givers.get_or_insert_default();
        // Who was silent and stopped stays until a look without them: that one has seen what they
        // gave until then.
        givers.retain(|giver, _| look.givers.contains(giver) || look.asking.contains(giver));
        for &giver in look.givers.iter().chain(&look.asking) {
            givers.entry(giver).or_insert(now);
        }
        let silence = DurationMs(GIVER_SILENCE_MS);
        let is_silent = |giver: &u64| givers.get(giver).is_some_and(|&at| silence < now.since(at));
        let silent: Vec<u64> = look.givers.iter().copied().filter(is_silent).collect();
        if !look.asking.is_empty()
            && let Err(fault) = self.room.store.admit(&leading, &look.asking, true).await
        {
            return Ok(Err(fault));
        }
        if !silent.is_empty() && self.presence.is_some() {
            return Ok(self.room.store.admit(&leading, &silent, false).await);
        }
        Ok(Ok(()))
    }

    /// Notes whether numbers were given out since the last look, or are asked for.
    pub(super) fn note_wanted(&mut self, look: &Look) {
        if self.last_seen != Some(look.last) || !look.asking.is_empty() {
            self.wanted_at = self.clock.now();
        }
    }

    /// Closes giving once nobody has taken a number for a while, so that a loss of everything in a
    /// quiet moment leaves nobody in doubt; and once the room drains, for good.
    ///
    /// Redis first: from there on it gives no number above the last one, which is then known for
    /// certain, also if an instance has not answered with it yet. LINE-1: nobody but a leader
    /// raises the mark there again, after the record of it, and not one that this leader has
    /// overtaken.
    pub(super) async fn close_giving(
        &mut self,
        owner: &Owner,
        settings: &RoomSettings,
        look: &Look,
    ) -> Result<Result<(), Fault>, AppendError> {
        let is_draining = self.is_draining(settings);
        let closing = if is_draining { Closing::Drain } else { Closing::Idle };
        let is_idle = is_draining || GIVING_IDLE <= self.clock.now().since(self.wanted_at);
        // Redis may not have heard yet where a pre-queue begins.
        let is_known = look.last == self.ledger.given;
        if !(is_idle && is_known && self.ledger.is_giving()) {
            return Ok(Ok(()));
        }
        match self.room.store.close(&self.leading(), look.last, closing).await {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(())),
            Err(fault) => return Ok(Err(fault)),
        }
        let (epoch, given_to) = (self.ledger.epoch, look.last);
        self.append(owner, AdmissionRecord::GivingClosed { epoch, given_to }).await?;
        self.givers = Some(BTreeMap::new());
        Ok(Ok(()))
    }

    /// Whether the room takes nobody any more and serves those in line. A pre-queue is drawn first.
    pub(super) fn is_draining(&self, settings: &RoomSettings) -> bool {
        settings.mode == RoomMode::Drain && self.ledger.gathering.is_none()
    }

    /// Journals the last number of a room that drains, once nobody gives out another one, and that
    /// it does not drain any more, before anybody does.
    pub(super) async fn note_cutoff(
        &mut self,
        owner: &Owner,
        settings: &RoomSettings,
    ) -> Result<(), AppendError> {
        let is_draining = self.is_draining(settings);
        let is_closed = is_draining && !self.ledger.is_giving();
        let cutoff = match self.ledger.cutoff {
            None if is_closed => Some(self.ledger.mark),
            Some(_) if !is_draining => None,
            _ => return Ok(()),
        };
        let (epoch, at) = (self.ledger.epoch, chassis::clock::now());
        self.append(owner, AdmissionRecord::Drained { epoch, cutoff, at }).await?;
        tracing::info!(event = %self.room.event, ?cutoff, "the room drains, or does no more");
        Ok(())
    }

    /// Takes in what instances have said since the last tick.
    pub(super) fn hear(&mut self) {
        if self.presence.is_none() {
            self.lost_check_ins();
        }
        while let Some(message) = self.next_word() {
            self.hear_one(&message.payload);
        }
    }

    fn next_word(&mut self) -> Option<async_nats::Message> {
        self.presence.as_mut()?.next().now_or_never().flatten()
    }

    /// Takes in one word: that check-ins were lost, or what was given out.
    fn hear_one(&mut self, payload: &Bytes) -> Option<GivenReport> {
        if payload.is_empty() {
            self.lost_check_ins();
            return None;
        }
        let report = match codec::decode::<GivenReport>(payload) {
            Ok(report) => report,
            Err(error) => {
                tracing::error!(event = %self.room.event, %error, "a word that nobody can read");
                return None;
            }
        };
        let now = self.clock.now();
        let heard = self.givers.as_mut().and_then(|givers| givers.get_mut(&report.giver));
        if let Some(heard) = heard {
            *heard = now;
        }
        Some(report)
    }

    /// Up to where numbers were given out before `epoch`, if everybody who may have given some says
    /// it within [`REPORTS_WAIT`]: from the record of the epoch on nobody gives out older ones.
    pub(super) async fn given_before(&mut self, epoch: u32) -> Option<u64> {
        let mut missing: BTreeSet<u64> = self.givers.as_ref()?.keys().copied().collect();
        let mut given_to = 0;
        let limit = tokio::time::sleep(REPORTS_WAIT);
        let mut limit = std::pin::pin!(limit);
        while !missing.is_empty() {
            let presence = self.presence.as_mut()?;
            // Cancel-safe: a message that is not taken stays, and the limit is pinned outside.
            let message = tokio::select! {
                biased;
                message = presence.next() => message?,
                () = &mut limit => return None,
            };
            let Some(report) = self.hear_one(&message.payload) else { continue };
            if report.epoch == epoch && missing.remove(&report.giver) {
                given_to = given_to.max(report.given_to);
            }
        }
        Some(given_to)
    }
}
