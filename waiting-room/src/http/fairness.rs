//! What there is to check of a room's draws.

use super::place::opened;
use super::room_of_path::RoomOfPath;
use super::{App, problems};
use crate::drawn::drawn_number;
use crate::room::Room;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chassis::{Problem, base64url};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use schema::EventId;
use schema::admission::{Draw, DrawMadeOf};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use waiting_room_core::{Cohort, Ledger, Prepared, Token, encoding};

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
    let draws = ledger
        .made()
        .rev()
        .map(|(draw, fixed)| drawn(&room.event, draw, fixed, entered(&room, draw.base, draw.last)));
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
        entered: prepared.last.and_then(|last| entered(room, base, last)),
        first_number: Some(base + 1),
        ..DrawBody::default()
    })
}

/// What is known of a draw that is made. What was published before it is as its records have it,
/// and follows from nothing that came later: whether the secrets are those committed to is for
/// whoever checks it.
fn drawn(event: &EventId, draw: &Draw, fixed: Option<&Prepared>, entered: Option<u64>) -> DrawBody {
    let known = DrawBody {
        event: event.to_string(),
        n: Some(draw.last - draw.base),
        first_number: Some(draw.base + 1),
        seed: Some(base64url::encode(&draw.seed)),
        drawn_at: Some(draw.at.to_rfc3339()),
        ..DrawBody::default()
    };
    let Some((made_of, fixed)) = draw.made_of.as_ref().zip(fixed) else { return known };
    let DrawMadeOf { root, secret, beacon, witnesses } = made_of;
    let witnesses = fixed.witnesses.iter().zip(witnesses);
    DrawBody {
        encoding: Some(encoding(fixed.witnesses.len())),
        commitment: Some(base64url::encode(&fixed.commitment)),
        beacon_required: fixed.needs_beacon,
        witnesses: witnesses.map(|(hash, secret)| witness(hash, Some(*secret))).collect(),
        root: Some(base64url::encode(root)),
        entered,
        secret: Some(base64url::encode(secret)),
        beacon: Some(beacon.to_string()).filter(|beacon| !beacon.is_empty()),
        ..known
    }
}

fn witness(commitment: &[u8; 32], secret: Option<[u8; 32]>) -> WitnessBody {
    let commitment = base64url::encode(commitment);
    WitnessBody { commitment, secret: secret.map(|secret| base64url::encode(&secret)) }
}

fn entered(room: &Room, base: u64, last: u64) -> Option<u64> {
    Some(room.cohorts.of(base, last)?.cohort.entered())
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
    let closed = room.cohorts.of(draw.base, draw.last).expect("a draw with a root has a cohort");
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

/// Which cohort is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CohortParams {
    /// The root of its draw, as `fairness` shows it; without one the newest cohort that has a root.
    root: Option<String>,
}

/// The hashes of a cohort that has a root, 32 bytes a place in the order of the places; 0 for a
/// place that nobody got. `usher verify-draw --cohort` takes it.
#[utoipa::path(get, path = "/api/queue/{eventId}/fairness/cohort", tag = "queue",
    params(("eventId" = String, Path), CohortParams),
    responses((status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, description = "NOT_DRAWN; ROOT_UNKNOWN: no draw of the room has it"),
        (status = 422, description = "REQUEST_INVALID: root is not 32 bytes in base64url")))]
pub(super) async fn cohort(
    RoomOfPath(room): RoomOfPath,
    params: Result<Query<CohortParams>, QueryRejection>,
) -> Result<Response, Problem> {
    let unreadable = || problems::invalid("root is 32 bytes in base64url, and is given once");
    let Query(CohortParams { root }) = params.map_err(|_| unreadable())?;
    let asked = root.map(|text| hash(&text).ok_or_else(unreadable)).transpose()?;
    let (base, last) = match asked {
        Some(hash) => cohort_of(&room.ledger(), &hash).ok_or_else(problems::root_unknown)?,
        None => newest_cohort(&room.ledger()).ok_or_else(problems::not_drawn)?,
    };
    let closed = room.cohorts.of(base, last).expect("a draw with a root has a cohort");
    let body = Bytes::from_owner(Hashes(Arc::clone(&closed.cohort)));
    Ok(([(CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

fn hash(text: &str) -> Option<[u8; 32]> {
    base64url::decode(text)?.try_into().ok()
}

/// The newest cohort that has a root: the numbers in `(base, last]`.
fn newest_cohort(ledger: &Ledger) -> Option<(u64, u64)> {
    roots(ledger).next().map(|(cohort, _)| cohort)
}

fn cohort_of(ledger: &Ledger, root: &[u8; 32]) -> Option<(u64, u64)> {
    roots(ledger).find(|(_, known)| known == root).map(|(cohort, _)| cohort)
}

/// The roots that were published with their cohorts, newest first.
fn roots(ledger: &Ledger) -> impl Iterator<Item = ((u64, u64), [u8; 32])> + '_ {
    let prepared = ledger.prepared.as_ref();
    let prepared = prepared.and_then(|fixed| Some((ledger.gathering?, fixed.last?, fixed.root?)));
    let drawn = ledger.draws.iter().rev();
    let drawn = drawn.filter_map(|draw| Some((draw.base, draw.last, draw.made_of.as_ref()?.root)));
    prepared.into_iter().chain(drawn).map(|(base, last, root)| ((base, last), root))
}

/// A cohort's hashes as one body that everybody who asks shares.
struct Hashes(Arc<Cohort>);

impl AsRef<[u8]> for Hashes {
    fn as_ref(&self) -> &[u8] {
        self.0.hashes().as_flattened()
    }
}

#[cfg(test)]
mod tests;
