//! Statements: what was booked for a partner or an event, as JSON or as a table.

mod body;
mod handlers;
mod read;

pub(crate) use handlers::{__path_event_statement, __path_partner_statements};
pub use handlers::{STATEMENTS_MAX, event_statement, partner_statements};
