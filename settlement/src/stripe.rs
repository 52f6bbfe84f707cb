//! The provider Stripe: payment intents that are captured by hand.
//!
//! A payment is created, confirmed (the money is set aside) and captured in three calls. What would
//! make a second thing if it were done twice (a payment, a charge, a refund) has an idempotency
//! key; besides, nothing relies on Stripe keeping it: only an id that is stored is ever confirmed
//! (ORD-2), an intent is confirmed and captured once by its own state, and what was given back is
//! read before each try to give it back.

use crate::error::Error;
use crate::metrics;
use crate::provider::{
    CHARGED_BACK, Cursor, Dispute, Disputes, Failure, GIVE_BACK, Listed, NewPayment, Page, Payment,
    Provider, Verb,
};
use api::{Api, Call, Fault, Method, Refused};
use dispute::{DisputesList, Disputing};
use futures_util::future::BoxFuture;
use intent::{Intent, Intents, Told};
use key::Keys;
use schema::OrderId;
use serde::de::DeserializeOwned;
use settlement_core::Seen;

pub use config::StripeConfig;
pub(crate) use event::{Event, read_event};
pub(crate) use signature::is_signed;
#[cfg(test)]
pub(crate) use signature::sign;

mod api;
mod config;
mod dispute;
mod event;
mod intent;
mod key;
mod signature;

/// The provider's name in the configuration and beside its payment ids.
pub(crate) const NAME: &str = "stripe";

/// Most payments in one part of the list: as many as Stripe gives at once.
const PAGE_PAYMENTS: &str = "100";

/// A request, and what it is called where it leaves the process.
#[derive(Debug, Clone, Copy)]
struct Ask {
    /// Below an intent, or below `/v1/`.
    path: &'static str,
    name: &'static str,
}

/// What is done to an intent that its state allows once.
const CONFIRM: Ask = Ask { path: "confirm", name: "send a confirmation" };
const CAPTURE: Ask = Ask { path: "capture", name: "send a capture" };
const CANCEL: Ask = Ask { path: "cancel", name: "send a cancellation" };

const INTENTS: Ask = Ask { path: "payment_intents", name: "ask for intents" };
const DISPUTES: Ask = Ask { path: "disputes", name: "ask for disputes" };

/// Ids of payments of nothing, which Stripe does not take and nobody has to.
const FREE: &str = "free_";

/// The provider.
#[derive(Debug)]
pub struct Stripe {
    api: Api,
    /// Which payments of the account are ours.
    system: String,
    keys: Keys,
}

impl Stripe {
    /// Connects nowhere yet.
    ///
    /// # Errors
    /// [`Error::ProviderUnset`].
    pub fn new(config: &StripeConfig) -> Result<Self, Error> {
        config.check().map_err(|why| Error::ProviderUnset { name: NAME, why })?;
        Ok(Self {
            api: Api::new(&config.api_base, &config.secret_key),
            system: config.system.clone(),
            keys: Keys::default(),
        })
    }

    /// The same with other times between one key and the next.
    #[cfg(test)]
    pub(crate) fn with_keys(self, create_every: u64, refund_every: u64, refund_apart: u64) -> Self {
        let [create_every, refund_every, refund_apart] =
            [create_every, refund_every, refund_apart].map(schema::DurationMs);
        Self { keys: Keys { create_every, refund_every, refund_apart }, ..self }
    }

    async fn create(&self, new: &NewPayment) -> Result<Payment, Failure> {
        let what = "create";
        if new.total.amount == 0 {
            return Ok(Payment { id: free_id(new), seen: Seen::Created });
        }
        let (order, attempt) = (new.order.to_string(), new.attempt.to_string());
        let form = [
            ("amount", new.total.amount.to_string()),
            ("currency", new.total.currency.to_string().to_lowercase()),
            ("capture_method", "manual".to_owned()),
            ("payment_method", new.token.clone()),
            ("metadata[system]", self.system.clone()),
            ("metadata[order]", order),
            ("metadata[attempt]", attempt),
        ];
        let key = self.keys.create(&self.system, new, chassis::clock::now());
        let (method, path) = (Method::Post, "payment_intents");
        let call = Call { what, name: "send a creation", method, path, form: &form, key };
        let intent: Intent = match self.api.call(&call).await {
            Ok(intent) => intent,
            Err(Fault::Unknown(failure) | Fault::Over(failure)) => return Err(failure),
            // Nothing was charged, so whatever it is about, another attempt may do better.
            Err(Fault::Refused(refused)) => {
                if !refused.is_of_card() {
                    refuse(what, &new.order.to_string(), &refused);
                }
                return Err(Failure::Rejected { what, why: refused.reason() });
            }
        };
        // ORD-2: nothing else than what was asked for is ever confirmed.
        if !intent.is_for(new, &self.system) {
            let why = "the provider made another payment than it was asked for".to_owned();
            return Err(Failure::Rejected { what, why });
        }
        Ok(Payment { id: intent.id.clone(), seen: self.close_if_refused(what, intent).await? })
    }

    /// Says how the payment is.
    async fn fetch(&self, what: &'static str, id: &str) -> Result<Intent, Failure> {
        let path = format!("payment_intents/{id}");
        let call = Call::read(what, "ask for an intent", &path, &[]);
        match self.api.call(&call).await {
            Ok(intent) => Ok(intent),
            Err(Fault::Unknown(failure) | Fault::Over(failure)) => Err(failure),
            Err(Fault::Refused(refused)) if refused.is_of_nothing() => {
                Err(Failure::Rejected { what, why: "no such payment".to_owned() })
            }
            Err(Fault::Refused(refused)) => Err(Failure::Unknown { what, why: refused.reason() }),
        }
    }

    /// Does something to an intent that its state allows once; if it does not, says how it is.
    async fn carry_out(
        &self,
        what: &'static str,
        id: &str,
        Ask { path, name }: Ask,
    ) -> Result<Intent, Failure> {
        let path = format!("payment_intents/{id}/{path}");
        // No key on purpose: Stripe repeats the answer to a key for a day, also a refusal that no
        // longer holds. The intent's own state keeps each from being done twice.
        let (method, key) = (Method::Post, String::new());
        let call = Call { what, name, method, path: &path, form: &[], key };
        match self.api.call(&call).await {
            Ok(intent) => Ok(intent),
            Err(Fault::Unknown(failure) | Fault::Over(failure)) => Err(failure),
            // Most often it is done already.
            Err(Fault::Refused(refused)) => {
                refuse(what, id, &refused);
                self.fetch(what, id).await
            }
        }
    }

    /// A card that was refused leaves an intent that its buyer could still pay with another one:
    /// it is closed before anybody hears of the refusal.
    async fn close_if_refused(&self, what: &'static str, intent: Intent) -> Result<Seen, Failure> {
        let reason = match intent.told() {
            Told::Seen(seen) => return Ok(seen),
            Told::Refused { reason } => reason,
        };
        let closed = self.carry_out(what, &intent.id, CANCEL).await?;
        match closed.told() {
            Told::Seen(Seen::Cancelled | Seen::Declined { .. }) => Ok(Seen::Declined { reason }),
            Told::Seen(seen) => Ok(seen),
            Told::Refused { .. } => {
                Err(Failure::Unknown { what, why: "a refused payment is not closed".to_owned() })
            }
        }
    }

    /// Gives back so much that `stays` of what was taken is left, and says how the payment is then.
    async fn refund(
        &self,
        what: &'static str,
        id: &str,
        stays: impl FnOnce(&Intent) -> i64,
    ) -> Result<Intent, Failure> {
        let intent = self.fetch(what, id).await?;
        let (left, stays) = (intent.left(), stays(&intent));
        if intent.told() != Told::Seen(Seen::Captured) || left <= stays {
            return Ok(intent);
        }
        let amount = left - stays;
        let form = [("payment_intent", id.to_owned()), ("amount", amount.to_string())];
        for key in self.keys.refund(id, left, amount, chassis::clock::now()) {
            let (method, path) = (Method::PostOnce, "refunds");
            let call = Call { what, name: "send a refund", method, path, form: &form, key };
            match self.api.call::<serde::de::IgnoredAny>(&call).await {
                // It is over, so how the payment is says what it has done.
                Err(Fault::Over(_)) if self.fetch(what, id).await?.left() == left => {}
                Ok(_) | Err(Fault::Over(_)) => break,
                Err(Fault::Refused(refused)) if refused.is_disputed() => {
                    return Err(Failure::Rejected { what, why: CHARGED_BACK.to_owned() });
                }
                Err(Fault::Refused(refused)) => refuse(what, id, &refused),
                Err(Fault::Unknown(failure)) => return Err(failure),
            }
        }
        self.fetch(what, id).await
    }

    async fn give_back(&self, id: &str, back: i64) -> Result<i64, Failure> {
        let what = GIVE_BACK;
        // A payment of nothing has nothing to give back.
        if id.starts_with(FREE) {
            return Ok(0);
        }
        if !is_id(id) {
            return Err(Failure::Rejected { what, why: "no such payment".to_owned() });
        }
        let intent = self.refund(what, id, |intent| intent.amount() - back).await?;
        Ok(intent.back())
    }

    async fn act(&self, id: &str, verb: Verb) -> Result<Seen, Failure> {
        let what = verb.as_str();
        if id.starts_with(FREE) {
            return Ok(free(verb));
        }
        if !is_id(id) {
            return Err(Failure::Rejected { what, why: "no such payment".to_owned() });
        }
        let intent = match verb {
            Verb::Fetch => self.fetch(what, id).await?,
            Verb::Authorise => self.carry_out(what, id, CONFIRM).await?,
            Verb::Capture => self.carry_out(what, id, CAPTURE).await?,
            Verb::Cancel => self.carry_out(what, id, CANCEL).await?,
            Verb::Refund => self.refund(what, id, |_| 0).await?,
        };
        self.close_if_refused(what, intent).await
    }

    async fn list(&self, after: &Cursor) -> Result<Page, Failure> {
        let intents: Intents = self.list_of("list", INTENTS, after).await?;
        let last = intents.data.last().filter(|_| intents.has_more);
        let next = last.map(|last| Cursor { created_at: after.created_at, id: last.id.clone() });
        let ours = |intent: &Intent| self.listed(intent);
        let payments = intents.data.iter().filter_map(ours);
        let payments =
            payments.filter(|payment| after.created_at.0 / 1_000 * 1_000 <= payment.created_at.0);
        Ok(Page { payments: payments.collect(), next })
    }

    /// A part of a list of what was created behind `after`.
    async fn list_of<T: DeserializeOwned>(
        &self,
        what: &'static str,
        Ask { path, name }: Ask,
        after: &Cursor,
    ) -> Result<T, Failure> {
        let mut form = vec![
            ("limit", PAGE_PAYMENTS.to_owned()),
            ("created[gte]", (after.created_at.0 / 1_000).to_string()),
        ];
        if !after.id.is_empty() {
            form.push(("starting_after", after.id.clone()));
        }
        let call = Call::read(what, name, path, &form);
        self.api.call(&call).await.map_err(|fault| match fault {
            Fault::Unknown(failure) | Fault::Over(failure) => failure,
            Fault::Refused(refused) => Failure::Unknown { what, why: refused.reason() },
        })
    }

    async fn disputes(&self, after: &Cursor) -> Result<Disputes, Failure> {
        let list: DisputesList = self.list_of("list disputes", DISPUTES, after).await?;
        let end = list.data.last().filter(|_| list.has_more);
        let next = end.map(|end| Cursor { created_at: after.created_at, id: end.id.clone() });
        Ok((list.data.iter().filter_map(Disputing::told).collect(), next))
    }

    async fn dispute(&self, id: &str) -> Result<Option<Dispute>, Failure> {
        let what = "fetch a dispute";
        if !is_word(id) {
            return Ok(None);
        }
        let path = format!("disputes/{id}");
        let call = Call::read(what, "ask for a dispute", &path, &[]);
        match self.api.call::<Disputing>(&call).await {
            Ok(dispute) => Ok(dispute.told()),
            Err(Fault::Unknown(failure) | Fault::Over(failure)) => Err(failure),
            Err(Fault::Refused(refused)) if refused.is_of_nothing() => Ok(None),
            Err(Fault::Refused(refused)) => Err(Failure::Unknown { what, why: refused.reason() }),
        }
    }

    /// `None` for a payment that somebody else has made in the same account.
    fn listed(&self, intent: &Intent) -> Option<Listed> {
        let order: OrderId = intent.order_of(&self.system)?;
        let seen = match intent.told() {
            Told::Seen(seen) => seen,
            // It could still be paid.
            Told::Refused { .. } => Seen::Created,
        };
        let (amount, created_at) = (intent.money()?, intent.created_at());
        let back = Some(intent.back());
        Some(Listed { id: intent.id.clone(), order, amount, seen, back, created_at })
    }
}

/// Notes that something was refused of a payment, or of an order that has none yet: what is refused
/// again and again waits for a person.
fn refuse(what: &'static str, of: &str, refused: &Refused) {
    metrics::provider_refused(what);
    tracing::info!(what, of, why = refused.reason(), "the provider refuses");
}

/// Whether it can be an id of an intent.
fn is_id(id: &str) -> bool {
    id.starts_with("pi_") && is_word(id)
}

/// Whether it can be a part of a path.
fn is_word(id: &str) -> bool {
    id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn free_id(new: &NewPayment) -> String {
    format!("{FREE}{}_{}", new.order, new.attempt)
}

/// How a payment of nothing is after a verb: it is there as soon as anybody asks.
fn free(verb: Verb) -> Seen {
    match verb {
        Verb::Authorise => Seen::Authorised,
        Verb::Fetch | Verb::Capture => Seen::Captured,
        Verb::Cancel => Seen::Cancelled,
        Verb::Refund => Seen::Refunded,
    }
}

impl Provider for Stripe {
    fn name(&self) -> &'static str {
        NAME
    }

    fn id_ahead(&self, new: &NewPayment) -> Option<String> {
        (new.total.amount == 0).then(|| free_id(new))
    }

    fn create<'a>(&'a self, new: &'a NewPayment) -> BoxFuture<'a, Result<Payment, Failure>> {
        Box::pin(self.create(new))
    }

    fn act<'a>(&'a self, id: &'a str, verb: Verb) -> BoxFuture<'a, Result<Seen, Failure>> {
        Box::pin(self.act(id, verb))
    }

    fn give_back<'a>(&'a self, id: &'a str, back: i64) -> BoxFuture<'a, Result<i64, Failure>> {
        Box::pin(self.give_back(id, back))
    }

    fn list<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Page, Failure>> {
        Box::pin(self.list(after))
    }

    fn disputes<'a>(&'a self, after: &'a Cursor) -> BoxFuture<'a, Result<Disputes, Failure>> {
        Box::pin(self.disputes(after))
    }

    fn dispute<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Dispute>, Failure>> {
        Box::pin(self.dispute(id))
    }
}
