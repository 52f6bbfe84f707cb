//! Confirm: starts the payment of a hold and waits for what comes of it.
//!
//! The owner journals that the hold is being paid; settlement takes it from there, commits the
//! sale, and its verdict comes back through the owner into the journal. Only what this stage's own
//! view then shows is answered: `SeatsSold` stands behind the commit that made the tickets.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chassis::{Problem, outside};
use http::{HeaderMap, StatusCode};
use schema::{CommandBody, HoldId, OrderId, OutcomeBody, Refusal, StartPayment, UnixMillis};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::body::{BookingBody, PENDING, POLL_AFTER_MS};
use super::{orders, reservation};
use crate::accounts::Caller;
use crate::app::App;
use crate::asks::{Answer, Ask, BARRIER_WAIT, Domain, Key, fingerprint};
use crate::extract::{Json, json, mark_replayed};
use crate::problems::{self, Answered};
use crate::views::{Hold, HoldState};

/// Longest payment method and token, in bytes: a provider's token has some 30.
const PAYMENT_TEXT_BYTES_MAX: usize = 128;

/// What the sandbox provider charges when the request names nothing.
const TOKEN_DEFAULT: &str = "tok_ok";

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfirmBody {
    reservation_id: String,
    #[schema(example = "CREDIT_CARD")]
    payment_method: String,
    #[schema(example = "tok_ok")]
    payment_token: Option<String>,
}

/// What has come of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Sold,
    /// Another card may be tried.
    Declined,
    /// The hold takes no other card: it has ended or is about to, or another one has paid for it.
    DeclinedAtLast,
    Ended,
    /// Not known yet.
    Open,
}

/// Pays a reservation.
///
/// 202 after 10 s without an outcome: ask again or look at the booking. After 402 another card may
/// be tried while the reservation lives: `retryable` says whether it does. Repeating a confirmed
/// one gives the same booking.
#[utoipa::path(post, path = "/api/bookings/confirm", tag = "bookings", request_body = ConfirmBody,
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = BookingBody),
        (status = 202, description = "{status: PENDING, bookingId, pollAfterMs}"),
        (status = 402, description = "PAYMENT_DECLINED: the reservation lives on until its \
            deadline, which is at least 30 s away after each of the first 5; `retryable` is false \
            when nothing is left of it"),
        (status = 404, description = "RESERVATION_UNKNOWN"),
        (status = 410, description = "RESERVATION_EXPIRED"),
        (status = 422, description = "REQUEST_INVALID")))]
pub async fn confirm(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    body: Json<ConfirmBody>,
) -> Answered {
    let key = Key::from_headers(&headers)?;
    let hold = body.value.reservation_id.parse::<HoldId>();
    let id = hold.map_err(|_| reservation::unknown())?;
    let payment = payment(id, &body.value)?;
    let Some(hold) = reservation::find(&app, &caller, id).await? else {
        return stored(&app, &caller, id, Refusal::HoldUnknown).await;
    };
    let ask = Ask {
        command: key.command(Domain::Confirm, caller.account),
        fingerprint: fingerprint("POST", "/api/bookings/confirm", &body.sent, caller.account),
        event: hold.event.clone(),
        account: caller.account,
        body: CommandBody::StartPayment(payment),
    };
    let answer = app.asks.ask(ask).await;
    let answer = answer.map_err(|error| problems::unanswered(error, &key.text))?;
    let outcome = match attempt(&app, &answer, id).await {
        Ok(attempt) => {
            let wait = Duration::from_millis(app.config.confirm_wait_ms);
            let seen = outside("see a verdict", verdict(&app, id, attempt));
            let waited = tokio::time::timeout(wait, seen).await;
            match waited.unwrap_or(Verdict::Open) {
                // A booking that was paid back is still the answer to its confirm.
                Verdict::Sold | Verdict::Ended => {
                    stored(&app, &caller, id, Refusal::HoldEnded).await
                }
                Verdict::Declined => Err(Problem { retryable: true, ..declined(LIVES_ON) }),
                Verdict::DeclinedAtLast => Err(declined(TAKES_NO_CARD)),
                Verdict::Open => Ok(pending(id, hold.event.as_str())),
            }
        }
        Err(refusal) => stored(&app, &caller, id, refusal).await,
    };
    let mut response = outcome.unwrap_or_else(IntoResponse::into_response);
    mark_replayed(&mut response, answer.replayed);
    Ok(response)
}

fn payment(hold: HoldId, body: &ConfirmBody) -> Result<StartPayment, Problem> {
    let token = body.payment_token.as_deref().unwrap_or(TOKEN_DEFAULT);
    for text in [body.payment_method.as_str(), token] {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !(1..=PAYMENT_TEXT_BYTES_MAX).contains(&text.len()) || !plain {
            let detail = "paymentMethod and paymentToken are 1 to 128 visible ASCII characters";
            return Err(problems::invalid(detail));
        }
    }
    if body.payment_method != "CREDIT_CARD" {
        return Err(problems::invalid("paymentMethod is CREDIT_CARD"));
    }
    Ok(StartPayment { hold, method: body.payment_method.as_str().into(), token: token.into() })
}

/// The attempt whose end is waited for: the one just started, or one that was under way before.
async fn attempt(app: &App, answer: &Answer, id: HoldId) -> Result<u32, Refusal> {
    match &answer.outcome.body {
        OutcomeBody::PaymentStarted(payment) => Ok(payment.attempt),
        // Under way or paid already, asked for with another key.
        OutcomeBody::Unchanged { .. } | OutcomeBody::Refused(Refusal::PaymentInProgress) => {
            let shard = app.views.of_hold(id).ok_or(Refusal::HoldUnknown)?;
            // The attempt started before this answer was journaled, so the view names it from
            // there on. A view that does not come so far in time finds no attempt ended, and 202 is
            // the answer.
            let reached = shard.reached(answer.sequence, BARRIER_WAIT);
            if !outside("see an earlier payment", reached).await {
                return Ok(u32::MAX);
            }
            let view = shard.lock();
            Ok(view.holds.get(&id).map_or(u32::MAX, |hold| hold.attempt_started))
        }
        OutcomeBody::Refused(refusal) => Err(refusal.clone()),
        _ => panic!("an owner answers StartPayment with PaymentStarted or a refusal"),
    }
}

/// Waits until the view shows what came of an attempt. Cancel-safe.
async fn verdict(app: &App, id: HoldId, attempt: u32) -> Verdict {
    let Some(shard) = app.views.of_hold(id) else { return Verdict::Ended };
    loop {
        let changed = {
            let mut view = shard.lock();
            // Registered before the look: a change between the look and the wait is not missed.
            let changed = view.watch(id);
            let now = view.now().journal;
            match view.holds.get(&id).map_or(Verdict::Open, |hold| judge(hold, attempt, now)) {
                Verdict::Open => changed,
                verdict => return verdict,
            }
        };
        // An error means that the view is built again: the hold is missing until it is there again.
        if changed.await.is_err() {
            tokio::time::sleep(REBUILD_LOOK).await;
        }
    }
}

/// Waits until the view shows what came of a sale that no provider is asked for: whether it is
/// sold. Cancel-safe.
pub async fn is_sold(app: &App, id: HoldId) -> bool {
    verdict(app, id, 1).await == Verdict::Sold
}

/// How often to look at a hold while the view is built again.
const REBUILD_LOOK: Duration = Duration::from_millis(200);

fn judge(hold: &Hold, attempt: u32, now: UnixMillis) -> Verdict {
    let has_time = || hold.deadline.is_some_and(|deadline| now < deadline);
    // Whatever another card has done since: this one was declined.
    let is_declined = attempt <= hold.attempt_declined;
    match hold.state {
        HoldState::Paying if is_declined => Verdict::Declined,
        HoldState::Held if is_declined && has_time() => Verdict::Declined,
        _ if is_declined => Verdict::DeclinedAtLast,
        HoldState::Sold => Verdict::Sold,
        HoldState::Released(_) => Verdict::Ended,
        HoldState::Held | HoldState::Paying => Verdict::Open,
    }
}

/// Answers with the booking that settlement has stored, or with `refusal` when no money was taken
/// for it.
async fn stored(app: &App, caller: &Caller, id: HoldId, refusal: Refusal) -> Answered {
    let order = OrderId::from(id);
    let found = orders::find(app, caller.account, order).await?;
    let is_over = matches!(refusal, Refusal::HoldEnded | Refusal::HoldUnknown);
    match found {
        Some(booking) if booking.was_paid() => Ok(json(StatusCode::OK, &booking)),
        // The hold has ended, and money that was taken is on its way back.
        Some(booking) if is_over && booking.is_open() => Ok(pending(id, &booking.event_id)),
        _ => Err(problems::refused(&refusal, None)),
    }
}

/// What a declined payment leaves of its reservation.
const LIVES_ON: &str = "the reservation lives on until its deadline: another card may be tried";
const TAKES_NO_CARD: &str = "the reservation takes no other card";

fn declined(detail: &str) -> Problem {
    Problem::new(402, "PAYMENT_DECLINED", "The payment was declined", detail)
}

fn pending(id: HoldId, event: &str) -> Response {
    let body = json!({
        "status": PENDING, "bookingId": OrderId::from(id), "reservationId": id,
        "eventId": event, "pollAfterMs": POLL_AFTER_MS,
    });
    json(StatusCode::ACCEPTED, &body)
}

#[cfg(test)]
mod tests;
