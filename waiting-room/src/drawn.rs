//! The permutation of a draw: which number in line a place of the pre-queue has.

use chassis::keys::HmacKey;
use schema::EventId;
use schema::admission::{Draw, DrawMadeOf};
use waiting_room_core::{Ingredients, Ledger};

/// The function that the draw's permutation is keyed by: HMAC-SHA256 under the seed over the round
/// and the half-block as 8 big-endian bytes; the first 8 bytes of it, big-endian. Frozen: fans
/// verify it.
pub(crate) fn prf(key: &HmacKey, round: u8, half: u64) -> u64 {
    let mac = key.mac(&[&[round], &half.to_be_bytes()]);
    u64::from_be_bytes(*mac.first_chunk().expect("a MAC has 32 bytes"))
}

/// The number in line of the pre-queue place with `number`.
pub(crate) fn drawn_number(draw: &Draw, number: u64) -> u64 {
    let key = draw_key(&draw.seed);
    Ledger::drawn_number(draw, number, &|round, half| prf(&key, round, half))
}

pub(crate) fn draw_key(seed: &[u8; 32]) -> HmacKey {
    HmacKey::from_bytes(*seed)
}

/// What the seed of a draw of `count` places is made of.
pub(crate) fn ingredients<'a>(
    event: &'a EventId,
    count: u64,
    made_of: &'a DrawMadeOf,
) -> Ingredients<'a> {
    let DrawMadeOf { root, secret, beacon, witnesses } = made_of;
    Ingredients { event, root, count, secret, witnesses, beacon }
}
