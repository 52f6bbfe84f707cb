//! What the hashes of a draw are made of: the encoding `usher-draw-v1`. Frozen: fans verify it.

use crate::merkle::Sha256;
use schema::EventId;

/// Names the encoding in what is published.
pub const ENCODING: &str = "usher-draw-v1";

/// What each hash begins with, so that none can be taken for another one.
const TOKEN: &[u8] = b"usher draw token v1\0";
const COMMITMENT: &[u8] = b"usher draw commitment v1\0";
const SEED: &[u8] = b"usher draw seed v1\0";

/// The hash that a place is entered with: of its token's bytes, with their MAC, which nobody can
/// guess. So whoever sees the hash does not see the token.
pub fn token_hash(sha256: Sha256, token: &[u8]) -> [u8; 32] {
    sha256(&[TOKEN, token])
}

/// What is published of the secret while the pre-queue gathers.
pub fn commitment(sha256: Sha256, secret: &[u8; 32]) -> [u8; 32] {
    sha256(&[COMMITMENT, secret])
}

/// What a seed is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ingredients<'a> {
    pub event: &'a EventId,
    pub root: &'a [u8; 32],
    /// How many places, empty ones too.
    pub count: u64,
    pub secret: &'a [u8; 32],
    /// The bytes of its text; empty without one.
    pub beacon: &'a str,
}

/// The key of the draw's permutation. Nothing in it can be moved from one part to the next: all but
/// the last have their length in them or a fixed one.
pub fn seed(sha256: Sha256, of: Ingredients<'_>) -> [u8; 32] {
    let event = of.event.as_str().as_bytes();
    let event_len = u8::try_from(event.len()).expect("an event id has at most 24 bytes");
    let count = of.count.to_be_bytes();
    sha256(&[SEED, &[event_len], event, of.root, &count, of.secret, of.beacon.as_bytes()])
}

#[cfg(test)]
mod tests;
