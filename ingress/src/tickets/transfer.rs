//! A ticket goes to another account, by a code of its own.

use std::sync::Arc;

use axum::extract::State;
use chassis::Problem;
use chassis::idempotency::{Claim, Deed};
use http::{HeaderMap, StatusCode};
use schema::{Receipt, TicketId, TransferAnswer, TransferTicket, subject};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::show::{unknown, void};
use crate::accounts::{Caller, by_email, normal_email};
use crate::app::App;
use crate::extract::{Id, Json};
use crate::keyed::{self, Begun, Turn};
use crate::problems::{self, Answered};
use crate::settle;

const ROUTE: &str = "POST /api/tickets/{ticketId}/transfer";

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferInput {
    /// Of an account that exists.
    to_email: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferBody {
    ticket_id: String,
    /// `TRANSFERRED`.
    status: &'static str,
}

/// Gives a ticket to another account. The code that it had opens no entrance any more that knows of
/// it. Repeating it changes nothing.
///
/// It cannot be taken back, and the booking cannot be paid back while somebody else holds a ticket
/// of it.
#[utoipa::path(post, path = "/api/tickets/{ticketId}/transfer", tag = "tickets",
    security(("bearer" = [])), request_body = TransferInput,
    params(("ticketId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = TransferBody), (status = 404, description = "TICKET_UNKNOWN"),
        (status = 409, description = "TICKET_USED, TICKET_VOID, TRANSFER_LIMIT"),
        (status = 422, description = "RECIPIENT_UNKNOWN, REQUEST_INVALID"),
        (status = 503, description = "SETTLEMENT_UNAVAILABLE")))]
pub async fn transfer(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(ticket): Id<TicketId>,
    headers: HeaderMap,
    Json { value, sent }: Json<TransferInput>,
) -> Answered {
    let path = format!("/api/tickets/{ticket}/transfer");
    let asker = keyed::caller(caller.account);
    let deed = Deed { route: ROUTE, path: &path, caller: &asker, body: &sent };
    match keyed::begin(&app, &headers, &deed).await? {
        Begun::Over(kept) => Ok(keyed::again(kept)),
        Begun::Turn(mut turn) => {
            let given = give(&app, &mut turn, &caller, ticket, &value.to_email).await;
            turn.end(given).await
        }
    }
}

async fn give(
    app: &App,
    turn: &mut Turn,
    caller: &Caller,
    ticket: TicketId,
    to_email: &str,
) -> Answered {
    let email = normal_email(to_email)
        .ok_or_else(|| problems::invalid("toEmail is no address of an account"))?;
    let to = by_email(&app.postgres, &email).await?.ok_or_else(|| {
        Problem::new(422, "RECIPIENT_UNKNOWN", "No such account", "nobody has this address here")
    })?;
    if to.id == caller.account {
        return Err(problems::invalid("toEmail is your own address"));
    }
    let body = TransferBody { ticket_id: ticket.to_string(), status: "TRANSFERRED" };
    let kept = keyed::kept(StatusCode::OK, &body);
    // Settlement keeps the answer in the commit that has the transfer: the ticket may be passed on,
    // or come back, before this one is heard.
    let receipt = turn.claim().map(|Claim { key, attempt }| Receipt {
        key,
        attempt,
        status: kept.status,
        body: kept.body.as_str().into(),
    });
    let wanted = TransferTicket { ticket, from: caller.account, to: to.id, receipt };
    match settle::ask(app, subject::SETTLE_TRANSFER, &wanted).await? {
        TransferAnswer::Transferred => {
            turn.kept_elsewhere();
            Ok(keyed::first(kept))
        }
        TransferAnswer::CheckedIn => {
            Err(Problem::new(409, "TICKET_USED", "The ticket was used", "at an entrance"))
        }
        TransferAnswer::Void => Err(void()),
        TransferAnswer::TooOften => {
            let title = "The ticket has changed hands too often";
            Err(Problem::new(409, "TRANSFER_LIMIT", title, "a ticket is transferred 255 times"))
        }
        TransferAnswer::Unknown => Err(unknown()),
        TransferAnswer::Busy => Err(settle::unavailable()),
    }
}
