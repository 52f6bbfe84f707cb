//! Answers cancellations of bookings: refunds them and says so once the seats are free.

use crate::config::{CANCEL_LOOK_EVERY, CANCEL_WAIT, CANCELS_MAX};
use crate::error::Error;
use crate::store::Moving;
use crate::work::Work;
use async_nats::{Message, Subscriber};
use chassis::telemetry::{TraceContext, traced};
use chassis::{Nats, clock::Monotonic, tasks};
use futures_util::StreamExt;
use schema::{CancelAnswer, CancelBooking, codec, subject};
use settlement_core::{State, Trigger};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Listens for cancellations.
pub(crate) async fn listen(nats: &Nats) -> Result<Subscriber, Error> {
    let group = subject::SETTLE_GROUP.to_owned();
    let subscribed = nats.client.queue_subscribe(subject::SETTLE_CANCEL, group).await;
    subscribed.map_err(|error| Error::bus("listen for cancellations", &error))
}

/// Answers cancellations until the process ends.
pub(crate) async fn answer(nats: Nats, mut requests: Subscriber, work: Work) {
    let room = Arc::new(Semaphore::new(CANCELS_MAX));
    let shutdown = work.context.shutdown.clone();
    loop {
        // Cancel-safe: the next of a subscription and a switch.
        let request = tokio::select! {
            request = requests.next() => request,
            () = shutdown.begun() => return,
        };
        let Some(request) = request else { return };
        let Ok(room) = Arc::clone(&room).try_acquire_owned() else {
            reply(&nats, &request, CancelAnswer::Busy).await;
            continue;
        };
        let (nats, work) = (nats.clone(), work.clone());
        let asker = TraceContext::from_nats(request.headers.as_ref());
        let answering = async move {
            if let Ok(wanted) = codec::decode::<CancelBooking>(&request.payload) {
                let answer = cancel(&work, wanted).await.unwrap_or_else(|error| {
                    let error = chassis::telemetry::chain(&error);
                    tracing::warn!(order = %wanted.order, %error, "cancellation waits");
                    CancelAnswer::Busy
                });
                reply(&nats, &request, answer).await;
            }
            drop(room);
        };
        tasks::spawn("settlement-cancel", traced("cancel", asker, answering));
    }
}

async fn reply(nats: &Nats, request: &Message, answer: CancelAnswer) {
    let Some(inbox) = request.reply.clone() else { return };
    if let Err(error) = nats.client.publish(inbox, codec::encode(&answer).into()).await {
        tracing::debug!(%error, "cancellation not answered");
    }
}

/// Sees a cancellation through, or as far as the wait allows.
pub(crate) async fn cancel(work: &Work, wanted: CancelBooking) -> Result<CancelAnswer, Error> {
    let store = &work.context.store;
    let began = Monotonic::now();
    while began.elapsed() < CANCEL_WAIT {
        let found = store.refund_of(wanted.order).await?;
        let Some((account, state, refunded_at)) = found else { return Ok(CancelAnswer::Unknown) };
        if account != wanted.account {
            return Ok(CancelAnswer::Unknown);
        }
        match (state, refunded_at) {
            (State::Refunded, Some(sequence)) => return Ok(CancelAnswer::Refunded { sequence }),
            (State::Paid, _) => begin(work, wanted).await?,
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
