//! Gives passes back: durably, before anybody is told so.

use crate::append::{Message, append};
use crate::config::GIVE_BACK_WAIT;
use crate::room::Room;
use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use chassis::Nats;
use schema::admission::PassGivenBack;
use schema::{codec, subject};

/// Ends the visit of a place that has a pass; false if nobody knows whether it has ended.
///
/// LINE-2: the leader gives the slot to another once it has read the record, as all processes do
/// that answer a gate. Repeating it is harmless: the stream knows the message by its id for a
/// while, and each process takes a place in once.
pub(crate) async fn give_back(room: &Room, nats: &Nats, number: u64) -> bool {
    if room.has_completed(number) {
        return true;
    }
    let record = PassGivenBack { number, at: chassis::clock::now() };
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, format!("{}/back/{number}", room.event));
    let message = Message {
        subject: subject::admission_given_back(&room.event),
        headers,
        payload: codec::encode(&record).into(),
    };
    append(room, nats, message, GIVE_BACK_WAIT).await && room.has_completed(number)
}
