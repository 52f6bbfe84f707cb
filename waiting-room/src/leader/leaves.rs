//! Who left: a called place that was given up unclaimed makes room for the next.

use super::Leader;
use crate::store::{Fault, Look};
use chassis::{AppendError, Owner};
use schema::admission::AdmissionRecord;
use waiting_room_core::Standing;

impl Leader {
    /// Deals with the leaves that the look showed.
    ///
    /// LINE-2: three steps in this order. Redis refuses the claim for good, then the record says so
    /// for those who lose Redis and for later leaders, and only then the slot is free. The leave is
    /// forgotten last, so that a crash in between repeats all of it. Who has only been waiting has
    /// no bit any more, which is all there is to it.
    pub(super) async fn hear_leaves(
        &mut self,
        owner: &Owner,
        look: &Look,
    ) -> Result<Result<(), Fault>, AppendError> {
        let Some(&(_, rank)) = look.leaves.last() else { return Ok(Ok(())) };
        let (leading, epoch) = (self.leading(), self.ledger.epoch);
        let numbers = look.leaves.iter().map(|&(number, _)| number);
        let called = |number: &u64| matches!(self.ledger.standing(*number), Standing::Called(_));
        let mut called: Vec<u64> = numbers.filter(called).collect();
        if !called.is_empty() {
            match self.room.store.void(&leading, &called).await {
                Ok(void) => called = void,
                Err(fault) => return Ok(Err(fault)),
            }
        }
        // Of places called before Redis was lost nobody knows whether they were claimed.
        called.retain(|&number| {
            matches!(self.ledger.standing(number), Standing::Called(terms) if terms.epoch == epoch)
        });
        if !called.is_empty() {
            let left = AdmissionRecord::Left { epoch, numbers: called.clone() };
            self.append(owner, left).await?;
            for number in called {
                self.rules.left(number);
            }
        }
        Ok(self.room.store.heard(&leading, rank).await)
    }
}
