//! A new epoch of numbers, when Redis is new, restarted, emptied or rolled back.

use super::Leader;
use crate::metrics;
use crate::store::{Blessed, Fault, Phase};
use chassis::{AppendError, Owner};
use schema::admission::AdmissionRecord;
use std::sync::atomic::Ordering;
use waiting_room_core::MARK_BLOCK;

/// Numbers that may have been given out since the last look, at most, beyond four times those of
/// the tick before: a burst that began in between.
const UNSEEN_JOINS: u64 = 64;

impl Leader {
    /// Starts an epoch whose numbers are above every number that may have been given out.
    ///
    /// The record comes first. LINE-1: what an older Redis may still give is not above the mark of
    /// its own epoch, and nobody hands out numbers of an epoch that the stream has left.
    pub(super) async fn start_epoch(&mut self, owner: &Owner) -> Result<(), AppendError> {
        let found =
            async { Ok::<_, Fault>((self.room.store.run_id().await?, self.last_named().await?)) };
        let (run_id, named) = match found.await {
            Ok(found) => found,
            Err(fault) => {
                self.trouble(&fault);
                return Ok(());
            }
        };
        let (epoch, floor) = (self.ledger.epoch + 1, self.ledger.mark);
        // Relaxed: a lower bound; the numbers themselves are ordered by Redis.
        let own = self.room.given_max.load(Ordering::Relaxed);
        let seen = self.last_seen.map_or(own, |seen| seen.max(own));
        let given_to = match named {
            // Redis kept what it knew: nobody has a number that it does not name.
            Some(named) if seen <= named => named.min(self.ledger.mark),
            _ => self.given_to(self.last_seen.max(named).map(|seen| seen.max(own))),
        };
        let at = chassis::clock::now();
        let redis_run_id = run_id.as_str().into();
        let started = AdmissionRecord::EpochStarted {
            epoch,
            given_to,
            number_floor: floor,
            redis_run_id,
            at,
        };
        self.append(owner, started).await?;
        let number_max = floor + MARK_BLOCK;
        self.append(owner, AdmissionRecord::MarkRaised { epoch, number_max }).await?;
        self.rules.epoch_started();
        self.last_seen = Some(floor);
        metrics::epoch_started();
        let event = &self.room.event;
        tracing::info!(%event, epoch, floor, given_to, "epoch of numbers started");
        let phase = if self.ledger.gathering.is_some() { Phase::Gather } else { Phase::Line };
        let live = self.ledger.all_alive(floor);
        let blessed = Blessed { run_id, epoch };
        let done = self.room.store.bless(&blessed, (floor, number_max), phase, &live).await;
        if let Err(fault) = done {
            self.trouble(&fault);
        }
        Ok(())
    }

    async fn last_named(&self) -> Result<Option<u64>, Fault> {
        self.room.store.last_named().await
    }

    /// Up to where numbers may have been given out, `seen` being the last one that is known.
    ///
    /// Above it nobody was given a number as far as this leader has seen. Should somebody have
    /// been, in the moment between the last look and the loss, a check-in or the late lane finds
    /// the place again.
    pub(super) fn given_to(&self, seen: Option<u64>) -> u64 {
        let mark = self.ledger.mark;
        seen.map_or(mark, |seen| (seen + UNSEEN_JOINS + 4 * self.joins_a_tick).min(mark))
    }
}
