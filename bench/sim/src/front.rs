//! What an ingress sees of the journal, and when it answers CONFIRMED.

use crate::common::Common;
use crate::happening::Happening;
use crate::journal::Record;
use crate::mutation::Mutation;
use schema::{Batch, HoldId, OrderId, OutcomeBody, codec};
use settlement_core::Seen;
use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub struct Front {
    pub sequence: u64,
    sold: BTreeSet<HoldId>,
    declined: BTreeSet<(HoldId, u32)>,
}

impl Front {
    /// Reads up to `count` messages of the journal.
    pub fn follow(&mut self, common: &Common, count: usize) {
        for _ in 0..count {
            let next = common.journal.after(self.sequence);
            let Some((sequence, record)) = next else { return };
            self.sequence = sequence;
            let Record::Batch(bytes) = record else { continue };
            let batch: Batch = codec::decode_checked(bytes).expect("an owner encoded it");
            for outcome in &batch.outcomes {
                match outcome.body {
                    OutcomeBody::SeatsSold { hold, .. } => {
                        self.sold.insert(hold);
                    }
                    OutcomeBody::PaymentDeclined { hold, attempt, .. } => {
                        self.declined.insert((hold, attempt));
                    }
                    _ => {}
                }
            }
        }
    }

    pub fn is_declined(&self, hold: HoldId, attempt: u32) -> bool {
        self.declined.contains(&(hold, attempt))
    }

    /// Answers CONFIRMED, if the hold is sold.
    pub fn confirm(&self, hold: HoldId, common: &mut Common) -> bool {
        let order = OrderId::from(hold);
        let early = common.is_broken(Mutation::ConfirmEarly)
            && common.provider.payments().any(|p| p.order == order && p.seen == Seen::Authorised);
        if !early && !self.sold.contains(&hold) {
            return false;
        }
        common.note(Happening::Confirmed, format_args!("{order} is CONFIRMED"));
        let Common { promises, store, .. } = common;
        promises.confirmed(hold, store);
        true
    }
}
