//! What others ask of settlement by request and reply, answered by whichever process hears it.

use crate::config::QUESTIONS_MAX;
use crate::error::Error;
use crate::work::Work;
use async_nats::{Message, Subscriber};
use chassis::telemetry::{TraceContext, chain, traced};
use chassis::{Nats, outside, tasks};
use futures_util::StreamExt;
use schema::{codec, subject};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// A question that is heard on a subject of its own.
pub(crate) trait Question: DeserializeOwned + Send + 'static {
    type Answer: Serialize + Send;
    const SUBJECT: &'static str;
    /// In traces and logs.
    const NAME: &'static str;
    /// There is no room for it, or its answer is not known: the asker comes again.
    const BUSY: Self::Answer;

    fn answer(self, work: &Work) -> impl Future<Output = Result<Self::Answer, Error>> + Send;
}

/// Listens for questions of a kind.
pub(crate) async fn listen<Q: Question>(nats: &Nats) -> Result<Subscriber, Error> {
    let group = subject::SETTLE_GROUP.to_owned();
    let subscribed = nats.client.queue_subscribe(Q::SUBJECT, group).await;
    subscribed.map_err(|error| Error::bus("listen for questions", &error))
}

/// Answers questions of a kind until the process ends.
pub(crate) async fn serve<Q: Question>(nats: Nats, mut questions: Subscriber, work: Work) {
    let room = Arc::new(Semaphore::new(QUESTIONS_MAX));
    let shutdown = work.context.shutdown.clone();
    loop {
        // Cancel-safe: the next of a subscription and a switch.
        let message = tokio::select! {
            message = questions.next() => message,
            () = shutdown.begun() => return,
        };
        let Some(message) = message else { return };
        let Ok(room) = Arc::clone(&room).try_acquire_owned() else {
            reply::<Q>(&nats, &message, Q::BUSY).await;
            continue;
        };
        let (nats, work) = (nats.clone(), work.clone());
        let asker = TraceContext::from_nats(message.headers.as_ref());
        let answering = async move {
            if let Ok(question) = codec::decode::<Q>(&message.payload) {
                let answer = question.answer(&work).await.unwrap_or_else(|error| {
                    let error = chain(&error);
                    tracing::warn!(question = Q::NAME, %error, "a question is not answered now");
                    Q::BUSY
                });
                reply::<Q>(&nats, &message, answer).await;
            }
            drop(room);
        };
        tasks::spawn("settlement-question", traced(Q::NAME, asker, answering));
    }
}

async fn reply<Q: Question>(nats: &Nats, question: &Message, answer: Q::Answer) {
    let Some(inbox) = question.reply.clone() else { return };
    let sent = nats.client.publish(inbox, codec::encode(&answer).into());
    if let Err(error) = outside("answer a question", sent).await {
        tracing::debug!(question = Q::NAME, %error, "an answer is not sent");
    }
}
