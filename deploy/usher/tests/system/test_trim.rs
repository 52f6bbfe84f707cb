//! The journal is trimmed, and whoever starts behind it knows what it told.

use crate::auditor::{audit, postgres};
use crate::catalogue::list;
use crate::client::{Call, Client};
use crate::fan::{Booking, Fan, named, text};
use crate::journal::{Bus, shard_of};
use crate::process::Process;
use crate::room::Place;
use crate::seats::SeatMap;
use crate::system::System;
use crate::up::{Reach, Up, temporary_folder};
use crate::wait::until;
use schema::{Batch, codec, subject};
use serde_json::{Value, json};

const EVENT: &str = "TRIMMED";

/// Of 300 places.
const LEFT: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_starts_on_a_trimmed_journal_knows_what_was_in_it() {
    let mut up = Up::prepare();
    let quick = [("JOURNAL_KEEP_MS", "1000"), ("CHECKPOINT_EVERY_MS", "200")];
    let variable =
        |(name, value): (&str, &str)| (format!("USHER__ALLOCATOR__{name}"), String::from(value));
    up.variables = quick.map(variable).to_vec();
    up.start_again().await;
    let reach = up.reach();
    let client = &reach.client;
    list(&reach, "EVT002", EVENT, |listing| listing.waiting_room = true).await;
    let (killed, buyer, place, booking) = sell(client).await;
    let (waiting, held) = hold(client).await;
    let told = last_batch(&reach).await;
    checkpoint_of(&reach, told).await;
    // Each process stores checkpoints of its own; one of the first is the older one then.
    up.kill(&["usher"]).await;
    let (other, later) = hold(client).await;
    trimmed_behind(&up.reach(), told).await;
    let before = SeatMap::of(client, EVENT).await;
    up.process().kill();
    std::fs::remove_dir_all(up.data().join("index")).unwrap();
    up.start_again().await;

    let after = SeatMap::of(client, EVENT).await;
    assert_eq!((after.status(&killed), after.status(&booking.places[0])), ("blocked", "sold"));
    let free = json!(after.count("free"));
    assert_eq!(before.without_version(), after.without_version());
    until("search to know the free places", async || (found(client).await == free).then_some(()))
        .await;
    let status = Call::get(&format!("/api/queue/{EVENT}/status"));
    until("the room to know that few are left", async || {
        let status = client.ask(status.clone()).await.expect(200);
        (status["seatsRemainingBand"] == "few").then_some(())
    })
    .await;
    until("the room to know who bought", async || {
        (place.me().await["state"] == "completed").then_some(())
    })
    .await;
    assert_eq!(Booking::read(&buyer.booking(&booking.id).await), booking);
    assert_eq!(waiting.reservation_status(&held).await, "HELD");
    assert_eq!(other.reservation_status(&later).await, "HELD");
    waiting.confirm(&held, "tok_ok").await.expect(200);
    assert_eq!(waiting.reservation_status(&held).await, "CONFIRMED");
    the_tellers_say_so(&up.reach(), &killed).await;
}

/// An operator takes most places out of the sale, and a fan of the room buys one.
async fn sell(client: &Client) -> (String, Fan, Place, Booking) {
    let operator = Fan::demo(client, "operator").await;
    let map = SeatMap::of(client, EVENT).await;
    let seats: Vec<&String> = map.seats().map(|(seat, _)| seat).skip(LEFT).collect();
    let kill = json!({"reason": "HOUSE", "seats": seats});
    let path = format!("/api/admin/events/{EVENT}/kills");
    operator.ask(Call::post(&path, &kill)).await.expect(201);
    let fan = Fan::new(client, "buyer").await;
    let (place, reservation) = reserve(client, &fan).await;
    let paid = fan.confirm(&reservation, "tok_ok").await.expect(200);
    (seats[0].clone(), fan, place, Booking::read(&paid))
}

/// Somebody holds a seat.
async fn hold(client: &Client) -> (Fan, String) {
    let fan = Fan::new(client, &format!("holder-{}", crate::fan::fresh_key().to_lowercase())).await;
    let (_, reservation) = reserve(client, &fan).await;
    (fan, reservation)
}

async fn reserve(client: &Client, fan: &Fan) -> (Place, String) {
    let (place, pass) = Place::pass(client, EVENT).await;
    let seat = SeatMap::of(client, EVENT).await.free_run(1);
    let held = fan.reserve_with(&named(EVENT, &seat), &pass).await.expect(201);
    (place, text(&held["reservationId"]))
}

/// The sequence of the newest batch of the event's journal.
async fn last_batch(reach: &Reach) -> u64 {
    let bus = Bus::connect(&reach.nats).await;
    let stream = bus.jetstream.get_stream(subject::journal_stream(shard_of(EVENT))).await.unwrap();
    let batches = subject::journal(shard_of(EVENT));
    stream.get_last_raw_message_by_subject(&batches).await.unwrap().sequence
}

async fn checkpoint_of(reach: &Reach, sequence: u64) {
    let pool = postgres(reach).await;
    let newest = "SELECT coalesce(max(sequence), 0) FROM checkpoint WHERE shard = $1";
    let shard = i16::from(shard_of(EVENT).0);
    // The last batches may tell nothing but the time, which is not checkpointed for itself.
    let news = i64::try_from(sequence).unwrap() - 25;
    until("a checkpoint", async || {
        let newest: i64 = sqlx::query_scalar(newest).bind(shard).fetch_one(&pool).await.unwrap();
        (news <= newest).then_some(())
    })
    .await;
}

/// Waits until no batch up to about `sequence` is left, and checks that the epochs are.
async fn trimmed_behind(reach: &Reach, sequence: u64) {
    let bus = Bus::connect(&reach.nats).await;
    let stream = bus.jetstream.get_stream(subject::journal_stream(shard_of(EVENT))).await.unwrap();
    let batches = subject::journal(shard_of(EVENT));
    let first = until("the journal to be trimmed", async || {
        let first = stream.get_first_raw_message_by_subject(&batches, 1).await.unwrap();
        // The first record is an epoch, the second the first batch ever.
        (sequence.saturating_sub(25).max(2) < first.sequence).then_some(first)
    })
    .await;
    let batch: Batch = codec::decode_checked(&first.payload).unwrap();
    assert!(0 < batch.previous, "what begins later than the journal says so");
    let epochs = subject::journal_epoch(shard_of(EVENT));
    let epoch = stream.get_first_raw_message_by_subject(&epochs, 1).await.unwrap();
    assert_eq!(epoch.sequence, 1, "the first epoch record is there");
}

/// The free places that search tells.
async fn found(client: &Client) -> Value {
    let page = client.ask(Call::get("/api/search?q=glass%20lighthouse&size=20")).await.json();
    let hits = page["hits"].as_array().cloned().unwrap_or_default();
    let hit = hits.into_iter().find(|hit| hit["eventId"] == EVENT);
    hit.map_or(Value::Null, |hit| hit["seatsFree"].clone())
}

/// Who tells from the journal says since when it does.
async fn the_tellers_say_so(reach: &Reach, killed: &str) {
    let (code, printed) = audit(reach, &["--all"]).await;
    assert_eq!(code, 0, "{printed}");
    assert!(printed.ends_with(" 0 differences"), "{printed}");
    let begins = format!("journal {}: trimmed, the books begin with", shard_of(EVENT));
    assert!(printed.contains(&begins), "{printed}");
    let operator = Fan::demo(&reach.client, "operator").await;
    let path = format!("/api/admin/events/{EVENT}/seats/{killed}/history");
    let history = operator.get(&path).await;
    assert_eq!(history["turns"], json!([]), "{history}");
    let from = text(&history["journalFrom"]);
    let folder = temporary_folder();
    let data = folder.path().display().to_string();
    let arguments = ["explain", "seat", "--data", &data, EVENT, killed];
    let log = folder.path().join("explain.log");
    let (status, printed, _) = Process::start(&arguments, &reach.variables, &log).ended().await;
    assert!(status.success(), "{printed}");
    // The journal may have been trimmed on between the two.
    assert!(printed.starts_with("the journal is kept from 2"), "{printed}");
    assert!(
        printed.ends_with(&format!("nothing is told since then of {killed} of {EVENT}")),
        "{printed}"
    );
    assert!(from.starts_with('2'), "{from}");
}
