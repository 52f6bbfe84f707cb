//! The cores are pure: they are given time, chance and ids, wait for nobody and touch nothing
//! outside.

use super::{has_word, is_rust, is_test, lines_where};
use crate::finding::Finding;
use crate::scan;

const LOCKS: [&str; 4] = ["Mutex", "RwLock", "Condvar", "parking_lot"];
const OUTSIDE: [&str; 14] = [
    "SystemTime",
    "Instant",
    "rand",
    "fastrand",
    "getrandom",
    "RandomState",
    "now_v7",
    "new_v4",
    "std::fs",
    "std::io",
    "std::net",
    "std::env",
    "std::process",
    "tokio",
];

/// No lock is held during a seat claim: the allocator's core has none.
pub fn no_locks(path: &str, text: &str) -> Vec<Finding> {
    if !is_rust(path) || !path.starts_with("allocator/core/") {
        return Vec::new();
    }
    lines_where(path, &scan::code(text), |line| {
        let lock = LOCKS.iter().find(|lock| has_word(line, lock))?;
        Some(format!("`{lock}` in the lock-free core"))
    })
}

/// The cores' code, their tests aside, has no clock, no chance and no IO.
pub fn no_outside(path: &str, text: &str) -> Vec<Finding> {
    if !is_rust(path) || is_test(path) || !path.contains("/core/src/") {
        return Vec::new();
    }
    lines_where(path, &scan::code(&scan::without_tests(text)), |line| {
        let found = OUTSIDE.iter().find(|outside| has_word(line, outside))?;
        Some(format!("`{found}` in a pure core"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_refused_in_the_allocators_core_only() {
        let text = "use std::sync::Mutex;\n";
        assert_eq!(no_locks("allocator/core/src/map.rs", text).len(), 1);
        assert_eq!(no_locks("allocator/src/map.rs", text), []);
        assert_eq!(no_locks("allocator/core/src/map.rs", "// No Mutex, no RwLock.\n"), []);
    }

    #[test]
    fn a_core_that_asks_for_time_or_chance_is_refused() {
        let core = "settlement/core/src/order.rs";
        assert_eq!(no_outside(core, "let now = Instant::now();").len(), 1);
        assert_eq!(no_outside(core, "use std::time::SystemTime;").len(), 1);
        assert_eq!(no_outside(core, "let x = rand::random();").len(), 1);
        assert_eq!(no_outside(core, "let operand = instant_of(now);"), []);
        assert_eq!(no_outside("settlement/src/order.rs", "Instant::now()"), []);
        assert_eq!(no_outside(core, "mod tests { fn t() { Instant::now(); } }"), []);
        assert_eq!(no_outside("settlement/core/src/tests.rs", "Instant::now()"), []);
    }
}
