//! Cancellations of bookings: refunds them and says so once the seats are free.

use crate::config::{CANCEL_LOOK_EVERY, CANCEL_WAIT};
use crate::desk::Question;
use crate::error::Error;
use crate::store::{Moving, Spent};
use crate::work::Work;
use chassis::clock::Monotonic;
use chassis::telemetry::TraceContext;
use schema::{CancelAnswer, CancelBooking, subject};
use settlement_core::{State, Trigger};

impl Question for CancelBooking {
    type Answer = CancelAnswer;
    const SUBJECT: &'static str = subject::SETTLE_CANCEL;
    const NAME: &'static str = "cancel";
    const BUSY: CancelAnswer = CancelAnswer::Busy;

    async fn answer(self, work: &Work) -> Result<CancelAnswer, Error> {
        cancel(work, self).await
    }
}

/// Sees a cancellation through, or as far as the wait allows.
async fn cancel(work: &Work, wanted: CancelBooking) -> Result<CancelAnswer, Error> {
    let store = &work.context.store;
    let began = Monotonic::now();
    while began.elapsed() < CANCEL_WAIT {
        let Some(order) = store.refund_of(wanted.order).await? else {
            return Ok(CancelAnswer::Unknown);
        };
        if order.account != wanted.account {
            return Ok(CancelAnswer::Unknown);
        }
        match (order.state, order.refunded_at) {
            (State::Refunded, Some(sequence)) => return Ok(CancelAnswer::Refunded { sequence }),
            (State::Paid, _) => match order.spent {
                Some(Spent::In) => return Ok(CancelAnswer::CheckedIn),
                Some(Spent::Given) => return Ok(CancelAnswer::Transferred),
                None => begin(work, wanted).await?,
            },
            (State::Refunding | State::Refunded, _) => {
                tokio::time::sleep(CANCEL_LOOK_EVERY).await;
            }
            (State::ReviewNeeded, _) => return Ok(CancelAnswer::UnderReview),
            (
                State::Open
                | State::Paying
                | State::Declined
                | State::Cancelling
                | State::Cancelled,
                _,
            ) => return Ok(CancelAnswer::NotConfirmed),
        }
    }
    Ok(CancelAnswer::Underway)
}

/// Paid => Refunding, and a driver for what follows.
async fn begin(work: &Work, wanted: CancelBooking) -> Result<(), Error> {
    let store = &work.context.store;
    let Some(mut order) = store.load(&[wanted.order]).await?.pop() else { return Ok(()) };
    if order.state != State::Paid {
        return Ok(());
    }
    let state = store.make_move(Moving::by(&order, Trigger::Cancel)).await?;
    if state == State::Refunding {
        order.state = state;
        order.trace = TraceContext::current();
        work.take(vec![order]).await?;
    }
    Ok(())
}
