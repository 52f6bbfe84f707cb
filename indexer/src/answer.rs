//! Answers searches over NATS: any indexer of the queue group takes the question.

use async_nats::{Client, Message};
use bytes::Bytes;
use chassis::{Cause, Nats, tasks};
use futures_util::StreamExt;
use schema::search::{Answer, Page, Query, SuggestQuery, Suggestions};
use schema::{codec, subject};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::config::{
    REPLY_WAIT, SEARCH_BUDGET, SEARCH_WAIT, SEARCHES_RUNNING_MAX, SEARCHES_WAITING_MAX,
};
use crate::search::Searches;
use crate::{Error, metrics};

/// What is asked.
#[derive(Debug, Clone, Copy)]
enum Question {
    Search,
    Suggest,
}

impl Question {
    fn name(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::Suggest => "suggest",
        }
    }
}

/// Answers until it is dropped. The subscriptions outlive reconnects.
///
/// A question beyond the bounds of queue, wait and budget is dropped and counted: its asker hears nothing, waits
/// out its own timeout and says "try again", which is the truth.
pub(crate) async fn serve(nats: &Nats, searches: Searches) -> Result<(), Error> {
    let mut queries = subscribe(&nats.client, subject::SEARCH).await?;
    let mut completions = subscribe(&nats.client, subject::SUGGEST).await?;
    let desk = Desk {
        client: nats.client.clone(),
        searches,
        waiting: Arc::new(Semaphore::new(SEARCHES_WAITING_MAX)),
        running: Arc::new(Semaphore::new(SEARCHES_RUNNING_MAX)),
    };
    loop {
        // Both branches are cancel-safe: a message that is not taken now stays in its subscription.
        let (question, message) = tokio::select! {
            message = queries.next() => (Question::Search, message),
            message = completions.next() => (Question::Suggest, message),
        };
        let Some(message) = message else { return Err(closed()) };
        desk.take(question, message);
    }
}

async fn subscribe(
    client: &Client,
    subject: &'static str,
) -> Result<async_nats::Subscriber, Error> {
    let subscriber = client.queue_subscribe(subject, subject::SEARCH_GROUP.to_owned()).await;
    subscriber.map_err(|err| {
        let what = format!("subscribe to {subject}");
        Error::Outside(chassis::Error::Unavailable { what, source: Cause::of(&err) })
    })
}

fn closed() -> Error {
    Error::Outside(chassis::Error::Unavailable {
        what: "receive searches".to_owned(),
        source: Cause::text("the connection is closed"),
    })
}

#[derive(Clone)]
struct Desk {
    client: Client,
    searches: Searches,
    waiting: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Desk {
    /// Answers in the background, or drops the question if too many wait.
    fn take(&self, question: Question, message: Message) {
        // Without a reply subject nobody wants to know.
        let Some(reply) = message.reply else { return };
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            metrics::dropped(question.name(), "full");
            return;
        };
        let desk = self.clone();
        tasks::spawn("search", async move {
            if let Some(answer) = desk.answer(question, message.payload).await {
                let published = timeout(REPLY_WAIT, desk.client.publish(reply, answer)).await;
                if !matches!(published, Ok(Ok(()))) {
                    metrics::dropped(question.name(), "reply");
                }
            }
            drop(place);
        });
    }

    async fn answer(&self, question: Question, payload: Bytes) -> Option<Bytes> {
        let started = Instant::now();
        let turn = Arc::clone(&self.running).acquire_owned();
        let Ok(Ok(turn)) = timeout(SEARCH_WAIT, turn).await else {
            metrics::dropped(question.name(), "waited");
            return None;
        };
        let searches = self.searches.clone();
        let work = tokio::task::spawn_blocking(move || {
            let deadline = Instant::now() + SEARCH_BUDGET;
            let answer = answer(&searches, question, &payload, deadline);
            drop(turn);
            answer
        });
        match work.await {
            Ok(Ok(answer)) => {
                metrics::answered(question.name(), started.elapsed());
                Some(answer.into())
            }
            Ok(Err(Error::TooSlow)) => {
                metrics::dropped(question.name(), "slow");
                None
            }
            Ok(Err(error)) => {
                metrics::dropped(question.name(), "failed");
                tracing::error!(error = %chassis::telemetry::chain(&error), "search failed");
                None
            }
            Err(error) => {
                metrics::dropped(question.name(), "failed");
                tracing::error!(%error, "search ended without an answer");
                None
            }
        }
    }
}

/// Decodes the question, answers it, encodes the answer.
fn answer(
    searches: &Searches,
    question: Question,
    payload: &[u8],
    deadline: Instant,
) -> Result<Vec<u8>, Error> {
    const UNREADABLE: &str = "the question does not decode";
    Ok(match question {
        Question::Search => codec::encode(&match codec::decode::<Query>(payload) {
            Ok(query) => searches.search(&query, deadline)?,
            Err(_) => Answer::<Page>::Refused(UNREADABLE.into()),
        }),
        Question::Suggest => codec::encode(&match codec::decode::<SuggestQuery>(payload) {
            Ok(query) => searches.suggest(&query, deadline)?,
            Err(_) => Answer::<Suggestions>::Refused(UNREADABLE.into()),
        }),
    })
}
