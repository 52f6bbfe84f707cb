//! Maps by ids.
//!
//! Ids are hashes and random numbers, so a cheap hash spreads them well; the process's own seed in it
//! keeps whoever can choose an id from choosing which of them collide. The standard one took more
//! than a third of a decision.

/// Never gone through to decide anything.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
