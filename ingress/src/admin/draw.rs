//! The draw of a room's pre-queue: when it begins, and the words from outside that it may wait for.

use std::sync::Arc;

use async_nats::jetstream::kv::UpdateErrorKind;
use axum::Extension;
use axum::extract::State;
use chassis::idempotency::Deed;
use chassis::{Problem, base64url};
use http::{HeaderMap, StatusCode};
use schema::admission::{BEACON_BYTES_MAX, BEACONS_MAX, Beacon, Beacons, Witnesses};
use schema::{EventId, RoomMode, RoomSettings, codec, subject};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::admission::{STORE_WAIT, current, store, unavailable};
use super::audit::record;
use super::gathering::{Gathering, gathering};
use super::witnesses::{committed, hashes, reveal};
use crate::accounts::{Caller, Operator};
use crate::app::App;
use crate::extract::{Id, Json, json};
use crate::keyed::{self, Begun};
use crate::layers::RequestId;
use crate::problems::{self, Answered};
use crate::rooms::Versioned;

const ROUTE: &str = "POST /api/admin/events/{eventId}/draw";

/// One of five: nothing at all draws the pre-queue now; `beaconRequired` says whether the draws of
/// pre-queues that begin from now on wait for a beacon, `witnesses` whose secrets they wait for;
/// `beacon` with `root` is one, `secrets` with `root` are some.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrawRequest {
    beacon_required: Option<bool>,
    /// What nobody could know when the root was published: 1 to 256 bytes of text.
    beacon: Option<String>,
    /// The root of the draw that the beacon or the secrets are for, as `fairness` shows it.
    root: Option<String>,
    /// The commitments of those who commit to secrets besides the house, eight at most, in the
    /// order in which their secrets go into the seed; `[]` for nobody. While a pre-queue waits for
    /// its draw they are its own, and no others can be named.
    witnesses: Option<Vec<String>>,
    /// The secrets behind some of the commitments, which nobody may have seen before the root was
    /// published.
    secrets: Option<Vec<String>>,
}

/// What is set now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrawBody {
    event_id: String,
    opens_at: Option<String>,
    beacon_required: bool,
    /// The commitments of those whose secrets are waited for.
    witnesses: Vec<String>,
    /// How many of them have revealed their secret, for the root that was named last.
    secrets_revealed: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Now,
    Required(bool),
    Given { root: [u8; 32], value: String },
    Witnesses(Vec<[u8; 32]>),
    Revealed { root: [u8; 32], secrets: Vec<[u8; 32]> },
}

/// Draws the pre-queue of an event's room now, or says what its draws take from outside.
#[utoipa::path(post, path = "/api/admin/events/{eventId}/draw", tag = "operators",
    params(("eventId" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = DrawRequest, security(("bearer" = [])),
    responses((status = 202, body = DrawBody), (status = 404, description = "EVENT_UNKNOWN"),
        (status = 409, description = "NOT_PRE_QUEUE, BEACON_GIVEN, BEACON_NOT_REQUIRED, \
            BEACONS_FULL, NOT_COMMITTED, WITNESSES_FIXED"),
        (status = 412, description = "SETTINGS_CHANGED: ask again"),
        (status = 422, description = "REQUEST_INVALID")))]
pub async fn draw(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Extension(request): Extension<RequestId>,
    Id(event): Id<EventId>,
    headers: HeaderMap,
    body: Json<DrawRequest>,
) -> Answered {
    let path = format!("/api/admin/events/{event}/draw");
    let asker = keyed::caller(caller.account);
    let deed = Deed { route: ROUTE, path: &path, caller: &asker, body: &body.sent };
    match keyed::begin(&app, &headers, &deed).await? {
        Begun::Over(kept) => Ok(keyed::again(kept)),
        Begun::Turn(turn) => {
            let changed = change(&app, turn.is_repeat, (&caller, &request), &event, &body).await;
            turn.end(changed).await
        }
    }
}

/// Does what is wanted. What a repetition finds done already it leaves as it is.
async fn change(
    app: &App,
    is_repeat: bool,
    (caller, request): (&Caller, &RequestId),
    event: &EventId,
    body: &Json<DrawRequest>,
) -> Answered {
    let before = current(app, event).await?;
    let wanted = body.value.wanted()?;
    let (beacon_key, witness_key) =
        (subject::draw_settings(event), subject::witness_settings(event));
    let (beacons, revision) = stored::<Beacons>(app, &beacon_key).await?;
    let mut beacons = beacons.unwrap_or_default();
    let (witnesses, witness_revision) = stored::<Witnesses>(app, &witness_key).await?;
    let (mut witnesses, mut settings) = (witnesses.unwrap_or_default(), before.settings.clone());
    let object = format!("room {event}");
    match wanted {
        Wanted::Now => {
            if before.settings.mode != RoomMode::PreQueue {
                return Err(not_pre_queue());
            }
            record(app, caller, request, "draw.now", &object, &body.sent).await?;
            settings = open_now(app, event, before).await?;
        }
        Wanted::Required(required) => {
            record(app, caller, request, "draw.change", &object, &body.sent).await?;
            // What was given stays.
            beacons.required = required;
            put(app, beacon_key, &beacons, revision).await?;
        }
        Wanted::Given { root, value } if is_repeat && beacons.of(&root) == Some(&*value) => {}
        Wanted::Given { root, value } => {
            check_given(&beacons, &root)?;
            record(app, caller, request, "draw.beacon", &object, &body.sent).await?;
            beacons.given.push(Beacon { root, value: value.into() });
            put(app, beacon_key, &beacons, revision).await?;
        }
        // To name them again would forget what they have revealed since.
        Wanted::Witnesses(named) if witnesses.commitments == named => {}
        Wanted::Witnesses(commitments) => {
            check_named(gathering(&app.nats, event).await?.as_ref(), &commitments)?;
            record(app, caller, request, "draw.witnesses", &object, &body.sent).await?;
            witnesses = Witnesses { commitments, ..Witnesses::default() };
            put(app, witness_key, &witnesses, witness_revision).await?;
        }
        Wanted::Revealed { root, secrets } => {
            witnesses = reveal(witnesses, root, &secrets)?;
            record(app, caller, request, "draw.secrets", &object, &body.sent).await?;
            put(app, witness_key, &witnesses, witness_revision).await?;
        }
    }
    let body = DrawBody {
        event_id: event.to_string(),
        opens_at: settings.opens_at.map(schema::UnixMillis::to_rfc3339),
        beacon_required: beacons.required,
        witnesses: witnesses.commitments.iter().map(|hash| base64url::encode(hash)).collect(),
        secrets_revealed: witnesses.secrets.len(),
    };
    Ok(json(StatusCode::ACCEPTED, &body))
}

impl DrawRequest {
    fn wanted(&self) -> Result<Wanted, Problem> {
        let Self { beacon_required, beacon, root, witnesses, secrets } = self;
        let of_root = |root: &String| Ok(hashes("root", std::slice::from_ref(root))?[0]);
        match (beacon_required, beacon, root, witnesses, secrets) {
            (None, None, None, None, None) => Ok(Wanted::Now),
            (Some(required), None, None, None, None) => Ok(Wanted::Required(*required)),
            (None, Some(value), Some(root), None, None) => {
                if !(1..=BEACON_BYTES_MAX).contains(&value.len()) {
                    return Err(problems::invalid("beacon has 1 to 256 bytes"));
                }
                Ok(Wanted::Given { root: of_root(root)?, value: value.clone() })
            }
            (None, None, None, Some(witnesses), None) => {
                Ok(Wanted::Witnesses(committed(witnesses)?))
            }
            (None, None, Some(root), None, Some(secrets)) => {
                let secrets = hashes("each of secrets", secrets)?;
                Ok(Wanted::Revealed { root: of_root(root)?, secrets })
            }
            _ => Err(problems::invalid(
                "send nothing, or beaconRequired, or witnesses, or root with beacon or secrets",
            )),
        }
    }
}

/// Those who are named while a pre-queue waits for its draw are its own: what others reveal would
/// not be taken, and the draw would wait for ever.
fn check_named(gathering: Option<&Gathering>, named: &[[u8; 32]]) -> Result<(), Problem> {
    let Some(Gathering { witnesses }) = gathering else { return Ok(()) };
    if witnesses.as_deref() == Some(named) {
        return Ok(());
    }
    let title = "The pre-queue that waits for its draw has its witnesses";
    let detail = "fairness shows them; name others when it is drawn, before the next one begins";
    Err(Problem::new(409, "WITNESSES_FIXED", title, detail))
}

/// A beacon is never replaced: who could give another one could choose.
fn check_given(beacons: &Beacons, root: &[u8; 32]) -> Result<(), Problem> {
    if !beacons.required {
        let title = "The draws of this room take no beacon";
        let detail = "say beaconRequired before the pre-queue begins";
        return Err(Problem::new(409, "BEACON_NOT_REQUIRED", title, detail));
    }
    if beacons.of(root).is_some() {
        let title = "This draw has its beacon";
        return Err(Problem::new(409, "BEACON_GIVEN", title, "a beacon is never replaced"));
    }
    if BEACONS_MAX <= beacons.given.len() {
        let title = "The draws of this room have had all the beacons there are";
        return Err(Problem::new(409, "BEACONS_FULL", title, "a beacon is never dropped"));
    }
    Ok(())
}

fn not_pre_queue() -> Problem {
    let title = "The room has no pre-queue to draw";
    Problem::new(409, "NOT_PRE_QUEUE", title, "set its mode to pre-queue first")
}

async fn open_now(app: &App, event: &EventId, before: Versioned) -> Result<RoomSettings, Problem> {
    let now = chassis::clock::now();
    let Versioned { settings, revision } = before;
    if settings.opens_at.is_some_and(|opens_at| opens_at <= now) {
        return Ok(settings);
    }
    let mut settings = RoomSettings { opens_at: Some(now), ..settings };
    // It is over before it has begun, and settings that say so could be changed no more.
    settings.options.prequeue_from = settings.options.prequeue_from.filter(|&from| from < now);
    let revision = store(app, event, &settings, revision).await?;
    app.rooms.note(event.clone(), Versioned { settings: settings.clone(), revision });
    Ok(settings)
}

/// What is stored under a key, with its revision.
async fn stored<T: DeserializeOwned>(app: &App, key: &str) -> Result<(Option<T>, u64), Problem> {
    let entry = app.rooms.bucket.entry(key);
    let entry = tokio::time::timeout(STORE_WAIT, entry).await.map_err(|_| unavailable())?;
    let entry = entry.map_err(|error| {
        tracing::warn!(key, %error, "a setting of draws was not read");
        unavailable()
    })?;
    let Some(entry) = entry else { return Ok((None, 0)) };
    // A deleted entry is one without a value.
    if entry.value.is_empty() {
        return Ok((None, entry.revision));
    }
    let value = codec::decode(&entry.value).map_err(|error| {
        let error = chassis::telemetry::chain(&error);
        tracing::error!(key, %error, "a setting of draws that nobody can read");
        unavailable()
    })?;
    Ok((Some(value), entry.revision))
}

/// Stores it unless another operator did meanwhile.
async fn put<T: Serialize>(
    app: &App,
    key: String,
    value: &T,
    revision: u64,
) -> Result<(), Problem> {
    let update = app.rooms.bucket.update(key, codec::encode(value).into(), revision);
    let updated = tokio::time::timeout(STORE_WAIT, update).await.map_err(|_| unavailable())?;
    updated.map(drop).map_err(|error| {
        if error.kind() == UpdateErrorKind::WrongLastRevision {
            return super::admission::changed();
        }
        tracing::warn!(%error, "a setting of draws was not stored");
        unavailable()
    })
}

#[cfg(test)]
mod tests {
    use super::{DrawRequest, Wanted, check_given};
    use chassis::base64url;
    use schema::admission::{BEACONS_MAX, Beacon, Beacons};
    use serde_json::{Value, json};

    fn wanted(body: Value) -> Result<Wanted, u16> {
        let request: DrawRequest = serde_json::from_value(body).unwrap();
        request.wanted().map_err(|problem| problem.status)
    }

    #[test]
    fn a_request_names_one_thing() {
        let root = base64url::encode(&[7; 32]);
        assert_eq!(wanted(json!({})), Ok(Wanted::Now));
        assert_eq!(wanted(json!({"beaconRequired": true})), Ok(Wanted::Required(true)));
        let given = Wanted::Given { root: [7; 32], value: "b".to_owned() };
        assert_eq!(wanted(json!({"beacon": "b", "root": root})), Ok(given));
        assert_eq!(wanted(json!({"witnesses": []})), Ok(Wanted::Witnesses(Vec::new())));
        let named = Wanted::Witnesses(vec![[7; 32]]);
        assert_eq!(wanted(json!({"witnesses": [root]})), Ok(named));
        let revealed = Wanted::Revealed { root: [7; 32], secrets: vec![[7; 32]] };
        assert_eq!(wanted(json!({"secrets": [root], "root": root})), Ok(revealed));
        for refused in [
            json!({"beacon": "b"}),
            json!({"root": root}),
            json!({"secrets": [root]}),
            json!({"secrets": ["short"], "root": root}),
            json!({"secrets": [root], "root": root, "beacon": "b"}),
            json!({"witnesses": [root], "root": root}),
            json!({"witnesses": [root], "secrets": [root], "root": root}),
            json!({"beacon": "", "root": root}),
            json!({"beacon": "b".repeat(257), "root": root}),
            json!({"beacon": "b", "root": "short"}),
            json!({"beacon": "b", "root": root, "beaconRequired": true}),
        ] {
            assert_eq!(wanted(refused.clone()), Err(422), "{refused}");
        }
    }

    #[test]
    fn a_beacon_is_given_once_for_each_draw_and_only_if_it_was_promised() {
        let check = |required, roots: &[[u8; 32]]| {
            let given = roots.iter().map(|&root| Beacon { root, value: "b".into() }).collect();
            let beacons = Beacons { required, given };
            check_given(&beacons, &[1; 32]).map_err(|problem| problem.code)
        };
        assert_eq!(check(false, &[]).unwrap_err(), "BEACON_NOT_REQUIRED");
        assert_eq!(check(true, &[]), Ok(()));
        assert_eq!(check(true, &[[2; 32]]), Ok(()));
        assert_eq!(check(true, &[[1; 32]]).unwrap_err(), "BEACON_GIVEN");
        assert_eq!(check(true, &[[1; 32], [2; 32]]).unwrap_err(), "BEACON_GIVEN", "for good");
        assert_eq!(check(true, &vec![[2; 32]; BEACONS_MAX]).unwrap_err(), "BEACONS_FULL");
    }
}
