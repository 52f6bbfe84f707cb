//! The list of events, and one of them.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use schema::{EventId, EventListing};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::EventBody;
use crate::app::App;
use crate::extract::{Filters, Id, json};
use crate::problems::{self, Answered};

/// Page size without a wish, and the largest.
const SIZE_DEFAULT: usize = 20;
const SIZE_MAX: usize = 100;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// From 0.
    #[serde(default)]
    page: usize,
    /// 1 to 100; 20 without.
    size: Option<usize>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct EventsBody {
    total: usize,
    page: usize,
    size: usize,
    events: Vec<EventBody>,
}

/// Lists events in the order of their start.
#[utoipa::path(get, path = "/api/events", tag = "events", params(Paging),
    responses((status = 200, body = EventsBody), (status = 422, description = "REQUEST_INVALID")))]
pub async fn events(State(app): State<Arc<App>>, Filters(paging): Filters<Paging>) -> Answered {
    let (page, size) = (paging.page, paging.size.unwrap_or(SIZE_DEFAULT));
    if !(1..=SIZE_MAX).contains(&size) {
        return Err(problems::invalid("size is 1 to 100"));
    }
    let (total, listings) = app.catalog.page(page, size);
    let events = listings.iter().map(|listing| show(&app, listing)).collect();
    Ok(json(StatusCode::OK, &EventsBody { total, page, size, events }))
}

/// Shows one event.
#[utoipa::path(get, path = "/api/events/{eventId}", tag = "events",
    params(("eventId" = String, Path, example = "EVT001")),
    responses((status = 200, body = EventBody), (status = 404, description = "EVENT_UNKNOWN")))]
pub async fn event(State(app): State<Arc<App>>, Id(event): Id<EventId>) -> Answered {
    let listed = app.catalog.find(&event).ok_or_else(problems::event_unknown)?;
    Ok(json(StatusCode::OK, &show(&app, &listed.listing)))
}

fn show(app: &App, listing: &EventListing) -> EventBody {
    let free = app.views.free(&listing.event);
    let waiting_room = app.rooms.needs_pass(listing);
    EventBody::new(listing, free, waiting_room, chassis::clock::now())
}
