//! What the hashes of a draw are made of: the encodings `usher-draw-v1` and, with witnesses,
//! `usher-draw-v2`. Frozen: fans verify them.

use crate::merkle::Sha256;
use schema::EventId;
use schema::admission::COMMITMENT_DOMAIN;

/// What each hash begins with, so that none can be taken for another one.
const TOKEN: &[u8] = b"usher draw token v1\0";
const SEED: &[u8] = b"usher draw seed v1\0";
const SEED_WITNESSED: &[u8] = b"usher draw seed v2\0";

/// Names the encoding of a draw in what is published.
pub fn encoding(witness_count: usize) -> &'static str {
    if witness_count == 0 { "usher-draw-v1" } else { "usher-draw-v2" }
}

/// The hash that a place is entered with: of its token's bytes, with their MAC, which nobody can
/// guess. So whoever sees the hash does not see the token.
pub fn token_hash(sha256: Sha256, token: &[u8]) -> [u8; 32] {
    sha256(&[TOKEN, token])
}

/// What is published of a secret while the pre-queue gathers: of the house's, and of a witness's.
pub fn commitment(sha256: Sha256, secret: &[u8; 32]) -> [u8; 32] {
    sha256(&[COMMITMENT_DOMAIN, secret])
}

/// The secret behind each commitment, where `secrets` has it.
pub fn revealed(
    sha256: Sha256,
    commitments: &[[u8; 32]],
    secrets: &[[u8; 32]],
) -> Vec<Option<[u8; 32]>> {
    let secret_of = |committed: &[u8; 32]| {
        secrets.iter().copied().find(|secret| commitment(sha256, secret) == *committed)
    };
    commitments.iter().map(secret_of).collect()
}

/// What a seed is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ingredients<'a> {
    pub event: &'a EventId,
    pub root: &'a [u8; 32],
    /// How many places, empty ones too.
    pub count: u64,
    pub secret: &'a [u8; 32],
    /// The witnesses' secrets, in the order of their commitments.
    pub witnesses: &'a [[u8; 32]],
    /// The bytes of its text; empty without one.
    pub beacon: &'a str,
}

/// The key of the draw's permutation. Nothing in it can be moved from one part to the next: all but
/// the last have their length in them or a fixed one.
pub fn seed(sha256: Sha256, of: Ingredients<'_>) -> [u8; 32] {
    let event = of.event.as_str().as_bytes();
    let event_len = u8::try_from(event.len()).expect("an event id has at most 24 bytes");
    let (count, beacon) = (of.count.to_be_bytes(), of.beacon.as_bytes());
    if of.witnesses.is_empty() {
        return sha256(&[SEED, &[event_len], event, of.root, &count, of.secret, beacon]);
    }
    let witness_count = u8::try_from(of.witnesses.len()).expect("a draw has few witnesses");
    let witnesses = of.witnesses.as_flattened();
    let domain = SEED_WITNESSED;
    let event = [&[event_len], event].concat();
    sha256(&[domain, &event, of.root, &count, of.secret, &[witness_count], witnesses, beacon])
}

#[cfg(test)]
mod tests;
