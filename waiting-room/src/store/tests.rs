//! Tests of the scripts, on a real Redis.

use super::{Blessed, Fault, Leading, Phase, Shift, Store};
use chassis::{TestServers, Which};
use waiting_room_core::Bits;

const GIVER: u64 = 7;

#[tokio::test]
async fn an_overtaken_leader_cannot_open_what_its_successor_has_closed() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let store = Store::new(servers.redis().await, &"EVT001".parse().unwrap());
    let run_id = store.run_id().await.unwrap();
    let blessed = Blessed { run_id, epoch: 1 };
    let [old, new] = [10, 20].map(|fence| Leading { blessed: blessed.clone(), fence });
    let numbers = (5, 100);
    store.bless(&old, numbers, Phase::Line, &Bits::zeroed(0, 1), &[GIVER]).await.unwrap();
    let join = async || {
        let given = store.join(&blessed, 1, GIVER).await.unwrap();
        (given.after, given.count)
    };
    assert_eq!(join().await, (5, 1));
    assert!(!store.close(&new, 5).await.unwrap(), "another number was given");
    assert!(store.close(&new, 6).await.unwrap());
    assert_eq!(join().await, (6, 0), "and is asked for by this");
    let open = Shift { mark: 100, ..Shift::default() };
    assert!(matches!(store.shift(&old, &open).await, Err(Fault::Unblessed)));
    assert!(matches!(store.admit(&old, &[GIVER], true).await, Err(Fault::Unblessed)));
    assert!(matches!(store.close(&old, 6).await, Err(Fault::Unblessed)));
    assert_eq!(join().await, (6, 0));
    assert!(!store.close(&new, 6).await.unwrap(), "somebody asks");
    store.shift(&new, &open).await.unwrap();
    assert_eq!(join().await, (6, 0), "the leader does not know the giver yet");
    store.admit(&new, &[GIVER], true).await.unwrap();
    assert_eq!(join().await, (6, 1));
}
