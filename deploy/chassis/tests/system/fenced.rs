//! Ownership of a stream by epoch and lease, while servers are killed, paused and restarted.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chassis::{
    AppendError, Appended, Contender, FenceSpec, Nats, Owner, Shutdown, TestServers, Which,
};
use tokio::time::timeout;

use super::{log, soon};

fn spec(contender: &str) -> FenceSpec {
    FenceSpec {
        stream: "LOG".to_owned(),
        epoch_subject: "log.epoch".to_owned(),
        data_subject: "log.data".to_owned(),
        lease_bucket: "LEASES".to_owned(),
        lease_key: "shard.0".to_owned(),
        probe_key: format!("probe.{contender}"),
        lease_beat_ms: 300,
        lease_silence_ms: 1_000,
    }
}

async fn contender(servers: &TestServers, name: &str) -> Contender {
    let nats = servers.nats().await;
    nats.ensure_stream(&log()).await.unwrap();
    Contender::new(nats, spec(name), name).await.unwrap()
}

async fn owner(contender: &Contender) -> Owner {
    soon(contender.acquire(&Shutdown::new())).await.unwrap()
}

async fn append(owner: &Owner, id: &str) -> Result<Appended, AppendError> {
    soon(owner.append(id, Bytes::from_static(b"batch"))).await
}

/// Longer than the silence, so that nothing happens in it only if nothing is going to happen.
const SEVERAL_SILENCES: Duration = Duration::from_millis(3_500);

#[tokio::test]
async fn of_two_contenders_one_owns_and_the_other_waits() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let (first, second) = (contender(&servers, "a").await, contender(&servers, "b").await);
    let shutdown = Shutdown::new();
    let (owner, waiting) = {
        let mut left = Box::pin(first.acquire(&shutdown));
        let mut right = Box::pin(second.acquire(&shutdown));
        soon(async {
            tokio::select! {
                owner = &mut left => (owner.unwrap(), right),
                owner = &mut right => (owner.unwrap(), left),
            }
        })
        .await
    };
    assert!(timeout(SEVERAL_SILENCES, waiting).await.is_err(), "the owner beats");
    let appended = append(&owner, "0/1/1").await.unwrap();
    assert_eq!(appended, Appended { sequence: owner.epoch + 1, duplicate: false });
    let again = append(&owner, "0/1/1").await.unwrap();
    assert_eq!(again, Appended { sequence: owner.epoch + 1, duplicate: true });
}

#[tokio::test]
async fn a_silent_owner_is_succeeded_within_two_seconds_and_is_deposed() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let (first, second) = (contender(&servers, "a").await, contender(&servers, "b").await);
    let old = owner(&first).await;
    append(&old, "0/1/1").await.unwrap();
    let zombie = ZombieOf::make(&servers, &old).await;
    drop(old);
    let died = Instant::now();
    let new = owner(&second).await;
    let took = died.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(Duration::from_millis(700) < took, "a beat may have been sent just before: {took:?}");
    append(&new, "0/2/1").await.unwrap();
    assert_eq!(zombie.append().await, 10_071);
}

/// A paused owner that wakes up after its succession, reduced to what it sends.
struct ZombieOf {
    nats: Nats,
    epoch: u64,
}

impl ZombieOf {
    async fn make(servers: &TestServers, owner: &Owner) -> ZombieOf {
        ZombieOf { nats: servers.nats().await, epoch: owner.epoch }
    }

    async fn append(&self) -> u64 {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", self.epoch.to_string());
        headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", "log.epoch");
        let sent = self.nats.client.request_with_headers("log.data", headers, Bytes::new()).await;
        let answer: serde_json::Value = serde_json::from_slice(&sent.unwrap().payload).unwrap();
        answer["error"]["err_code"].as_u64().unwrap()
    }
}

#[tokio::test]
async fn a_deposed_owner_can_no_longer_append_and_learns_it() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let (first, second) = (contender(&servers, "a").await, contender(&servers, "b").await);
    let old = owner(&first).await;
    // The next epoch begins behind its back, as if it had been paused for long.
    let nats = servers.nats().await;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Expected-Last-Subject-Sequence", old.epoch.to_string());
    let record = Bytes::from_static(b"{\"nonce\":\"n\",\"owner\":\"x\"}");
    nats.client.request_with_headers("log.epoch", headers, record).await.unwrap();
    let refused = append(&old, "0/1/1").await;
    assert!(matches!(refused, Err(AppendError::Deposed { .. })), "{refused:?}");
    soon(old.deposed()).await;
    let refused = append(&old, "0/1/2").await;
    assert!(matches!(refused, Err(AppendError::Deposed { .. })), "{refused:?}");
    // The old one still beats, but at an epoch that is over: it does not keep the successor out.
    let new = owner(&second).await;
    assert!(old.epoch < new.epoch);
    append(&new, "0/2/1").await.unwrap();
}

#[tokio::test]
async fn an_idle_owner_learns_of_its_successor_from_the_lease() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let nats = servers.nats().await;
    let idle = owner(&contender(&servers, "a").await).await;
    let later = format!("{{\"epoch\":{},\"count\":1,\"released\":false}}", idle.epoch + 1);
    let successor = async {
        loop {
            let beat = later.clone().into();
            nats.client.publish("$KV.LEASES.shard.0", beat).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = soon(idle.deposed()) => {}
        () = successor => {}
    }
}

#[tokio::test]
async fn a_released_stream_is_taken_at_once() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let (first, second) = (contender(&servers, "a").await, contender(&servers, "b").await);
    let old = owner(&first).await;
    let shutdown = Shutdown::new();
    let mut waiting = Box::pin(second.acquire(&shutdown));
    assert!(timeout(Duration::from_millis(500), &mut waiting).await.is_err());
    let released = Instant::now();
    let epoch = old.epoch;
    let (new, ()) = tokio::join!(soon(waiting), old.release());
    assert!(released.elapsed() < Duration::from_millis(500), "{:?}", released.elapsed());
    assert!(epoch < new.unwrap().epoch);
    // And so is one that was released before anybody contended.
    let third = contender(&servers, "c").await;
    let new = owner(&third).await;
    new.release().await;
    let asked = Instant::now();
    owner(&first).await;
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_restart_of_nats_is_no_silence() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let (first, second) = (contender(&servers, "a").await, contender(&servers, "b").await);
    let owner = owner(&first).await;
    let shutdown = Shutdown::new();
    let mut waiting = Box::pin(second.acquire(&shutdown));
    for round in 1..=3 {
        assert!(timeout(Duration::from_millis(700), &mut waiting).await.is_err());
        servers.kill(Which::Nats).await;
        assert!(timeout(Duration::from_millis(1_200), &mut waiting).await.is_err());
        servers.restart(Which::Nats).await;
        let appended = append(&owner, &format!("0/1/{round}")).await.unwrap();
        assert_eq!(appended, Appended { sequence: owner.epoch + round, duplicate: false });
    }
    assert!(timeout(SEVERAL_SILENCES, waiting).await.is_err(), "the owner beats again");
}

#[tokio::test]
async fn a_pause_of_nats_is_no_silence_and_delays_an_append() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let (first, second) = (contender(&servers, "a").await, contender(&servers, "b").await);
    let owner = owner(&first).await;
    let shutdown = Shutdown::new();
    let mut waiting = Box::pin(second.acquire(&shutdown));
    assert!(timeout(Duration::from_millis(700), &mut waiting).await.is_err());
    servers.stop(Which::Nats);
    let mut appending = Box::pin(owner.append("0/1/1", Bytes::from_static(b"batch")));
    assert!(timeout(Duration::from_millis(1_800), &mut appending).await.is_err());
    servers.cont(Which::Nats);
    let appended = soon(appending).await.unwrap();
    assert_eq!(appended.sequence, owner.epoch + 1);
    assert!(timeout(SEVERAL_SILENCES, waiting).await.is_err(), "the owner beats again");
}

#[tokio::test]
async fn an_append_through_a_kill_of_nats_is_stored_once() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let owner = owner(&contender(&servers, "a").await).await;
    let writer = async {
        for number in 1..=400 {
            let appended = append(&owner, &format!("0/1/{number}")).await.unwrap();
            assert_eq!(appended.sequence, owner.epoch + number, "{appended:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let kills = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            servers.kill(Which::Nats).await;
            servers.restart(Which::Nats).await;
        }
    };
    tokio::join!(writer, kills);
    let nats = servers.nats().await;
    assert_eq!(chassis::last_sequence(&nats, "LOG").await.unwrap(), owner.epoch + 400);
}

#[tokio::test]
async fn a_full_stream_is_taken_over_as_soon_as_there_is_room() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let nats = servers.nats().await;
    let small = async_nats::jetstream::stream::Config { max_messages: 2, ..log() };
    nats.ensure_stream(&small).await.unwrap();
    let before = owner(&Contender::new(nats.clone(), spec("a"), "a").await.unwrap()).await;
    append(&before, "1").await.unwrap();
    before.release().await;
    let contender = Contender::new(nats.clone(), spec("b"), "b").await.unwrap();
    let mut taking = std::pin::pin!(owner(&contender));
    let early = tokio::time::timeout(Duration::from_secs(1), &mut taking).await;
    assert!(early.is_err(), "taken over without a record");
    nats.jetstream.update_stream(log()).await.unwrap();
    let after = tokio::time::timeout(Duration::from_secs(10), taking).await.unwrap();
    assert_eq!(append(&after, "2").await.unwrap().sequence, after.epoch + 1);
}

#[tokio::test]
async fn a_full_stream_and_a_lost_tail_are_told_apart_from_a_deposition() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let nats = servers.nats().await;
    let small = async_nats::jetstream::stream::Config { max_messages: 3, ..log() };
    nats.ensure_stream(&small).await.unwrap();
    let contender = Contender::new(nats.clone(), spec("a"), "a").await.unwrap();
    let owner = owner(&contender).await;
    append(&owner, "1").await.unwrap();
    append(&owner, "2").await.unwrap();
    let full = append(&owner, "3").await;
    assert!(matches!(full, Err(AppendError::Full { .. })), "{full:?}");
    let large = vec![0; 2 << 20].into();
    let large = owner.append("large", large).await;
    assert!(matches!(large, Err(AppendError::Rejected { .. })), "{large:?}");
    // The stream is rolled back to its first record: what was acknowledged at 2 is given again.
    nats.jetstream.delete_stream("LOG").await.unwrap();
    nats.ensure_stream(&small).await.unwrap();
    let record = Bytes::from_static(b"{\"nonce\":\"n\",\"owner\":\"x\"}");
    nats.client.request("log.epoch", record).await.unwrap();
    let lost = append(&owner, "4").await;
    assert!(matches!(lost, Err(AppendError::TailLost { last: 3, found: 2, .. })), "{lost:?}");
}

#[tokio::test]
async fn contending_and_appending_end_with_the_process() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let (first, second) = (contender(&servers, "a").await, contender(&servers, "b").await);
    let shutdown = Shutdown::new();
    let owner = soon(first.acquire(&shutdown)).await.unwrap();
    let end = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        shutdown.begin("test");
    };
    let (acquired, ()) = tokio::join!(soon(second.acquire(&shutdown)), end);
    assert!(matches!(acquired, Err(chassis::Error::ShuttingDown)));
    // The last batch is still written while the process ends ...
    append(&owner, "1").await.unwrap();
    // ... but nobody waits for ever for a server that does not come back.
    servers.kill(Which::Nats).await;
    let unknown = append(&owner, "2").await;
    assert!(matches!(unknown, Err(AppendError::Unknown { .. })), "{unknown:?}");
}
