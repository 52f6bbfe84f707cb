//! What can go wrong outside of settlement.

use crate::config::STATEMENT_WAIT;
use crate::provider::Failure;
use chassis::{GroupError, outside};
use schema::{EventId, OrderId, ShardId};
use std::sync::Arc;
use std::time::Duration;

/// One variant per decision of the caller. Sources are shared, because one statement serves many.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A server or a stream is not as needed: the stage ends.
    #[error("prepare settlement: {what}")]
    Prepare { what: &'static str, source: Arc<chassis::Error> },
    /// The configuration names a provider that is not built in: the stage ends.
    #[error("use payment provider {name}: there is no such provider")]
    ProviderUnknown { name: String },
    /// The configured provider cannot be used like this: the stage ends.
    #[error("use payment provider {name}: {why}")]
    ProviderUnset { name: &'static str, why: &'static str },
    /// Nothing is known of the statement's effect: look, then try again.
    #[error("{what}")]
    Postgres { what: &'static str, source: Arc<sqlx::Error> },
    /// As `Postgres`, after a wait.
    #[error("{what}: no answer in time")]
    Slow { what: &'static str },
    /// The provider does not answer now: nothing is known, try again.
    #[error("ask the provider")]
    Provider { source: Arc<Failure> },
    /// NATS does not answer now: try again.
    #[error("{what}")]
    Bus { what: &'static str, source: chassis::Cause },
    /// A journal message is damaged: nothing after it may be acted on.
    #[error("read the journal of shard {shard} at {sequence}")]
    Journal { shard: ShardId, sequence: u64, source: Arc<schema::codec::Error> },
    /// The catalogue does not show an area that an order names: try again.
    #[error("find area {area} of event {event} in the catalogue")]
    AreaUnknown { event: EventId, area: u16 },
    /// The ledger has nothing to negate: somebody has changed it, and has to put it right.
    #[error("find the booked sale of order {order}")]
    SaleUnbooked { order: OrderId },
    /// The process is ending.
    #[error("stop at shutdown")]
    ShuttingDown,
}

impl Error {
    pub(crate) fn postgres(what: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Postgres { what, source: Arc::new(source) }
    }

    pub(crate) fn provider(failure: Failure) -> Self {
        Self::Provider { source: Arc::new(failure) }
    }

    pub(crate) fn bus(what: &'static str, source: &(dyn std::error::Error + 'static)) -> Self {
        Self::Bus { what, source: chassis::Cause::of(source) }
    }
}

impl GroupError for Error {
    fn ended() -> Self {
        Self::ShuttingDown
    }

    fn may_be_of_one(&self) -> bool {
        match self {
            Self::Postgres { source, .. } => matches!(&**source, sqlx::Error::Database(_)),
            Self::SaleUnbooked { .. } => true,
            _ => false,
        }
    }
}

/// Waits for a statement, [`STATEMENT_WAIT`] at most.
pub(crate) async fn in_time<T>(
    what: &'static str,
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Error> {
    within(STATEMENT_WAIT, what, statement).await
}

/// Waits for a statement, `wait` at most.
pub(crate) async fn within<T>(
    wait: Duration,
    what: &'static str,
    statement: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(wait, outside(what, statement)).await {
        Ok(result) => result.map_err(Error::postgres(what)),
        Err(_) => Err(Error::Slow { what }),
    }
}
