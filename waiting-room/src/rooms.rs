//! Which events have a room, and the tasks that keep each.

use crate::boot::BootClock;
use crate::config::{Config, Deps, JOINS_WAITING_MAX};
use crate::follow;
use crate::joiner;
use crate::leader;
use crate::loads::Loads;
use crate::pulse;
use crate::room::{Around, Room, lock};
use crate::seal::Sealer;
use crate::seats::Seats;
use crate::secret::Secrets;
use crate::store::Store;
use chassis::{Follower, StartAt, stream_config, tasks, telemetry};
use dashmap::DashMap;
use schema::admission::{Beacons, Witnesses};
use schema::{EventId, EventListing, RoomMode, RoomSettings, ShardId, codec, stream, subject};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// Every event of the catalogue, with its room if it has one.
pub(crate) struct Rooms {
    /// Names this list in the process.
    pub id: u64,
    deps: Deps,
    config: Config,
    clock: BootClock,
    events: DashMap<EventId, Known>,
    settings: DashMap<EventId, RoomSettings>,
    beacons: DashMap<EventId, Beacons>,
    witnesses: DashMap<EventId, Witnesses>,
    /// How far the journal of each shard has been read.
    journals: DashMap<ShardId, Arc<AtomicU64>>,
    sealer: Arc<Sealer>,
    secrets: Arc<Secrets>,
    pub loads: Arc<Loads>,
}

/// The seats of an event, and its room if it has one.
pub(crate) struct Sale {
    pub seats: Arc<Mutex<Seats>>,
    pub room: Option<Arc<Room>>,
}

struct Known {
    listing: EventListing,
    room: Option<Arc<Room>>,
    /// Kept without a room too: one may be opened in mid-sale.
    seats: Arc<Mutex<Seats>>,
}

impl Rooms {
    pub(crate) fn new(deps: Deps, config: Config, sealer: Arc<Sealer>, secrets: Secrets) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        Self {
            // Relaxed: only that no two are the same matters.
            id: COUNT.fetch_add(1, Ordering::Relaxed),
            deps,
            config,
            clock: BootClock::new(),
            events: DashMap::new(),
            settings: DashMap::new(),
            beacons: DashMap::new(),
            witnesses: DashMap::new(),
            journals: DashMap::new(),
            sealer,
            secrets: Arc::new(secrets),
            loads: Arc::default(),
        }
    }

    pub(crate) fn find(&self, event: &EventId) -> Option<Arc<Room>> {
        self.events.get(event)?.room.clone()
    }

    /// Whom an event's journal concerns; `None` if it is not in the catalogue.
    pub(crate) fn sale(&self, event: &EventId) -> Option<Sale> {
        let known = self.events.get(event)?;
        Some(Sale { seats: Arc::clone(&known.seats), room: known.room.clone() })
    }

    /// Waits, for so long at most, until what the streams of rooms without seats held when this
    /// process came has been read. Cancel-safe.
    pub(crate) async fn begun(&self, patience: Duration) {
        let rooms = self.events.iter().filter(|known| !known.listing.has_seats());
        let rooms: Vec<Arc<Room>> = rooms.filter_map(|known| known.room.clone()).collect();
        let all = async {
            for room in rooms {
                // The sender lives in the room.
                room.begun.subscribe().wait_for(|&begun| begun).await.map(drop).unwrap_or_default();
            }
        };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!("a room's stream is still being read: its gate does not answer yet");
        }
    }

    /// Forgets what was journaled of the events of a shard.
    pub(crate) fn reset_seats(&self, shard: ShardId) {
        let shards = self.deps.shards;
        let all = self.events.iter().filter(|entry| shards.of(entry.key()) == shard);
        all.for_each(|entry| lock(&entry.seats).reset());
    }

    /// How far the journal of a shard has been read: a sequence of its stream.
    pub(crate) fn journal_read_to(&self, shard: ShardId) -> Arc<AtomicU64> {
        Arc::clone(&self.journals.entry(shard).or_default())
    }

    pub(crate) fn knows(&self, event: &EventId) -> bool {
        self.events.contains_key(event)
    }

    /// Whether the event is known, and has seats.
    pub(crate) fn sells_seats(&self, event: &EventId) -> bool {
        self.events.get(event).is_some_and(|known| known.listing.has_seats())
    }

    /// Whether the event has no room now, for certain: settings and catalogue are read before
    /// anybody is answered.
    pub(crate) fn is_off(&self, event: &EventId) -> bool {
        let Some(known) = self.events.get(event) else { return false };
        let set = self.settings.get(event).map(|settings| settings.mode);
        !set.unwrap_or_else(|| default_settings(&known.listing).mode).is_on()
    }

    /// Takes the catalogue's entry of an event, and opens its room if it has one.
    pub(crate) fn list(&self, listing: EventListing) {
        let event = listing.event.clone();
        let mut known = self.events.entry(event.clone()).or_insert_with(|| Known {
            listing: listing.clone(),
            room: None,
            seats: Arc::default(),
        });
        lock(&known.seats).list(listing.places_total);
        known.listing = listing.clone();
        let room = known.room.clone();
        drop(known);
        if let Some(room) = room {
            room.list(listing);
        }
        self.apply_settings(&event);
    }

    /// Takes an event's settings; `None` for those that were deleted.
    pub(crate) fn set(&self, event: &EventId, settings: Option<RoomSettings>) {
        match settings {
            Some(settings) => drop(self.settings.insert(event.clone(), settings)),
            None => drop(self.settings.remove(event)),
        }
        self.apply_settings(event);
    }

    /// Takes what an event's draws take from outside; `None` for nothing.
    pub(crate) fn set_beacons(&self, event: &EventId, beacons: Option<Beacons>) {
        let beacons = beacons.unwrap_or_default();
        self.beacons.insert(event.clone(), beacons.clone());
        if let Some(room) = self.find(event) {
            room.outside.set_beacons(beacons);
        }
    }

    /// Takes whose secrets go into an event's draws, and what they have revealed.
    pub(crate) fn set_witnesses(&self, event: &EventId, witnesses: Option<Witnesses>) {
        let witnesses = witnesses.unwrap_or_default();
        self.witnesses.insert(event.clone(), witnesses.clone());
        if let Some(room) = self.find(event) {
            room.outside.set_witnesses(witnesses);
        }
    }

    /// Gives an event's room the settings in force, and opens that of an event that was set up with
    /// one, or that an operator switched on.
    ///
    /// Whoever has changed one of the two that they follow from comes here, one after the other,
    /// and reads both.
    fn apply_settings(&self, event: &EventId) {
        let Some(mut known) = self.events.get_mut(event) else { return };
        let set = self.settings.get(event).map(|settings| settings.clone());
        let settings = set.unwrap_or_else(|| default_settings(&known.listing));
        if let Some(room) = &known.room {
            room.set(settings);
            return;
        }
        if !(known.listing.waiting_room || settings.mode.is_on()) {
            return;
        }
        let seats = Arc::clone(&known.seats);
        known.room = Some(self.open(known.listing.clone(), settings, seats));
    }

    fn open(
        &self,
        listing: EventListing,
        settings: RoomSettings,
        seats: Arc<Mutex<Seats>>,
    ) -> Arc<Room> {
        let (joins, asks) = mpsc::channel(JOINS_WAITING_MAX);
        let store = Store::new(self.deps.redis.clone(), &listing.event);
        let shard = self.deps.shards.of(&listing.event);
        let around = Around {
            sealer: Arc::clone(&self.sealer),
            secrets: Arc::clone(&self.secrets),
            shard,
            sales_read_to: self.journal_read_to(shard),
            seats,
            loads: Arc::clone(&self.loads),
            polls_per_second_max: self.config.polls_per_second_max,
        };
        let room = Arc::new(Room::new(listing, settings, store, joins, around));
        let beacons = self.beacons.get(&room.event).map(|beacons| beacons.clone());
        room.outside.set_beacons(beacons.unwrap_or_default());
        let witnesses = self.witnesses.get(&room.event).map(|witnesses| witnesses.clone());
        room.outside.set_witnesses(witnesses.unwrap_or_default());
        let (deps, tick, clock) = (self.deps.clone(), self.config.tick(), self.clock.clone());
        let opened = Arc::clone(&room);
        tasks::spawn("room", async move {
            let stop = deps.shutdown.clone();
            let spec = stream_config(&stream::admission(&opened.event), deps.nats.replicas);
            if !leader::prepare(&deps.nats, &spec, &stop).await {
                return;
            }
            let nats = deps.nats.clone();
            let (room, stop_room) = (Arc::clone(&opened), stop.clone());
            tasks::spawn(
                "room-records",
                follow::records(room, nats.clone(), clock.clone(), stop_room),
            );
            let beginning = follow::begin(Arc::clone(&opened), nats.clone(), stop.clone());
            tasks::spawn("room-begins", beginning);
            let joining = joiner::run(Arc::clone(&opened), nats.clone(), asks, stop.clone());
            tasks::spawn("room-joins", joining);
            tasks::spawn("room-pulse", pulse::run(Arc::clone(&opened), nats, stop));
            leader::run(opened, deps, tick, clock).await;
        });
        room
    }

    /// Follows the catalogue for the life of the process; says in `read_to` how far it has come.
    pub(crate) async fn follow_catalog(self: Arc<Self>, read_to: tokio::sync::watch::Sender<u64>) {
        let (nats, shutdown) = (self.deps.nats.clone(), self.deps.shutdown.clone());
        let (stream, events) = (subject::CATALOG, subject::CATALOG_EVENTS);
        let mut follower = Follower::start(nats, stream, events, StartAt::First);
        while let Some(message) = follow::next(&mut follower, &shutdown).await {
            match codec::decode::<EventListing>(&message.payload) {
                Ok(listing) => self.list(listing),
                Err(error) => {
                    let error = telemetry::chain(&error);
                    tracing::error!(subject = message.subject, %error, "listing skipped");
                }
            }
            read_to.send_replace(message.sequence);
        }
    }
}

/// The settings of an event for which none were set.
fn default_settings(listing: &EventListing) -> RoomSettings {
    let mut settings = RoomSettings::default();
    if !listing.waiting_room {
        settings.mode = RoomMode::Off;
    }
    settings
}
