//! Closed-loop measurements of anything that speaks the public contract: Usher and its baselines
//! are asked by the same code with the same bodies.
//!
//! Each connection asks again when it was answered. So a slow server is asked less, and percentiles
//! are those of a crowd of this size, not of a fixed rate of arrivals: `run` has those.

mod buying;
mod closed_loop;
mod command;
mod contending;
mod growth;
mod measured;
mod stock;
mod waiting;
mod wording;

pub use buying::{Booking, Buyer, Confirming, Habits, Reserving, Stocking};
pub use closed_loop::{Turn, Worker, run};
pub use command::measure;
pub use contending::{Contending, won_once};
pub use growth::calls_json;
pub use measured::{Measured, heads, rate};
pub use stock::{Houses, Stock, closed_room};
pub use waiting::{
    Joining, Line, Polling, answer_bytes, join_question, polls, status_question, told_per_second,
};
pub use wording::{get, label, resolve};
