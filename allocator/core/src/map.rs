//! Maps by ids.
//!
//! Ids are hashes and random numbers, so a cheap hash spreads them well; the standard one took more
//! than a third of a decision. Without a secret: who wants commands to collide has to try some
//! hundred thousand keys for each, and gains a few comparisons.

/// Never gone through to decide anything.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::FixedState>;
