//! What a partner has, from the live view.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use schema::EventId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::accounts::{Caller, Partner};
use crate::app::App;
use crate::asks::BARRIER_WAIT;
use crate::extract::{Params, json};
use crate::problems::{self, Answered};
use crate::views::{Hold, Shard};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct AllotmentParams {
    /// All events without.
    event_id: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AllotmentsBody {
    allotments: Vec<AllotmentBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllotmentBody {
    allotment_id: String,
    event_id: String,
    seat_ids: Vec<String>,
    areas: Vec<AllottedAreaBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllottedAreaBody {
    area_id: String,
    quantity: u32,
}

/// Lists one's own allotments.
#[utoipa::path(get, path = "/api/partners/allotments", tag = "partners", params(AllotmentParams),
    security(("bearer" = []), ("apiKey" = [])),
    responses((status = 200, body = AllotmentsBody),
        (status = 404, description = "EVENT_UNKNOWN")))]
pub async fn allotments(
    State(app): State<Arc<App>>,
    Partner(caller): Partner,
    Params(params): Params<AllotmentParams>,
) -> Answered {
    let mut holds = Vec::new();
    match params.event_id {
        Some(text) => {
            let event: EventId = text.parse().map_err(|_| problems::event_unknown())?;
            app.catalog.find(&event).ok_or_else(problems::event_unknown)?;
            holds.extend(of_shard(&caller, app.views.of_event(&event)).await?);
            holds.retain(|hold| hold.event == event);
        }
        None => holds = holds_of(&app, &caller).await?,
    }
    let allotments = holds.iter().filter_map(|hold| show(&app, hold)).collect();
    Ok(json(StatusCode::OK, &AllotmentsBody { allotments }))
}

/// All that is set aside for somebody.
pub async fn holds_of(app: &App, caller: &Caller) -> Result<Vec<Hold>, chassis::Problem> {
    let mut holds = Vec::new();
    for shard in app.views.all() {
        holds.extend(of_shard(caller, shard).await?);
    }
    Ok(holds)
}

async fn of_shard(caller: &Caller, shard: &Shard) -> Result<Vec<Hold>, chassis::Problem> {
    shard.barrier.pass(BARRIER_WAIT).await.map_err(|_| problems::unconfirmed())?;
    let view = shard.lock();
    Ok(view.set_aside_of(caller.account).cloned().collect())
}

fn show(app: &App, hold: &Hold) -> Option<AllotmentBody> {
    let plan = app.catalog.find(&hold.event)?.plan;
    let seats = hold.held.seats.iter();
    let seat_ids = seats.filter_map(|seat| Some(plan.place(seat.seat)?.seat_id().into()));
    let areas = hold.held.areas.iter().filter_map(|area| {
        let area_id = plan.plan.area(area.area)?.id.to_string();
        Some(AllottedAreaBody { area_id, quantity: area.quantity })
    });
    Some(AllotmentBody {
        allotment_id: hold.held.hold.to_string(),
        event_id: hold.event.to_string(),
        seat_ids: seat_ids.collect(),
        areas: areas.collect(),
    })
}
