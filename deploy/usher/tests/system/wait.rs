//! Waiting for conditions, with a deadline that is far beyond what a healthy system needs.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// How long a test waits for what must happen. A loaded machine with two cores is no reason to
/// fail.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until there is something to see.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for: {what}");
        pause(LOOK).await;
    }
}

/// Looks until a value is as wanted; its last value is in the failure.
pub async fn until_equal<T: PartialEq + Debug>(
    what: &str,
    wanted: T,
    mut look: impl AsyncFnMut() -> T,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look().await;
        if seen == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for: {what}; saw {seen:?}");
        pause(LOOK).await;
    }
}

/// Lets time pass between two looks, or as long as the system told a client to wait.
pub async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
