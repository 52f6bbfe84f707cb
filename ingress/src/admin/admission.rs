//! The settings of a room: read with their revision, changed only by who has read the latest.

mod options;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv::UpdateErrorKind;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use chassis::Problem;
use http::header::{ETAG, IF_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use schema::{EventId, RoomMode, RoomSettings, UnixMillis, codec, subject};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::audit::record;
use crate::accounts::Operator;
use crate::app::App;
use crate::extract::{Id, Json, json};
use crate::layers::RequestId;
use crate::problems::{self, Answered};
use crate::rooms::Versioned;
use options::{OptionsBody, OptionsChange, either, time_of, without_key};

/// Bounds of the settings. A claim window under 5 s cannot be met by people; an hour of it blocks
/// the line.
const RATE_MAX: u32 = 1_000_000;
const ACTIVE_MAX: u32 = 10_000_000;
const WINDOW_S: std::ops::RangeInclusive<u32> = 5..=3_600;

pub(super) const STORE_WAIT: Duration = Duration::from_secs(3);

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionBody {
    event_id: String,
    /// `off`, `standby`, `pre-queue`, `open`, `hold`, `drain` or `closed`.
    #[schema(value_type = String)]
    mode: RoomMode,
    admission_rate_per_minute: u32,
    active_max: u32,
    claim_window_seconds: u32,
    pass_ttl_seconds: u32,
    adaptive: bool,
    opens_at: Option<String>,
    #[serde(flatten)]
    options: OptionsBody,
}

/// What to change; the rest stays, and a change that names nothing changes nothing.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionChange {
    #[schema(value_type = Option<String>)]
    mode: Option<RoomMode>,
    admission_rate_per_minute: Option<u32>,
    /// 1 to 10,000,000.
    active_max: Option<u32>,
    claim_window_seconds: Option<u32>,
    pass_ttl_seconds: Option<u32>,
    /// Calls no faster than allocator and settlement bear, and nobody for whom there is no place.
    adaptive: Option<bool>,
    /// RFC 3339.
    opens_at: Option<String>,
    #[serde(flatten)]
    options: OptionsChange,
}

/// Shows the settings of an event's room.
#[utoipa::path(get, path = "/api/admin/events/{eventId}/admission", tag = "operators",
    params(("eventId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = AdmissionBody, headers(("ETag" = String))),
        (status = 404, description = "EVENT_UNKNOWN")))]
pub async fn admission(
    State(app): State<Arc<App>>,
    _operator: Operator,
    Id(event): Id<EventId>,
) -> Answered {
    Ok(respond(&event, &current(&app, &event).await?))
}

/// Changes the settings of an event's room; in force everywhere within a second.
#[utoipa::path(patch, path = "/api/admin/events/{eventId}/admission", tag = "operators",
    params(("eventId" = String, Path), ("If-Match" = String, Header)),
    request_body = AdmissionChange, security(("bearer" = [])),
    responses((status = 200, body = AdmissionBody, headers(("ETag" = String))),
        (status = 412, description = "SETTINGS_CHANGED: read them again"),
        (status = 422, description = "REQUEST_INVALID, ADAPTIVE_UNSUPPORTED: it has no seats"),
        (status = 428, description = "IF_MATCH_REQUIRED")))]
pub async fn change_admission(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Extension(request): Extension<RequestId>,
    Id(event): Id<EventId>,
    headers: HeaderMap,
    body: Json<AdmissionChange>,
) -> Answered {
    let before = current(&app, &event).await?;
    check_match(&headers, before.revision)?;
    if body.value == AdmissionChange::default() {
        return Ok(respond(&event, &before));
    }
    let settings = body.value.apply(before.settings)?;
    let has_seats = app.catalog.find(&event).is_some_and(|known| known.listing.has_seats());
    if settings.adaptive && !has_seats {
        let title = "A room without seats has nothing to adapt to";
        let detail = "nobody tells the load of the site behind it: set admissionRatePerMinute";
        return Err(Problem::new(422, "ADAPTIVE_UNSUPPORTED", title, detail));
    }
    let object = format!("room {event}");
    let sent = without_key(&body.sent);
    record(&app, &caller, &request, "admission.change", &object, &sent).await?;
    let revision = store(&app, &event, &settings, before.revision).await?;
    let after = Versioned { settings, revision };
    // The own watch would bring it too; who changed it must not see the old value until then.
    app.rooms.note(event.clone(), after.clone());
    Ok(respond(&event, &after))
}

/// The settings from the bucket itself: another instance may have changed them a moment ago.
pub(super) async fn current(app: &App, event: &EventId) -> Result<Versioned, Problem> {
    let listed = app.catalog.find(event).ok_or_else(problems::event_unknown)?;
    let entry = app.rooms.bucket.entry(subject::room_settings(event));
    let entry = tokio::time::timeout(STORE_WAIT, entry).await.map_err(|_| unavailable())?;
    let entry = entry.map_err(|error| {
        tracing::warn!(%error, "room settings were not read");
        unavailable()
    })?;
    let Some(entry) = entry else { return Ok(app.rooms.settings(&listed.listing)) };
    // A deleted entry is one without a value.
    if entry.value.is_empty() {
        let settings = app.rooms.settings(&listed.listing).settings;
        return Ok(Versioned { settings, revision: entry.revision });
    }
    let settings = codec::decode(&entry.value).map_err(|error| {
        let error = chassis::telemetry::chain(&error);
        tracing::error!(%event, %error, "room settings that nobody can read");
        unavailable()
    })?;
    Ok(Versioned { settings, revision: entry.revision })
}

fn respond(event: &EventId, versioned: &Versioned) -> Response {
    let settings = &versioned.settings;
    let body = AdmissionBody {
        event_id: event.to_string(),
        mode: settings.mode,
        admission_rate_per_minute: settings.admission_rate_per_minute,
        active_max: settings.active_max,
        claim_window_seconds: settings.claim_window_seconds,
        pass_ttl_seconds: settings.pass_ttl_seconds,
        adaptive: settings.adaptive,
        opens_at: settings.opens_at.map(UnixMillis::to_rfc3339),
        options: OptionsBody::of(settings),
    };
    let mut response = json(StatusCode::OK, &body);
    let etag = HeaderValue::from_str(&etag(versioned.revision)).expect("digits in quotes");
    response.headers_mut().insert(ETAG, etag);
    response
}

fn etag(revision: u64) -> String {
    format!("\"{revision}\"")
}

fn check_match(headers: &HeaderMap, revision: u64) -> Result<(), Problem> {
    let Some(wanted) = headers.get(IF_MATCH).and_then(|value| value.to_str().ok()) else {
        let title = "A change needs If-Match";
        let detail = "read the settings first and send their ETag as If-Match";
        return Err(Problem::new(428, "IF_MATCH_REQUIRED", title, detail));
    };
    let current = etag(revision);
    if wanted.split(',').any(|one| one.trim() == "*" || one.trim() == current) {
        return Ok(());
    }
    Err(changed())
}

pub(super) fn changed() -> Problem {
    let title = "The settings have changed meanwhile";
    Problem::new(412, "SETTINGS_CHANGED", title, "read them again and decide anew")
}

pub(super) fn unavailable() -> Problem {
    problems::unavailable("SETTINGS_UNAVAILABLE", "the settings do not answer now; try again")
}

pub(super) async fn store(
    app: &App,
    event: &EventId,
    settings: &RoomSettings,
    revision: u64,
) -> Result<u64, Problem> {
    let (key, value) = (subject::room_settings(event), codec::encode(settings));
    let update = app.rooms.bucket.update(key, value.into(), revision);
    let updated = tokio::time::timeout(STORE_WAIT, update).await.map_err(|_| unavailable())?;
    updated.map_err(|error| {
        if error.kind() == UpdateErrorKind::WrongLastRevision {
            return changed();
        }
        tracing::warn!(%error, "room settings were not stored");
        unavailable()
    })
}

impl AdmissionChange {
    fn apply(self, mut settings: RoomSettings) -> Result<RoomSettings, Problem> {
        let options = self.options;
        let time = |text: &Option<String>, name| {
            text.as_deref().map(|text| time_of(text, name)).transpose()
        };
        let ours = time(&self.opens_at, "opensAt")?;
        let theirs = time(&options.event_start_time, "event_start_time")?;
        let opens_at = either(ours, theirs, "opensAt and event_start_time")?;
        settings.opens_at = opens_at.or(settings.opens_at);
        settings.mode = self.mode.unwrap_or(settings.mode);
        settings.adaptive = self.adaptive.unwrap_or(settings.adaptive);
        let names = "admissionRatePerMinute and new_users_per_minute";
        let rate = either(self.admission_rate_per_minute, options.new_users_per_minute, names)?;
        settings.admission_rate_per_minute = rate.unwrap_or(settings.admission_rate_per_minute);
        let names = "activeMax and total_active_users";
        let active_max = either(self.active_max, options.total_active_users, names)?;
        settings.active_max = active_max.unwrap_or(settings.active_max);
        let window = self.claim_window_seconds;
        settings.claim_window_seconds = window.unwrap_or(settings.claim_window_seconds);
        let names = "passTtlSeconds and session_duration";
        let pass_ttl = either(self.pass_ttl_seconds, options.pass_ttl_seconds(), names)?;
        settings.pass_ttl_seconds = pass_ttl.unwrap_or(settings.pass_ttl_seconds);
        options.apply(&mut settings.options)?;
        check(&settings)?;
        Ok(settings)
    }
}

/// Refuses settings beyond their bounds.
fn check(settings: &RoomSettings) -> Result<(), Problem> {
    if RATE_MAX < settings.admission_rate_per_minute {
        return Err(problems::invalid("admissionRatePerMinute is 0 to 1,000,000"));
    }
    // With none inside nobody is ever called: the mode `hold` says that in the open.
    if !(1..=ACTIVE_MAX).contains(&settings.active_max) {
        return Err(problems::invalid("activeMax is 1 to 10,000,000"));
    }
    let windows = [settings.claim_window_seconds, settings.pass_ttl_seconds];
    if windows.iter().any(|window| !WINDOW_S.contains(window)) {
        let detail = "claimWindowSeconds and passTtlSeconds are 5 to 3,600";
        return Err(problems::invalid(detail));
    }
    if settings.mode == RoomMode::PreQueue && settings.opens_at.is_none() {
        return Err(problems::invalid("a pre-queue needs opensAt"));
    }
    let begins_late = |opens_at| settings.options.prequeue_from.is_some_and(|at| opens_at <= at);
    if settings.opens_at.is_some_and(begins_late) {
        return Err(problems::invalid("prequeue_start_time is before opensAt"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{AdmissionChange, check_match};
    use http::HeaderMap;
    use schema::{RoomMode, RoomSettings};
    use serde_json::{Value, json};

    fn apply(change: Value) -> Result<RoomSettings, u16> {
        let change: AdmissionChange = serde_json::from_value(change).unwrap();
        change.apply(RoomSettings::default()).map_err(|problem| problem.status)
    }

    #[test]
    fn a_change_touches_only_what_it_names() {
        let changed = apply(json!({"mode": "hold", "admissionRatePerMinute": 60})).unwrap();
        let wanted = RoomSettings {
            mode: RoomMode::Hold,
            admission_rate_per_minute: 60,
            ..RoomSettings::default()
        };
        assert_eq!(changed, wanted);
        let adapts = apply(json!({"adaptive": true})).unwrap();
        assert_eq!(adapts, RoomSettings { adaptive: true, ..RoomSettings::default() });
        for beyond in [
            json!({"claimWindowSeconds": 4}),
            json!({"passTtlSeconds": 3_601}),
            json!({"activeMax": 10_000_001}),
            json!({"activeMax": 0}),
            json!({"mode": "pre-queue"}),
            json!({"opensAt": "soon"}),
        ] {
            assert_eq!(apply(beyond.clone()), Err(422), "{beyond}");
        }
    }

    #[test]
    fn only_who_has_read_the_latest_revision_may_change_it() {
        let check = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert("if-match", value.parse().unwrap());
            }
            check_match(&headers, 7).map_err(|problem| problem.status)
        };
        assert_eq!(check(None), Err(428));
        assert_eq!(check(Some("\"6\"")), Err(412));
        assert_eq!(check(Some("\"7\"")), Ok(()));
        assert_eq!(check(Some("\"6\", \"7\"")), Ok(()));
        assert_eq!(check(Some("*")), Ok(()));
    }
}
