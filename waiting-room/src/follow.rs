//! What an instance follows: a room's stream, the journals, the leaders' ticks, the settings.

use crate::boot::BootClock;
use crate::config::{AGAIN_FIRST, AGAIN_MAX};
use crate::room::Room;
use crate::rooms::Rooms;
use chassis::{Backoff, Followed, Follower, Nats, Pause, Shutdown, StartAt, telemetry};
use futures_util::StreamExt;
use schema::admission::{AdmissionRecord, Beacons, PassGivenBack, RoomStatus, Witnesses};
use schema::{EventId, RoomSettings, codec, cohort, subject};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::watch;

/// Takes the room's records into its ledger, in order.
pub(crate) async fn records(room: Arc<Room>, nats: Nats, clock: BootClock, shutdown: Shutdown) {
    let (stream, all) =
        (subject::admission_stream(&room.event), subject::admission_all(&room.event));
    let (data, cohort) = (subject::admission(&room.event), subject::admission_cohort(&room.event));
    let given_back = subject::admission_given_back(&room.event);
    let mut follower = Follower::start(nats, &stream, &all, StartAt::First);
    loop {
        let Some(message) = next(&mut follower, &shutdown).await else { return };
        let taken = if message.subject == data {
            take_record(&room, &message, &clock)
        } else if message.subject == cohort {
            take_entries(&room, &message)
        } else if message.subject == given_back {
            take_given_back(&room, &message)
        } else {
            Ok(())
        };
        if let Err(error) = taken {
            // Going on without a record would be a line that nobody decided.
            shutdown.begin(format!("a record of room {} is unreadable: {error}", room.event));
            return;
        }
        room.read_to.send_replace(message.sequence);
    }
}

fn take_record(room: &Room, message: &Followed, clock: &BootClock) -> Result<(), String> {
    let record = codec::decode::<AdmissionRecord>(&message.payload);
    let record = record.map_err(|error| telemetry::chain(&error).to_string())?;
    room.apply(record, clock.now());
    Ok(())
}

fn take_entries(room: &Room, message: &Followed) -> Result<(), String> {
    let entries = cohort::decode(&message.payload).map_err(|error| error.to_string())?;
    let mark = room.ledger().mark;
    room.cohorts.enter(&entries, mark);
    Ok(())
}

fn take_given_back(room: &Room, message: &Followed) -> Result<(), String> {
    let record = codec::decode::<PassGivenBack>(&message.payload);
    let record = record.map_err(|error| telemetry::chain(&error).to_string())?;
    room.give_back(record.number);
    Ok(())
}

/// Waits until what the room's stream holds now has been read.
pub(crate) async fn begin(room: Arc<Room>, nats: Nats, shutdown: Shutdown) {
    let stream = subject::admission_stream(&room.event);
    let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX, None);
    let stored = loop {
        match chassis::last_sequence(&nats, &stream).await {
            Ok(stored) => break stored,
            Err(error) => {
                let error = telemetry::chain(&error);
                tracing::warn!(stream, %error, "waiting for the end of the room's stream");
            }
        }
        if backoff.pause(&shutdown).await != Pause::Elapsed {
            return;
        }
    };
    let mut read_to = room.read_to.subscribe();
    // Cancel-safe: both only wait.
    let is_read = tokio::select! {
        read = read_to.wait_for(|&sequence| stored <= sequence) => read.is_ok(),
        () = shutdown.begun() => false,
    };
    if is_read {
        room.begin();
    }
}

/// The stream of the settings' bucket.
pub(crate) fn settings_stream() -> String {
    format!("KV_{}", subject::SETTINGS)
}

/// Takes every setting of a room, the last first and then each change; says in `read_to` how far it
/// has come.
pub(crate) async fn settings(
    rooms: Arc<Rooms>,
    nats: Nats,
    shutdown: Shutdown,
    read_to: watch::Sender<u64>,
) {
    // Following the bucket's stream survives what a watch does not.
    let stream = settings_stream();
    let prefix = format!("$KV.{}.", subject::SETTINGS);
    let mut follower = Follower::start(nats, &stream, &format!("{prefix}>"), StartAt::First);
    while let Some(message) = next(&mut follower, &shutdown).await {
        let key = message.subject.strip_prefix(&prefix).unwrap_or_default();
        take_setting(&rooms, key, &message.payload);
        read_to.send_replace(message.sequence);
    }
}

fn take_setting(rooms: &Rooms, key: &str, payload: &[u8]) {
    let event: Option<EventId> = key.rsplit('.').next().and_then(|event| event.parse().ok());
    let Some(event) = event else { return };
    let taken = if subject::room_settings(&event) == key {
        stored::<RoomSettings>(payload).map(|settings| rooms.set(&event, settings))
    } else if subject::draw_settings(&event) == key {
        stored::<Beacons>(payload).map(|beacons| rooms.set_beacons(&event, beacons))
    } else if subject::witness_settings(&event) == key {
        stored::<Witnesses>(payload).map(|witnesses| rooms.set_witnesses(&event, witnesses))
    } else {
        return;
    };
    if let Err(error) = taken {
        let error = chassis::telemetry::chain(&error);
        tracing::error!(%event, key, %error, "room settings that nobody can read");
    }
}

/// A setting as it is stored; `None` for a deleted entry.
fn stored<T: DeserializeOwned>(payload: &[u8]) -> Result<Option<T>, codec::Error> {
    if payload.is_empty() { Ok(None) } else { codec::decode(payload).map(Some) }
}

/// Hears the leaders' ticks.
pub(crate) async fn statuses(rooms: Arc<Rooms>, nats: Nats, shutdown: Shutdown) {
    let mut backoff = Backoff::new(AGAIN_FIRST, AGAIN_MAX, None);
    loop {
        match nats.client.subscribe(subject::ROOM_STATUS_ALL).await {
            Ok(mut ticks) => loop {
                // Cancel-safe: both only wait.
                let tick = tokio::select! {
                    biased;
                    () = shutdown.begun() => return,
                    tick = ticks.next() => tick,
                };
                let Some(tick) = tick else { break };
                match codec::decode::<RoomStatus>(&tick.payload) {
                    Ok(status) => {
                        if let Some(room) = rooms.find(&status.event) {
                            room.hear(status);
                        }
                    }
                    Err(error) => tracing::error!(%error, "a status that nobody can read"),
                }
            },
            Err(error) => tracing::warn!(%error, "waiting for the leaders' ticks"),
        }
        if backoff.pause(&shutdown).await != Pause::Elapsed {
            return;
        }
    }
}

/// The next message; `None` at the end of the process. A stream that is not what it was ends the
/// process.
pub(crate) async fn next(follower: &mut Follower, shutdown: &Shutdown) -> Option<Followed> {
    // Cancel-safe: both only wait.
    let next = tokio::select! {
        biased;
        () = shutdown.begun() => return None,
        next = follower.next() => next,
    };
    match next {
        Ok(message) => Some(message),
        Err(error) => {
            shutdown
                .begin(format!("the waiting room cannot read on: {}", telemetry::chain(&error)));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::stored;
    use schema::{RoomSettings, codec};

    #[test]
    fn settings_are_read_as_they_are_written_and_a_deleted_entry_is_none() {
        let settings = RoomSettings { admission_rate_per_minute: 7, ..RoomSettings::default() };
        assert_eq!(stored(&codec::encode(&settings)).unwrap(), Some(settings));
        assert_eq!(stored::<RoomSettings>(b"").unwrap(), None);
        assert!(stored::<RoomSettings>(b"{\"mode\":\"ajar\"}").is_err());
    }
}
