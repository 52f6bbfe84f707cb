//! Randomness for shells; cores are given what they need.

use std::time::Duration;

use aws_lc_rs::rand;

/// Returns `N` bytes that nobody can predict.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the generator was seeded at start-up and cannot run dry");
    bytes
}

/// Returns a uniform span in `[0, bound]`, to the nanosecond.
pub(crate) fn duration_up_to(bound: Duration) -> Duration {
    let bound_ns = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
    // Multiply-shift maps 64 random bits to the range; its bias is below 2^-20 for spans under 4
    // hours.
    let scaled = u128::from(u64::from_le_bytes(random_bytes())) * (u128::from(bound_ns) + 1);
    Duration::from_nanos(u64::try_from(scaled >> 64).expect("at most bound_ns, a u64"))
}
