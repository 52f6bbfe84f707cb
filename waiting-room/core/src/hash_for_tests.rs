//! The hash and the MAC that the shell brings, for tests.

use aws_lc_rs::{digest, hmac};

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// As the stage keys a draw's permutation.
pub(crate) fn prf(seed: [u8; 32]) -> impl Fn(u8, u64) -> u64 {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &seed);
    move |round, half| {
        let mac = hmac::sign(&key, &[&[round][..], &half.to_be_bytes()].concat());
        u64::from_be_bytes(*mac.as_ref().first_chunk().expect("a MAC has 32 bytes"))
    }
}
