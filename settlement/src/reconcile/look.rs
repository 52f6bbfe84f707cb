//! One look at what the provider has.

use super::rested::Rested;
use super::{Difference, overlapping};
use crate::config::{LOOKS_SIDE_BY_SIDE, PROVIDER_WAIT};
use crate::error::Error;
use crate::metrics;
use crate::provider::{Cursor, Failure, Listed, Page, Provider, Verb};
use crate::store::{Banked, FoundMoney, MoneyOutcome};
use chassis::clock;
use futures_util::stream::{self, StreamExt as _};
use schema::UnixMillis;
use settlement_core::{Late, Remedy, Rung, Seen, Standing, Stray, late, remedy};

/// Before everything in a list.
const FIRST: Cursor = Cursor { created_at: UnixMillis(0), id: String::new() };

/// What a look at the whole list, or at what is new of it, needs.
pub(super) struct Look<'a> {
    pub money: FoundMoney<'a>,
    pub provider: &'a dyn Provider,
    /// Payments that are younger are left to their drivers.
    pub created_before: UnixMillis,
    /// Nothing is mended.
    pub only_looks: bool,
}

/// What a look has come upon.
#[derive(Debug, Default)]
pub struct Findings {
    pub differences: Vec<Difference>,
    /// Why it does not know all that it asked about, if it does not: one payment that cannot be
    /// told now holds up no other.
    pub failed: Option<Error>,
}

/// Found money that had no outcome.
enum Open {
    /// It has one now, or a person has to look.
    Differs(Difference),
    /// Nothing has ended it.
    Goes(Listed),
}

impl Findings {
    /// The differences, if they are all there are.
    ///
    /// # Errors
    /// Why they may not be.
    pub fn whole(self) -> Result<Vec<Difference>, Error> {
        self.failed.map_or(Ok(self.differences), Err)
    }

    pub(super) fn add(&mut self, found: Result<Option<Difference>, Error>) {
        match found {
            Ok(difference) => self.differences.extend(difference),
            Err(error) => drop(self.failed.get_or_insert(error)),
        }
    }

    /// Looks side by side.
    async fn add_all<F>(&mut self, looks: impl Iterator<Item = F>)
    where
        F: Future<Output = Result<Option<Difference>, Error>>,
    {
        let mut looked = stream::iter(looks).buffer_unordered(LOOKS_SIDE_BY_SIDE);
        while let Some(found) = looked.next().await {
            self.add(found);
        }
    }
}

impl Look<'_> {
    /// Compares all payments that were created since `from`.
    pub(super) async fn from(
        &self,
        from: UnixMillis,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        self.compare_from(from, None, findings).await
    }

    /// The same, but of those that are known to rest.
    pub(super) async fn changed_from(
        &self,
        from: UnixMillis,
        rested: &mut Rested,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let compared = self.compare_from(from, Some(&mut *rested), findings).await;
        rested.end_look();
        compared
    }

    async fn compare_from(
        &self,
        from: UnixMillis,
        mut rested: Option<&mut Rested>,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let mut next = Some(Cursor { created_at: from, id: String::new() });
        while let Some(after) = next {
            next = self.part(&after, rested.as_deref_mut(), findings).await?;
        }
        Ok(())
    }

    /// Compares the next part of the whole list, unless the last look at all of it began lately;
    /// behind its end, it begins again.
    pub(super) async fn go_on(&self, findings: &mut Findings) -> Result<(), Error> {
        let Some(after) = self.money.gone_on_to().await? else { return Ok(()) };
        match self.part(&after, None, findings).await {
            Ok(next) => self.money.go_on(&next.unwrap_or(FIRST)).await,
            Err(error) => {
                findings.add(Err(error));
                self.money.go_on_failed().await
            }
        }
    }

    /// Compares a part of the list, and says where the next one begins.
    async fn part(
        &self,
        after: &Cursor,
        mut rested: Option<&mut Rested>,
        findings: &mut Findings,
    ) -> Result<Option<Cursor>, Error> {
        let Page { mut payments, next } =
            in_time(self.provider.list(after)).await.map_err(Error::provider)?;
        payments.retain(|payment| {
            payment.created_at <= self.created_before
                && !rested.as_deref_mut().is_some_and(|rested| rested.still(payment))
        });
        if payments.is_empty() {
            return Ok(next);
        }
        // The list may be older than what is stored; what has not changed since is not.
        let known = self.money.known(&payments, self.created_before).await?;
        let mut open = Vec::new();
        for (payment, known) in payments.into_iter().zip(known) {
            // The first look, and one after an outage, list more than the next one will.
            let comes_again = overlapping(self.created_before) <= payment.created_at;
            if let Some(rested) = rested.as_deref_mut().filter(|_| comes_again) {
                rested.add(&payment, known);
            }
            if known.is_uneven == Some(true) {
                findings.differences.push(Difference {
                    payment: payment.clone(),
                    remedy: Remedy::Uneven,
                    by_bank: false,
                    is_mended: false,
                });
            }
            open.extend(known.standing.map(|standing| (payment, standing)));
        }
        findings.add_all(open.into_iter().map(|(payment, known)| self.mend(payment, known))).await;
        Ok(next)
    }

    /// Asks again about payments that had ended without money: a list by creation does not show an
    /// old one that is paid after all.
    pub(super) async fn at_ended(&self, findings: &mut Findings) -> Result<(), Error> {
        let looks = self.money.ended().await?.into_iter().map(|(payment, looks)| async move {
            let id = payment.id.clone();
            // No money is found where nothing was to be paid.
            let is_free = payment.amount.amount == 0;
            let difference = if is_free { Ok(None) } else { self.at(payment).await };
            match difference {
                Ok(_) => self.money.looked(&id, looks).await?,
                Err(_) => self.money.put_off(&id).await?,
            }
            difference
        });
        findings.add_all(looks).await;
        Ok(())
    }

    /// Goes on with found money that has no outcome yet: its places are asked for, or the provider
    /// has not said that it is back.
    pub(super) async fn at_open(&self, findings: &mut Findings) -> Result<(), Error> {
        let rest = self.end_open(clock::now(), findings).await?.unwrap_or_default();
        findings.add_all(rest.into_iter().map(|payment| self.compare(payment))).await;
        Ok(())
    }

    /// Gives found money its outcome whose payment is over: whoever was at it may have died before
    /// it was booked, and nothing in the list is amiss then. Returns the rest, as it is; `None` if
    /// all was looked at since `since`.
    pub(super) async fn end_open(
        &self,
        since: UnixMillis,
        findings: &mut Findings,
    ) -> Result<Option<Vec<Listed>>, Error> {
        let open = self.money.open(since).await?;
        if open.is_empty() {
            return Ok(None);
        }
        let ends = open.into_iter().map(|(payment, why, taken)| self.end_one(payment, why, taken));
        let ends: Vec<_> = stream::iter(ends).buffer_unordered(LOOKS_SIDE_BY_SIDE).collect().await;
        let mut rest = Vec::new();
        for end in ends {
            match end {
                Ok(Open::Goes(payment)) => rest.push(payment),
                Ok(Open::Differs(difference)) => findings.differences.push(difference),
                Err(error) => findings.add(Err(error)),
            }
        }
        Ok(Some(rest))
    }

    async fn end_one(&self, payment: Listed, why: Stray, was_taken: bool) -> Result<Open, Error> {
        let payment = self.fetched(payment).await?;
        // Money that was there is not gone because an account or a key is another one now.
        if was_taken && payment.seen == Seen::Cancelled {
            let remedy = Remedy::Refund(why);
            return Ok(Open::Differs(Difference {
                payment,
                remedy,
                by_bank: false,
                is_mended: false,
            }));
        }
        // What its bank has, the comparison ends.
        let Some(outcome) = outcome_of(&payment.seen) else { return Ok(Open::Goes(payment)) };
        let remedy = match outcome {
            MoneyOutcome::Voided => Remedy::Void(why),
            MoneyOutcome::Refunded | MoneyOutcome::ChargedBack(_) => Remedy::Refund(why),
        };
        let is_mended = self.settle(&payment, why, outcome).await?;
        Ok(Open::Differs(Difference { payment, remedy, by_bank: false, is_mended }))
    }

    /// Asks how a payment is, and compares that.
    pub(super) async fn at(&self, payment: Listed) -> Result<Option<Difference>, Error> {
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
        let known = self.money.known(std::slice::from_ref(&payment), self.created_before).await?;
        match known.first().and_then(|known| known.standing) {
            Some(standing) => self.mend(payment, standing).await,
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
            return Ok(Some(Difference {
                payment,
                remedy: remedy_told,
                by_bank: false,
                is_mended: false,
            }));
        }
        // The list may be older than the standing: a driver's last step may lie between them.
        let seen = match in_time(self.provider.act(&payment.id, Verb::Fetch)).await {
            Ok(seen) => seen,
            Err(failure) => return Err(Error::provider(failure)),
        };
        let remedy = remedy(&seen, standing);
        let payment = Listed { seen, ..payment };
        let stray = match remedy {
            Remedy::Refund(stray) => Some(stray),
            Remedy::Reseat => Some(Stray::Late),
            _ => None,
        };
        if let Some(stray) = stray
            && let Some(banked) = self.money.banked(&payment).await?
        {
            return self.leave_to_bank(payment, stray, banked).await;
        }
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
        Ok(is_mended.map(|is_mended| Difference { payment, remedy, by_bank: false, is_mended }))
    }

    /// Money that the buyer's bank has buys no places, and cannot be given back. If the bank keeps
    /// it, that is its outcome.
    async fn leave_to_bank(
        &self,
        payment: Listed,
        stray: Stray,
        banked: Banked,
    ) -> Result<Option<Difference>, Error> {
        if !self.money.note(&payment, stray, true).await? || !banked.is_lost {
            return Ok(None);
        }
        let outcome = MoneyOutcome::ChargedBack(banked.bearer);
        let is_mended = self.settle(&payment, stray, outcome).await?;
        let remedy = Remedy::Refund(stray);
        Ok(Some(Difference { payment, remedy, by_bank: true, is_mended }))
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
