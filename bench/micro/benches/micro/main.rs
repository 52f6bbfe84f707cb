//! What the smallest steps of a sale cost, one at a time and in memory.
//!
//! The figures say where a change of a data structure shows, and how the cost grows with the size
//! of a venue. What a whole sale costs is `usher-bench`'s to say.

mod best_available;
mod codec;
mod deadlines;
mod decider;
mod draw;
mod durable;
mod fans;
mod footprint;
mod recovery;
mod seat_map;
mod start;
mod token;
mod venue;

use criterion::Criterion;
use std::io::Write;
use std::time::Duration;

/// As in `usher`: what is decided makes and drops memory all the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Long enough for caches and branch predictors.
const WARM_UP: Duration = Duration::from_millis(500);

/// All benchmarks together stay below five minutes; `--quick` ends each as soon as it is steady.
const MEASUREMENT: Duration = Duration::from_secs(2);

fn main() {
    let criterion = Criterion::default().warm_up_time(WARM_UP).measurement_time(MEASUREMENT);
    let mut criterion = criterion.configure_from_args();
    seat_map::benches(&mut criterion);
    best_available::benches(&mut criterion);
    decider::benches(&mut criterion);
    deadlines::benches(&mut criterion);
    durable::benches(&mut criterion);
    footprint::benches(&mut criterion);
    recovery::benches(&mut criterion);
    start::benches(&mut criterion);
    codec::benches(&mut criterion);
    token::benches(&mut criterion);
    draw::benches(&mut criterion);
    criterion.final_summary();
}

/// Whether this is a measurement: otherwise each benchmark runs once, to see that it works, and
/// what it works on may be small.
fn is_measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Tells a figure that is no mean of times.
fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("whoever measures reads the figures");
}
