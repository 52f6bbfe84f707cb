//! How a test has a process die at one of its calls.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};

/// What a process is told by.
const AT: &str = "USHER_TEST_DIE_AT";
const PASSES: &str = "USHER_TEST_DIE_AT_PASSES";

/// Of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Nothing was sent.
    Before,
    /// The answer is there, and nobody has seen it. What is only handed on, to a connection or
    /// another task, may not have left the process.
    After,
}

/// A call at which a process dies, when it comes there for the `passes`-th time.
#[derive(Debug, Clone, Copy)]
pub struct Death {
    pub what: &'static str,
    pub side: Side,
    pub passes: u32,
}

impl Death {
    /// One before and one after each of these calls.
    pub fn all(calls: &[&'static str]) -> Vec<Self> {
        let sides = |&what| [Side::Before, Side::After].map(|side| Self { what, side, passes: 1 });
        calls.iter().flat_map(sides).collect()
    }

    pub fn name(&self) -> String {
        format!("{:?} {}", self.side, self.what)
    }

    /// The environment of a process that is to die so.
    pub fn variables(&self) -> [(&'static str, String); 2] {
        [(AT, self.name()), (PASSES, self.passes.to_string())]
    }
}

/// Where this process is to die.
struct Armed {
    name: String,
    passes_left: AtomicU32,
}

/// `None` in a program that is made to be fast: nobody can have it die, however it was built.
static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
    if !cfg!(debug_assertions) {
        return None;
    }
    let name = std::env::var(AT).ok()?;
    let passes = std::env::var(PASSES).expect("told together");
    Some(Armed { name, passes_left: AtomicU32::new(passes.parse().expect("a number")) })
});

/// Ends this process if it is to die here.
pub fn die_at(what: &'static str, side: Side) {
    let Some(armed) = &*ARMED else { return };
    if armed.name != (Death { what, side, passes: 1 }).name() {
        return;
    }
    // Relaxed: only counts.
    if armed.passes_left.fetch_sub(1, Ordering::Relaxed) == 1 {
        kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
        unreachable!("nobody outlives that");
    }
}
