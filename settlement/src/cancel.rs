//! Cancellations of bookings and of single tickets: refunds them and says so once the seats are
//! free.

use crate::config::{CANCEL_LOOK_AFTER, CANCEL_LOOK_EVERY, CANCEL_WAIT};
use crate::desk::Question;
use crate::error::Error;
use crate::store::{Alone, Moving, Parts, Spent};
use crate::work::Work;
use chassis::clock::Monotonic;
use chassis::telemetry::TraceContext;
use schema::{CancelAnswer, CancelBooking, CancelTicket, TicketId, subject};
use settlement_core::{State, Trigger};
use std::time::Duration;

impl Question for CancelBooking {
    type Answer = CancelAnswer;
    const SUBJECT: &'static str = subject::SETTLE_CANCEL;
    const NAME: &'static str = "cancel";
    const BUSY: CancelAnswer = CancelAnswer::Busy;

    async fn answer(self, work: &Work) -> Result<CancelAnswer, Error> {
        cancel(work, self).await
    }
}

/// Looks at an order until its refund is there, ever more seldom: most are there soon, and many who
/// wait for a slow provider would ask the database of little else.
struct Looks {
    began: Monotonic,
    pause: Duration,
}

impl Looks {
    fn begin() -> Self {
        Self { began: Monotonic::now(), pause: CANCEL_LOOK_AFTER }
    }

    fn go_on(&self) -> bool {
        self.began.elapsed() < CANCEL_WAIT
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = CANCEL_LOOK_EVERY.min(self.pause * 3 / 2);
    }
}

/// Sees a cancellation through, or as far as the wait allows.
async fn cancel(work: &Work, wanted: CancelBooking) -> Result<CancelAnswer, Error> {
    let store = &work.context.store;
    let mut looks = Looks::begin();
    let mut is_begun = false;
    while looks.go_on() {
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
                None if order.disputed => return Ok(CancelAnswer::Disputed),
                // Nothing begins while a ticket of it is on the way back alone.
                None if !begin(work, wanted).await? => looks.pause().await,
                None => is_begun = true,
            },
            (State::Refunding | State::Refunded, _) => {
                is_begun = true;
                looks.pause().await;
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
    Ok(if is_begun { CancelAnswer::Underway } else { CancelAnswer::Busy })
}

/// Paid => Refunding, and a driver for what follows. `false` if the order is Paid still.
async fn begin(work: &Work, wanted: CancelBooking) -> Result<bool, Error> {
    let store = &work.context.store;
    let Some(mut order) = store.load(&[wanted.order]).await?.pop() else { return Ok(false) };
    if order.state != State::Paid {
        return Ok(true);
    }
    let state = store.make_move(Moving::by(&order, Trigger::Cancel)).await?;
    if state == State::Refunding {
        order.state = state;
        order.trace = TraceContext::current();
        work.take(vec![order]).await?;
    }
    Ok(state != State::Paid)
}

impl Question for CancelTicket {
    type Answer = CancelAnswer;
    const SUBJECT: &'static str = subject::SETTLE_CANCEL_TICKET;
    const NAME: &'static str = "cancel a ticket";
    const BUSY: CancelAnswer = CancelAnswer::Busy;

    async fn answer(self, work: &Work) -> Result<CancelAnswer, Error> {
        cancel_ticket(work, self).await
    }
}

/// Sees the cancellation of one ticket through, or as far as the wait allows. The last valid one of
/// a booking goes with the booking.
async fn cancel_ticket(work: &Work, wanted: CancelTicket) -> Result<CancelAnswer, Error> {
    let CancelTicket { ticket, account } = wanted;
    let whole = CancelBooking { order: ticket.order, account };
    let mut looks = Looks::begin();
    let mut is_begun = false;
    while looks.go_on() {
        let found = work.context.store.ticket_back(ticket).await?;
        let Some(found) = found.filter(|found| found.account == account) else {
            return Ok(CancelAnswer::Unknown);
        };
        match (found.alone, found.state) {
            (Alone::Back { sequence }, _) => return Ok(CancelAnswer::Refunded { sequence }),
            (_, State::ReviewNeeded) => return Ok(CancelAnswer::UnderReview),
            (_, State::Paid | State::Refunding | State::Refunded) if !found.exists => {
                return Ok(CancelAnswer::Unknown);
            }
            (Alone::No, State::Paid) => match found.spent {
                Some(Spent::In) => return Ok(CancelAnswer::CheckedIn),
                Some(Spent::Given) => return Ok(CancelAnswer::Transferred),
                None if found.disputed => return Ok(CancelAnswer::Disputed),
                None if found.valid <= 1 => return cancel(work, whole).await,
                None if begin_part(work, ticket, found.parts).await? => is_begun = true,
                None => looks.pause().await,
            },
            (Alone::No, State::Refunding | State::Refunded) => return cancel(work, whole).await,
            (Alone::Underway, _) => {
                is_begun = true;
                looks.pause().await;
            }
            (Alone::No, _) => return Ok(CancelAnswer::NotConfirmed),
        }
    }
    // What has not begun begins only when it is asked for again.
    Ok(if is_begun { CancelAnswer::Underway } else { CancelAnswer::Busy })
}

/// Begins a part, and a driver for what follows. `false` if it has to wait for another one.
async fn begin_part(work: &Work, ticket: TicketId, parts: u32) -> Result<bool, Error> {
    let store = &work.context.store;
    if !Parts(&store.pool).begin(ticket, parts).await? {
        return Ok(false);
    }
    let mut orders = store.load(&[ticket.order]).await?;
    for order in &mut orders {
        order.trace = TraceContext::current();
    }
    work.take(orders).await?;
    Ok(true)
}
