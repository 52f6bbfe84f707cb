//! Mistakes in the ledger.

use crate::common::Common;
use crate::ledger::sale_of;
use crate::mutation::Mutation;
use crate::store::Order;
use settlement_core::{PostingKind, Step, on_capture, on_refund};

/// Makes a mistake in what a driver's step has booked; before it there were so many postings.
pub fn cook(step: &Step, order: &Order, count_before: usize, common: &mut Common) {
    let Some(mutation) = common.mutation else { return };
    let Some(postings) = common.store.ledger.orders.get_mut(&order.id) else { return };
    let is_repeated = postings.len() == count_before;
    let total = order.total();
    match (mutation, step) {
        (Mutation::BookAgain, Step::RecordCapture) if is_repeated => {
            postings.push(on_capture(total));
        }
        (Mutation::BookOneSide, Step::Sell { .. }) => {
            postings[0].entries.pop();
        }
        (Mutation::BookLater, Step::Sell { .. }) => {
            postings.retain(|posting| posting.kind != PostingKind::Sale);
        }
        (Mutation::BookLater, Step::RecordCapture) if !is_repeated => {
            postings.push(sale_of(total, order.payer));
        }
        (Mutation::RefundUnbooked, Step::FinishRefund) => {
            postings.retain(|posting| posting.kind != PostingKind::Reversal);
        }
        (Mutation::PayOutVoided, Step::FinishRefund) if !is_repeated && !order.captured => {
            postings.extend(on_refund(&sale_of(total, order.payer), true).pop());
        }
        _ => {}
    }
}
