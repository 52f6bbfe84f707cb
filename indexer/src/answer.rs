//! Answers searches over NATS: any indexer of the queue group takes the question.

use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use chassis::telemetry::{TraceContext, traced};
use chassis::{Cause, Nats, tasks};
use futures_util::StreamExt;
use schema::search::{Answer, Page, Query, SuggestQuery, Suggestions};
use schema::{codec, subject};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::config::{
    FLUSH_WAIT, REPLY_WAIT, SEARCH_BUDGET, SEARCH_WAIT, SEARCHES_RUNNING_MAX, SEARCHES_WAITING_MAX,
};
use crate::kept::{Asked, Kept};
use crate::search::Searches;
use crate::{Error, metrics};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Question {
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

/// The place where questions arrive; from its opening on they are kept until [`Desk::serve`] takes
/// them.
pub(crate) struct Desk {
    queries: Subscriber,
    completions: Subscriber,
    clerk: Clerk,
}

impl Desk {
    /// Subscribes, and returns when the server knows it. The subscriptions outlive reconnects.
    pub(crate) async fn open(nats: &Nats, searches: Searches) -> Result<Self, Error> {
        let queries = subscribe(&nats.client, subject::SEARCH).await?;
        let completions = subscribe(&nats.client, subject::SUGGEST).await?;
        let flushed = timeout(FLUSH_WAIT, nats.client.flush()).await;
        if !matches!(flushed, Ok(Ok(()))) {
            return Err(unavailable("subscribe to searches", Cause::text("no answer")));
        }
        let clerk = Clerk {
            client: nats.client.clone(),
            searches,
            kept: Arc::default(),
            waiting: Arc::new(Semaphore::new(SEARCHES_WAITING_MAX)),
            running: Arc::new(Semaphore::new(SEARCHES_RUNNING_MAX)),
        };
        Ok(Self { queries, completions, clerk })
    }

    /// Answers until it is dropped.
    ///
    /// A question beyond the bounds of queue, wait and budget is dropped and counted: its asker
    /// hears nothing, waits out its own timeout and says "try again", which is the truth.
    pub(crate) async fn serve(mut self) -> Result<(), Error> {
        loop {
            // Both branches are cancel-safe: a message that is not taken now stays in its
            // subscription.
            let (question, message) = tokio::select! {
                message = self.queries.next() => (Question::Search, message),
                message = self.completions.next() => (Question::Suggest, message),
            };
            let Some(message) = message else {
                return Err(unavailable("receive searches", Cause::text("the client has ended")));
            };
            self.clerk.take(question, message);
        }
    }
}

async fn subscribe(client: &Client, subject: &'static str) -> Result<Subscriber, Error> {
    let subscribed = client.queue_subscribe(subject, subject::SEARCH_GROUP.to_owned()).await;
    subscribed.map_err(|err| unavailable("subscribe to searches", Cause::of(&err)))
}

fn unavailable(what: &str, source: Cause) -> Error {
    Error::Outside(chassis::Error::Unavailable { what: what.to_owned(), source })
}

#[derive(Clone)]
struct Clerk {
    client: Client,
    searches: Searches,
    kept: Arc<Kept>,
    waiting: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

impl Clerk {
    /// Answers in the background, or drops the question if too many wait.
    fn take(&self, question: Question, message: Message) {
        // Without a reply subject nobody wants to know.
        let Some(reply) = message.reply else { return };
        let Ok(place) = Arc::clone(&self.waiting).try_acquire_owned() else {
            metrics::dropped(question.name(), "full");
            return;
        };
        let clerk = self.clone();
        let asker = TraceContext::from_nats(message.headers.as_ref());
        let work = async move {
            if let Some(answer) = clerk.answer(question, message.payload).await {
                let published = timeout(REPLY_WAIT, clerk.client.publish(reply, answer)).await;
                if !matches!(published, Ok(Ok(()))) {
                    metrics::dropped(question.name(), "reply");
                }
            }
            drop(place);
        };
        tasks::spawn("search", traced("search", asker, work));
    }

    async fn answer(&self, question: Question, payload: Bytes) -> Option<Bytes> {
        let started = Instant::now();
        let asked = (question, payload);
        if let Some(answer) = self.given_before(&asked) {
            return Some(answer);
        }
        let turn = Arc::clone(&self.running).acquire_owned();
        let Ok(Ok(turn)) = timeout(SEARCH_WAIT, turn).await else {
            metrics::dropped(question.name(), "waited");
            return None;
        };
        // Those who waited for the first to ask the same.
        if let Some(answer) = self.given_before(&asked) {
            return Some(answer);
        }
        let clerk = self.clone();
        let work = tokio::task::spawn_blocking(move || {
            let answer = clerk.search(asked);
            drop(turn);
            answer
        });
        match work.await {
            Ok(Ok(answer)) => {
                metrics::answered(question.name(), started.elapsed());
                tracing::debug!(question = question.name(), "question answered");
                Some(answer)
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

    /// The answer that somebody else got since the last commit.
    fn given_before(&self, asked: &Asked) -> Option<Bytes> {
        let answer = self.kept.find(asked, self.searches.generation())?;
        metrics::answered_before(asked.0.name());
        Some(answer)
    }

    fn search(&self, asked: Asked) -> Result<Bytes, Error> {
        // Taken before the search: what it finds is of this commit or of a later one.
        let generation = self.searches.generation();
        let deadline = Instant::now() + SEARCH_BUDGET;
        let answer = Bytes::from(answer(&self.searches, asked.0, &asked.1, deadline)?);
        self.kept.put(asked, generation, answer.clone());
        Ok(answer)
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
