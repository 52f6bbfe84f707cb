//! A provider behind a breaker: while it does not answer, it is asked once a second for all orders
//! together instead of once a second for each.

use crate::config::PROVIDER_WAIT;
use crate::metrics;
use crate::provider::{
    Cursor, Dispute, Disputes, Failure, GIVE_BACK, NewPayment, Page, Payment, Provider, Verb,
};
use chassis::clock::Monotonic;
use chassis::outside;
use futures_util::future::BoxFuture;
use schema::DurationMs;
use settlement_core::{Breaker, Seen};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const LIST_DISPUTES: &str = "list disputes";
const FETCH_DISPUTE: &str = "fetch a dispute";

/// Calls that the breaker hears nothing of: a key may be good for payments and not for these.
const DISPUTES: [&str; 2] = [LIST_DISPUTES, FETCH_DISPUTE];

/// A provider, and what came of the calls to it.
///
/// A call that is held back has an unknown outcome, like one without an answer: that a provider
/// cannot be reached says nothing about any payment, so nothing is concluded from it.
#[derive(Debug)]
pub(crate) struct Guarded {
    provider: Arc<dyn Provider>,
    breaker: Mutex<Breaker>,
    began: Monotonic,
}

impl Guarded {
    pub(crate) fn new(provider: Arc<dyn Provider>) -> Self {
        metrics::provider_open(provider.name(), false);
        Self { provider, breaker: Mutex::default(), began: Monotonic::now() }
    }

    /// Whether the provider does not answer, as far as the calls of this process have shown.
    pub(crate) fn is_down(&self) -> bool {
        self.breaker().is_open()
    }

    async fn ask<T>(
        &self,
        what: &'static str,
        call: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let unknown = |why: &str| Err(Failure::Unknown { what, why: why.to_owned() });
        let may_ask = self.breaker().may_ask(self.now());
        if !may_ask {
            return unknown("the provider does not answer, so it was not asked");
        }
        let counts = !DISPUTES.contains(&what);
        let began = Monotonic::now();
        let mut asked = Asked { guarded: self, what, counts, is_answered: false, began };
        let answer = tokio::time::timeout(PROVIDER_WAIT, outside(what, call)).await;
        let answer = answer.unwrap_or_else(|_| unknown("no answer in time"));
        asked.is_answered = !matches!(answer, Err(Failure::Unknown { .. }));
        answer
    }

    fn now(&self) -> DurationMs {
        DurationMs(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // Its only panic is an assertion, after which a wrong word about the provider is harmless.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call under way; one that is dropped counts as not answered.
struct Asked<'a> {
    guarded: &'a Guarded,
    what: &'static str,
    /// Whether it says something about payments.
    counts: bool,
    is_answered: bool,
    began: Monotonic,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let Self { guarded, what, counts, is_answered, began } = self;
        metrics::provider_answered(what, *is_answered, began.elapsed());
        if !*counts {
            return;
        }
        let now = guarded.now();
        let mut breaker = guarded.breaker();
        let was_open = breaker.is_open();
        breaker.heard(now, *is_answered);
        let is_open = breaker.is_open();
        drop(breaker);
        let provider = guarded.provider.name();
        match (was_open, is_open) {
            (false, true) => {
                metrics::provider_open(provider, true);
                tracing::error!(provider, what, "the payment provider does not answer");
            }
            (true, false) => {
                metrics::provider_open(provider, false);
                tracing::info!(provider, "the payment provider answers again");
            }
            _ => {}
        }
    }
}

impl Provider for Guarded {
    fn name(&self) -> &'static str {
        self.provider.name()
    }

    fn id_ahead(&self, new: &NewPayment) -> Option<String> {
        self.provider.id_ahead(new)
    }

    fn create<'a>(&'a self, new: &'a NewPayment) -> BoxFuture<'a, Result<Payment, Failure>> {
        Box::pin(self.ask("create", self.provider.create(new)))
    }

    fn act<'a>(&'a self, id: &'a str, verb: Verb) -> BoxFuture<'a, Result<Seen, Failure>> {
        Box::pin(self.ask(verb.as_str(), self.provider.act(id, verb)))
    }

    fn give_back<'a>(&'a self, id: &'a str, back: i64) -> BoxFuture<'a, Result<i64, Failure>> {
        Box::pin(self.ask(GIVE_BACK, self.provider.give_back(id, back)))
    }

    fn list<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Page, Failure>> {
        Box::pin(self.ask("list", self.provider.list(after)))
    }

    fn disputes<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Disputes, Failure>> {
        Box::pin(self.ask(LIST_DISPUTES, self.provider.disputes(after)))
    }

    fn dispute<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Dispute>, Failure>> {
        Box::pin(self.ask(FETCH_DISPUTE, self.provider.dispute(id)))
    }
}
