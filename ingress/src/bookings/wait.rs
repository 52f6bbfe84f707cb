//! A booking while its payment is open, and the wait for its end.

use std::time::Duration;

use chassis::Problem;
use schema::{AccountId, HoldId, OrderId};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::body::BookingBody;
use super::orders;
use crate::app::App;
use crate::asks::BARRIER_WAIT;
use crate::config::Config;
use crate::problems;
use crate::views::HoldState;

/// Longest wait that may be asked for: some proxies cut what is silent for half a minute.
const WAIT_MS_MAX: u64 = 25_000;

/// What is left of a request's time for reading the booking: the store's own limit, and a second.
const READ_MS: u64 = 5_000;

/// How often to read a booking whose hold does not change: the end of a review, or money that was
/// found, is to be seen in the store alone.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often to look while the view is built again.
const REBUILD_LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub struct WaitParams {
    /// 0 to 25,000: while the booking is `PENDING`, and waits for something, the answer waits for
    /// its end; that long at most, or as long as a request may take here (some 10 s).
    wait_ms: u64,
}

impl WaitParams {
    pub(super) fn wait(&self, config: &Config) -> Result<Duration, Problem> {
        if WAIT_MS_MAX < self.wait_ms {
            return Err(problems::invalid("waitMs is 0 to 25,000"));
        }
        let longest = config.http.request_ms.0.saturating_sub(READ_MS);
        Ok(Duration::from_millis(self.wait_ms.min(longest)))
    }
}

/// The booking once nothing of it is open any more, or as it is when `wait` is over.
pub(super) async fn ended(
    app: &App,
    account: AccountId,
    order: OrderId,
    wait: Duration,
) -> Result<Option<BookingBody>, Problem> {
    let until = Instant::now() + wait;
    let hold = HoldId::from(order);
    loop {
        // Registered before the look: a change between the look and the wait is not missed.
        let changed = app.views.of_hold(hold).map(|shard| shard.lock().watch(hold));
        let found = look(app, account, order).await?;
        let is_open = found.as_ref().is_some_and(BookingBody::is_open);
        if !is_open || until <= Instant::now() {
            return Ok(found);
        }
        let change = async {
            let Some(changed) = changed else { return std::future::pending().await };
            // An error means that the view is built again.
            if changed.await.is_err() {
                tokio::time::sleep(REBUILD_LOOK).await;
            }
        };
        let again = until.min(Instant::now() + LOOK_EVERY);
        // Whether it came or not, the booking is read again.
        tokio::time::timeout_at(again, change).await.unwrap_or_default();
    }
}

/// The booking as settlement has stored it. Before it has, or while the store is silent, it is what
/// the hold says: who was told that it is pending finds it from there on.
async fn look(
    app: &App,
    account: AccountId,
    order: OrderId,
) -> Result<Option<BookingBody>, Problem> {
    let stored = orders::find(app, account, order).await;
    if let Ok(Some(_)) = stored {
        return stored;
    }
    let shown = of_hold(app, account, order.into()).await?;
    if shown.is_some() { Ok(shown) } else { stored }
}

async fn of_hold(
    app: &App,
    account: AccountId,
    id: HoldId,
) -> Result<Option<BookingBody>, Problem> {
    let Some(shard) = app.views.of_hold(id) else { return Ok(None) };
    let hold = shard.hold(id, BARRIER_WAIT).await.map_err(|_| problems::unconfirmed())?;
    let is_being_paid = |state| matches!(state, HoldState::Paying | HoldState::Sold);
    let own = hold.filter(|hold| {
        let is_own = hold.held.account == account && !hold.held.owner.is_set_aside();
        is_own && is_being_paid(hold.state)
    });
    Ok(own.map(|hold| {
        let created_at = shard.now().on_wall(id.made_at());
        BookingBody::pending(id, &hold.event, hold.held.total(), created_at)
    }))
}
