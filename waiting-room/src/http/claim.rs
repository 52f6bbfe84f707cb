//! Claiming a called place: the pass.

use super::place::{guard_act, marks, note_presence, opened};
use super::room_of_path::RoomOfPath;
use super::who::{bearer, check_owner};
use super::{App, authz, bodies, problems};
use crate::metrics;
use crate::room::Room;
use crate::seal::Opened;
use crate::store::Blessed;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chassis::Problem;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use schema::admission::PassClaims;
use schema::{AccountId, PassPlace, UnixMillis};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;
use waiting_room_core::{Claim, Standing, Terms, claim as decide};

/// What proves that the place is the claimer's.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ClaimRequest {
    /// The text whose SHA-256 was the join's `popHash`.
    pop_secret: Option<String>,
    /// Sets the pass as a cookie of this host too, for a gate before a site on it.
    cookie: bool,
}

/// The right to buy.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClaimBody {
    /// To be sent as `Admission-Pass`.
    pass: String,
    expires_at: String,
    expires_in_ms: u64,
    /// Most places in one request.
    seats_max: u16,
}

#[utoipa::path(post, path = "/api/queue/{eventId}/claim", tag = "queue",
    params(("eventId" = String, Path), ("Waiting-Room-Token" = String, Header),
        ("Authorization" = Option<String>, Header)),
    request_body = ClaimRequest,
    responses((status = 200, body = ClaimBody), (status = 401),
        (status = 403, description = "PLACE_FOREIGN: another account has joined with it; \
            TOKEN_FOREIGN, POP_INVALID"),
        (status = 409, description = "NOT_CALLED"),
        (status = 410, description = "CLAIM_EXPIRED: not claimed in time, or given up"),
        (status = 429, description = "POLL_TOO_SOON"),
        (status = 503)))]
pub(super) async fn claim(
    State(app): State<Arc<App>>,
    RoomOfPath(room): RoomOfPath,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let now = room.wall();
    let place = opened(&app, &room, &headers, now)?;
    let body = body.map_err(|rejection| rejection.into_response().status().as_u16());
    let body = body.as_deref().map_err(|&status| status);
    let (request, _): (ClaimRequest, _) = bodies::json((&headers).into(), body)?;
    check_secret(&place, request.pop_secret.as_deref())?;
    let known = room.line_number(&place.token).map(|number| (number, room.standing(number)));
    let login = bearer(&headers);
    // A signature is checked, or one is made: no more often than a place may poll.
    let is_called = matches!(known, Some((_, (_, Standing::Called(_)))));
    if is_called || login.is_some() {
        guard_act(&app, &room, &place)?;
    }
    let account = claimer(&app, &room, login)?;
    let (number, (blessed, standing)) = known.ok_or_else(problems::not_called)?;
    let terms = match standing {
        // Its slot may be another's by now.
        Standing::Called(_) if has_given_back(&room, number) => return Err(claim_expired()),
        Standing::Called(terms) => terms,
        Standing::Waiting | Standing::Skipped => {
            // As a poll: who asks all the time is known to be there.
            let is_waiting = standing == Standing::Waiting;
            if is_waiting || room.guards.pass(place.token.number, app.uptime_ms()).is_ok() {
                note_presence(&room, &place.token);
            }
            return Err(problems::not_called());
        }
        Standing::Left | Standing::Over => return Err(claim_expired()),
    };
    if let Some(account) = account.filter(|_| room.settings().options.login_required) {
        check_owner(&room, &place.token, account)?;
    }
    secure_claim(&room, &blessed, terms, number, now).await?;
    metrics::claimed();
    let pass_place = PassPlace { epoch: place.token.epoch, number };
    let claims = PassClaims::new(room.event.clone(), pass_place, terms.pass_until, account);
    let listing = room.listing();
    let body = ClaimBody {
        pass: app.passes.sign(&claims),
        expires_at: terms.pass_until.to_rfc3339(),
        expires_in_ms: terms.pass_until.since(now).0,
        seats_max: listing.request_places_max.min(listing.account_places_max),
    };
    let cookie = request.cookie.then(|| {
        let max_age_s = body.expires_in_ms.div_ceil(1_000);
        (SET_COOKIE, authz::cookie(&room.event, &body.pass, max_age_s))
    });
    let mut response = ([(CACHE_CONTROL, "no-store")], Json(body)).into_response();
    response.headers_mut().extend(cookie);
    Ok(response)
}

/// Whose the pass will be; `None` for that of its first user.
///
/// # Errors
/// 401 `LOGIN_REQUIRED` for a login that is none, and for none where the room wants one.
fn claimer(app: &App, room: &Room, login: Option<&str>) -> Result<Option<AccountId>, Problem> {
    let refused = |title, detail| Problem::new(401, "LOGIN_REQUIRED", title, detail);
    let Some(token) = login else {
        let is_wanted = room.settings().options.login_required;
        let title = "The event wants to know who claims";
        let detail = "log in, and claim with Authorization: Bearer";
        return if is_wanted { Err(refused(title, detail)) } else { Ok(None) };
    };
    let account = app.accounts.verify(token).map(Some);
    let title = "The account token is not valid";
    account.ok_or_else(|| refused(title, "log in again, or claim without it"))
}

/// Makes sure that the place may have its pass, now and when it asks again.
async fn secure_claim(
    room: &Room,
    blessed: &Blessed,
    terms: Terms,
    number: u64,
    now: UnixMillis,
) -> Result<(), Problem> {
    match decide(terms, blessed.epoch, now) {
        Claim::Sign => Ok(()),
        Claim::MarkAndSign if room.claimed().contains(number) => Ok(()),
        Claim::MarkAndSign => {
            let marked = room.store.claim(blessed, number).await;
            match marked {
                Ok(true) => {}
                // LINE-2: its slot may be another's by now.
                Ok(false) => return Err(claim_expired()),
                Err(_) => {
                    return Err(problems::unavailable("the claim cannot be noted; ask again"));
                }
            }
            room.claimed().insert(number);
            Ok(())
        }
        Claim::SignIfMarked => match marks(room, blessed, number).await {
            Ok(marks) if marks.claimed => Ok(()),
            Ok(_) => Err(claim_expired()),
            Err(_) => Err(problems::unavailable("earlier claims cannot be read; ask again")),
        },
        Claim::TooLate => Err(claim_expired()),
    }
}

/// Where seats are sold a place that has bought may see its pass again: it buys nothing more.
fn has_given_back(room: &Room, number: u64) -> bool {
    !room.listing().has_seats() && room.has_completed(number)
}

fn claim_expired() -> Problem {
    metrics::refused("claim");
    problems::claim_expired()
}

/// The place is the one's who knows its secret; how much of a guess is right takes no time to tell.
fn check_secret(place: &Opened, secret: Option<&str>) -> Result<(), Problem> {
    let Some(wanted) = place.token.pop_hash else { return Ok(()) };
    let found = bodies::hash_of_secret(secret.unwrap_or_default())?;
    if bool::from(found.ct_eq(&wanted)) { Ok(()) } else { Err(problems::secret_wrong()) }
}
