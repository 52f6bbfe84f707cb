//! What there is to check of a room's draws.

use super::place::opened;
use super::room_of_path::RoomOfPath;
use super::{App, problems};
use crate::drawn::drawn_number;
use crate::room::Room;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chassis::keys::sha256;
use chassis::{Problem, base64url};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use schema::admission::{Draw, DrawMadeOf};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use waiting_room_core::{Cohort, Ledger, Token, commitment, encoding};

/// The newest draw, from its commitment on, and those before it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FairnessBody {
    #[serde(flatten)]
    newest: DrawBody,
    /// Newest first.
    earlier: Vec<DrawBody>,
}

/// A draw; what is not known yet is null. Hashes and secrets are in base64url.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DrawBody {
    /// How all the rest hangs together: `usher-draw-v1`, or with witnesses `usher-draw-v2`.
    encoding: Option<&'static str>,
    event: String,
    /// The hash of the secret, from before the first join.
    commitment: Option<String>,
    /// Whether the draw waits for a beacon.
    beacon_required: bool,
    /// Whose secrets the draw waits for besides, in the order in which these go into the seed.
    witnesses: Vec<WitnessBody>,
    /// Over all places with the hashes of their tokens, from before the secret is shown.
    root: Option<String>,
    /// How many places were drawn.
    n: Option<u64>,
    /// How many of them have a token; the others were given to nobody.
    entered: Option<u64>,
    /// The lowest number in line that the draw gave.
    first_number: Option<u64>,
    secret: Option<String>,
    beacon: Option<String>,
    /// The hash of event, root, n, all secrets and beacon: the key of the permutation.
    seed: Option<String>,
    drawn_at: Option<String>,
}

/// Who commits to a secret for a draw, besides the house.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WitnessBody {
    /// The hash of the secret, from before the first join.
    commitment: String,
    /// Null until it is revealed: for the draw with this root, and never before it.
    secret: Option<String>,
}

/// A place in its draw.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProofBody {
    /// The place's index in its pre-queue, from 0.
    index: u64,
    n: u64,
    token_hash: String,
    /// The siblings from the place's leaf up to the root; null for a draw without a root.
    path: Option<Vec<String>>,
    seed: String,
    /// The number in line that the draw gave it.
    number: u64,
}

#[utoipa::path(get, path = "/api/queue/{eventId}/fairness", tag = "queue",
    params(("eventId" = String, Path)),
    responses((status = 200, body = FairnessBody), (status = 404)))]
pub(super) async fn fairness(RoomOfPath(room): RoomOfPath) -> Json<FairnessBody> {
    let ledger = room.ledger();
    let draws = ledger.draws.iter().rev().map(|draw| drawn(&room, draw));
    let mut draws: Vec<DrawBody> = prepared(&room, &ledger).into_iter().chain(draws).collect();
    if draws.is_empty() {
        draws.push(DrawBody { event: room.event.to_string(), ..DrawBody::default() });
    }
    let earlier = draws.split_off(1);
    let newest = draws.pop().expect("there is one");
    Json(FairnessBody { newest, earlier })
}

/// What is known of the draw of a pre-queue that gathers or has just closed.
fn prepared(room: &Room, ledger: &Ledger) -> Option<DrawBody> {
    let (base, prepared) = (ledger.gathering?, ledger.prepared.as_ref()?);
    let revealed = room.outside.secrets(prepared.root, &prepared.witnesses);
    let witnesses = prepared.witnesses.iter().zip(revealed);
    Some(DrawBody {
        encoding: Some(encoding(prepared.witnesses.len())),
        event: room.event.to_string(),
        commitment: Some(base64url::encode(&prepared.commitment)),
        beacon_required: prepared.needs_beacon,
        witnesses: witnesses.map(|(committed, secret)| witness(committed, secret)).collect(),
        root: prepared.root.map(|root| base64url::encode(&root)),
        n: prepared.last.map(|last| last - base),
        entered: entered(room, base),
        first_number: Some(base + 1),
        ..DrawBody::default()
    })
}

fn drawn(room: &Room, draw: &Draw) -> DrawBody {
    let known = DrawBody {
        event: room.event.to_string(),
        n: Some(draw.last - draw.base),
        first_number: Some(draw.base + 1),
        seed: Some(base64url::encode(&draw.seed)),
        drawn_at: Some(draw.at.to_rfc3339()),
        ..DrawBody::default()
    };
    let Some(DrawMadeOf { root, secret, beacon, witnesses }) = &draw.made_of else { return known };
    let beacon = Some(beacon.to_string()).filter(|beacon| !beacon.is_empty());
    DrawBody {
        encoding: Some(encoding(witnesses.len())),
        commitment: Some(base64url::encode(&commitment(sha256, secret))),
        beacon_required: beacon.is_some(),
        witnesses: witnesses
            .iter()
            .map(|secret| witness(&commitment(sha256, secret), Some(*secret)))
            .collect(),
        root: Some(base64url::encode(root)),
        entered: entered(room, draw.base),
        secret: Some(base64url::encode(secret)),
        beacon,
        ..known
    }
}

fn witness(commitment: &[u8; 32], secret: Option<[u8; 32]>) -> WitnessBody {
    let commitment = base64url::encode(commitment);
    WitnessBody { commitment, secret: secret.map(|secret| base64url::encode(&secret)) }
}

fn entered(room: &Room, base: u64) -> Option<u64> {
    Some(room.cohorts.closed(base)?.cohort.entered())
}

#[utoipa::path(get, path = "/api/queue/{eventId}/me/proof", tag = "queue",
    params(("eventId" = String, Path), ("Waiting-Room-Token" = String, Header)),
    responses((status = 200, body = ProofBody), (status = 404, description = "NOT_DRAWN")))]
pub(super) async fn proof(
    State(app): State<Arc<App>>,
    RoomOfPath(room): RoomOfPath,
    headers: HeaderMap,
) -> Result<Json<ProofBody>, Problem> {
    let token = opened(&app, &room, &headers, chassis::clock::now())?.token;
    let draw = room.draw_of(&token).ok_or_else(problems::not_drawn)?;
    let token_hash = room.sealer.hash(&token);
    Ok(Json(ProofBody {
        index: token.number - draw.base - 1,
        n: draw.last - draw.base,
        token_hash: base64url::encode(&token_hash),
        path: path(&room, &token, &draw, &token_hash).await?,
        seed: base64url::encode(&draw.seed),
        number: drawn_number(&draw, token.number),
    }))
}

async fn path(
    room: &Room,
    token: &Token,
    draw: &Draw,
    token_hash: &[u8; 32],
) -> Result<Option<Vec<String>>, Problem> {
    let Some(made_of) = &draw.made_of else { return Ok(None) };
    let closed = room.cohorts.closed(draw.base).expect("a draw with a root has a cohort");
    if !closed.cohort.holds(token.number, token_hash) {
        return Ok(None);
    }
    let tree = closed.tree().await;
    if tree.root() != made_of.root {
        tracing::error!(event = %room.event, base = draw.base, "the stream gives another root");
        return Err(problems::unavailable("the records of the draw do not give its root"));
    }
    let path = tree.path(token.number - draw.base - 1);
    Ok(Some(path.iter().map(|hash| base64url::encode(hash)).collect()))
}

/// The hashes of the newest cohort that has a root, 32 bytes a place in the order of the places; 0
/// for a place that nobody got. `usher verify-draw --cohort` takes it.
#[utoipa::path(get, path = "/api/queue/{eventId}/fairness/cohort", tag = "queue",
    params(("eventId" = String, Path)),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "NOT_DRAWN")))]
pub(super) async fn cohort(RoomOfPath(room): RoomOfPath) -> Result<Response, Problem> {
    let base = {
        let ledger = room.ledger();
        let prepared = ledger.prepared.as_ref().filter(|prepared| prepared.root.is_some());
        let drawn = ledger.draws.iter().rev().find(|draw| draw.made_of.is_some());
        prepared.and(ledger.gathering).or(drawn.map(|draw| draw.base))
    };
    let closed = base.and_then(|base| room.cohorts.closed(base));
    let cohort = Arc::clone(&closed.ok_or_else(problems::not_drawn)?.cohort);
    let body = Bytes::from_owner(Hashes(cohort));
    Ok(([(CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// A cohort's hashes as one body that everybody who asks shares.
struct Hashes(Arc<Cohort>);

impl AsRef<[u8]> for Hashes {
    fn as_ref(&self) -> &[u8] {
        self.0.hashes().as_flattened()
    }
}
