//! Settlement: turns paid holds into orders, tickets and money that adds up.
//!
//! Payments are announced in the journals. Each becomes an order, is authorised at the provider,
//! and is sold in one commit with its tickets, ledger entries and verdict; only then is anyone
//! told. Everything that is unfinished is a row, so any settlement process can go on where another
//! one stopped.

mod area;
mod audit;
mod books;
mod cancel;
mod catalogue;
mod chargeback;
mod config;
mod desk;
mod driver;
mod entrance;
mod error;
mod guarded;
mod journal;
mod ledger;
mod load;
mod metrics;
mod order;
mod provider;
mod provider_event;
mod reconcile;
mod review;
mod sandbox;
mod seats;
mod stage;
mod store;
mod stripe;
mod terms;
mod ticket;
mod verdict;
mod webhooks;
mod work;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use audit::audit;
pub use books::{Compared, compare_books};
pub use config::Config;
pub use error::Error;
pub use ledger::{CheckedLedger, check_ledger};
pub use provider::{Cursor, Dispute, Failure, Listed, NewPayment, Page, Payment, Provider, Verb};
pub use reconcile::{Difference, Findings, compare_provider, reconcile_once};
pub use review::{Ending, Reviewed, UnderReview, end_review, under_review};
pub use sandbox::Sandbox;
pub use stage::{Deps, providers, run, run_with};
pub use stripe::{Stripe, StripeConfig};
pub use ticket::{TicketCode, ticket_code};
