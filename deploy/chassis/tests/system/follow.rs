//! Followers of a stream, while its server is killed, paused and emptied.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, StorageType};
use chassis::{Error, Follower, Nats, StartAt, Stored, TestServers, Which, last_sequence};

use super::{log, soon};

async fn nats_with(config: Config) -> (TestServers, Nats) {
    let servers = TestServers::with(&[Which::Nats]).await;
    let nats = servers.nats().await;
    nats.ensure_stream(&config).await.unwrap();
    (servers, nats)
}

async fn put(nats: &Nats, subject: &'static str, text: String) -> u64 {
    let stored = nats.jetstream.publish(subject, text.into()).await.unwrap();
    stored.await.unwrap().sequence
}

async fn texts(follower: &mut Follower, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        let message = soon(follower.next()).await.unwrap();
        texts.push(String::from_utf8(message.payload.to_vec()).unwrap());
    }
    texts
}

#[tokio::test]
async fn a_follower_reads_what_is_there_and_then_what_comes() {
    let (_servers, nats) = nats_with(log()).await;
    put(&nats, "log.epoch", "e1".to_owned()).await;
    for number in 1..=3 {
        put(&nats, "log.data", number.to_string()).await;
    }
    let mut all = Follower::start(nats.clone(), "LOG", "log.>", StartAt::First);
    let mut data = Follower::start(nats.clone(), "LOG", "log.data", StartAt::Sequence(3));
    assert_eq!(texts(&mut all, 4).await, ["e1", "1", "2", "3"]);
    assert_eq!(texts(&mut data, 2).await, ["2", "3"]);
    assert!(all.try_next_ready().is_none());
    let sequence = put(&nats, "log.data", "4".to_owned()).await;
    let message = soon(all.next()).await.unwrap();
    assert_eq!((message.sequence, message.subject.as_str()), (sequence, "log.data"));
    assert!(1_600_000_000_000 < message.timestamp_ms);
    assert_eq!(texts(&mut data, 1).await, ["4"]);
    assert_eq!(last_sequence(&nats, "LOG").await.unwrap(), sequence);
}

#[tokio::test]
async fn what_is_stored_is_read_once_and_has_an_end() {
    let (_servers, nats) = nats_with(log()).await;
    let open = async || Stored::open(&nats, "LOG", "log.>", Duration::from_secs(10)).await.unwrap();
    assert_eq!(open().await.next().await.unwrap(), None);
    for number in 1..=3 {
        put(&nats, "log.data", number.to_string()).await;
    }
    let mut stored = open().await;
    put(&nats, "log.data", "later".to_owned()).await;
    for number in 1..=3 {
        let message = stored.next().await.unwrap().expect("three are stored");
        assert_eq!(message.payload, number.to_string());
    }
    assert_eq!(stored.next().await.unwrap(), None);
    let impatient = Stored::open(&nats, "LOG", "log.nothing", Duration::from_millis(50)).await;
    let still = impatient.unwrap().next().await.unwrap_err();
    assert!(matches!(still, Error::Unavailable { .. }), "{still:?}");
}

#[tokio::test]
async fn kills_of_nats_under_a_follower_lose_and_repeat_nothing() {
    const COUNT: usize = 3_000;
    let (servers, nats) = nats_with(log()).await;
    let mut follower = Follower::start(nats.clone(), "LOG", "log.data", StartAt::First);
    let write = async {
        let mut number = 0;
        while number < COUNT {
            let mut headers = async_nats::HeaderMap::new();
            headers.insert("Nats-Msg-Id", number.to_string());
            let text = number.to_string().into();
            let request = async_nats::Request::new().headers(headers).payload(text);
            let request = request.timeout(Some(Duration::from_millis(300)));
            // Only an acknowledged message is followed by the next, so that the order is known.
            if nats.client.send_request("log.data", request).await.is_ok() {
                number += 1;
            }
        }
    };
    let kill = async {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            servers.kill(Which::Nats).await;
            servers.restart(Which::Nats).await;
        }
    };
    let read = async {
        let mut last = 0;
        for number in 0..COUNT {
            let message = soon(follower.next()).await.unwrap();
            assert_eq!(message.payload, number.to_string());
            assert!(last < message.sequence);
            last = message.sequence;
        }
    };
    tokio::join!(write, kill, read);
    assert!(follower.try_next_ready().is_none());
}

#[tokio::test]
async fn a_follower_survives_a_pause_of_nats() {
    let (servers, nats) = nats_with(log()).await;
    let mut follower = Follower::start(nats.clone(), "LOG", "log.data", StartAt::First);
    put(&nats, "log.data", "1".to_owned()).await;
    assert_eq!(texts(&mut follower, 1).await, ["1"]);
    servers.stop(Which::Nats);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    servers.cont(Which::Nats);
    let again = servers.nats().await;
    put(&again, "log.data", "2".to_owned()).await;
    assert_eq!(texts(&mut follower, 1).await, ["2"]);
}

#[tokio::test]
async fn a_slow_reader_is_waited_for() {
    let (_servers, nats) = nats_with(log()).await;
    let mut follower = Follower::start(nats.clone(), "LOG", "log.data", StartAt::First);
    for number in 0..2_000 {
        put(&nats, "log.data", number.to_string()).await;
    }
    // Longer than the heartbeats that would be missed by a reader which does not read.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let expected: Vec<String> = (0..2_000).map(|number| number.to_string()).collect();
    assert_eq!(texts(&mut follower, 2_000).await, expected);
}

#[tokio::test]
async fn a_stream_made_anew_is_another_incarnation() {
    let (_servers, nats) = nats_with(log()).await;
    let mut follower = Follower::start(nats.clone(), "LOG", "log.data", StartAt::First);
    put(&nats, "log.data", "1".to_owned()).await;
    assert_eq!(texts(&mut follower, 1).await, ["1"]);
    nats.jetstream.delete_stream("LOG").await.unwrap();
    nats.ensure_stream(&log()).await.unwrap();
    put(&nats, "log.data", "other".to_owned()).await;
    let error = soon(follower.next()).await.unwrap_err();
    assert!(matches!(error, Error::Incarnation { .. }), "{error:?}");
    assert!(soon(follower.next()).await.is_err(), "it has ended");
}

#[tokio::test]
async fn a_start_behind_the_end_of_the_stream_is_another_incarnation() {
    let (_servers, nats) = nats_with(log()).await;
    put(&nats, "log.data", "1".to_owned()).await;
    let mut next = Follower::start(nats.clone(), "LOG", "log.data", StartAt::Sequence(2));
    let mut lost = Follower::start(nats.clone(), "LOG", "log.data", StartAt::Sequence(3));
    let error = soon(lost.next()).await.unwrap_err();
    assert!(matches!(error, Error::Incarnation { .. }), "{error:?}");
    put(&nats, "log.data", "2".to_owned()).await;
    assert_eq!(texts(&mut next, 1).await, ["2"]);
}

#[tokio::test]
async fn a_memory_stream_emptied_by_a_restart_is_another_incarnation() {
    let memory = Config { storage: StorageType::Memory, ..log() };
    let (servers, nats) = nats_with(memory.clone()).await;
    let mut follower = Follower::start(nats.clone(), "LOG", "log.data", StartAt::First);
    put(&nats, "log.data", "1".to_owned()).await;
    assert_eq!(texts(&mut follower, 1).await, ["1"]);
    servers.kill(Which::Nats).await;
    servers.restart(Which::Nats).await;
    let again = servers.nats().await;
    again.ensure_stream(&memory).await.unwrap();
    assert_eq!(last_sequence(&again, "LOG").await.unwrap(), 0);
    let error = soon(follower.next()).await.unwrap_err();
    assert!(matches!(error, Error::Incarnation { .. }), "{error:?}");
}
