//! Compares the provider's own list with our orders, whatever webhooks and drivers have heard.
//!
//! Money that no order accounts for goes back (ORD-2). That a provider does not answer says nothing
//! about any payment: such a look ends, and the next one begins where it began. Each look compares
//! what is new, and the next part of all that there ever was: money may leave long after it came.

mod look;
mod rested;

pub use self::look::Findings;
use self::look::Look;
pub(crate) use self::rested::Rested;
use crate::chargeback;
use crate::config::{FOUND_AFTER, RECONCILE_EVERY, RECONCILE_OVERLAP, SEEN_TO_KEPT};
use crate::error::Error;
use crate::metrics;
use crate::provider::{Listed, Provider};
use crate::store::{FoundMoney, SeenTo};
use chassis::{Shutdown, clock};
use schema::{InvariantId, UnixMillis};
use settlement_core::{Remedy, Stray};
use sqlx::PgPool;
use std::collections::HashSet;
use std::fmt;
use std::mem::discriminant;
use std::sync::Arc;

/// Something that provider and orders do not agree about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    payment: Listed,
    remedy: Remedy,
    /// Whether the buyer's bank has done it.
    by_bank: bool,
    /// Whether it is mended; else the next look tries again, or a person has to.
    pub is_mended: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.what();
        let done = match (self.is_mended, self.remedy) {
            (true, _) if self.by_bank => "its bank has given it back",
            (true, Remedy::Void(_)) => "voided",
            (true, _) => "refunded",
            (false, Remedy::Missing | Remedy::Uneven) => "a person has to look",
            (false, Remedy::Reseat) => "its places are asked for",
            (false, _) => "not mended yet",
        };
        write!(f, "{what}; {done}")
    }
}

impl Difference {
    fn what(&self) -> String {
        let Listed { id, order, amount, .. } = &self.payment;
        let (amount, currency) = (amount.amount, amount.currency);
        let what = match self.remedy {
            Remedy::Rest => "nothing",
            Remedy::Void(stray) | Remedy::Refund(stray) => match stray {
                Stray::Orphan => "no order has this payment",
                Stray::Late => "its order was given up",
                Stray::Duplicate => "its order is paid by another payment, or was paid back",
            },
            Remedy::Reseat => "it came after its order was given up",
            Remedy::Missing => "its order is paid, and the money is not there",
            Remedy::Uneven => "other money is back than of its order's tickets",
        };
        format!("payment {id} of {amount} {currency} for order {order}: {what}")
    }

    /// The promise that is broken while it lasts.
    fn broken(&self) -> InvariantId {
        match self.remedy {
            Remedy::Missing | Remedy::Uneven => InvariantId::Mon1,
            _ => InvariantId::Ord2,
        }
    }
}

/// Looks every [`RECONCILE_EVERY`], one process at a time, until the process ends.
pub(crate) async fn run(pool: PgPool, provider: Arc<dyn Provider>, shutdown: Shutdown) {
    let mut tick = tokio::time::interval(RECONCILE_EVERY.into());
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut rested = Rested::default();
    loop {
        // Cancel-safe: a tick and a switch.
        tokio::select! {
            _ = tick.tick() => {}
            () = shutdown.begun() => return,
        }
        // Dropped when the process ends: each step is repeatable.
        let looked = tokio::select! {
            looked = look_at_news(&pool, &*provider, &mut rested) => looked,
            () = shutdown.begun() => return,
        };
        if let Err(error) = looked {
            metrics::reconcile_failed();
            let error = chassis::telemetry::chain(&error);
            tracing::warn!(%error, "the provider's list is compared later");
        }
    }
}

/// Looks at payments and disputes, if it is time for it. Of what it does not hear it learns by the
/// next look; what it has come upon is told whatever it did not hear.
pub(crate) async fn look_at_news(
    pool: &PgPool,
    provider: &dyn Provider,
    rested: &mut Rested,
) -> Result<(), Error> {
    let money = FoundMoney { pool, provider: provider.name() };
    let now = clock::now();
    let Some(seen_to) = money.begin(now + RECONCILE_EVERY).await? else { return Ok(()) };
    let look = Look { money, provider, created_before: before(now), only_looks: false };
    let mut findings = Findings::default();
    let payments = look_at_payments(&look, seen_to, rested, &mut findings).await;
    // What is new is in the whole list too.
    let mut told = HashSet::new();
    for difference in &findings.differences {
        if told.insert((&difference.payment.id, discriminant(&difference.remedy))) {
            tell(difference);
        }
    }
    // A key that is good for payments only makes no look at them longer and longer.
    let disputes = look_at_disputes(&look, seen_to).await;
    payments.and(findings.failed.map_or(Ok(()), Err)).and(disputes)
}

/// Compares what is new since the last look, the ended payments whose time has come, what is open,
/// and the next part of the whole list.
async fn look_at_payments(
    look: &Look<'_>,
    seen_to: SeenTo,
    rested: &mut Rested,
    findings: &mut Findings,
) -> Result<(), Error> {
    look.money.forget_events().await?;
    look.changed_from(overlapping(seen_to.payments), rested, findings).await?;
    let is_stuck = seen_to.payments + SEEN_TO_KEPT < look.created_before;
    if findings.failed.is_none() || is_stuck {
        look.money.end(look.created_before).await?;
    }
    if findings.failed.is_none() {
        metrics::reconciled(clock::now());
    }
    look.at_ended(findings).await?;
    look.at_open(findings).await?;
    look.go_on(findings).await
}

async fn look_at_disputes(look: &Look<'_>, seen_to: SeenTo) -> Result<(), Error> {
    chargeback::look(look.money, look.provider, overlapping(seen_to.disputes)).await?;
    look.money.end_disputes(look.created_before).await
}

/// Tells whoever watches of a difference.
fn tell(difference: &Difference) {
    tracing::error!(%difference, "provider and orders differ");
    match difference.remedy {
        Remedy::Missing => metrics::money_amiss("missing"),
        Remedy::Uneven => metrics::money_amiss("uneven"),
        _ => {}
    }
}

/// From when on something is compared that was compared up to `seen_to`.
fn overlapping(seen_to: UnixMillis) -> UnixMillis {
    UnixMillis(seen_to.0.saturating_sub(RECONCILE_OVERLAP.0))
}

/// Compares the provider's whole list with the orders once, and mends what has a rule. Disputes are
/// noted and booked as they stand.
///
/// [`Findings::failed`] is [`Error::Provider`] if it does not tell all of it: nothing is concluded
/// from what is missing.
pub async fn reconcile_once(pool: &PgPool, provider: &dyn Provider) -> Findings {
    let money = FoundMoney { pool, provider: provider.name() };
    let look = Look { money, provider, created_before: before(clock::now()), only_looks: false };
    let mut findings = Findings::default();
    let payments = look_at_all(&look, &mut findings).await;
    let disputes = chargeback::look(money, provider, UnixMillis(0)).await;
    for failed in [payments, disputes] {
        findings.add(failed.map(|()| None));
    }
    findings
}

async fn look_at_all(look: &Look<'_>, findings: &mut Findings) -> Result<(), Error> {
    let begun = clock::now();
    while look.end_open(begun, findings).await?.is_some() {}
    look.from(UnixMillis(0), findings).await
}

/// Compares the provider's whole list with the orders, and its disputes with those that are noted,
/// and changes nothing: each difference as a line of text, with the promise that is broken while it
/// lasts. The lists may be older than what is stored, so who asks looks more than once.
///
/// # Errors
/// As of [`reconcile_once`].
pub async fn compare_provider(
    pool: &PgPool,
    provider: &dyn Provider,
) -> Result<Vec<String>, Error> {
    let money = FoundMoney { pool, provider: provider.name() };
    let look = Look { money, provider, created_before: before(clock::now()), only_looks: true };
    let mut findings = Findings::default();
    look.from(UnixMillis(0), &mut findings).await?;
    let line = |difference: &Difference| format!("{}: {}", difference.broken(), difference.what());
    let mut lines: Vec<String> = findings.whole()?.iter().map(line).collect();
    // A key that is good for payments only takes nothing else from the audit.
    let disputes = chargeback::not_noted(money, provider).await.unwrap_or_else(|error| {
        vec![format!("the disputes are not known: {}", chassis::telemetry::chain(&error))]
    });
    lines.extend(disputes.iter().map(|dispute| format!("{}: {dispute}", InvariantId::Mon1)));
    Ok(lines)
}

/// Compares one payment whose order nobody works on, now: somebody says that it has changed.
pub(crate) async fn look_at(
    money: FoundMoney<'_>,
    provider: &dyn Provider,
    payment: Listed,
) -> Result<(), Error> {
    let look = Look { money, provider, created_before: clock::now(), only_looks: false };
    if let Some(difference) = look.at(payment).await? {
        tell(&difference);
    }
    Ok(())
}

fn before(now: UnixMillis) -> UnixMillis {
    UnixMillis(now.0.saturating_sub(FOUND_AFTER.0))
}
