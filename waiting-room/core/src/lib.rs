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
mod epoch;
mod horizon;
mod inside;
mod late;
mod ledger;
mod life;
mod limits;
mod manner;
mod merkle;
mod mono;
mod number_set;
mod outlook;
mod pace;
mod place;
mod poll;
mod positions;
mod restore;
mod returns;
mod room;
mod speed;
mod standby;
mod statement;
mod token;
mod told;
mod window;

#[cfg(test)]
mod hash_for_tests;

pub use adapt::{
    ADAPT_STEP, Adapt, COMMIT_TARGET, DECREASE_REST, Headroom, ORDERS_TARGET_MILLI, PACE_KEPT,
    PENDING_TARGET, REPLY_STOP, REPLY_TARGET, SIGNAL_FRESH, SIGNAL_LOST, Signals,
};
pub use basket::Basket;
pub use bits::{Bits, LiveIndex};
pub use cohort::{Cohort, EMPTY};
pub use draw::{Permutation, cohort_live, draw_live, drawn_to_nobody};
pub use epoch::{EpochStart, mark_above};
pub use inside::Uncounted;
pub use ledger::{Ledger, Prepared, Standing, Terms};
pub use life::{Known, Move, State};
pub use limits::{
    CALLED_MAX, GENERATION, GIVING_IDLE, LAPSE_MARGIN, MARK_BLOCK, NUMBER_MAX, PASS_LEEWAY,
    SIGHT_NUMBERS, TICK_MAX, TOKEN_AGE_MAX, WINDOW,
};
pub use manner::{
    Ending, Gathered, JoinRefusal, Life, Manner, PhaseStep, drawn_at, ending, manner, may_join,
    phase_step,
};
pub use merkle::{Sha256, Tree, climb, leaf};
pub use mono::MonoMs;
pub use number_set::NumberSet;
pub use outlook::{Demand, Outlook, outlook};
pub use place::{Claim, claim, terms_in};
pub use poll::{Ceilings, POLLS, PollGuard, PollPolicy, jitter};
pub use positions::Positions;
pub use restore::{Origin, restore};
pub use returns::{Baskets, Returns};
pub use room::{Decision, Plan, Room, Sight};
pub use speed::{Paces, Speed, Wait};
pub use standby::{Crowd, Watch};
pub use statement::{Ingredients, commitment, encoding, revealed, seed, token_hash};
pub use token::{MAC_BYTES, PlaceKind, Token, TokenFault};
pub use told::{Told, Until};
