//! What the servers must keep doing for Usher's reasoning to hold, checked against the real ones.
//!
//! Rows of the table in the reliability notes that have no test here, and why:
//! - A13: it is about nats-server 2.9, which is refused by its version at the first connection; a
//!   test of connections holds that.
//! - A15, stale epoch: the epoch is checked by the journal's fence (A5, A6), not by Postgres.
//! - A16: each sale is one statement, so that a paused process holds no transaction open.
#![expect(clippy::unwrap_used, reason = "a panic is the message of a failed test")]

#[path = "contract/cluster.rs"]
mod cluster;
#[path = "contract/full_disk.rs"]
mod full_disk;
#[path = "contract/roles.rs"]
mod roles;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_nats::{
    HeaderMap, Request,
    client::RequestErrorKind,
    jetstream::{
        consumer::{AckPolicy, pull},
        stream::{Config, DiscardPolicy, RetentionPolicy, Stream},
    },
};
use bytes::Bytes;
use chassis::{Nats, TestServers, Which};
use futures_util::{StreamExt, future::join_all};

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Stored(u64),
    Duplicate(u64),
    Refused(u64),
}

const MESSAGE_ID: &str = "Nats-Msg-Id";
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
const EXPECTED_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";
const EXPECTED_STREAM: &str = "Nats-Expected-Last-Sequence";

async fn publish(nats: &Nats, subject: &str, pairs: &[(&str, &str)]) -> Answer {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(*name, *value);
    }
    for _ in 0..100 {
        let request = Request::new().headers(headers.clone());
        let request = request.payload(Bytes::from_static(b"payload"));
        match nats.client.send_request(subject.to_owned(), request).await {
            Ok(message) => return answer(&message.payload),
            // Nobody has taken it: a server of a cluster hears later than the stream's leader that
            // there is a stream.
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody takes {subject}")
}

fn answer(payload: &[u8]) -> Answer {
    let answer: serde_json::Value = serde_json::from_slice(payload).unwrap();
    let sequence = answer["seq"].as_u64();
    match (answer["error"]["err_code"].as_u64(), answer["duplicate"].as_bool()) {
        (Some(code), _) => Answer::Refused(code),
        (None, Some(true)) => Answer::Duplicate(sequence.unwrap()),
        (None, _) => Answer::Stored(sequence.unwrap()),
    }
}

async fn nats_with(config: Config) -> (TestServers, Nats) {
    let servers = TestServers::with(&[Which::Nats]).await;
    let nats = servers.nats().await;
    nats.ensure_stream(&config).await.unwrap();
    (servers, nats)
}

fn stream() -> Config {
    Config {
        name: "S".to_owned(),
        subjects: vec!["s.>".to_owned()],
        discard: DiscardPolicy::New,
        duplicate_window: Duration::from_mins(10),
        ..Config::default()
    }
}

async fn kill_and_restart(servers: &TestServers, nats: &Nats) {
    let seen = *nats.connects.borrow();
    servers.kill(Which::Nats).await;
    servers.restart(Which::Nats).await;
    tokio::time::timeout(Duration::from_secs(10), nats.reconnected(seen)).await.unwrap();
}

#[tokio::test]
async fn a1_a_repeated_message_id_is_a_duplicate_also_after_kill_9() {
    let (servers, nats) = nats_with(stream()).await;
    let id = [(MESSAGE_ID, "one")];
    assert_eq!(publish(&nats, "s.a", &id).await, Answer::Stored(1));
    assert_eq!(publish(&nats, "s.a", &id).await, Answer::Duplicate(1));
    kill_and_restart(&servers, &nats).await;
    assert_eq!(publish(&nats, "s.a", &id).await, Answer::Duplicate(1));
    assert_eq!(publish(&nats, "s.a", &[(MESSAGE_ID, "two")]).await, Answer::Stored(2));
}

#[tokio::test]
async fn a2_a_work_queue_forgets_acknowledged_ids_at_kill_9() {
    let config = Config { retention: RetentionPolicy::WorkQueue, ..stream() };
    let (servers, nats) = nats_with(config).await;
    let id = [(MESSAGE_ID, "one")];
    assert_eq!(publish(&nats, "s.a", &id).await, Answer::Stored(1));
    let consumer = pull::Config {
        durable_name: Some("worker".to_owned()),
        ack_policy: AckPolicy::Explicit,
        ..pull::Config::default()
    };
    let stream = nats.jetstream.get_stream("S").await.unwrap();
    let worker = stream.create_consumer(consumer).await.unwrap();
    let message = worker.messages().await.unwrap().next().await.unwrap().unwrap();
    message.double_ack().await.unwrap();
    assert_eq!(publish(&nats, "s.a", &id).await, Answer::Duplicate(1));
    kill_and_restart(&servers, &nats).await;
    assert_eq!(publish(&nats, "s.a", &id).await, Answer::Stored(2));
}

#[tokio::test]
async fn a3_a_stale_expected_stream_sequence_hides_that_the_message_is_stored() {
    let (_servers, nats) = nats_with(stream()).await;
    let fenced = [(MESSAGE_ID, "one"), (EXPECTED_STREAM, "0")];
    assert_eq!(publish(&nats, "s.a", &fenced).await, Answer::Stored(1));
    assert_eq!(publish(&nats, "s.a", &fenced).await, Answer::Refused(10_071));
}

#[tokio::test]
async fn a4_expecting_nothing_on_an_unused_subject_is_accepted_once() {
    let (_servers, nats) = nats_with(stream()).await;
    assert_eq!(publish(&nats, "s.other", &[]).await, Answer::Stored(1));
    let first = [(EXPECTED, "0")];
    assert_eq!(publish(&nats, "s.epoch", &first).await, Answer::Stored(2));
    assert_eq!(publish(&nats, "s.epoch", &first).await, Answer::Refused(10_071));
}

#[tokio::test]
async fn a5_a_write_of_an_old_epoch_is_refused_once_the_epoch_has_moved() {
    let (_servers, nats) = nats_with(stream()).await;
    assert_eq!(publish(&nats, "s.epoch", &[]).await, Answer::Stored(1));
    let old = [(EXPECTED, "1"), (EXPECTED_SUBJECT, "s.epoch")];
    assert_eq!(publish(&nats, "s.data", &old).await, Answer::Stored(2));
    assert_eq!(publish(&nats, "s.data", &old).await, Answer::Stored(3));
    assert_eq!(publish(&nats, "s.epoch", &[(EXPECTED, "1")]).await, Answer::Stored(4));
    assert_eq!(publish(&nats, "s.data", &old).await, Answer::Refused(10_071));
    let new = [(EXPECTED, "4"), (EXPECTED_SUBJECT, "s.epoch")];
    assert_eq!(publish(&nats, "s.data", &new).await, Answer::Stored(5));
}

#[tokio::test]
async fn a6_a_retry_is_a_duplicate_for_the_owner_and_refused_for_a_zombie() {
    let (servers, nats) = nats_with(stream()).await;
    assert_eq!(publish(&nats, "s.epoch", &[]).await, Answer::Stored(1));
    let batch = [(MESSAGE_ID, "0/1/1"), (EXPECTED, "1"), (EXPECTED_SUBJECT, "s.epoch")];
    assert_eq!(publish(&nats, "s.data", &batch).await, Answer::Stored(2));
    assert_eq!(publish(&nats, "s.data", &batch).await, Answer::Duplicate(2));
    kill_and_restart(&servers, &nats).await;
    assert_eq!(publish(&nats, "s.data", &batch).await, Answer::Duplicate(2));
    assert_eq!(publish(&nats, "s.epoch", &[(EXPECTED, "1")]).await, Answer::Stored(3));
    assert_eq!(publish(&nats, "s.data", &batch).await, Answer::Refused(10_071));
}

#[tokio::test]
async fn a9_a_full_stream_that_discards_new_refuses_with_10077() {
    let (_servers, nats) = nats_with(Config { max_bytes: 1_000, ..stream() }).await;
    let mut stored = 0;
    let refused = loop {
        match publish(&nats, "s.a", &[]).await {
            Answer::Stored(sequence) => stored = sequence,
            other => break other,
        }
        assert!(stored < 1_000, "the limit must be reached");
    };
    assert_eq!(refused, Answer::Refused(10_077));
    assert!(1 < stored);
    let info = nats.jetstream.get_stream("S").await.unwrap();
    assert_eq!(info.cached_info().state.messages, stored, "nothing old was dropped for it");
}

#[tokio::test]
async fn a10_a_timeout_says_nothing_about_what_a_paused_server_stores() {
    let (servers, nats) = nats_with(stream()).await;
    assert_eq!(publish(&nats, "s.a", &[]).await, Answer::Stored(1));
    servers.stop(Which::Nats);
    let sends = (0..20).map(|number: u64| {
        let mut headers = HeaderMap::new();
        headers.insert(MESSAGE_ID, number.to_string());
        let request = Request::new().headers(headers).timeout(Some(Duration::from_millis(500)));
        nats.client.send_request("s.a", request)
    });
    for result in join_all(sends).await {
        assert_eq!(result.unwrap_err().kind(), RequestErrorKind::TimedOut);
    }
    servers.cont(Which::Nats);
    for number in 0..20_u64 {
        let id = number.to_string();
        let again = publish(&nats, "s.a", &[(MESSAGE_ID, id.as_str())]).await;
        assert_eq!(again, Answer::Duplicate(number + 2));
    }
}

#[tokio::test]
async fn a11_kill_9_under_load_loses_nothing_acknowledged() {
    let (servers, nats) = nats_with(stream()).await;
    let writers = (0..8_u32).map(|writer| {
        let nats = nats.clone();
        async move {
            let mut acknowledged = Vec::new();
            for number in 0_u32.. {
                let mut headers = HeaderMap::new();
                headers.insert(MESSAGE_ID, format!("{writer}/{number}"));
                let request = Request::new().headers(headers).timeout(Some(ONE_SECOND));
                let Ok(message) = nats.client.send_request("s.a", request).await else { break };
                match answer(&message.payload) {
                    Answer::Stored(sequence) => acknowledged.push((sequence, number)),
                    other => panic!("{other:?}"),
                }
            }
            (writer, acknowledged)
        }
    });
    let kill = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        servers.kill(Which::Nats).await;
    };
    let (written, ()) = tokio::join!(join_all(writers), kill);
    servers.restart(Which::Nats).await;
    let nats = servers.nats().await;
    let stream = nats.jetstream.get_stream("S").await.unwrap();
    let last = stream.cached_info().state.last_sequence;
    let count: usize = written.iter().map(|(_, acknowledged)| acknowledged.len()).sum();
    assert!(100 < count, "there was load: {count}");
    let stored = message_ids(&stream, last).await;
    let ids: BTreeSet<&String> = stored.values().collect();
    assert_eq!(ids.len(), stored.len(), "every message is stored once");
    let mut expected = BTreeMap::new();
    let mut in_flight = BTreeSet::new();
    for (writer, acknowledged) in written {
        in_flight.insert(format!("{writer}/{}", acknowledged.len()));
        let ids = acknowledged.iter().map(|(at, number)| (*at, format!("{writer}/{number}")));
        expected.extend(ids);
    }
    assert_eq!(expected.len(), count, "no two messages got one sequence");
    for (sequence, id) in &expected {
        assert_eq!(stored.get(sequence), Some(id), "acknowledged at {sequence}");
    }
    for (sequence, id) in stored.iter().filter(|(at, _)| !expected.contains_key(at)) {
        assert!(in_flight.contains(id), "{id} at {sequence} was not under way at the kill");
    }
}

/// The message ids of a whole stream by sequence.
async fn message_ids(stream: &Stream, last: u64) -> BTreeMap<u64, String> {
    let id = |sequence| async move {
        let message = stream.get_raw_message(sequence).await.unwrap();
        (sequence, message.headers.get(MESSAGE_ID).unwrap().as_str().to_owned())
    };
    futures_util::stream::iter(1..=last).map(id).buffer_unordered(64).collect().await
}

const ONE_SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a14_redis_keeps_the_last_acknowledged_increment_through_kill_9() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let redis = servers.redis().await;
    let mut last = 0_i64;
    for _ in 0..500 {
        last = redis.query(redis::cmd("INCR").arg("number")).await.unwrap();
    }
    servers.kill(Which::Redis).await;
    servers.restart(Which::Redis).await;
    let redis = servers.redis().await;
    let found: i64 = redis.query(redis::cmd("GET").arg("number")).await.unwrap();
    assert_eq!(found, last);
}

#[tokio::test]
async fn a15_a_seat_that_is_sold_already_fails_the_whole_statement_with_23505() {
    let servers = TestServers::with(&[Which::Postgres]).await;
    let pool = servers.postgres().await;
    let table = "CREATE TABLE sold (event TEXT, seat INT, hold INT, PRIMARY KEY (event, seat))";
    sqlx::query(table).execute(&pool).await.unwrap();
    let sell = "INSERT INTO sold SELECT 'E', seat, $2 FROM UNNEST($1::INT[]) AS seat";
    sqlx::query(sell).bind(vec![1, 2, 3]).bind(1).execute(&pool).await.unwrap();
    let error = sqlx::query(sell).bind(vec![3, 4]).bind(2).execute(&pool).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "23505");
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sold").fetch_one(&pool).await.unwrap();
    assert_eq!(count, 3, "seat 4 must not be sold either");
}

#[tokio::test]
async fn the_audit_log_takes_lines_and_gives_none_back() {
    let servers = TestServers::with(&[Which::Postgres]).await;
    let pool = servers.postgres().await;
    chassis::migrate(&pool).await.unwrap();
    let insert = "INSERT INTO audit_entry (at, account_id, action, object, request_id, detail)
         VALUES (1, '00000000-0000-0000-0000-000000000001', 'block', 'E', 'r', '{}')";
    sqlx::query(insert).execute(&pool).await.unwrap();
    for statement in [
        "UPDATE audit_entry SET at = 2",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
        "TRUNCATE audit_entry CASCADE",
    ] {
        let error = sqlx::query(statement).execute(&pool).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "23001", "{statement}");
    }
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM audit_entry").fetch_one(&pool).await.unwrap();
    assert_eq!(count, 1);
}
