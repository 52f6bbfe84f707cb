//! The waiting rooms as this stage sees them: their live settings, and the last word of their
//! leaders.

mod passes;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv;
use chassis::{Backoff, Followed, Follower, Health, HealthHandle, Nats, Pause, Shutdown, StartAt};
use dashmap::DashMap;
use futures_util::StreamExt;
use schema::admission::RoomStatus;
use schema::{EventId, EventListing, RoomSettings, codec, subject};

pub use passes::Passes;

use crate::Error;

/// The component of readiness that says whether the settings are read.
pub const ROOM_SETTINGS: &str = "room settings";

/// Settings with the revision that names them in `If-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    pub settings: RoomSettings,
    pub revision: u64,
}

/// Rooms by event; bounded by the catalogue.
#[derive(Debug, Clone)]
pub struct Rooms {
    pub bucket: kv::Store,
    settings: Arc<DashMap<EventId, Versioned>>,
    statuses: Arc<DashMap<EventId, RoomStatus>>,
}

const AGAIN_FIRST: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(2);

impl Rooms {
    /// Makes the bucket if it is missing and follows it for the life of the process.
    pub async fn start(nats: &Nats, health: &Health, shutdown: &Shutdown) -> Result<Self, Error> {
        let bucket = nats.ensure_bucket(subject::SETTINGS).await?;
        let rooms =
            Self { bucket, settings: Arc::new(DashMap::new()), statuses: Arc::new(DashMap::new()) };
        let ready = health.register(ROOM_SETTINGS);
        let following = rooms.clone().follow(nats.clone(), ready, shutdown.clone());
        chassis::tasks::spawn("ingress-rooms", following);
        let statuses = nats.client.subscribe(subject::ROOM_STATUS_ALL).await;
        let mut statuses = statuses.map_err(|source| Error::Subscribe {
            subject: subject::ROOM_STATUS_ALL.to_owned(),
            source: chassis::Cause::of(&source),
        })?;
        let (listener, shutdown) = (rooms.clone(), shutdown.clone());
        chassis::tasks::spawn("ingress-room-status", async move {
            loop {
                // Both branches are cancel-safe.
                let message = tokio::select! {
                    message = statuses.next() => message,
                    () = shutdown.begun() => return,
                };
                let Some(message) = message else { return };
                listener.hear(&message.payload);
            }
        });
        Ok(rooms)
    }

    /// Whether reserve needs a pass for this event now.
    pub fn needs_pass(&self, listing: &EventListing) -> bool {
        self.settings(listing).settings.mode.is_on()
    }

    /// The settings in force: those that were set, else the defaults of an event with a room.
    pub fn settings(&self, listing: &EventListing) -> Versioned {
        if let Some(set) = self.settings.get(&listing.event) {
            return set.clone();
        }
        let mut settings = RoomSettings::default();
        if !listing.waiting_room {
            settings.mode = schema::RoomMode::Off;
        }
        Versioned { settings, revision: 0 }
    }

    pub fn status(&self, event: &EventId) -> Option<RoomStatus> {
        self.statuses.get(event).map(|status| status.clone())
    }

    /// Takes note of settings; older revisions change nothing.
    pub fn note(&self, event: EventId, versioned: Versioned) {
        let mut known = self.settings.entry(event).or_insert_with(|| versioned.clone());
        if known.revision < versioned.revision {
            *known = versioned;
        }
    }

    fn hear(&self, payload: &[u8]) {
        match codec::decode::<RoomStatus>(payload) {
            Ok(status) => drop(self.statuses.insert(status.event.clone(), status)),
            Err(error) => tracing::error!(%error, "a room's status that nobody can read"),
        }
    }

    /// Follows every setting: a bucket is a stream, and a follower survives what a watch of it does
    /// not.
    async fn follow(self, nats: Nats, ready: HealthHandle, shutdown: Shutdown) {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX, None);
        loop {
            // Both branches may be dropped at any await: each message is applied whole.
            let error = tokio::select! {
                error = self.follow_once(&nats, &ready) => error,
                () = shutdown.begun() => return,
            };
            let chain = chassis::telemetry::chain(&error);
            tracing::error!(error = %chain, "the room settings are read again");
            if backoff.pause(&shutdown).await != Pause::Elapsed {
                return;
            }
        }
    }

    async fn follow_once(&self, nats: &Nats, ready: &HealthHandle) -> chassis::Error {
        let stream = format!("KV_{}", subject::SETTINGS);
        let target = match chassis::last_sequence(nats, &stream).await {
            Ok(target) => target,
            Err(error) => return error,
        };
        let prefix = format!("$KV.{}.", subject::SETTINGS);
        let all = format!("{prefix}>");
        let mut follower = Follower::start(nats.clone(), &stream, &all, StartAt::First);
        if target == 0 {
            ready.set_ready();
        }
        loop {
            let message = match follower.next().await {
                Ok(message) => message,
                Err(error) => return error,
            };
            self.read(message.subject.strip_prefix(&prefix).unwrap_or_default(), &message);
            if target <= message.sequence {
                ready.set_ready();
            }
        }
    }

    fn read(&self, key: &str, message: &Followed) {
        let Some(event) = event_of(key) else { return };
        // A deletion is an empty message.
        if message.payload.is_empty() {
            self.settings.remove(&event);
            return;
        }
        match codec::decode(&message.payload) {
            Ok(settings) => {
                let revision = message.sequence;
                self.note(event, Versioned { settings, revision });
            }
            Err(error) => {
                let error = chassis::telemetry::chain(&error);
                tracing::error!(%event, %error, "room settings that nobody can read");
            }
        }
    }
}

/// The event whose settings a key holds.
fn event_of(key: &str) -> Option<EventId> {
    let event: EventId = key.rsplit('.').next()?.parse().ok()?;
    (subject::room_settings(&event) == key).then_some(event)
}

#[cfg(test)]
mod tests {
    use super::event_of;
    use schema::subject;

    #[test]
    fn of_all_settings_only_a_rooms_are_an_events() {
        let event = "EVT001".parse().unwrap();
        assert_eq!(event_of(&subject::room_settings(&event)), Some(event.clone()));
        assert_eq!(event_of(&subject::draw_settings(&event)), None);
        assert_eq!(event_of(subject::SHARDS), None);
    }
}
