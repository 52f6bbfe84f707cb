//! What there is to check of a pre-queue's draw.

use super::place::opened;
use super::room_of_path::RoomOfPath;
use super::{App, problems};
use axum::Json;
use axum::extract::State;
use chassis::{Problem, base64url};
use http::HeaderMap;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The newest draw; all null before it.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FairnessBody {
    commitment: Option<String>,
    root: Option<String>,
    /// How many places were drawn.
    n: Option<u64>,
    /// Base64url.
    seed: Option<String>,
    drawn_at: Option<String>,
}

/// A place in its draw.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProofBody {
    /// The place's index in its pre-queue, from 0.
    index: u64,
    n: u64,
    seed: String,
    /// The number in line that the draw gave it.
    number: u64,
}

#[utoipa::path(get, path = "/api/queue/{eventId}/fairness", tag = "queue",
    params(("eventId" = String, Path)),
    responses((status = 200, body = FairnessBody), (status = 404)))]
pub(super) async fn fairness(RoomOfPath(room): RoomOfPath) -> Result<Json<FairnessBody>, Problem> {
    let ledger = room.ledger();
    let body = ledger.draws.last().map_or_else(FairnessBody::default, |draw| FairnessBody {
        n: Some(draw.last - draw.base),
        seed: Some(base64url::encode(&draw.seed)),
        drawn_at: Some(draw.at.to_rfc3339()),
        ..FairnessBody::default()
    });
    Ok(Json(body))
}

#[utoipa::path(get, path = "/api/queue/{eventId}/me/proof", tag = "queue",
    params(("eventId" = String, Path), ("Waiting-Room-Token" = String, Header)),
    responses((status = 200, body = ProofBody), (status = 404, description = "NOT_DRAWN")))]
pub(super) async fn proof(
    State(app): State<Arc<App>>,
    RoomOfPath(room): RoomOfPath,
    headers: HeaderMap,
) -> Result<Json<ProofBody>, Problem> {
    let place = opened(&app, &room, &headers, chassis::clock::now())?;
    let number = room.line_number(&place.token).ok_or_else(problems::not_drawn)?;
    let ledger = room.ledger();
    let is_drawn = place.token.kind == waiting_room_core::PlaceKind::PreQueue;
    let draw = ledger.draw_of(place.token.number).filter(|_| is_drawn);
    let draw = draw.ok_or_else(problems::not_drawn)?;
    Ok(Json(ProofBody {
        index: place.token.number - draw.base - 1,
        n: draw.last - draw.base,
        seed: base64url::encode(&draw.seed),
        number,
    }))
}
