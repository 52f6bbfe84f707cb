//! The life of the room besides its line: standby, returns, and whether enough is known to call.

use super::Leader;
use crate::last::last_sequence;
use crate::store::Look;
use chassis::{AppendError, Owner};
use schema::admission::AdmissionRecord;
use schema::{RoomMode, RoomSettings, subject};
use std::sync::atomic::Ordering;
use waiting_room_core::{Crowd, Manner, Watch};

impl Leader {
    /// Journals what has become of the room since the last tick, before anybody is called by it.
    pub(super) async fn watch_life(
        &mut self,
        owner: &Owner,
        settings: &RoomSettings,
        look: &Look,
        waiting: u64,
    ) -> Result<(), AppendError> {
        let at = chassis::clock::now();
        if let Some(is_armed) = self.standby(settings, look, waiting) {
            self.append(owner, AdmissionRecord::StandbyChanged { is_armed, at }).await?;
            let event = &self.room.event;
            tracing::info!(%event, is_armed, waiting, "the room in standby has changed");
        }
        let is_gone = self.room.seats().to_sell() == Some(0);
        if is_gone && !self.ledger.has_returns {
            self.append(owner, AdmissionRecord::SeatsGone { at }).await?;
            tracing::info!(event = %self.room.event, "no place is free: the line waits for some");
        }
        Ok(())
    }

    /// Whether a room in standby is to be armed or disarmed now. In any other mode it is not armed,
    /// so that it begins anew when an operator comes back to it.
    fn standby(&mut self, settings: &RoomSettings, look: &Look, waiting: u64) -> Option<bool> {
        if settings.mode != RoomMode::Standby {
            self.watch = Watch::default();
            return self.ledger.is_armed.then_some(false);
        }
        // Those that joined under the last leader and before the first look count as of now.
        let before = self.last_seen.unwrap_or(self.ledger.given);
        let crowd = Crowd { joins: look.last.saturating_sub(before), waiting };
        self.watch.step(self.clock.now(), &settings.options.standby, self.ledger.is_armed, crowd)
    }

    /// Whether this instance has read the journal of the event's shard as far as it went when it
    /// took over: before that it may take sold places for free, and buyers for people inside.
    pub(super) async fn knows_sales(&mut self) -> bool {
        if self.knows_sales {
            return true;
        }
        let sold_to = if let Some(sold_to) = self.sold_to {
            sold_to
        } else {
            let shard = self.room.shard;
            let (stream, batches) = (subject::journal_stream(shard), subject::journal(shard));
            match last_sequence(&self.nats, &stream, &batches).await {
                Ok(last) => *self.sold_to.insert(last),
                Err(error) => {
                    let event = &self.room.event;
                    tracing::debug!(%event, %error, "the end of the journal is not known");
                    return false;
                }
            }
        };
        // Acquire: pairs with the Release of the journal's follower, so that what it took in before
        // is seen.
        self.knows_sales = sold_to <= self.room.sales_read_to.load(Ordering::Acquire);
        self.knows_sales
    }

    pub(super) fn manner(&self, settings: &RoomSettings) -> Manner {
        self.room.manner_of(settings, &self.ledger)
    }
}
