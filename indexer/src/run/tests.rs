//! Against a real NATS.

use bytes::Bytes;
use chassis::{Health, Nats, Shutdown, TestServers, Which, tasks};
use futures_util::StreamExt;
use schema::search::{Answer, Page, Query, SuggestQuery, Suggestions};
use schema::{
    Applied, DurationMs, EventListing, EventState, ShardId, ShardState, Shards, codec, sealed,
    subject,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

use super::{Config, Deps, run};
use crate::Error;
use crate::fixture::{batch, event, listing};

const ALPHA: &str = "A | Alpha | Hall | Oslo | Rock | 1 | 100 | 10";
const BETA: &str = "B | Beta | Hall | Rome | Rock | 2 | 200 | 20";
const DEADLINE: Duration = Duration::from_secs(30);

/// A running indexer.
struct Stage {
    nats: Nats,
    health: Health,
    shutdown: Shutdown,
    task: JoinHandle<Result<(), Error>>,
}

impl Stage {
    async fn start(servers: &TestServers, dir: &Path) -> Self {
        let (nats, health, shutdown) = (servers.nats().await, Health::new(), Shutdown::new());
        let deps = Deps {
            nats: nats.clone(),
            health: health.clone(),
            shutdown: shutdown.clone(),
            shards: Shards::default(),
        };
        let task = tasks::spawn("indexer", run(Config { dir: dir.to_owned() }, deps));
        Self { nats, health, shutdown, task }
    }

    async fn ready(servers: &TestServers, dir: &Path) -> Self {
        let stage = Self::start(servers, dir).await;
        let query = Query::default();
        let answer = async || ask::<_, Page>(&stage.nats, subject::SEARCH, &query).await;
        until("an answer", async || answer().await.is_some()).await;
        assert!(stage.health.missing().is_empty(), "who answers is ready");
        stage
    }

    async fn stop(self) {
        self.shutdown.begin("test");
        self.task.await.expect("no panic").expect("a clean end");
    }

    async fn list(&self, listing: &EventListing) {
        let subject = subject::catalog_event(&listing.event);
        publish(&self.nats, subject, codec::encode(listing)).await;
    }

    async fn journal(&self, shard: u8, number: u64, frees: &[(&str, u32)]) {
        let bytes = codec::encode_checked(&batch(1, number, frees));
        publish(&self.nats, subject::journal(ShardId(shard)), bytes).await;
    }

    /// The free places of each event that is found.
    async fn frees(&self) -> Vec<(String, u32)> {
        let query = Query { size: 10, ..Query::default() };
        let Some(Answer::Found(page)) = ask::<_, Page>(&self.nats, subject::SEARCH, &query).await
        else {
            return Vec::new();
        };
        page.hits.iter().map(|hit| (hit.event_id.to_string(), hit.seats_free)).collect()
    }

    async fn wait_for(&self, expected: &[(&str, u32)]) {
        let expected: Vec<_> =
            expected.iter().map(|(id, free)| ((*id).to_owned(), *free)).collect();
        until("the free places", async || self.frees().await == expected).await;
    }
}

async fn publish(nats: &Nats, subject: String, bytes: Vec<u8>) {
    let published = nats.jetstream.publish(subject, Bytes::from(bytes)).await.expect("published");
    published.await.expect("acknowledged");
}

async fn ask<Q: Serialize, T: DeserializeOwned>(
    nats: &Nats,
    subject: &'static str,
    question: &Q,
) -> Option<Answer<T>> {
    let bytes = Bytes::from(codec::encode(question));
    let answer = nats.client.request(subject, bytes).await.ok()?;
    Some(codec::decode(&answer.payload).expect("an answer decodes"))
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < DEADLINE, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_is_seen_within_a_second_and_a_restart_still_knows_it() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let stage = Stage::ready(&servers, folder.path()).await;
    stage.list(&listing(ALPHA)).await;
    stage.list(&listing(BETA)).await;
    stage.wait_for(&[("A", 10), ("B", 20)]).await;

    let mut longest = Duration::ZERO;
    for number in 1..=5 {
        let free = 10 - u32::try_from(number).expect("small");
        stage.journal(0, number, &[("A", free)]).await;
        let acknowledged = Instant::now();
        stage.wait_for(&[("A", free), ("B", 20)]).await;
        longest = longest.max(acknowledged.elapsed());
    }
    assert!(longest < Duration::from_secs(1), "IDX-1: seen after {longest:?}");

    let suggest = SuggestQuery { text: "alp".into(), size: 5 };
    let found = ask::<_, Suggestions>(&stage.nats, subject::SUGGEST, &suggest).await;
    assert_eq!(found, Some(Answer::Found(Suggestions { names: vec!["Alpha".into()] })));
    let found = chassis::discover(&stage.nats, subject::SERVICE_INDEXER, Duration::from_secs(1));
    assert_eq!(found.await.expect("NATS answers").len(), 1);
    stage.stop().await;

    let stage = Stage::ready(&servers, folder.path()).await;
    assert_eq!(stage.frees().await, [("A".to_owned(), 5), ("B".to_owned(), 20)]);
    stage.journal(0, 6, &[("A", 0)]).await;
    stage.wait_for(&[("A", 0), ("B", 20)]).await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_indexer_that_starts_late_answers_when_it_has_read_everything() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let first = Stage::ready(&servers, folder.path()).await;
    first.list(&listing(ALPHA)).await;
    // The catalogue keeps the newest listing only, so its sequences have holes.
    for places in 1..=20 {
        first.list(&EventListing { places_total: places, ..listing(BETA) }).await;
    }
    for number in 1..=200 {
        first.journal(2, number, &[("A", 3), ("B", u32::try_from(number).expect("small"))]).await;
    }
    first.stop().await;

    let other = tempfile::tempdir().expect("a folder");
    let late = Stage::ready(&servers, other.path()).await;
    assert_eq!(late.frees().await, [("A".to_owned(), 3), ("B".to_owned(), 200)]);
    late.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trimmed_journal_is_read_behind_the_state_that_a_replica_tells() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let stage = Stage::ready(&servers, folder.path()).await;
    stage.list(&listing(ALPHA)).await;
    stage.list(&listing(BETA)).await;
    stage.wait_for(&[("A", 10), ("B", 20)]).await;
    stage.journal(2, 7, &[("A", 4)]).await;
    let why = async || stage.health.missing().get("indexer").cloned().unwrap_or_default();
    until("a word on what is missing", async || why().await.contains("no allocator")).await;
    let nats = stage.nats.clone();
    let mut asked = nats.client.subscribe(subject::state(ShardId(2))).await.expect("subscribes");
    let replica = tasks::spawn("replica", async move {
        let reply_to = asked.next().await.expect("somebody asks").reply.expect("and waits");
        let events = [("A", 5), ("B", 11)].map(|(id, free)| EventState {
            event: event(id),
            version: 1,
            free,
            holds: vec![],
            spent: vec![],
        });
        let told = ShardState {
            applied: Applied { epoch: 1, number: 6, sequence: 0 },
            time: None,
            ago: DurationMs(0),
            events: events.to_vec(),
            ended: vec![],
        };
        let bytes = sealed::seal(&told).expect("it is small").into();
        chassis::answer_in_parts(&nats, &reply_to, bytes, 7).await.expect("NATS is there");
    });
    stage.wait_for(&[("A", 4), ("B", 11)]).await;
    replica.await.expect("it has answered");
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_nats_and_an_unreadable_question_end_nothing() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let stage = Stage::ready(&servers, folder.path()).await;
    stage.list(&listing(ALPHA)).await;
    stage.wait_for(&[("A", 10)]).await;
    servers.kill(Which::Nats).await;
    servers.restart(Which::Nats).await;
    let answer = async || ask::<_, Page>(&stage.nats, subject::SEARCH, &"no question").await;
    until("an answer", async || answer().await.is_some()).await;
    assert!(matches!(answer().await, Some(Answer::Refused(_))));
    stage.list(&listing(BETA)).await;
    stage.wait_for(&[("A", 10), ("B", 20)]).await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_catalogue_made_anew_under_a_running_indexer_is_read_anew() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let stage = Stage::ready(&servers, folder.path()).await;
    stage.list(&listing(ALPHA)).await;
    stage.wait_for(&[("A", 10)]).await;
    stage.nats.jetstream.delete_stream(subject::CATALOG).await.expect("deletes");
    let config = chassis::stream_config(&schema::stream::catalog(), 1);
    stage.nats.ensure_stream(&config).await.expect("makes");
    stage.list(&listing(BETA)).await;
    // The stream's consumer is gone with it; the reader notices by the missing heartbeat.
    stage.wait_for(&[("B", 20)]).await;
    stage.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_indexers_of_one_folder_do_not_run() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let stage = Stage::ready(&servers, folder.path()).await;
    let second = Stage::start(&servers, folder.path()).await;
    let refused = second.task.await.expect("no panic").expect_err("the folder is taken");
    let text = chassis::telemetry::chain(&refused).to_string();
    assert!(text.contains("own folder"), "{text}");
    stage.stop().await;
}
