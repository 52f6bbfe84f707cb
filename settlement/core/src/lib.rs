//! The rules of orders and money, pure: no input or output, no clock, no randomness.
//!
//! [`transition`] says which moves an order may make, [`next`] what to do about one now, the
//! functions on [`Posting`] what the ledger books for it, [`verdict`] what the owner of its seats
//! is told, [`reduce`] what it is asked for tickets that were paid back alone, and [`remedy`] what
//! becomes of money that no order accounts for; [`reseat`] asks for places for such as came late.
//! A [`Breaker`] says whether a provider is worth asking.

mod breaker;
mod dispute;
mod found;
mod line;
mod order;
mod part;
mod posting;
mod reseat;
mod step;
mod verdict;

pub use breaker::{Breaker, PROBE_EVERY};
pub use dispute::{Disputed, Moved, moved};
pub use found::{Claim, Late, Remedy, Rung, Standing, Stray, late, remedy};
pub use line::{Line, Place, lines_of};
pub use order::{Move, MoveRefused, State, TRANSITIONS, Trigger, transition};
pub use part::{PartRecord, part_command, reduce};
pub use posting::{
    Account, Bearer, Entry, Payer, Posting, PostingKind, on_capture, on_chargeback,
    on_chargeback_won, on_part_refund, on_refund, on_return, on_return_by_bank, on_sale, ticket_of,
};
pub use reseat::{ReseatRecord, reseat, reseat_ids};
pub use step::{Facts, Seen, Step, next};
pub use verdict::{VerdictRecord, command_id, kind_from_text, kind_text, verdict, verdict_of};
