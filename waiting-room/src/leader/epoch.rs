//! A new epoch of numbers, when Redis is new, restarted, emptied or rolled back.

use super::Leader;
use crate::metrics;
use crate::store::{Fault, Phase};
use chassis::{AppendError, Owner};
use schema::admission::AdmissionRecord;
use waiting_room_core::{EpochStart, mark_above};

impl Leader {
    /// Starts an epoch whose numbers are above every number that may have been given out.
    ///
    /// The record comes first. LINE-1: what an older Redis may still give is not above the mark of
    /// its own epoch, and nobody hands out numbers of an epoch that the stream has left.
    ///
    /// What Redis itself says is a lower bound only: it may have been rolled back. Above what is
    /// known, those who gave out numbers are asked. If one of them does not answer, for it died
    /// too, the rest is in doubt: the line stops there for those who have a number to check in,
    /// once, and then goes on past those that nobody has. While giving was closed nothing is in
    /// doubt: the mark is the last number given.
    ///
    /// A server that refuses to be written to is asked again for the same epoch, tick by tick.
    ///
    /// Giving goes on at once for those who gave before, and else opens with the first who asks.
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
        if self.refused == Some(self.ledger.epoch) && self.ledger.redis_run_id == run_id {
            // Nobody has a number of this epoch: another one would only burn more.
            self.bless().await;
            return Ok(());
        }
        let start = EpochStart::after(&self.ledger, self.last_seen.max(named).unwrap_or(0));
        let EpochStart { epoch, number_floor: floor, given_to } = start;
        self.refused = None;
        self.append(owner, start.record(&run_id, chassis::clock::now())).await?;
        let is_giving = self.givers.as_ref().is_some_and(|givers| !givers.is_empty());
        if let Some(number_max) = mark_above(floor).filter(|_| is_giving)
            && self.ledger.cutoff.is_none()
        {
            self.append(owner, AdmissionRecord::MarkRaised { epoch, number_max }).await?;
        }
        self.rules.epoch_started();
        self.lost_check_ins();
        let given_before = if start.has_doubt() { self.given_before(epoch).await } else { None };
        if let Some(given_before) = given_before {
            self.append(owner, start.doubt_ended(given_before)).await?;
        }
        self.recall_doubt().await;
        (self.last_seen, self.wanted_at) = (Some(floor), self.clock.now());
        metrics::epoch_started();
        let event = &self.room.event;
        tracing::info!(%event, epoch, floor, given_to, ?given_before, "epoch of numbers started");
        self.bless().await;
        Ok(())
    }

    /// Begins the ledger's epoch in Redis, of which nobody has a number yet.
    async fn bless(&mut self) {
        let start = EpochStart::again(&self.ledger);
        let phase = match self.ledger.gathering {
            None => Phase::Line,
            Some(_) if self.ledger.is_closed() => Phase::Closing,
            Some(_) => Phase::Gather,
        };
        let live = start.live(&self.ledger, &self.doubt, &self.drawn_nobodys().await);
        let numbers = (start.number_floor, self.ledger.mark);
        let givers: Vec<u64> =
            self.givers.iter().flat_map(|givers| givers.keys().copied()).collect();
        let done = self.room.store.bless(&self.leading(), numbers, phase, &live, &givers).await;
        // A refusal is certain; where there is no answer it may have begun, and given numbers.
        self.refused = matches!(done, Err(Fault::Refused)).then_some(self.ledger.epoch);
        if let Err(fault) = done {
            self.trouble(&fault);
        }
    }

    async fn last_named(&self) -> Result<Option<u64>, Fault> {
        self.room.store.last_named().await
    }
}
