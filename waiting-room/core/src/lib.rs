//! The rules of a waiting room: who is called when, what a place is worth, what a token says.
//!
//! Pure: no input or output, no clock, no chance. Everybody who answers fans keeps a [`Ledger`] of
//! the room's records; the room's leader also keeps a [`Room`] and asks it at each tick whom to
//! call.

mod adapt;
mod basket;
mod bits;
mod cohort;
mod draw;
mod horizon;
mod inside;
mod late;
mod ledger;
mod limits;
mod merkle;
mod mono;
mod number_set;
mod pace;
mod place;
mod poll;
mod restore;
mod room;
mod statement;
mod token;
mod window;

#[cfg(test)]
mod hash_for_tests;

pub use adapt::{
    ADAPT_STEP, Adapt, COMMIT_TARGET, DECREASE_REST, Headroom, ORDERS_TARGET_MILLI, PENDING_TARGET,
    REPLY_TARGET, SIGNAL_FRESH, SIGNAL_LOST, Signals,
};
pub use basket::Basket;
pub use bits::{Bits, LiveIndex};
pub use cohort::{Cohort, EMPTY};
pub use draw::{Permutation, draw_live};
pub use ledger::{Ledger, Prepared, Standing, Terms};
pub use limits::{
    CALLED_MAX, GENERATION, GIVING_IDLE, LAPSE_MARGIN, MARK_BLOCK, NUMBER_MAX, PASS_LEEWAY,
    SIGHT_NUMBERS, TICK_MAX, WINDOW,
};
pub use merkle::{Sha256, Tree, climb, leaf};
pub use mono::MonoMs;
pub use number_set::NumberSet;
pub use place::{Claim, PlaceState, Wait, claim, place_state, terms_in, wait_seconds};
pub use poll::{POLLS, PollGuard, PollPolicy, jitter};
pub use restore::{Origin, restore};
pub use room::{Decision, JoinRefusal, PhaseStep, Plan, Room, Sight, may_join, phase_step};
pub use statement::{ENCODING, Ingredients, commitment, seed, token_hash};
pub use token::{MAC_BYTES, PlaceKind, Token, TokenFault};
