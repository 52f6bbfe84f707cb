//! Puts an event of the test's own making on sale.

use crate::client::Call;
use crate::journal::Bus;
use crate::up::Reach;
use crate::wait::until;
use schema::{DurationMs, EventListing, codec, subject};

/// Lists a copy of the event `of` that changed what `change` changes, and waits until it is shown.
pub async fn list(reach: &Reach, of: &str, event: &str, change: impl FnOnce(&mut EventListing)) {
    let bus = Bus::connect(&reach.nats).await;
    let stream = bus.jetstream.get_stream(subject::CATALOG).await.unwrap();
    let known = subject::catalog_event(&of.parse().unwrap());
    let known = stream.get_last_raw_message_by_subject(&known).await.unwrap();
    let mut listing: EventListing = codec::decode(&known.payload).unwrap();
    listing.event = event.parse().unwrap();
    listing.waiting_room = false;
    change(&mut listing);
    let own = subject::catalog_event(&listing.event);
    bus.append(own, async_nats::HeaderMap::new(), codec::encode(&listing)).await;
    let path = format!("/api/events/{event}");
    until("the new event to be shown", async || {
        let answer = reach.client.ask(Call::get(&path)).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

/// As [`list`], with holds that end soon, and no limit that a few accounts could reach.
pub async fn list_with_short_holds(reach: &Reach, of: &str, event: &str, hold_ttl: DurationMs) {
    list(reach, of, event, |listing| {
        listing.hold_ttl_ms = hold_ttl;
        listing.account_places_max = 10_000;
    })
    .await;
}
