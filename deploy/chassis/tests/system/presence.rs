//! Processes know of each other, while NATS is killed and they come and go.

use std::time::{Duration, Instant};

use chassis::{PresenceSpec, Present, Shutdown, TestServers, Which, attend};
use tokio::sync::watch;
use tokio::time::timeout;

use super::soon;

const SILENCE: Duration = Duration::from_secs(1);

/// One process, as far as the others know.
struct Somebody {
    here: watch::Receiver<Present>,
    ready: watch::Sender<bool>,
    shutdown: Shutdown,
}

impl Somebody {
    async fn come(servers: &TestServers, name: &str) -> Somebody {
        let spec = PresenceSpec {
            bucket: "LEASES".to_owned(),
            key: format!("here.{name}"),
            keys: "here.*".to_owned(),
            beat_ms: 300,
            silence_ms: SILENCE.as_millis().try_into().unwrap(),
        };
        let (ready, is_ready) = watch::channel(true);
        let shutdown = Shutdown::new();
        let here = attend(servers.nats().await, &spec, name, is_ready, &shutdown);
        Somebody { here, ready, shutdown }
    }

    /// Waits until these are here, and NATS works.
    async fn sees(&mut self, names: &[&str]) {
        let sees = |present: &Present| present.since.is_some() && present.names == names;
        soon(self.here.wait_for(sees)).await.unwrap();
    }
}

#[tokio::test]
async fn who_comes_is_seen_and_who_says_farewell_is_gone_at_once() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let mut a = Somebody::come(&servers, "a").await;
    a.sees(&["a"]).await;
    let mut b = Somebody::come(&servers, "b").await;
    a.sees(&["a", "b"]).await;
    b.sees(&["a", "b"]).await;
    b.ready.send_replace(false);
    a.sees(&["a"]).await;
    b.ready.send_replace(true);
    a.sees(&["a", "b"]).await;
    let closed = Instant::now();
    b.shutdown.close("the test says so");
    a.sees(&["a"]).await;
    b.sees(&["a"]).await;
    assert!(closed.elapsed() < SILENCE, "{:?}", closed.elapsed());
}

#[tokio::test]
async fn a_kill_of_nats_makes_nobody_disappear_and_is_known() {
    let servers = TestServers::with(&[Which::Nats]).await;
    let mut a = Somebody::come(&servers, "a").await;
    let mut b = Somebody::come(&servers, "b").await;
    a.sees(&["a", "b"]).await;
    b.sees(&["a", "b"]).await;
    let fewer = |present: &Present| present.names.len() < 2;
    for _ in 0..2 {
        let mut watching = a.here.clone();
        let outage = async {
            servers.kill(Which::Nats).await;
            soon(a.here.wait_for(|present| present.since.is_none())).await.unwrap();
            tokio::time::sleep(2 * SILENCE).await;
            servers.restart(Which::Nats).await;
            soon(a.here.wait_for(|present| present.since.is_some())).await.unwrap();
            soon(b.here.wait_for(|present| present.since.is_some())).await.unwrap();
        };
        tokio::select! {
            () = outage => {}
            _ = watching.wait_for(fewer) => panic!("somebody has disappeared"),
        }
        // The others have been back for long by then.
        assert!(timeout(3 * SILENCE, watching.wait_for(fewer)).await.is_err());
    }
}
