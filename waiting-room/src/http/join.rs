//! Joining the line.

use super::me::{BODY_BYTES, HEADERS};
use super::place::{PlaceBody, describe, is_over};
use super::room_of_path::RoomOfPath;
use super::who::{Person, Who};
use super::{App, bodies, problems};
use crate::cohorts::Entered;
use crate::config::{AT_ONCE_WAIT, JOIN_AGAIN, JOIN_WAIT};
use crate::enter::entry;
use crate::joiner::{Asked, JoinAsk, Joined};
use crate::metrics;
use crate::remembered::Recall;
use crate::room::Room;
use crate::seal::Sealed;
use crate::store::{Fault, Keyed, KeyedBy, Recalled};
use axum::body::Body;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chassis::clock::Monotonic;
use chassis::http::Lines;
use chassis::{Problem, idempotency, keys};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use schema::{EventStatus, RoomMode, UnixMillis};
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;
use utoipa::ToSchema;
use waiting_room_core::{Manner, PlaceKind, Wait, may_join};

/// What a fan may say when joining.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct JoinRequest {
    /// SHA-256 of a secret that a claim must show, in base64url or hexadecimal digits.
    pop_hash: Option<String>,
    /// A JWT signed by the promoter with `sub`, `event`, `exp` and `jti`: one place for each `sub`.
    /// Ignored by a room that has no key for it.
    enqueue_token: Option<String>,
}

/// The place that was given.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinBody {
    /// To be sent as `Waiting-Room-Token`; whoever has it has the place.
    token: String,
    #[serde(flatten)]
    place: PlaceBody,
}

pub(super) const ROUTE: &str = "/api/queue/{eventId}/join";

#[utoipa::path(post, path = "/api/queue/{eventId}/join", tag = "queue",
    params(("eventId" = String, Path), ("Idempotency-Key" = Option<String>, Header),
        ("Authorization" = Option<String>, Header)),
    request_body = JoinRequest,
    responses((status = 201, body = JoinBody),
        (status = 401, description = "LOGIN_REQUIRED"),
        (status = 403,
            description = "ENQUEUE_TOKEN_REQUIRED, ENQUEUE_TOKEN_INVALID, ENQUEUE_TOKEN_TAKEN"),
        (status = 409, description = "SOLD_OUT, ROOM_CLOSED, ROOM_OFF"),
        (status = 415, description = "MEDIA_TYPE_UNSUPPORTED"),
        (status = 423, description = "NOT_OPEN_YET"), (status = 503, description = "BUSY")))]
pub(super) async fn join(
    State(app): State<Arc<App>>,
    RoomOfPath(room): RoomOfPath,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|rejection| rejection.into_response().status().as_u16());
    let body = body.as_deref().map_err(|&status| status);
    let join = Join::read(&app, &room, (&headers).into(), body)?;
    join.answer(&app, &room).await.map(|response| response.map(Body::from))
}

/// A join as it was asked for.
pub(super) struct Join {
    pop_hash: Option<[u8; 32]>,
    who: Who,
    /// The `Idempotency-Key`, and what tells another request under it from this one.
    key: Option<(String, [u8; 32])>,
}

impl Join {
    /// Reads a join, with its body or the status that stands for why there is none.
    pub(super) fn read(
        app: &App,
        room: &Room,
        headers: Lines<'_>,
        body: Result<&[u8], u16>,
    ) -> Result<Self, Problem> {
        let (request, sent): (JoinRequest, _) = bodies::json(headers, body)?;
        let pop_hash = request.pop_hash.as_deref().map(bodies::pop_hash).transpose()?;
        let key = idempotency::key(headers)?;
        let who = Who::read(app, room, headers, request.enqueue_token.as_deref())?;
        let key = key.map(|key| {
            let path = format!("/api/queue/{}/join", room.event);
            // The caller is a part of the key. Half of the hash tells bodies apart, in half of the
            // memory.
            let canonical = idempotency::canonical("POST", &path, b"", &sent);
            let mut fingerprint = keys::sha256(&[&canonical]);
            fingerprint[16..].fill(0);
            (key.to_owned(), fingerprint)
        });
        Ok(Self { pop_hash, who, key })
    }

    pub(super) async fn answer(
        self,
        app: &App,
        room: &Room,
    ) -> Result<http::Response<Bytes>, Problem> {
        let person = self.who.person(room).await?;
        let asks = Asks { app, room, pop_hash: self.pop_hash, person };
        let Some((key, fingerprint)) = self.key else { return asks.answer(None).await };
        let event = room.event.as_str().as_bytes();
        let key = match person {
            None => keys::sha256(&[event, b"\0", key.as_bytes()]),
            // Keys of two persons are two keys.
            Some(person) => keys::sha256(&[event, b"\0", key.as_bytes(), b"\0", &person.hash]),
        };
        match app.remembered.begin(key, fingerprint) {
            Recall::Answered(token) => {
                let place = app.sealer.open(&token, &room.event).map_err(problems::token)?;
                let place = Sealed { token, place };
                return answer(room, place, true).await.map(|(_, response)| response);
            }
            Recall::InFlight => return Err(idempotency::in_flight()),
            Recall::Mismatch => return Err(idempotency::mismatch()),
            Recall::Fresh => {}
        }
        // Forgets the key if the fan goes away in between, or a refusal comes.
        let pending = Pending { app, key, token: None };
        asks.answer(Some((pending, fingerprint))).await
    }
}

/// A join that may be answered.
struct Asks<'a> {
    app: &'a App,
    room: &'a Room,
    pop_hash: Option<[u8; 32]>,
    person: Option<Person>,
}

impl Asks<'_> {
    /// Takes the place and answers with it. A person's place is found by the person, whatever the
    /// request's key.
    async fn answer(
        &self,
        request: Option<(Pending<'_>, [u8; 32])>,
    ) -> Result<http::Response<Bytes>, Problem> {
        let issued_at = chassis::clock::now();
        let by_request = request.as_ref().map(|(pending, fingerprint)| {
            let (key, fingerprint) = (pending.key, *fingerprint);
            Keyed { by: KeyedBy::Request, key, fingerprint, issued_at }
        });
        let by_person = self.person.map(|person| {
            let (key, fingerprint) = (person.hash, self.pop_hash.unwrap_or_default());
            Keyed { by: KeyedBy::Person, key, fingerprint, issued_at }
        });
        let asked = Asked {
            keyed: by_person.or(by_request),
            pop_hash: self.pop_hash,
            owner: self.person.and_then(|person| person.account),
            issued_at,
        };
        let joined = self.take(asked).await?;
        let is_repeat = joined.kept.is_some();
        let kept = joined.kept.zip(asked.keyed).filter(|(_, keyed)| keyed.by == KeyedBy::Request);
        if kept.is_some_and(|(kept, keyed)| kept.fingerprint != keyed.fingerprint) {
            return Err(idempotency::mismatch());
        }
        // The same body and the same time: the token of a repeat is the first one, bit by bit.
        let sealed = self.app.sealer.seal(self.room.token(&asked, &joined));
        if let Some((mut pending, _)) = request {
            pending.token = Some(sealed.token.clone());
        }
        if is_repeat {
            return answer(self.room, sealed, true).await.map(|(_, response)| response);
        }
        first_answer(self.room, sealed, &joined).await
    }

    /// Takes the place, or finds the one that the person or the key has. A place that is over, or
    /// whose token is good no more, makes room for another, where a person may have one after the
    /// other.
    async fn take(&self, asked: Asked) -> Result<Joined, Problem> {
        let joined = take_place(self.room, asked).await?;
        let may_join_again = self.person.is_some_and(|person| person.may_join_again);
        let Some(keyed) = asked.keyed.filter(|_| may_join_again && joined.kept.is_some()) else {
            return Ok(joined);
        };
        let token = self.room.token(&asked, &joined);
        if !self.room.has_lapsed(&token, asked.issued_at)
            && !seldom(is_over(self.room, &token, asked.issued_at)).await
        {
            return Ok(joined);
        }
        let blessed = self.room.blessed();
        let forgotten = seldom(self.room.store.forget(&blessed, &keyed, joined.number)).await;
        forgotten.map_err(|_| problems::unavailable("the last place is not forgotten yet"))?;
        take_place(self.room, asked).await
    }
}

/// Answers the join that took the place: with its call, where everybody is called at once, and
/// noting how long it was told to wait.
async fn first_answer(
    room: &Room,
    sealed: Sealed,
    joined: &Joined,
) -> Result<http::Response<Bytes>, Problem> {
    if joined.kind == PlaceKind::Line && room.manner() == Manner::AtOnce {
        let called = seldom(tokio::time::timeout(AT_ONCE_WAIT, room.is_called(joined.number)));
        // Who is not called in time hears of it by polls.
        called.await.unwrap_or_default();
    }
    let (told, response) = answer(room, sealed, false).await?;
    if let Some((number, wait)) = told {
        room.note_told(number, wait);
    }
    Ok(response)
}

/// A join under a key, until it has ended in some way.
struct Pending<'a> {
    app: &'a App,
    key: [u8; 32],
    token: Option<String>,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.app.remembered.end(self.key, self.token.take());
    }
}

/// Takes the next place, or finds the one that was given under the key. Nothing is numbered that
/// would be refused.
async fn take_place(room: &Room, asked: Asked) -> Result<Joined, Problem> {
    if let Err(refused) = may_take(room, asked.issued_at) {
        let Some(keyed) = &asked.keyed else { return Err(refused) };
        return seldom(recall(room, &asked, keyed)).await?.ok_or(refused);
    }
    let (answer, joined) = oneshot::channel();
    room.joins.try_send(JoinAsk { asked, answer }).map_err(|error| {
        metrics::refused("busy");
        match error {
            TrySendError::Full(_) => problems::busy(),
            TrySendError::Closed(_) => problems::unavailable("the process is ending"),
        }
    })?;
    let Ok(Ok(joined)) = tokio::time::timeout(JOIN_WAIT, joined).await else {
        return Err(problems::unavailable("no numbers are given out now; ask again"));
    };
    Ok(joined)
}

pub(super) fn may_take(room: &Room, now: UnixMillis) -> Result<(), Problem> {
    if room.listing().status != EventStatus::OnSale {
        return Err(problems::not_on_sale());
    }
    may_join(&room.settings(), room.seats().sold_out(), now)
        .map_err(|refusal| problems::join_refused(refusal, now))
}

/// The place that was given under the key while joins were taken, if there is one.
///
/// LINE-1: checked against the stream as at a join, for whoever got it first may not have been
/// answered. For the same reason a place of a pre-queue may not be in its cohort; one that never
/// will be is nobody's.
async fn recall(room: &Room, asked: &Asked, keyed: &Keyed) -> Result<Option<Joined>, Problem> {
    let started = Monotonic::now();
    while started.elapsed() < JOIN_WAIT {
        let blessed = room.blessed();
        match room.store.recall(&blessed, keyed, room.giver).await {
            Ok(Recalled::Nothing) => return Ok(None),
            // A room that is off has no leader to bless its numbers; in others this process has not
            // heard of the epoch yet.
            Err(Fault::Unblessed) if room.settings().mode == RoomMode::Off => return Ok(None),
            Ok(Recalled::Kept(kept)) if room.may_give(blessed.epoch, kept.number) == Some(true) => {
                let joined = Joined::again(kept);
                let entry = entry(room, asked, &joined);
                match entry.map(|(number, hash)| room.entered(number, &hash)) {
                    None | Some(Entered::Yes) => return Ok(Some(joined)),
                    Some(Entered::Never) => return Ok(None),
                    Some(Entered::NotYet) => tokio::time::sleep(JOIN_AGAIN).await,
                }
            }
            Ok(Recalled::Kept(_) | Recalled::NotYet) | Err(Fault::Unblessed) => {
                tokio::time::sleep(JOIN_AGAIN).await;
            }
            Err(Fault::Away(_) | Fault::Refused) => break,
        }
    }
    Err(problems::unavailable("what was answered to this key cannot be read now; ask again"))
}

/// The answer, and which number was told to wait for how long, if any was.
async fn answer(
    room: &Room,
    sealed: Sealed,
    replayed: bool,
) -> Result<(Option<(u64, Wait)>, http::Response<Bytes>), Problem> {
    let Sealed { token, place } = sealed;
    let place = describe(room, &place, chassis::clock::now()).await;
    let told = place.told();
    let mut response = http::Response::new(JoinBody { token, place }.to_json());
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if replayed {
        headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    Ok((told, response))
}

/// A step that few joins take. Behind a pointer, so that it is no weight for all others, whose
/// state is moved to where it waits.
fn seldom<F: Future>(step: F) -> Pin<Box<F>> {
    Box::pin(step)
}

impl JoinBody {
    /// As `serde_json` would write it: letters of a token need no escape.
    fn to_json(&self) -> Bytes {
        let mut text = Vec::with_capacity(BODY_BYTES + self.token.len());
        text.extend_from_slice(b"{\"token\":\"");
        text.extend_from_slice(self.token.as_bytes());
        text.extend_from_slice(b"\",");
        self.place.write_members(&mut text);
        text.push(b'}');
        text.into()
    }
}
