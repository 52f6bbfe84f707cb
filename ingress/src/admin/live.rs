//! One event as it goes: a line a second.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::Event;
use futures_util::{Stream, stream};
use schema::EventId;
use schema::admission::LimitedBy;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Interval, MissedTickBehavior};
use utoipa::ToSchema;

use super::called::Called;
use crate::accounts::Operator;
use crate::app::App;
use crate::extract::Id;
use crate::problems::{self, Answered};
use crate::{metrics, views};

const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LiveBody {
    at: String,
    free: u32,
    held: u32,
    paying: u32,
    sold: u32,
    blocked: u32,
    /// Of the room; absent while it has said nothing, or its record is not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<LiveRoomBody>,
    lags: LagsBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LiveRoomBody {
    /// People who wait.
    queued: u64,
    /// People called since the room is there.
    called: u64,
    /// People inside.
    active: u32,
    /// Called in the last minute.
    admitted_per_minute: u32,
    /// The operator's rate, or what is borne of it where the room adapts.
    allowed_per_minute: u32,
    #[schema(value_type = String)]
    limited_by: LimitedBy,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LagsBody {
    /// The journal position that these figures show.
    view_sequence: u64,
    /// How old the room's word is.
    #[serde(skip_serializing_if = "Option::is_none")]
    room_ms: Option<u64>,
}

struct Reader {
    app: Arc<App>,
    event: EventId,
    total: u32,
    ticks: Interval,
    called: Called,
    _permit: OwnedSemaphorePermit,
}

/// Streams the figures of one event once a second.
#[utoipa::path(get, path = "/api/admin/events/{eventId}/live", tag = "operators",
    params(("eventId" = String, Path)), security(("bearer" = [])),
    responses((status = 200, body = LiveBody, content_type = "text/event-stream"),
        (status = 404, description = "EVENT_UNKNOWN")))]
pub async fn live(
    State(app): State<Arc<App>>,
    _operator: Operator,
    Id(event): Id<EventId>,
) -> Answered {
    let listed = app.catalog.find(&event).ok_or_else(problems::event_unknown)?;
    let permit = Arc::clone(&app.streams).try_acquire_owned();
    let permit =
        permit.map_err(|_| problems::unavailable("STREAMS_FULL", "too many readers; try later"))?;
    metrics::streams_open(app.open_streams());
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let total = listed.listing.places_total;
    let called = Called::new(app.nats.clone(), event.clone());
    let reader = Reader { app, event, total, ticks, called, _permit: permit };
    Ok(views::respond(reader.events()))
}

impl Reader {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut reader| async move {
            // All branches are cancel-safe.
            tokio::select! {
                _ = reader.ticks.tick() => {}
                () = reader.called.read_on() => {}
                () = reader.app.shutdown.closing() => return None,
            }
            if reader.app.rooms.status(&reader.event).is_some() {
                reader.called.begin().await;
            }
            let data = serde_json::to_string(&reader.look()).expect("numbers and text are JSON");
            Some((Ok(Event::default().event("live").data(data)), reader))
        })
    }

    fn look(&self) -> LiveBody {
        let now = chassis::clock::now();
        let shard = self.app.views.of_event(&self.event);
        let view_sequence = *shard.position.borrow();
        let (free, counts) = {
            let view = shard.lock();
            let seats = view.events.get(&self.event);
            let free = seats.and_then(|seats| seats.free).unwrap_or(self.total);
            (free, seats.map(|seats| seats.counts).unwrap_or_default())
        };
        let status = self.app.rooms.status(&self.event);
        let room_ms = status.as_ref().map(|status| now.since(status.at).0);
        let room = status.zip(self.called.count()).map(|(status, called)| LiveRoomBody {
            queued: status.live_ahead,
            called,
            active: status.active,
            admitted_per_minute: status.called_last_minute,
            allowed_per_minute: status.rate_per_minute,
            limited_by: status.limited_by,
        });
        LiveBody {
            at: now.to_rfc3339(),
            free,
            held: counts.held,
            paying: counts.paying,
            sold: counts.sold,
            blocked: counts.blocked,
            room,
            lags: LagsBody { view_sequence, room_ms },
        }
    }
}
