//! Leaving the line.

use super::place::opened;
use super::{App, problems};
use axum::extract::{Path, State};
use chassis::Problem;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;
use waiting_room_core::Standing;

#[utoipa::path(delete, path = "/api/queue/{eventId}/me", tag = "queue",
    params(("eventId" = String, Path), ("Waiting-Room-Token" = String, Header)),
    responses((status = 204), (status = 401), (status = 403), (status = 503)))]
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    Path(event): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let room = app.room(&event)?;
    let place = opened(&app, &room, &headers, chassis::clock::now())?;
    let number = room.line_number(&place.token);
    let waits = number.is_none_or(|number| room.ledger().standing(number) == Standing::Waiting);
    if waits {
        // Before its draw a place has its bit where it was given out.
        let number = number.unwrap_or(place.token.number);
        let left = room.store.leave(&room.blessed(), number).await;
        left.map_err(|_| problems::unavailable("nobody can leave now; the place just passes"))?;
    }
    Ok(StatusCode::NO_CONTENT)
}
