//! The atomics of the seat map: the standard library's, or those with which loom goes through every
//! interleaving and every value that a weak memory may show. No build that serves has the feature.

#[cfg(feature = "loom")]
pub(crate) use loom::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread::yield_now,
};
#[cfg(not(feature = "loom"))]
pub(crate) use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread::yield_now,
};
