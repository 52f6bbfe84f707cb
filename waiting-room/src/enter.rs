//! Enters places of a pre-queue in their cohort, durably, before their tokens are answered.

use crate::append::{Message, append as append_to};
use crate::cohorts::Entered;
use crate::config::ENTER_WAIT;
use crate::joiner::{Asked, JoinAsk, Joined};
use crate::room::Room;
use crate::store::KeyedBy;
use async_nats::header::HeaderMap;
use chassis::Nats;
use schema::cohort::{self, Entry};
use schema::subject;
use waiting_room_core::PlaceKind;

/// Enters the places that are of a pre-queue; returns those who may be answered, and those who have
/// to ask again.
///
/// An entry counts if the stream has it before the cohort is closed, whatever this instance thinks
/// of the time: so what is answered here is in the root, and who comes too late gets a place in the
/// line behind the draw. A place whose entry is in doubt is given to nobody.
pub(crate) async fn enter(
    room: &Room,
    nats: &Nats,
    settled: Vec<(JoinAsk, Joined)>,
) -> (Vec<(JoinAsk, Joined)>, Vec<JoinAsk>) {
    let entries: Vec<Option<Entry>> =
        settled.iter().map(|(ask, joined)| entry(room, &ask.asked, joined)).collect();
    let is_missing = |(number, hash): &Entry| room.entered(*number, hash) != Entered::Yes;
    let missing: Vec<Entry> = entries.iter().flatten().copied().filter(is_missing).collect();
    let is_stored = missing.is_empty() || append(room, nats, &missing).await;
    let (mut entered, mut others) = (Vec::with_capacity(settled.len()), Vec::new());
    for ((ask, joined), entry) in settled.into_iter().zip(entries) {
        match entry.map(|(number, hash)| room.entered(number, &hash)) {
            None | Some(Entered::Yes) => entered.push((ask, joined)),
            Some(standing) => {
                if is_stored && standing == Entered::Never {
                    forget(room, &ask, &joined).await;
                }
                others.push(ask);
            }
        }
    }
    (entered, others)
}

/// What the cohort says of the place; `None` for a place of the line, and for one that is answered
/// with a refusal: it was given under the same key for another body.
pub(crate) fn entry(room: &Room, asked: &Asked, joined: &Joined) -> Option<Entry> {
    let kept = joined.kept.zip(asked.keyed);
    let is_refused = kept.is_some_and(|(kept, keyed)| {
        keyed.by == KeyedBy::Request && kept.fingerprint != keyed.fingerprint
    });
    if joined.kind == PlaceKind::Line || is_refused {
        return None;
    }
    Some((joined.number, room.sealer.hash(&room.token(asked, joined))))
}

/// Appends entries and waits until this instance has read them; false if that is not known.
///
/// Repeating it is harmless: the first entry of a place counts.
async fn append(room: &Room, nats: &Nats, entries: &[Entry]) -> bool {
    let (subject, headers) = (subject::admission_cohort(&room.event), HeaderMap::new());
    let message = Message { subject, headers, payload: cohort::encode(entries).into() };
    append_to(room, nats, message, ENTER_WAIT).await
}

/// The key of a place that came too late for its cohort leads to a new place the next time.
async fn forget(room: &Room, ask: &JoinAsk, joined: &Joined) {
    let Some(keyed) = &ask.asked.keyed else { return };
    // If it fails, the next round comes here again.
    if let Err(fault) = room.store.forget(&room.blessed(), keyed, joined.number).await {
        tracing::debug!(event = %room.event, %fault, "the key of a lost place is still known");
    }
}
