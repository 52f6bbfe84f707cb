//! What the smallest steps of a sale cost, one at a time and in memory.
//!
//! The figures say where a change of a data structure shows, and how the cost grows with the size
//! of a venue. What a whole sale costs is `usher-bench`'s to say.

mod best_available;
mod codec;
mod draw;
mod seat_map;
mod token;
mod venue;

use criterion::Criterion;
use std::time::Duration;

/// Long enough for caches and branch predictors.
const WARM_UP: Duration = Duration::from_millis(500);

/// All benchmarks together stay below four minutes; `--quick` ends each as soon as it is steady.
const MEASUREMENT: Duration = Duration::from_secs(2);

fn main() {
    let criterion = Criterion::default().warm_up_time(WARM_UP).measurement_time(MEASUREMENT);
    let mut criterion = criterion.configure_from_args();
    seat_map::benches(&mut criterion);
    best_available::benches(&mut criterion);
    codec::benches(&mut criterion);
    token::benches(&mut criterion);
    draw::benches(&mut criterion);
    criterion.final_summary();
}
