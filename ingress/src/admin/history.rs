//! What became of one seat, for whoever has to explain it to a fan.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use chassis::{Nats, Problem, Stored, base64url};
use http::StatusCode;
use schema::history::{Bookmark, Broken, SeatHistory, SeatTurn, What};
use schema::{
    AccountId, EventId, OwnerKind, Refusal, Released, ShardId, UnixMillis, codec, subject,
};
use serde::{Deserialize, Serialize};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout};
use utoipa::{IntoParams, ToSchema};

use crate::accounts::Operator;
use crate::app::App;
use crate::catalog::MoneyBody;
use crate::extract::{Filters, json};
use crate::problems::{self, Answered};

/// Histories that are read at once: each reads its shard's whole journal.
pub const HISTORIES_MAX: usize = 1;

/// How long one answer reads the journal: below the time in which every answer has to begin. Who
/// wants the rest asks on behind it.
const READ_WAIT: Duration = Duration::from_secs(8);

/// How long the reading may stand still.
const READ_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Behind {
    /// `next` of the answer before: tells what comes behind it. Without it, or empty, the history
    /// is told from its beginning.
    after: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryBody {
    event_id: String,
    seat_id: String,
    /// Up to which of its messages the shard's journal was read.
    sequence: u64,
    /// How many older turns are left out.
    omitted: u64,
    /// Since when the journal has been kept, where its beginning is trimmed: what was before is not
    /// told.
    #[serde(skip_serializing_if = "Option::is_none")]
    journal_from: Option<String>,
    /// Where the journal is too long for one answer: ask again with `after` set to this for what
    /// follows. A run of `REFUSED` may go on there in a turn of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// From the oldest to the newest.
    turns: Vec<TurnBody>,
}

/// One thing that happened to the seat. `REFUSED` is told of those who asked for this very seat one
/// after the other and heard the same code, `why`; the reservation is the one that had the seat.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnBody {
    /// Journal time, and the message of the journal that says so.
    at: String,
    sequence: u64,
    /// `HELD`, `PAYMENT_STARTED`, `PAYMENT_DECLINED`, `SWAPPED_AWAY`, `PROLONGED`, `EXTENDED`,
    /// `SOLD`, `RELEASED`, `RETURNED`, `RESEATED` or `REFUSED`.
    what: &'static str,
    /// Of all but a `REFUSED` while nobody had the seat.
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation_id: Option<String>,
    /// Of `RESEATED`: the reservation that the late money was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation_before: Option<String>,
    /// Whose reservation it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<String>,
    /// `fan`, `allotment` or `kill`.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
    /// Of `RELEASED`: `BY_OWNER`, `EXPIRED`, `PAYMENT_CANCELLED` or `REFUNDED`; of `REFUSED`:
    /// `SEAT_TAKEN`, `CHANNEL_REQUIRED` or `STATUS_NOT_ALLOWED`; of a kill its reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<MoneyBody>,
    /// Which payment attempt, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    /// How often it was refused, when for the last time, and the first eight to whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_accounts: Option<Vec<String>>,
}

/// Tells who held, lost, paid for and released a seat, when and why.
#[utoipa::path(get, path = "/api/admin/events/{eventId}/seats/{seatId}/history", tag = "operators",
    params(("eventId" = String, Path), ("seatId" = String, Path), Behind),
    security(("bearer" = [])),
    responses((status = 200, body = HistoryBody), (status = 400, description = "AFTER_INVALID"),
        (status = 403, description = "ROLE_REQUIRED"),
        (status = 404, description = "EVENT_UNKNOWN"),
        (status = 410, description = "HISTORY_GONE"),
        (status = 422, description = "SEAT_UNKNOWN"),
        (status = 503, description = "HISTORY_BUSY, HISTORY_UNAVAILABLE")))]
pub async fn history(
    State(app): State<Arc<App>>,
    _operator: Operator,
    Path((event_id, seat_id)): Path<(String, String)>,
    Filters(Behind { after }): Filters<Behind>,
) -> Answered {
    let event: EventId = event_id.parse().map_err(|_| problems::event_unknown())?;
    let listed = app.catalog.find(&event).ok_or_else(problems::event_unknown)?;
    let seat =
        listed.plan.seat(&seat_id).ok_or_else(|| problems::refused(&Refusal::SeatUnknown, None))?;
    let shard = app.shards.of(&event);
    let begun = match &after {
        None => SeatHistory::new(event, seat, shard),
        Some(after) => read_bookmark(after)
            .and_then(|bookmark| SeatHistory::resume(event, seat, shard, bookmark))
            .ok_or_else(|| {
                problems::bad_request("AFTER_INVALID", "after is the next of this seat's history")
            })?,
    };
    let _reading = app.histories.try_acquire().map_err(|_| {
        problems::unavailable("HISTORY_BUSY", "another history is being read; try again")
    })?;
    let (history, is_whole) = read(&app.nats, begun, shard, READ_WAIT).await?;
    let body = HistoryBody {
        event_id,
        seat_id,
        sequence: history.sequence(),
        omitted: history.omitted(),
        journal_from: history.kept_from().map(UnixMillis::to_rfc3339),
        next: (!is_whole).then(|| write_bookmark(&history.bookmark())),
        turns: history.turns().map(TurnBody::of).collect(),
    };
    Ok(json(StatusCode::OK, &body))
}

/// Reads on for `wait`, and in any case one batch; says also whether to the end.
async fn read(
    nats: &Nats,
    mut history: SeatHistory,
    shard: ShardId,
    wait: Duration,
) -> Result<(SeatHistory, bool), Problem> {
    let (from, deadline) = (history.sequence(), Instant::now() + wait);
    let (stream, all) = (subject::journal_stream(shard), subject::journal_all(shard));
    let failed = |error: chassis::Error| unavailable(&chassis::telemetry::chain(&error));
    let late = |_: Elapsed| unavailable(&"it takes too long");
    let behind = history.begins_behind();
    let stored = Stored::open_behind(nats, &stream, &all, behind, READ_PATIENCE);
    let mut stored = timeout(READ_PATIENCE, stored).await.map_err(late)?.map_err(failed)?;
    // Without a step ahead whoever goes on from there would go on for ever.
    while history.sequence() == from || Instant::now() < deadline {
        let Some(message) = stored.next().await.map_err(failed)? else {
            history.end().map_err(broken)?;
            return Ok((history, true));
        };
        let taken = history.take(message.sequence, &message.subject, &message.payload);
        taken.map_err(broken)?;
    }
    Ok((history, false))
}

fn broken(broken: Broken) -> Problem {
    match broken {
        Broken::Unreadable(_) | Broken::Missing(_) => unavailable(&broken),
        Broken::Gone(_) => {
            let title = "The journal has no longer what the history was read from";
            Problem::new(410, "HISTORY_GONE", title, "ask from the beginning, without after")
        }
    }
}

fn write_bookmark(bookmark: &Bookmark) -> String {
    base64url::encode(&codec::encode_checked(bookmark))
}

fn read_bookmark(text: &str) -> Option<Bookmark> {
    codec::decode_checked(&base64url::decode(text)?).ok()
}

fn unavailable(why: &dyn Display) -> Problem {
    tracing::warn!(%why, "a seat's history was not told");
    problems::unavailable("HISTORY_UNAVAILABLE", "the journal cannot be read now; try again")
}

impl TurnBody {
    fn of(turn: &SeatTurn) -> Self {
        let body = |what| Self {
            at: turn.at.to_rfc3339(),
            sequence: turn.sequence,
            what,
            reservation_id: turn.hold.map(|hold| hold.to_string()),
            account_id: turn.account.map(|account| account.to_string()),
            ..Self::default()
        };
        match &turn.what {
            What::Held { by, until, price } => Self {
                by: Some(owner(*by)),
                why: kill_reason(*by),
                until: until.map(UnixMillis::to_rfc3339),
                price: Some((*price).into()),
                ..body("HELD")
            },
            What::PaymentStarted { attempt } => {
                Self { attempt: Some(*attempt), ..body("PAYMENT_STARTED") }
            }
            What::Reseated { before, price } => Self {
                reservation_before: before.map(|before| before.to_string()),
                price: Some((*price).into()),
                ..body("RESEATED")
            },
            What::PaymentDeclined { attempt, until } => Self {
                attempt: Some(*attempt),
                until: Some(until.to_rfc3339()),
                ..body("PAYMENT_DECLINED")
            },
            What::Prolonged { until } => {
                Self { until: Some(until.to_rfc3339()), ..body("PROLONGED") }
            }
            What::Extended { until } => {
                Self { until: Some(until.to_rfc3339()), ..body("EXTENDED") }
            }
            What::Sold => body("SOLD"),
            What::Released(why) => Self { why: Some(reason(*why)), ..body("RELEASED") },
            What::Returned => body("RETURNED"),
            What::SwappedAway => body("SWAPPED_AWAY"),
            What::Refused { code, count, last, accounts } => Self {
                why: Some(code),
                count: Some(*count),
                last_at: Some(last.to_rfc3339()),
                refused_accounts: Some(accounts.iter().map(AccountId::to_string).collect()),
                ..body("REFUSED")
            },
        }
    }
}

fn owner(owner: OwnerKind) -> &'static str {
    match owner {
        OwnerKind::Fan => "fan",
        OwnerKind::Allotment => "allotment",
        OwnerKind::Kill(_) => "kill",
        OwnerKind::PartnerSale => "partner_sale",
    }
}

fn kill_reason(owner: OwnerKind) -> Option<&'static str> {
    match owner {
        OwnerKind::Kill(reason) => Some(reason.name()),
        OwnerKind::Fan | OwnerKind::Allotment | OwnerKind::PartnerSale => None,
    }
}

fn reason(why: Released) -> &'static str {
    match why {
        Released::ByOwner => "BY_OWNER",
        Released::Expired => "EXPIRED",
        Released::PaymentCancelled => "PAYMENT_CANCELLED",
        Released::Refunded => "REFUNDED",
    }
}

#[cfg(test)]
mod tests;
