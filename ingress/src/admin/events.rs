//! Events into the catalogue.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::message::PublishMessage;
use axum::Extension;
use axum::extract::State;
use bytes::Bytes;
use chassis::Problem;
use chassis::idempotency::Deed;
use http::{HeaderMap, StatusCode};
use schema::{EventId, EventListing, SeatingPlan, UnixMillis, codec, subject};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::audit::record;
use super::event_body::EventInput;
use super::terms_body::TermsInput;
use crate::accounts::{Caller, Operator, Role, by_id};
use crate::app::App;
use crate::catalog::{EventBody, Listed};
use crate::extract::{Id, Json, json};
use crate::keyed::{self, Begun, Turn};
use crate::layers::RequestId;
use crate::problems::{self, Answered};

const CREATE: &str = "POST /api/admin/events";
const IMPORT: &str = "POST /api/admin/events/import";

/// Most events in one import.
const IMPORT_EVENTS_MAX: usize = 10_000;

/// How long one message may take to be stored, and the own catalogue to have it.
const STORE_WAIT: Duration = Duration::from_secs(3);

#[derive(Debug, Deserialize, ToSchema)]
pub struct ImportInput {
    /// 1 to 10,000.
    events: Vec<EventInput>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportBody {
    imported: usize,
    event_ids: Vec<String>,
}

/// Creates an event.
#[utoipa::path(post, path = "/api/admin/events", tag = "operators", request_body = EventInput,
    security(("bearer" = [])), params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = EventBody), (status = 409, description = "EVENT_EXISTS"),
        (status = 422, description = "REQUEST_INVALID, CHANNELS_TOO_MANY, CHANNEL_OVERLAP, \
            CHANNEL_CODE_TWICE, CHANNEL_AREA_UNSUPPORTED, SEAT_UNKNOWN")))]
pub async fn create_event(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Extension(request): Extension<RequestId>,
    headers: HeaderMap,
    body: Json<EventInput>,
) -> Answered {
    let (path, asker) = ("/api/admin/events", keyed::caller(caller.account));
    let deed = Deed { route: CREATE, path, caller: &asker, body: &body.sent };
    match keyed::begin(&app, &headers, &deed).await? {
        Begun::Over(kept) => Ok(keyed::again(kept)),
        Begun::Turn(turn) => {
            let created = create(&app, &turn, (&caller, &request), body).await;
            turn.end(created).await
        }
    }
}

async fn create(
    app: &App,
    turn: &Turn,
    (caller, request): (&Caller, &RequestId),
    body: Json<EventInput>,
) -> Answered {
    let known = body.value.event_id.parse().ok().and_then(|event| app.catalog.find(&event));
    let (listing, plan) = listed(app, body.value, None, turn.began_at).await?;
    // An attempt that ended between the catalogue and its answer left just this listing.
    let is_done = |known: &Listed| turn.is_repeat && *known.listing == listing;
    if known.is_some_and(|known| !is_done(&known)) {
        let title = "The event exists";
        return Err(Problem::new(409, "EVENT_EXISTS", title, "change it with PUT"));
    }
    let object = format!("event {}", listing.event);
    record(app, caller, request, "event.create", &object, &without_codes(&body.sent)).await?;
    store(app, &listing, plan).await?;
    Ok(json(StatusCode::CREATED, &show(app, &listing)))
}

/// Replaces an event's listing, or creates it. The plan of an event cannot change; its channels
/// may, also while it is on sale. Whoever holds seats keeps them.
#[utoipa::path(put, path = "/api/admin/events/{eventId}", tag = "operators",
    params(("eventId" = String, Path)), request_body = EventInput, security(("bearer" = [])),
    responses((status = 200, body = EventBody), (status = 201, body = EventBody),
        (status = 409, description = "PLAN_FIXED"),
        (status = 422, description = "REQUEST_INVALID, CHANNELS_TOO_MANY, CHANNEL_OVERLAP, \
            CHANNEL_CODE_TWICE, CHANNEL_AREA_UNSUPPORTED, SEAT_UNKNOWN")))]
pub async fn replace_event(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Extension(request): Extension<RequestId>,
    Id(event): Id<EventId>,
    body: Json<EventInput>,
) -> Answered {
    catch_up(&app).await?;
    let known = app.catalog.find(&event);
    let before = known.as_ref().map(|known| &*known.listing);
    let (listing, plan) = listed(&app, body.value, before, chassis::clock::now()).await?;
    if listing.event != event {
        return Err(problems::invalid("eventId in the body is another one than in the path"));
    }
    check_plan(&app, &listing)?;
    let object = format!("event {event}");
    record(&app, &caller, &request, "event.replace", &object, &without_codes(&body.sent)).await?;
    store(&app, &listing, plan).await?;
    let status = if known.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(json(status, &show(&app, &listing)))
}

/// Creates or replaces many events. All are checked before the first is stored.
#[utoipa::path(post, path = "/api/admin/events/import", tag = "operators",
    request_body = ImportInput, security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = ImportBody), (status = 409, description = "PLAN_FIXED"),
        (status = 422, description = "REQUEST_INVALID: the detail names the event")))]
pub async fn import_events(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Extension(request): Extension<RequestId>,
    headers: HeaderMap,
    body: Json<ImportInput>,
) -> Answered {
    let (path, asker) = ("/api/admin/events/import", keyed::caller(caller.account));
    let deed = Deed { route: IMPORT, path, caller: &asker, body: &body.sent };
    match keyed::begin(&app, &headers, &deed).await? {
        Begun::Over(kept) => Ok(keyed::again(kept)),
        Begun::Turn(turn) => {
            let imported = import(&app, &turn, (&caller, &request), body.value.events).await;
            turn.end(imported).await
        }
    }
}

/// A repetition stores the same once more: what is imported replaces what is there.
async fn import(
    app: &App,
    turn: &Turn,
    (caller, request): (&Caller, &RequestId),
    events: Vec<EventInput>,
) -> Answered {
    if !(1..=IMPORT_EVENTS_MAX).contains(&events.len()) {
        return Err(problems::invalid("an import has 1 to 10,000 events"));
    }
    catch_up(app).await?;
    let mut checked = Vec::with_capacity(events.len());
    for event in events {
        let name = event.event_id.chars().take(24).collect::<String>();
        let known = event.event_id.parse().ok().and_then(|event| app.catalog.find(&event));
        let known = known.as_ref().map(|known| &*known.listing);
        let (listing, plan) = listed(app, event, known, turn.began_at)
            .await
            .map_err(|problem| named(&name, problem))?;
        check_plan(app, &listing).map_err(|problem| named(&name, problem))?;
        checked.push((listing, plan));
    }
    let event_ids: Vec<String> = checked.iter().map(|(event, _)| event.event.to_string()).collect();
    let detail = json!({"events": event_ids.len(), "eventIds": event_ids});
    record(app, caller, request, "event.import", "catalogue", &detail).await?;
    for (listing, plan) in checked {
        store(app, &listing, plan).await?;
    }
    Ok(json(StatusCode::OK, &ImportBody { imported: event_ids.len(), event_ids }))
}

/// Listing and plan of an event that was sent, whose promoter is a partner; what it does not say
/// stays as it is `known`.
async fn listed(
    app: &App,
    input: EventInput,
    known: Option<&EventListing>,
    now: UnixMillis,
) -> Result<(EventListing, SeatingPlan), Problem> {
    let promoter = input.terms.as_ref().map(TermsInput::promoter).transpose()?.flatten();
    if let Some(promoter) = promoter {
        let account = by_id(&app.postgres, promoter).await?;
        if !account.is_some_and(|account| account.roles.has(Role::Partner)) {
            return Err(problems::invalid("promoterId is no account of a partner"));
        }
    }
    input.check(now, known)
}

/// What the audit log keeps of an event that was sent.
fn without_codes(sent: &Value) -> Value {
    let mut told = sent.clone();
    let channels = told.get_mut("channels").and_then(Value::as_array_mut);
    for channel in channels.into_iter().flatten().filter_map(Value::as_object_mut) {
        channel.remove("code");
    }
    told
}

fn named(event: &str, problem: Problem) -> Problem {
    Problem { detail: format!("event {event:?}: {}", problem.detail), ..problem }
}

/// Holds and tickets name seats by their position in the plan: it stays the same for the event's
/// life.
fn check_plan(app: &App, listing: &EventListing) -> Result<(), Problem> {
    match app.catalog.find(&listing.event) {
        Some(known) if known.listing.plan != listing.plan => {
            let title = "The plan of an event cannot change";
            Err(Problem::new(409, "PLAN_FIXED", title, "create another event"))
        }
        _ => Ok(()),
    }
}

fn show(app: &App, listing: &EventListing) -> EventBody {
    let free = app.views.free(&listing.event);
    EventBody::new(listing, free, app.rooms.needs_pass(listing), chassis::clock::now())
}

/// Waits until the own catalogue has what is stored by now: what a request leaves out stays as it
/// is, whichever gateway has stored it.
async fn catch_up(app: &App) -> Result<(), Problem> {
    let newest = chassis::last_sequence(&app.nats, subject::CATALOG);
    match tokio::time::timeout(STORE_WAIT, newest).await {
        Ok(Ok(sequence)) if app.catalog.reached(sequence, STORE_WAIT).await => Ok(()),
        _ => Err(unavailable()),
    }
}

/// Stores plan, then listing, and waits until the own catalogue has them.
async fn store(app: &App, listing: &EventListing, plan: SeatingPlan) -> Result<(), Problem> {
    if !app.catalog.has_plan(&plan.id) {
        publish(app, subject::catalog_plan(&plan.id), codec::encode(&plan)).await?;
    }
    store_listing(app, subject::catalog_event(&listing.event), codec::encode(listing)).await
}

/// Stores a listing, and waits until the own catalogue has it.
pub(super) async fn store_listing(
    app: &App,
    subject: String,
    listing: Vec<u8>,
) -> Result<(), Problem> {
    let sequence = publish(app, subject, listing).await?;
    if app.catalog.reached(sequence, STORE_WAIT).await {
        return Ok(());
    }
    Err(unavailable())
}

async fn publish(app: &App, subject: String, bytes: Vec<u8>) -> Result<u64, Problem> {
    let message = PublishMessage::build().payload(Bytes::from(bytes));
    let stored = async {
        let ack = app.nats.jetstream.send_publish(subject, message).await?;
        ack.await
    };
    match tokio::time::timeout(STORE_WAIT, stored).await {
        Ok(Ok(ack)) => Ok(ack.sequence),
        Ok(Err(error)) => {
            tracing::warn!(error = %chassis::telemetry::chain(&error), "an event was not stored");
            Err(unavailable())
        }
        Err(_) => Err(unavailable()),
    }
}

fn unavailable() -> Problem {
    let detail = "the catalogue does not answer now; the same request may be sent again";
    problems::unavailable("CATALOGUE_UNAVAILABLE", detail)
}
