//! Compares the provider's own list with our orders, whatever webhooks and drivers have heard.
//!
//! Money that no order accounts for goes back (ORD-2). That a provider does not answer says nothing
//! about any payment: such a look ends, and the next one begins where it began.

use crate::chargeback;
use crate::config::{
    FOUND_AFTER, LOOKS_SIDE_BY_SIDE, PROVIDER_WAIT, RECONCILE_EVERY, RECONCILE_OVERLAP,
};
use crate::error::Error;
use crate::metrics;
use crate::provider::{Cursor, Failure, Listed, Page, Provider, Verb};
use crate::store::{FoundMoney, MoneyOutcome};
use chassis::{Shutdown, clock};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use schema::{InvariantId, UnixMillis};
use settlement_core::{Late, Remedy, Rung, Seen, Standing, Stray, late, remedy};
use sqlx::PgPool;
use std::fmt;
use std::sync::Arc;

/// Something that provider and orders do not agree about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    payment: Listed,
    remedy: Remedy,
    /// Whether it is mended; else the next look tries again, or a person has to.
    pub is_mended: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.what();
        let done = match (self.is_mended, self.remedy) {
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
                Stray::Duplicate => "its order is paid by another payment",
            },
            Remedy::Reseat => "it came after its order was given up",
            Remedy::Missing => "its order is paid, and the money is not there",
            Remedy::Uneven => "its order is paid, and other money is back than of its tickets",
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

/// Found money that is over, and what is not.
type Ended = (Vec<Difference>, Vec<Listed>);

/// What a look at the whole list, or at what is new of it, needs.
struct Look<'a> {
    money: FoundMoney<'a>,
    provider: &'a dyn Provider,
    /// Payments that are younger are left to their drivers.
    created_before: UnixMillis,
    /// Nothing is mended.
    only_looks: bool,
}

/// Looks every [`RECONCILE_EVERY`], one process at a time, until the process ends.
pub(crate) async fn run(pool: PgPool, provider: Arc<dyn Provider>, shutdown: Shutdown) {
    let mut tick = tokio::time::interval(RECONCILE_EVERY.into());
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // Cancel-safe: a tick and a switch.
        tokio::select! {
            _ = tick.tick() => {}
            () = shutdown.begun() => return,
        }
        // Dropped when the process ends: each step is repeatable.
        let looked = tokio::select! {
            looked = look_at_news(&pool, &*provider) => looked,
            () = shutdown.begun() => return,
        };
        if let Err(error) = looked {
            metrics::reconcile_failed();
            let error = chassis::telemetry::chain(&error);
            tracing::warn!(%error, "the provider's list is compared later");
        }
    }
}

/// Compares what is new since the last look, and the ended payments whose time has come, if it is
/// time for a look.
async fn look_at_news(pool: &PgPool, provider: &dyn Provider) -> Result<(), Error> {
    let money = FoundMoney { pool, provider: provider.name() };
    let now = clock::now();
    let Some(seen_to) = money.begin(now + RECONCILE_EVERY).await? else { return Ok(()) };
    let from = overlapping(seen_to.payments);
    let created_before = before(now);
    let look = Look { money, provider, created_before, only_looks: false };
    let mut differences = look.from(from).await?;
    differences.extend(look.at_ended().await?);
    differences.extend(look.at_open().await?);
    for difference in differences {
        tracing::error!(%difference, "provider and orders differ");
    }
    money.end(created_before).await?;
    money.forget_events().await?;
    metrics::reconciled(now);
    // A key that is good for payments only makes no look at them longer and longer.
    chargeback::look(money, provider, overlapping(seen_to.disputes)).await?;
    money.end_disputes(created_before).await
}

/// From when on something is compared that was compared up to `seen_to`.
fn overlapping(seen_to: UnixMillis) -> UnixMillis {
    UnixMillis(seen_to.0.saturating_sub(RECONCILE_OVERLAP.0))
}

/// Compares the provider's whole list with the orders once, and mends what has a rule. Disputes are
/// noted and booked as they stand.
///
/// # Errors
/// [`Error::Provider`] if it does not tell all of it: nothing is concluded from what is missing.
pub async fn reconcile_once(
    pool: &PgPool,
    provider: &dyn Provider,
) -> Result<Vec<Difference>, Error> {
    let money = FoundMoney { pool, provider: provider.name() };
    let look = Look { money, provider, created_before: before(clock::now()), only_looks: false };
    let (begun, mut differences) = (clock::now(), Vec::new());
    while let Some((ended, _)) = look.end_open(begun).await? {
        differences.extend(ended);
    }
    differences.extend(look.from(UnixMillis(0)).await?);
    chargeback::look(money, provider, UnixMillis(0)).await?;
    Ok(differences)
}

/// Compares the provider's whole list with the orders and changes nothing: each difference as a
/// line of text, with the promise that is broken while it lasts. The list may be older than what is
/// stored, so who asks looks more than once.
///
/// # Errors
/// As of [`reconcile_once`].
pub async fn compare_provider(
    pool: &PgPool,
    provider: &dyn Provider,
) -> Result<Vec<String>, Error> {
    let money = FoundMoney { pool, provider: provider.name() };
    let look = Look { money, provider, created_before: before(clock::now()), only_looks: true };
    let differences = look.from(UnixMillis(0)).await?;
    let line = |difference: &Difference| format!("{}: {}", difference.broken(), difference.what());
    Ok(differences.iter().map(line).collect())
}

/// Compares one payment whose order nobody works on, now: somebody says that it has changed.
pub(crate) async fn look_at(
    money: FoundMoney<'_>,
    provider: &dyn Provider,
    payment: Listed,
) -> Result<(), Error> {
    let look = Look { money, provider, created_before: clock::now(), only_looks: false };
    if let Some(difference) = look.at(payment).await? {
        tracing::error!(%difference, "provider and orders differ");
    }
    Ok(())
}

fn before(now: UnixMillis) -> UnixMillis {
    UnixMillis(now.0.saturating_sub(FOUND_AFTER.0))
}

impl Look<'_> {
    /// Compares all payments that were created since `from`.
    async fn from(&self, from: UnixMillis) -> Result<Vec<Difference>, Error> {
        let mut differences = Vec::new();
        let mut next = Some(Cursor { created_at: from, id: String::new() });
        while let Some(after) = next {
            let Page { payments, next: following } =
                in_time(self.provider.list(&after)).await.map_err(Error::provider)?;
            next = following;
            let is_old = |payment: &Listed| payment.created_at <= self.created_before;
            let old: Vec<Listed> = payments.into_iter().filter(is_old).collect();
            // The list may be older than what is stored; what has not changed since is not.
            for payment in self.money.uneven(&old, self.created_before).await? {
                let remedy = Remedy::Uneven;
                differences.push(Difference { payment, remedy, is_mended: false });
            }
            for (payment, standing) in self.money.standings(old).await? {
                differences.extend(self.mend(payment, standing).await?);
            }
        }
        Ok(differences)
    }

    /// Asks again about payments that had ended without money: a list by creation does not show an
    /// old one that is paid after all.
    async fn at_ended(&self) -> Result<Vec<Difference>, Error> {
        let looks = self.money.ended().await?.into_iter().map(|(payment, looks)| async move {
            let id = payment.id.clone();
            // No money is found where nothing was to be paid.
            let is_free = payment.amount.amount == 0;
            let difference = if is_free { None } else { self.at(payment).await? };
            self.money.looked(&id, looks).await?;
            Ok::<_, Error>(difference)
        });
        let looked = stream::iter(looks).buffer_unordered(LOOKS_SIDE_BY_SIDE);
        Ok(looked.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
    }

    /// Goes on with found money that has no outcome yet: its places are asked for, or the provider
    /// has not said that it is back.
    async fn at_open(&self) -> Result<Vec<Difference>, Error> {
        let Some((mut differences, rest)) = self.end_open(clock::now()).await? else {
            return Ok(Vec::new());
        };
        for payment in rest {
            differences.extend(self.compare(payment).await?);
        }
        Ok(differences)
    }

    /// Gives found money its outcome whose payment is over: whoever was at it may have died before
    /// it was booked, and nothing in the list is amiss then. Returns the rest beside it, as it is;
    /// `None` if all was looked at since `since`.
    async fn end_open(&self, since: UnixMillis) -> Result<Option<Ended>, Error> {
        let open = self.money.open(since).await?;
        if open.is_empty() {
            return Ok(None);
        }
        let (mut ended, mut rest) = (Vec::new(), Vec::new());
        for (payment, why, was_taken) in open {
            let payment = self.fetched(payment).await?;
            // Money that was there is not gone because an account or a key is another one now.
            if was_taken && payment.seen == Seen::Cancelled {
                ended.push(Difference { payment, remedy: Remedy::Refund(why), is_mended: false });
                continue;
            }
            let Some(outcome) = outcome_of(&payment.seen) else {
                rest.push(payment);
                continue;
            };
            let remedy = match outcome {
                MoneyOutcome::Voided => Remedy::Void(why),
                MoneyOutcome::Refunded => Remedy::Refund(why),
            };
            let is_mended = self.settle(&payment, why, outcome).await?;
            ended.push(Difference { payment, remedy, is_mended });
        }
        Ok(Some((ended, rest)))
    }

    /// Asks how a payment is, and compares that.
    async fn at(&self, payment: Listed) -> Result<Option<Difference>, Error> {
        let payment = self.fetched(payment).await?;
        self.compare(payment).await
    }

    /// A payment as the provider has it now.
    async fn fetched(&self, payment: Listed) -> Result<Listed, Error> {
        let seen = match in_time(self.provider.act(&payment.id, Verb::Fetch)).await {
            Ok(seen) => seen,
            Err(unknown @ Failure::Unknown { .. }) => return Err(Error::provider(unknown)),
            // It says for certain that it has no such payment, so there is no money.
            Err(Failure::Rejected { .. }) => Seen::Cancelled,
        };
        Ok(Listed { seen, ..payment })
    }

    async fn compare(&self, payment: Listed) -> Result<Option<Difference>, Error> {
        match self.money.standings(vec![payment]).await?.pop() {
            Some((payment, standing)) => self.mend(payment, standing).await,
            None => Ok(None),
        }
    }

    /// Does what is to be done about a payment, and says what differed.
    async fn mend(&self, payment: Listed, standing: Standing) -> Result<Option<Difference>, Error> {
        let remedy_told = remedy(&payment.seen, standing);
        if remedy_told == Remedy::Rest {
            return Ok(None);
        }
        if self.only_looks {
            return Ok(Some(Difference { payment, remedy: remedy_told, is_mended: false }));
        }
        // The list may be older than the standing: a driver's last step may lie between them.
        let seen = match in_time(self.provider.act(&payment.id, Verb::Fetch)).await {
            Ok(seen) => seen,
            Err(failure) => return Err(Error::provider(failure)),
        };
        let remedy = remedy(&seen, standing);
        let payment = Listed { seen, ..payment };
        let is_mended = match remedy {
            Remedy::Rest => None,
            Remedy::Missing | Remedy::Uneven => Some(false),
            Remedy::Void(stray) => self.give_back(&payment, stray, Verb::Cancel).await?,
            Remedy::Refund(stray) => self.give_back(&payment, stray, Verb::Refund).await?,
            Remedy::Reseat => match self.climb(&payment).await? {
                Late::Rest => None,
                Late::Wait => Some(false),
                Late::GiveBack => self.give_back(&payment, Stray::Late, Verb::Refund).await?,
            },
        };
        Ok(is_mended.map(|is_mended| Difference { payment, remedy, is_mended }))
    }

    /// Lets late money ask for its places, which the relay does from then on; says what is to be
    /// done about it now. Notes the money first, as `give_back` does.
    async fn climb(&self, payment: &Listed) -> Result<Late, Error> {
        self.money.note(payment, Stray::Late, true).await?;
        Ok(late(self.money.ask_for_places(payment).await?))
    }

    /// Notes the money first: whoever goes on after a crash finds it in the list, and there. `None`
    /// if an order has claimed the payment meanwhile: its driver is at it (ORD-2).
    async fn give_back(
        &self,
        payment: &Listed,
        stray: Stray,
        verb: Verb,
    ) -> Result<Option<bool>, Error> {
        if !self.money.note(payment, stray, verb == Verb::Refund).await? {
            return Ok(None);
        }
        let seen = in_time(self.provider.act(&payment.id, verb)).await;
        // If it has changed meanwhile, or nobody knows, the next look sees how it is.
        let Some(outcome) = seen.ok().as_ref().and_then(outcome_of) else {
            return Ok(Some(false));
        };
        self.settle(payment, stray, outcome).await.map(Some)
    }

    async fn settle(
        &self,
        payment: &Listed,
        stray: Stray,
        outcome: MoneyOutcome,
    ) -> Result<bool, Error> {
        let settled = self.money.settle(payment, outcome).await?;
        if settled {
            metrics::money_found(stray, outcome);
            if (stray, outcome) == (Stray::Late, MoneyOutcome::Refunded) {
                metrics::late_money(Rung::Refund);
            }
        }
        Ok(settled)
    }
}

/// What has become of found money whose payment is like that, if anything has.
fn outcome_of(seen: &Seen) -> Option<MoneyOutcome> {
    match seen {
        Seen::Cancelled | Seen::Declined { .. } => Some(MoneyOutcome::Voided),
        Seen::Refunded => Some(MoneyOutcome::Refunded),
        Seen::Created | Seen::Processing | Seen::Authorised | Seen::Captured => None,
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = || Failure::Unknown { what: "list", why: "no answer in time".to_owned() };
    tokio::time::timeout(PROVIDER_WAIT, answer).await.unwrap_or_else(|_| Err(late()))
}
