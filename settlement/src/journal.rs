//! Follows the journal of a shard: new payments become orders, answers close verdicts.
//!
//! A durable consumer, so that several settlements share a shard; a message is acknowledged after
//! what it says is committed. Messages may come twice and out of order: every effect is keyed by
//! its order, attempt and command. A batch of a deposed owner cannot be stored behind its
//! successor's epoch record, so there is none to be told apart.

use crate::config::{
    BUS_WAIT, JOURNAL_ACK_WAIT, JOURNAL_STEP_MAX, JOURNAL_STEPS_AT_ONCE, JOURNAL_UNACKED_MAX,
    PULL_HEARTBEAT, PULL_WAIT,
};
use crate::error::Error;
use crate::metrics;
use crate::order::Order;
use crate::provider::Provider;
use crate::store::{Announced, Answered, NoPlaces, Outbox, Parts, Reseats};
use crate::work::Work;
use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use chassis::{Backoff, Cause, HealthHandle, Nats, Pause, outside};
use futures_util::StreamExt;
use schema::{
    Batch, InvariantId, LATE_MONEY_ACCOUNT, OrderId, Outcome, OutcomeBody, Released,
    SYSTEM_ACCOUNT, ShardId, codec, subject,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The first and the longest pause before a consumer is opened again.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);

pub(crate) struct Journal {
    pub nats: Nats,
    pub shard: ShardId,
    pub work: Work,
    pub health: HealthHandle,
}

/// What a step of the journal says.
#[derive(Debug, Default)]
struct News {
    /// The newest announcement of each order.
    announced: HashMap<OrderId, Announced>,
    answers: Vec<Answered>,
    /// Holds that ended unpaid.
    ended: Vec<OrderId>,
    /// Late money that has no places.
    refused: Vec<NoPlaces>,
    /// Answers that may be about parts.
    parts: Vec<Answered>,
}

impl Journal {
    /// Follows until the process ends; outages are waited out.
    ///
    /// # Errors
    /// [`Error::Journal`] for a damaged message: what comes after it may depend on it.
    pub(crate) async fn run(self) -> Result<(), Error> {
        let shutdown = self.work.context.shutdown.clone();
        let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, None);
        while !shutdown.is_begun() {
            let followed = self.follow(&mut backoff).await;
            match followed {
                Ok(()) => {}
                Err(error @ Error::Journal { .. }) => return Err(error),
                Err(error) => {
                    metrics::journal_restarted(self.shard);
                    let error = chassis::telemetry::chain(&error).to_string();
                    tracing::warn!(shard = %self.shard, error, "journal is opened again");
                    self.health.set_failing(error);
                }
            }
            if backoff.pause(&shutdown).await != Pause::Elapsed {
                break;
            }
        }
        Ok(())
    }

    /// Follows until the connection was made anew or the process ends.
    async fn follow(&self, backoff: &mut Backoff) -> Result<(), Error> {
        let connects_seen = *self.nats.connects.borrow();
        let consumer = in_time("open the journal's consumer", self.consumer()).await?;
        let opening = consumer
            .stream()
            .max_messages_per_batch(JOURNAL_STEP_MAX)
            .expires(PULL_WAIT)
            .heartbeat(PULL_HEARTBEAT)
            .messages();
        let messages = in_time("pull the journal", async { Ok(opening.await?) }).await?;
        let steps = messages.ready_chunks(JOURNAL_STEP_MAX).map(|step| self.take(step));
        let mut taken = std::pin::pin!(steps.buffer_unordered(JOURNAL_STEPS_AT_ONCE));
        self.health.set_ready();
        backoff.reset();
        let shutdown = &self.work.context.shutdown;
        loop {
            // Cancel-safe: the next of a stream, a watch and a switch lose nothing that was not
            // acknowledged.
            let step = tokio::select! {
                step = taken.next() => step,
                () = self.nats.reconnected(connects_seen) => return Ok(()),
                () = shutdown.begun() => return Ok(()),
            };
            match step {
                Some(taken) => taken?,
                None => return Ok(()),
            }
        }
    }

    /// Commits what the messages of a step say, and acknowledges them then.
    async fn take<E>(&self, step: Vec<Result<Message, E>>) -> Result<(), Error>
    where
        E: std::error::Error + 'static,
    {
        let read: Result<Vec<Message>, _> = step.into_iter().collect();
        let messages = read.map_err(|error| Error::bus("read the journal", &error))?;
        let _open = self.work.steps.begin();
        if !self.apply_until_done(&messages).await? {
            return Ok(());
        }
        for message in &messages {
            in_time("acknowledge the journal", message.ack()).await?;
        }
        metrics::journal_applied(self.shard, messages.len());
        Ok(())
    }

    /// Commits what messages say, however often that takes. `false` when the process ends.
    ///
    /// Messages that are dropped come again only [`JOURNAL_ACK_WAIT`] later, so they are kept while
    /// the database is away.
    async fn apply_until_done(&self, messages: &[Message]) -> Result<bool, Error> {
        let mut backoff = Backoff::new(PAUSE_FIRST, PAUSE_MAX, None);
        loop {
            let error = match self.apply(messages).await {
                Ok(()) => break,
                Err(error @ Error::Journal { .. }) => return Err(error),
                Err(error) => chassis::telemetry::chain(&error).to_string(),
            };
            tracing::warn!(shard = %self.shard, error, "the journal waits");
            self.health.set_failing(error);
            if backoff.pause(&self.work.context.shutdown).await != Pause::Elapsed {
                return Ok(false);
            }
        }
        self.health.set_ready();
        Ok(true)
    }

    async fn consumer(&self) -> Result<PullConsumer, async_nats::Error> {
        let name = subject::settlement_consumer(self.shard);
        let stream = subject::journal_stream(self.shard);
        let stream = self.nats.jetstream.get_stream_no_info(stream).await?;
        let config = pull::Config {
            durable_name: Some(name.clone()),
            filter_subject: subject::journal(self.shard),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: JOURNAL_ACK_WAIT,
            max_ack_pending: JOURNAL_UNACKED_MAX,
            num_replicas: self.nats.replicas,
            ..pull::Config::default()
        };
        Ok(stream.get_or_create_consumer(&name, config).await?)
    }

    /// Commits what messages say.
    async fn apply(&self, messages: &[Message]) -> Result<(), Error> {
        let mut news = News::default();
        for message in messages {
            let sequence = message.info().map_err(|error| Error::Bus {
                what: "read the journal",
                source: Cause::text(error.to_string()),
            })?;
            let sequence = sequence.stream_sequence;
            let batch: Batch = codec::decode_checked(&message.payload).map_err(|source| {
                Error::Journal { shard: self.shard, sequence, source: Arc::new(source) }
            })?;
            batch.outcomes.into_iter().for_each(|outcome| news.take(outcome, sequence));
        }
        let store = &self.work.context.store;
        let ended = async {
            if news.ended.is_empty() { Ok(()) } else { store.end_declined(&news.ended).await }
        };
        let refused = async {
            let reseats = Reseats(&store.pool);
            if news.refused.is_empty() { Ok(()) } else { reseats.refuse(&news.refused).await }
        };
        let parts = async {
            let parts = Parts(&store.pool);
            if news.parts.is_empty() { Ok(()) } else { parts.close(&news.parts).await }
        };
        let (late, announced): (Vec<_>, Vec<_>) =
            news.announced.into_values().partition(Announced::is_late);
        let started = self.start(announced);
        // Payments do not wait for the unhurried rest.
        let ((), (), (), (), ()) =
            futures_util::try_join!(store.close(news.answers), ended, refused, parts, started)?;
        self.start_late(late).await
    }

    /// Late money has places: its order begins with the payment that is there.
    async fn start_late(&self, announced: Vec<Announced>) -> Result<(), Error> {
        if announced.is_empty() {
            return Ok(());
        }
        let context = &self.work.context;
        let (store, provider) = (&context.store, context.provider.name());
        let fresh = store.start_late(&announced, provider, context.lease).await?;
        Reseats(&store.pool).rungs(&fresh).await?.into_iter().for_each(metrics::late_money);
        self.work.take(store.load(&fresh).await?).await?;
        let is_known = |announced: &Announced| !fresh.contains(&announced.order());
        let known: Vec<Announced> = announced.into_iter().filter(is_known).collect();
        if known.is_empty() { Ok(()) } else { Outbox(store).reopen(&known).await }
    }

    async fn start(&self, mut announced: Vec<Announced>) -> Result<(), Error> {
        if announced.is_empty() {
            return Ok(());
        }
        let context = &self.work.context;
        for announced in announced.iter_mut().filter(|announced| !announced.is_partners()) {
            announced.payment_id = context.provider.id_ahead(&announced.new_payment());
        }
        let fresh = context.store.start_orders(announced.clone()).await?;
        let (fresh, known): (Vec<_>, Vec<_>) =
            announced.into_iter().zip(fresh).partition(|(_, is_fresh)| *is_fresh);
        let order =
            |(a, _): (Announced, bool)| Order::of_payment(&a.event, &a.payment, a.payment_id);
        self.work.take(fresh.into_iter().map(order).collect()).await?;
        if known.is_empty() {
            return Ok(());
        }
        let known: Vec<Announced> = known.into_iter().map(|(announced, _)| announced).collect();
        Outbox(&context.store).reopen(&known).await
    }
}

impl News {
    fn take(&mut self, outcome: Outcome, sequence: u64) {
        // Verdicts are asked under nobody's account.
        let verdict = outcome.asked.filter(|asked| asked.account == SYSTEM_ACCOUNT);
        if let Some(asked) = verdict {
            let refusal = match &outcome.body {
                OutcomeBody::Refused(refusal) => Some(refusal.code().code),
                _ => None,
            };
            if let Some(code) = refusal {
                metrics::verdict_refused();
                chassis::metrics::invariant_broken(InvariantId::Ord3);
                tracing::error!(command = %asked.command, code, "the owner refused a verdict");
            }
            let answered = Answered { command: asked.command, sequence, refusal };
            match &outcome.body {
                OutcomeBody::SaleReduced { .. } => self.parts.push(answered),
                // It does not say what it answers.
                OutcomeBody::Refused(_) | OutcomeBody::Unchanged { .. } => {
                    self.parts.push(answered.clone());
                    self.answers.push(answered);
                }
                _ => self.answers.push(answered),
            }
        }
        let claim = outcome.asked.filter(|asked| asked.account == LATE_MONEY_ACCOUNT);
        if let (Some(asked), OutcomeBody::Refused(refusal)) = (claim, &outcome.body) {
            self.refused.push(NoPlaces { command: asked.command, why: refusal.code().code });
        }
        match outcome.body {
            OutcomeBody::PaymentStarted(payment)
            | OutcomeBody::PaymentAwaited(payment)
            | OutcomeBody::Reseated(payment)
            | OutcomeBody::AllottedSold { payment, .. } => {
                let event = outcome.event;
                let announced = Announced { event, payment, sequence, payment_id: None };
                let order = announced.order();
                let known = self.announced.get(&order);
                if known.is_none_or(|known| known.rank() < announced.rank()) {
                    self.announced.insert(order, announced);
                }
            }
            OutcomeBody::HoldReleased { hold, why: Released::Expired | Released::ByOwner } => {
                self.ended.push(OrderId::from(hold));
            }
            _ => {}
        }
    }
}

async fn in_time<T>(
    what: &'static str,
    call: impl Future<Output = Result<T, async_nats::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(BUS_WAIT, outside(what, call)).await {
        Ok(result) => result.map_err(|error| Error::bus(what, &*error)),
        Err(_) => Err(Error::Slow { what }),
    }
}
