//! Rooms in front of others' sites: events without seats.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use chassis::Problem;
use http::StatusCode;
use schema::{EventId, EventListing, codec, subject};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::record;
use super::event_body::title;
use super::events::store_listing;
use crate::accounts::Operator;
use crate::app::App;
use crate::extract::{Id, Json, json};
use crate::layers::RequestId;
use crate::problems::Answered;

#[derive(Debug, Deserialize, ToSchema)]
pub struct RoomInput {
    /// What people who wait read: 1 to 200 bytes.
    name: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomBody {
    event_id: String,
    name: String,
    /// What a gate asks: 204 for a request that may pass.
    gate: String,
    /// Where people wait.
    page: String,
}

/// Makes a room in front of another site, or names it anew: an event without seats, whose room is
/// open from the start.
#[utoipa::path(put, path = "/api/admin/rooms/{eventId}", tag = "operators",
    params(("eventId" = String, Path)), request_body = RoomInput, security(("bearer" = [])),
    responses((status = 200, body = RoomBody), (status = 201, body = RoomBody),
        (status = 404, description = "EVENT_UNKNOWN: no event can have this id"),
        (status = 409, description = "EVENT_HAS_SEATS"),
        (status = 422, description = "REQUEST_INVALID")))]
pub async fn put_room(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Extension(request): Extension<RequestId>,
    Id(event): Id<EventId>,
    body: Json<RoomInput>,
) -> Answered {
    let name: String = title("name", &body.value.name)?;
    let known = app.catalog.find(&event);
    if known.as_ref().is_some_and(|known| known.listing.has_seats()) {
        let title = "The event has seats";
        let detail = "its waitingRoom and its admission settings say whether it has a room";
        return Err(Problem::new(409, "EVENT_HAS_SEATS", title, detail));
    }
    let object = format!("room {event}");
    record(&app, &caller, &request, "rooms.put", &object, &body.sent).await?;
    let listing = EventListing::without_seats(event.clone(), &name, chassis::clock::now());
    store_listing(&app, subject::catalog_event(&event), codec::encode(&listing)).await?;
    let body = RoomBody {
        event_id: event.to_string(),
        name,
        gate: format!("/api/queue/authz?eventId={event}"),
        page: format!("/web/room.html?event={event}"),
    };
    let status = if known.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(json(status, &body))
}
