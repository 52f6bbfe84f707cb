//! `GET seats`: the map at a position that has everything answered before the question.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chassis::Problem;
use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, VARY};
use schema::EventId;

use super::render::{Rendered, SeatsForm, render};
use super::seats::Snapshot;
use crate::app::App;
use crate::asks::BARRIER_WAIT;
use crate::catalog::Listed;
use crate::extract::Id;
use crate::problems::{self, Answered};

/// Shows the seat map.
///
/// As JSON: `{version, sections:[{section, rows:[{row, seats:[{seatId, status, priceLevel, x, y,
/// accessible}]}]}], areas:[{areaId, name, capacity, free, priceLevel}]}`; positions in
/// centimetres.
///
/// As `application/octet-stream`, integers big-endian: the bytes `USM1`, version u64, seat count
/// u32, area count u16, then two bits a seat in the order of the JSON form (the first of four in
/// the lowest bits; 0 free, 1 held, 2 sold, 3 blocked), padded to a whole byte, then the free
/// places of each area as u32.
#[utoipa::path(get, path = "/api/events/{eventId}/seats", tag = "events",
    params(("eventId" = String, Path, example = "EVT002")),
    responses((status = 200, description = "The map", content(
            (serde_json::Value = "application/json"), (Vec<u8> = "application/octet-stream"))),
        (status = 404, description = "EVENT_UNKNOWN"),
        (status = 503, description = "VIEW_UNCONFIRMED")))]
pub async fn seats(
    State(app): State<Arc<App>>,
    Id(event): Id<EventId>,
    headers: HeaderMap,
) -> Answered {
    let listed = app.catalog.find(&event).ok_or_else(problems::event_unknown)?;
    let shard = app.views.of_event(&event);
    shard.barrier.pass(BARRIER_WAIT).await.map_err(|_| problems::unconfirmed())?;
    let form = form(&headers);
    let rendered = rendered(&app, &listed, form, || {
        shard.lock().events.get(&event).map(super::EventSeats::snapshot).unwrap_or_default()
    });
    Ok(respond(rendered.await?))
}

fn form(headers: &HeaderMap) -> SeatsForm {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("application/octet-stream") { SeatsForm::Compact } else { SeatsForm::Json }
}

/// Renders what `look` shows, unless the same map was rendered a moment ago.
pub(super) async fn rendered(
    app: &App,
    listed: &Listed,
    form: SeatsForm,
    look: impl FnOnce() -> Snapshot,
) -> Result<Rendered, Problem> {
    let snapshot = look();
    let event = listed.listing.event.clone();
    if let Some(rendered) = app.renderings.find(&event, snapshot.version, form) {
        return Ok(rendered);
    }
    let permit = app.rendering.acquire().await.expect("the semaphore is never closed");
    let plan = Arc::clone(&listed.plan);
    // Milliseconds of work for a stadium: not for a thread that answers others meanwhile.
    let job = tokio::task::spawn_blocking(move || render(&plan, &snapshot, form));
    let rendered = job.await.expect("rendering does not panic");
    drop(permit);
    app.renderings.keep(event, rendered.clone());
    Ok(rendered)
}

fn respond(rendered: Rendered) -> Response {
    let content_type = match rendered.form {
        SeatsForm::Json => "application/json",
        SeatsForm::Compact => "application/octet-stream",
    };
    let etag = format!("\"{}\"", rendered.version);
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache"), (VARY, "accept")];
    let body: Bytes = rendered.body;
    (headers, [(ETAG, etag)], body).into_response()
}
