//! The two statements over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chassis::Problem;
use http::header::{ACCEPT, CONTENT_TYPE, VARY};
use http::{HeaderMap, StatusCode};
use schema::{EventId, UnixMillis};
use serde::Deserialize;
use utoipa::IntoParams;

use super::body::{
    EventStatementBody, HeldBody, PartnerStatementBody, Side, StatementAccountBody, TicketsBody,
    accounts, closing, table,
};
use super::read::{Booked, Of, Period, read};
use crate::accounts::{Caller, Operator, Partner};
use crate::admin::time;
use crate::app::App;
use crate::extract::{Filters, Id, json};
use crate::partners::holds_of;
use crate::problems::{self, Answered};

/// Statements that are read at once: each takes a connection to the store for a while.
pub const STATEMENTS_MAX: usize = 2;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StatementParams {
    /// RFC 3339: what was booked from here on, this moment included. Without it all of it.
    from: Option<String>,
    /// RFC 3339: what was booked before. Now without it.
    to: Option<String>,
    /// `json` or `csv`; without it as `Accept` says.
    format: Option<String>,
}

/// What was asked for, checked.
struct Asked {
    period: Period,
    from: String,
    to: String,
    is_table: bool,
}

/// Shows what one is owed, holds and has sold as a partner.
///
/// At most 500,000 transactions lie between `from` and `to`; how many were before is no matter.
#[utoipa::path(get, path = "/api/partners/statements", tag = "partners", params(StatementParams),
    security(("bearer" = []), ("apiKey" = [])),
    responses(
        (status = 200, description = "As CSV the accounts alone: currency, account, eventId, line \
            (`opening`, a kind, `closing`), orders, amount",
            content((PartnerStatementBody = "application/json"), (String = "text/csv"))),
        (status = 422, description = "REQUEST_INVALID, STATEMENT_TOO_LONG"),
        (status = 503, description = "STATEMENT_BUSY, STATEMENT_SLOW")))]
pub async fn partner_statements(
    State(app): State<Arc<App>>,
    Partner(caller): Partner,
    headers: HeaderMap,
    Filters(params): Filters<StatementParams>,
) -> Answered {
    let asked = Asked::check(&params, &headers)?;
    let booked = booked(&app, &Of::Party(caller.account), &asked).await?;
    let accounts = accounts(&booked.sums, Side::Credit);
    if asked.is_table {
        return Ok(as_table(&accounts));
    }
    let body = PartnerStatementBody {
        partner_id: caller.account.to_string(),
        from: asked.from,
        to: asked.to,
        owed: closing(&accounts),
        held: held(&app, &caller).await?,
        tickets: TicketsBody::all(&booked),
        accounts,
    };
    Ok(as_json(&body))
}

/// Shows what was booked for an event.
///
/// At most 500,000 transactions lie between `from` and `to`; how many were before is no matter.
#[utoipa::path(get, path = "/api/admin/events/{eventId}/statement", tag = "operators",
    params(("eventId" = String, Path), StatementParams), security(("bearer" = [])),
    responses(
        (status = 200, description = "As CSV the accounts alone: currency, account, eventId, line \
            (`opening`, a kind, `closing`), orders, amount",
            content((EventStatementBody = "application/json"), (String = "text/csv"))),
        (status = 403, description = "ROLE_REQUIRED"),
        (status = 404, description = "EVENT_UNKNOWN"),
        (status = 422, description = "REQUEST_INVALID, STATEMENT_TOO_LONG"),
        (status = 503, description = "STATEMENT_BUSY, STATEMENT_SLOW")))]
pub async fn event_statement(
    State(app): State<Arc<App>>,
    _operator: Operator,
    Id(event): Id<EventId>,
    headers: HeaderMap,
    Filters(params): Filters<StatementParams>,
) -> Answered {
    app.catalog.find(&event).ok_or_else(problems::event_unknown)?;
    let asked = Asked::check(&params, &headers)?;
    let booked = booked(&app, &Of::Event(event.clone()), &asked).await?;
    let accounts = accounts(&booked.sums, Side::Debit);
    if asked.is_table {
        return Ok(as_table(&accounts));
    }
    let body = EventStatementBody {
        event_id: event.to_string(),
        from: asked.from,
        to: asked.to,
        tickets: TicketsBody::all(&booked),
        accounts,
    };
    Ok(as_json(&body))
}

impl Asked {
    fn check(params: &StatementParams, headers: &HeaderMap) -> Result<Self, Problem> {
        let from = time("from", params.from.as_deref())?.unwrap_or(UnixMillis(0));
        let to = time("to", params.to.as_deref())?.unwrap_or_else(chassis::clock::now);
        if to < from {
            return Err(problems::invalid("to is not before from"));
        }
        let is_table = match params.format.as_deref() {
            Some("csv") => true,
            Some("json") => false,
            Some(_) => return Err(problems::invalid("format is json or csv")),
            None => {
                let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
                accept.is_some_and(|accept| accept.trim_start().starts_with("text/csv"))
            }
        };
        let millis = |time: UnixMillis| i64::try_from(time.0).unwrap_or(i64::MAX);
        Ok(Self {
            period: Period { from: millis(from), to: millis(to) },
            from: from.to_rfc3339(),
            to: to.to_rfc3339(),
            is_table,
        })
    }
}

async fn booked(app: &App, of: &Of, asked: &Asked) -> Result<Booked, Problem> {
    let _reading = app.statements.try_acquire().map_err(|_| {
        problems::unavailable("STATEMENT_BUSY", "other statements are being read; try again")
    })?;
    read(&app.postgres, of, asked.period).await
}

async fn held(app: &App, caller: &Caller) -> Result<Vec<HeldBody>, Problem> {
    let mut places: BTreeMap<String, u32> = BTreeMap::new();
    for hold in holds_of(app, caller).await? {
        *places.entry(hold.event.to_string()).or_default() += hold.held.place_count();
    }
    Ok(places.into_iter().map(|(event_id, places)| HeldBody { event_id, places }).collect())
}

fn as_json<T: serde::Serialize>(body: &T) -> Response {
    ([(VARY, "accept")], json(StatusCode::OK, body)).into_response()
}

fn as_table(accounts: &[StatementAccountBody]) -> Response {
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8"), (VARY, "accept")];
    (headers, table(accounts)).into_response()
}
