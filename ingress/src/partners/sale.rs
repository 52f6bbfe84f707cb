//! A sale of a partner's that its owner has decided, until it is committed.
//!
//! The owner has made a hold that is being paid, and settlement sells it without a provider. What
//! this stage's own view shows is answered, so never before the commit, as for a fan's payment.

use std::time::Duration;

use chassis::outside;
use schema::{HoldId, OrderId, OutcomeBody};

use super::operation::ResultLine;
use crate::accounts::Caller;
use crate::app::App;
use crate::asks::{Answer, BARRIER_WAIT};
use crate::bookings;

/// Why a sale is not answered as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsold {
    /// It is not known yet: whoever repeats the operation hears how it went.
    Pending,
    /// Settlement could not sell what the owner gave; a person looks at it.
    Failed,
}

impl Unsold {
    pub fn line(self, reference: &str) -> ResultLine {
        match self {
            Self::Pending => {
                let line = ResultLine::refused(reference, "SALE_PENDING");
                ResultLine { retryable: true, ..line }
            }
            Self::Failed => ResultLine::refused(reference, "SALE_FAILED"),
        }
    }
}

/// Waits until what an answer says is sold is sold; what is no sale needs no wait.
pub async fn committed(app: &App, caller: &Caller, answer: &Answer) -> Result<(), Unsold> {
    let OutcomeBody::AllottedSold { payment, .. } = &answer.outcome.body else { return Ok(()) };
    let hold = payment.held.hold;
    let wait = Duration::from_millis(app.config.confirm_wait_ms);
    let shown = outside("see a partner's sale", shows_sold(app, hold, answer.sequence));
    let shown = tokio::time::timeout(wait, shown).await;
    if shown.map_err(|_| Unsold::Pending)? {
        return Ok(());
    }
    // It has ended since: what was sold and paid back is the same sale to who repeats it.
    let was_sold = bookings::was_sold(app, caller.account, OrderId::from(hold)).await;
    match was_sold {
        Ok(Some(true)) => Ok(()),
        Ok(Some(false)) => Err(Unsold::Failed),
        Ok(None) | Err(_) => Err(Unsold::Pending),
    }
}

/// Waits until the view shows a hold sold, or that there is none any more. The hold began at
/// `sequence`.
async fn shows_sold(app: &App, hold: HoldId, sequence: u64) -> bool {
    let Some(shard) = app.views.of_hold(hold) else { return false };
    while !shard.reached(sequence, BARRIER_WAIT).await {}
    // Sold holds stay in the view: one that is missing has ended long ago.
    let is_known = shard.lock().holds.contains_key(&hold);
    is_known && bookings::is_sold(app, hold).await
}
