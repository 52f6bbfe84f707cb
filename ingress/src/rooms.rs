//! The waiting rooms as this stage sees them: their live settings, and the last word of their leaders.

mod passes;

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv;
use chassis::{Backoff, Health, HealthHandle, Nats, Pause, Shutdown};
use dashmap::DashMap;
use futures_util::StreamExt;
use schema::admission::RoomStatus;
use schema::{EventId, EventListing, RoomSettings, codec, subject};

pub use passes::Passes;

use crate::Error;

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
    /// Makes the bucket if it is missing and watches it for the life of the process.
    pub async fn start(nats: &Nats, health: &Health, shutdown: &Shutdown) -> Result<Self, Error> {
        let bucket = bucket(nats).await?;
        let rooms =
            Self { bucket, settings: Arc::new(DashMap::new()), statuses: Arc::new(DashMap::new()) };
        let (watcher, ready) = (rooms.clone(), health.register("room settings"));
        let (watch_nats, watch_shutdown) = (nats.clone(), shutdown.clone());
        chassis::tasks::spawn("ingress-rooms", async move {
            watcher.watch(&watch_nats, &ready, &watch_shutdown).await;
        });
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

    /// Watches from the first entry; after a lost connection the watch goes on, after a lost watch it begins again.
    async fn watch(&self, nats: &Nats, ready: &HealthHandle, shutdown: &Shutdown) {
        let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX, None);
        let mut connects = nats.connects.clone();
        loop {
            connects.mark_unchanged();
            // All branches are cancel-safe: a watch that is dropped begins again with every entry's last value.
            tokio::select! {
                () = self.watch_once(ready) => {}
                // A server that came back may have forgotten the watch's consumer, and only a new one hears.
                changed = connects.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                () = shutdown.begun() => return,
            }
            if backoff.pause(shutdown).await != Pause::Elapsed {
                return;
            }
        }
    }

    async fn watch_once(&self, ready: &HealthHandle) {
        let watch = match self.bucket.watch_with_history(">").await {
            Ok(watch) => watch,
            Err(error) => return tracing::debug!(%error, "waiting for the room settings"),
        };
        let mut watch = watch;
        // An empty bucket sends nothing: what is not set has its default.
        if self.bucket.status().await.is_ok_and(|status| status.values() == 0) {
            ready.set_ready();
        }
        while let Some(entry) = watch.next().await {
            match entry {
                Ok(entry) => {
                    self.read(&entry);
                    if entry.delta == 0 {
                        ready.set_ready();
                    }
                }
                Err(error) => return tracing::warn!(%error, "the watch of room settings ended"),
            }
        }
    }

    fn read(&self, entry: &kv::Entry) {
        let Some(event) = event_of(&entry.key) else { return };
        if entry.operation != kv::Operation::Put {
            self.settings.remove(&event);
            return;
        }
        match codec::decode::<RoomSettings>(&entry.value) {
            Ok(settings) => self.note(event, Versioned { settings, revision: entry.revision }),
            Err(error) => tracing::error!(%event, %error, "room settings that nobody can read"),
        }
    }
}

/// The event whose settings a key holds.
fn event_of(key: &str) -> Option<EventId> {
    let event: EventId = key.rsplit('.').next()?.parse().ok()?;
    (subject::room_settings(&event) == key).then_some(event)
}

async fn bucket(nats: &Nats) -> Result<kv::Store, Error> {
    // Another stage may have made it: its settings stand.
    if let Ok(bucket) = nats.jetstream.get_key_value(subject::SETTINGS).await {
        return Ok(bucket);
    }
    let config = kv::Config {
        bucket: subject::SETTINGS.to_owned(),
        history: 1,
        storage: async_nats::jetstream::stream::StorageType::File,
        num_replicas: nats.replicas,
        ..kv::Config::default()
    };
    let made = nats.jetstream.create_key_value(config).await;
    made.map_err(|source| Error::Bucket {
        bucket: subject::SETTINGS,
        source: chassis::Cause::of(&source),
    })
}
