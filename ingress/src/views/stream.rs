//! The seat map as a stream: a snapshot, then what each journal batch changed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chassis::{Problem, Shutdown};
use futures_util::{Stream, stream};
use http::HeaderMap;
use schema::{EventId, PlanIndex};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use utoipa::IntoParams;

use super::handlers::rendered;
use super::render::{self, SeatsForm};
use super::seats::{Delta, Snapshot, Start};
use crate::app::App;
use crate::asks::BARRIER_WAIT;
use crate::extract::{Id, Params};
use crate::metrics;
use crate::problems::{self, Answered};

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct StreamParams {
    /// Begin behind this version, as `Last-Event-ID` does: for a page that has just read the map.
    after: Option<u64>,
}

/// Streams the seat map: `snapshot` (the map's JSON), then `delta` events.
///
/// A delta is `{version, changes:[[seatId, status]], areas:[[areaId, free]]}`; the event id is the
/// version. A reader that comes back with `Last-Event-ID` gets what it has missed, or a new
/// snapshot after a longer absence. One that reads too slowly is disconnected.
#[utoipa::path(get, path = "/api/events/{eventId}/seats/stream", tag = "events",
    params(("eventId" = String, Path, example = "EVT002"), StreamParams),
    responses((status = 200, description = "Server-sent events",
            content_type = "text/event-stream"),
        (status = 404, description = "EVENT_UNKNOWN"),
        (status = 503, description = "STREAMS_FULL")))]
pub async fn stream(
    State(app): State<Arc<App>>,
    Id(event): Id<EventId>,
    Params(params): Params<StreamParams>,
    headers: HeaderMap,
) -> Answered {
    let listed = app.catalog.find(&event).ok_or_else(problems::event_unknown)?;
    let permit = Arc::clone(&app.streams).try_acquire_owned().map_err(|_| full())?;
    metrics::streams_open(app.open_streams());
    let shard = app.views.of_event(&event);
    shard.barrier.pass(BARRIER_WAIT).await.map_err(|_| problems::unconfirmed())?;
    let after = last_event_id(&headers).or(params.after);
    let (start, receiver) = shard.lock().events.entry(event).or_default().read(after);
    let first = match start {
        Start::Snapshot(snapshot) => vec![snapshot_event(&app, &listed, snapshot).await?],
        Start::Deltas(deltas) => deltas.iter().map(|delta| event_of(&listed.plan, delta)).collect(),
    };
    let reader = Reader {
        first: first.into(),
        receiver,
        plan: Arc::clone(&listed.plan),
        shutdown: app.shutdown.clone(),
        _permit: permit,
    };
    Ok(respond(reader.events()))
}

fn full() -> Problem {
    problems::unavailable("STREAMS_FULL", "too many readers; poll the map instead")
}

fn last_event_id(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.trim().parse().ok()
}

/// An answer of server-sent events that proxies do not gather.
pub fn respond(events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static) -> Response {
    let sse = Sse::new(events).keep_alive(KeepAlive::default());
    ([("x-accel-buffering", "no")], sse).into_response()
}

struct Reader {
    first: VecDeque<Event>,
    receiver: broadcast::Receiver<Arc<Delta>>,
    plan: Arc<PlanIndex>,
    shutdown: Shutdown,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut reader| async move {
            let event = reader.next().await?;
            Some((Ok(event), reader))
        })
    }

    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.first.pop_front() {
            return Some(event);
        }
        // Both branches are cancel-safe.
        let delta = tokio::select! {
            delta = self.receiver.recv() => delta,
            () = self.shutdown.closing() => return None,
        };
        match delta {
            Ok(delta) => Some(event_of(&self.plan, &delta)),
            // It comes back with the last version it saw, and gets a snapshot if that is too old.
            Err(broadcast::error::RecvError::Lagged(_)) => {
                metrics::reader_dropped();
                None
            }
            // The view is built again from the journal.
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

async fn snapshot_event(
    app: &App,
    listed: &crate::catalog::Listed,
    snapshot: Snapshot,
) -> Result<Event, Problem> {
    let map = rendered(app, listed, SeatsForm::Json, || snapshot).await?;
    let text = std::str::from_utf8(&map.body).expect("the JSON form was written as text");
    Ok(Event::default().event("snapshot").id(map.version.to_string()).data(text))
}

fn event_of(plan: &PlanIndex, delta: &Delta) -> Event {
    let data = render::delta(plan, delta);
    Event::default().event("delta").id(delta.version.to_string()).data(data)
}
