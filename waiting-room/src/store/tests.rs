//! Tests of the scripts, on a real Redis.

use super::{
    Blessed, Closing, Fault, Giving, Kept, Keyed, KeyedBy, Leading, Leave, LookMost, Marks, Phase,
    Recalled, Shift, Store,
};
use crate::config::{JOIN_BATCH_MAX, JOIN_KEYS_AGE, JOIN_KEYS_BUCKETS, JOIN_KEYS_GENERATION};
use chassis::{TestServers, Which};
use schema::UnixMillis;
use waiting_room_core::{Bits, NumberSet, TOKEN_AGE_MAX};

const GIVER: u64 = 7;
const GIVING: Giving = Giving { giver: GIVER, least: 0, is_to_gather: false };

const MOST: LookMost = LookMost { late: 9, late_looked: 9, leaves: 9 };

/// As that of a request: half of it says something.
const FINGERPRINT: [u8; 32] = {
    let mut bytes = [0; 32];
    bytes[15] = 7;
    bytes
};

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
        let given = store.join(&blessed, &[None], GIVING).await.unwrap();
        (given.after, given.count)
    };
    assert_eq!(join().await, (5, 1));
    assert!(!store.close(&new, 5, Closing::Idle).await.unwrap(), "another number was given");
    assert!(store.close(&new, 6, Closing::Idle).await.unwrap());
    assert_eq!(join().await, (6, 0), "and is asked for by this");
    let open = Shift { mark: 100, ..Shift::default() };
    assert!(matches!(store.shift(&old, &open).await, Err(Fault::Unblessed)));
    assert!(matches!(store.admit(&old, &[GIVER], true).await, Err(Fault::Unblessed)));
    assert!(matches!(store.close(&old, 6, Closing::Drain).await, Err(Fault::Unblessed)));
    assert_eq!(join().await, (6, 0));
    assert!(!store.close(&new, 6, Closing::Idle).await.unwrap(), "somebody asks");
    assert!(!store.close(&new, 5, Closing::Drain).await.unwrap(), "another number was given");
    assert!(store.close(&new, 6, Closing::Drain).await.unwrap(), "whoever asks");
    store.shift(&new, &open).await.unwrap();
    assert_eq!(join().await, (6, 0), "the leader does not know the giver yet");
    store.admit(&new, &[GIVER], true).await.unwrap();
    assert_eq!(join().await, (6, 1));
}

fn keyed(number: usize) -> Keyed {
    let key = chassis::keys::sha256(&[&number.to_be_bytes()]);
    let (by, issued_at) = (KeyedBy::Request, UnixMillis(1_800_000_000_000));
    Keyed { by, key, fingerprint: FINGERPRINT, issued_at }
}

/// A store whose epoch 1 begins after number 5.
async fn blessed_store(servers: &TestServers) -> (Store, Blessed) {
    let store = Store::new(servers.redis().await, &"EVT001".parse().unwrap());
    let blessed = Blessed { run_id: store.run_id().await.unwrap(), epoch: 1 };
    let leading = Leading { blessed: blessed.clone(), fence: 10 };
    let live = Bits::zeroed(0, 1);
    store.bless(&leading, (5, 1_000_000), Phase::Line, &live, &[GIVER]).await.unwrap();
    (store, blessed)
}

#[tokio::test]
async fn repeats_take_no_number_and_those_beside_them_get_theirs_in_order() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let (store, blessed) = blessed_store(&servers).await;
    let join = async |asks: &[Option<Keyed>]| {
        let given = store.join(&blessed, asks, GIVING).await.unwrap();
        let kept: Vec<_> = given.kept.iter().map(|kept| kept.map(|kept| kept.number)).collect();
        (given.after, given.count, kept)
    };
    assert_eq!(join(&[Some(keyed(1)), None, Some(keyed(2))]).await, (5, 3, vec![None, None]));
    let mixed = [None, Some(keyed(2)), Some(keyed(3)), Some(keyed(1)), Some(keyed(3)), None];
    assert_eq!(join(&mixed).await, (8, 3, vec![Some(8), None, Some(6), Some(10)]));
    assert_eq!(join(&[Some(keyed(3))]).await, (11, 0, vec![Some(10)]));
    assert_eq!(join(&[None]).await, (11, 1, vec![]));
    let issued_at = UnixMillis(1_800_000_000_000);
    let (epoch, number, phase) = (1, 10, Phase::Line);
    let kept = Kept { epoch, number, phase, issued_at, fingerprint: FINGERPRINT };
    let key = keyed(3);
    let recalled = store.recall(&blessed, &key, GIVER).await.unwrap();
    assert_eq!(recalled, Recalled::Kept(kept));
    let stranger = store.recall(&blessed, &key, GIVER + 1).await.unwrap();
    assert_eq!(stranger, Recalled::NotYet, "the leader does not know this instance");
    let unknown = store.recall(&blessed, &keyed(4), GIVER).await.unwrap();
    assert_eq!(unknown, Recalled::Nothing);
}

#[tokio::test]
async fn data_older_than_what_a_giver_gave_is_blessed_for_nobody_any_more() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let (store, blessed) = blessed_store(&servers).await;
    let gave = |least| Giving { least, ..GIVING };
    assert_eq!(store.join(&blessed, &[None], gave(5)).await.unwrap().after, 5);
    assert_eq!(store.join(&blessed, &[None], gave(6)).await.unwrap().after, 6);
    let older = store.join(&blessed, &[None], gave(8)).await;
    assert!(matches!(older, Err(Fault::Unblessed)), "{older:?}");
    // Numbers that it does not know are not given again to those who know of none.
    let again = store.join(&blessed, &[None], gave(0)).await;
    assert!(matches!(again, Err(Fault::Unblessed)), "{again:?}");
}

#[tokio::test]
async fn a_person_has_one_number_beside_requests_until_the_place_is_forgotten() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let (store, blessed) = blessed_store(&servers).await;
    let person = |number: usize, fingerprint| {
        Some(Keyed { by: KeyedBy::Person, fingerprint, ..keyed(number) })
    };
    let join = async |asks: &[Option<Keyed>]| {
        let given = store.join(&blessed, asks, GIVING).await.unwrap();
        let kept = given.kept.iter().map(|kept| kept.map(|kept| (kept.number, kept.fingerprint)));
        (given.count, kept.collect::<Vec<_>>())
    };
    let mixed = [person(1, [0; 32]), Some(keyed(1)), person(1, [3; 32]), None, person(2, [4; 32])];
    let first = Some((6, [0; 32]));
    assert_eq!(join(&mixed).await, (4, vec![None, None, first, None]));
    let again = [person(2, [0; 32]), person(1, [5; 32]), Some(keyed(1))];
    let second = Some((9, [4; 32]));
    assert_eq!(join(&again).await, (0, vec![second, first, Some((7, FINGERPRINT))]));
    let one = person(1, [0; 32]).unwrap();
    let recalled = store.recall(&blessed, &one, GIVER).await.unwrap();
    assert!(matches!(recalled, Recalled::Kept(Kept { number: 6, .. })));
    store.forget(&blessed, &one, 9).await.unwrap();
    assert_eq!(join(&[Some(one)]).await.0, 0, "that is another number");
    store.forget(&blessed, &one, 6).await.unwrap();
    assert_eq!(store.recall(&blessed, &one, GIVER).await.unwrap(), Recalled::Nothing);
    assert_eq!(join(&[Some(one)]).await, (1, vec![None]));
    assert_eq!(join(&[person(2, [0; 32])]).await, (0, vec![second]), "the other one is as before");
}

#[tokio::test]
async fn a_persons_place_is_remembered_from_the_last_time_that_somebody_asks_for_it() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let (store, blessed) = blessed_store(&servers).await;
    let (person, owner) = (Keyed { by: KeyedBy::Person, ..keyed(1) }, keyed(2).key);
    let redis = servers.redis().await;
    let lives = async |name: &str| {
        let left: i64 = redis.query(redis::cmd("PTTL").arg(name)).await.unwrap();
        u64::try_from(left).unwrap()
    };
    let (joined, bound) = (store.person_name(&person.key), store.person_name(&keyed(3).key));
    let leading = Leading { blessed: blessed.clone(), fence: 10 };
    let week = TOKEN_AGE_MAX.0;
    for (phase, least, most) in [
        (Phase::Line, week - 60_000, week),
        // Its token is good until a draw that may be months away.
        (Phase::Gather, 52 * week, 60 * week),
        (Phase::Line, week - 60_000, week),
    ] {
        let shift = Shift { phase: Some(phase), ..Shift::default() };
        store.shift(&leading, &shift).await.unwrap();
        store.join(&blessed, &[Some(person)], GIVING).await.unwrap();
        store.bind(&blessed, &keyed(3).key, &owner).await.unwrap();
        for name in [&joined, &bound] {
            let left = lives(name).await;
            assert!((least..=most).contains(&left), "{phase:?} {name}: {left}");
        }
    }
}

#[tokio::test]
async fn a_claimed_place_is_not_left_by_whoever_has_not_heard_of_the_claim() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let (store, blessed) = blessed_store(&servers).await;
    assert!(store.claim(&blessed, 4).await.unwrap());
    assert_eq!(store.leave(&blessed, 4, None).await.unwrap(), Leave::Claimed);
    assert_eq!(store.leave(&blessed, 3, None).await.unwrap(), Leave::Left);
    assert!(!store.claim(&blessed, 3).await.unwrap());
}

#[tokio::test]
async fn keys_of_two_generations_are_remembered_and_a_third_forgets_the_first() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let (store, blessed) = blessed_store(&servers).await;
    let join = async |asks: &[Option<Keyed>]| {
        store.join(&blessed, asks, GIVING).await.unwrap().kept.iter().flatten().count()
    };
    let of = |numbers: [usize; 2]| numbers.map(|number| Some(keyed(number)));
    let last = 2 * JOIN_KEYS_GENERATION - 1;
    let all: Vec<_> = (0..last).map(|number| Some(keyed(number))).collect();
    for asks in all.chunks(JOIN_BATCH_MAX) {
        assert_eq!(join(asks).await, 0);
    }
    assert_eq!(join(&of([0, last - 1])).await, 2, "two generations are there");
    assert_eq!(join(&of([last, 1])).await, 1, "and with this key the second is full");
    assert_eq!(join(&of([0, JOIN_KEYS_GENERATION - 1])).await, 0, "the first made room");
    let names = |number: usize| store.request_names(&keyed(number).key);
    let beside = (2..JOIN_KEYS_GENERATION).find(|&number| names(number) == names(0)).unwrap();
    assert_eq!(join(&[Some(keyed(beside))]).await, 0, "nor is that there which was beside one");
    assert_eq!(join(&of([JOIN_KEYS_GENERATION, last])).await, 2, "the second is there");
    assert_eq!(join(&of([0, JOIN_KEYS_GENERATION - 1])).await, 2, "so is the third");
    let redis = servers.redis().await;
    let size: usize = redis.query(&redis::cmd("DBSIZE")).await.unwrap();
    assert!(size < 2 * usize::from(JOIN_KEYS_BUCKETS) + 10, "{size} keys");
    for name in names(last) {
        let mut encoding = redis::cmd("OBJECT");
        let encoding: String = redis.query(encoding.arg("ENCODING").arg(&name)).await.unwrap();
        assert_eq!(encoding, "listpack", "{name}");
    }
}

#[tokio::test]
async fn who_came_back_and_asks_no_more_is_gone_from_the_late_lane() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let (store, blessed) = blessed_store(&servers).await;
    let leading = Leading { blessed: blessed.clone(), fence: 10 };
    let lane = async |generation: u64| {
        let generations = (generation, generation - 1);
        let most = LookMost { late: 2, late_looked: 2, ..MOST };
        let look = store.look(&leading, (0, 1), generations, most).await.unwrap();
        (look.late, look.late_gone)
    };
    let came_at = |ms: u64| UnixMillis(1_800_000_000_000 + ms);
    assert_eq!(lane(1).await, (vec![], vec![]));
    store.come_back(&blessed, &[3], came_at(0)).await.unwrap();
    store.come_back(&blessed, &[2, 4], came_at(1)).await.unwrap();
    assert_eq!(lane(1).await, (vec![3, 2], vec![]), "the first two");
    assert_eq!(lane(2).await, (vec![3, 2], vec![]), "for a generation more");
    store.come_back(&blessed, &[2], came_at(9)).await.unwrap();
    assert_eq!(lane(3).await, (vec![2], vec![3]));
    store.late_over(&leading, &[3]).await.unwrap();
    assert_eq!(lane(3).await, (vec![2], vec![4]), "each since it came first");
    // Who is dropped comes back by asking, behind all others.
    store.come_back(&blessed, &[3], came_at(20)).await.unwrap();
    store.late_over(&leading, &[4]).await.unwrap();
    assert_eq!(lane(3).await, (vec![2, 3], vec![]));
}

#[tokio::test]
async fn who_is_there_is_found_behind_many_silent_ones_in_the_late_lane() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let (store, blessed) = blessed_store(&servers).await;
    let leading = Leading { blessed: blessed.clone(), fence: 10 };
    let look = async |late_looked| {
        let most = LookMost { late: 2, late_looked, leaves: 1 };
        let look = store.look(&leading, (0, 1), (9, 8), most).await.unwrap();
        (look.late, look.late_gone.len())
    };
    store.come_back(&blessed, &[11, 12, 13, 14, 15], UnixMillis(1)).await.unwrap();
    assert_eq!(look(9).await, (vec![], 5), "of another leader's set");
    store.come_back(&blessed, &[21, 22, 23], UnixMillis(2)).await.unwrap();
    assert_eq!(look(9).await, (vec![21, 22], 5));
    assert_eq!(look(6).await, (vec![21], 5));
    assert_eq!(look(5).await, (vec![], 5));
}

#[tokio::test]
async fn an_overtaken_leader_deals_with_no_leave_and_takes_nobody_out_of_the_late_lane() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let (store, blessed) = blessed_store(&servers).await;
    let [old, new] = [10, 20].map(|fence| Leading { blessed: blessed.clone(), fence });
    assert_eq!(store.leave(&blessed, 4, None).await.unwrap(), Leave::Left);
    store.come_back(&blessed, &[3], UnixMillis(1_800_000_000_000)).await.unwrap();
    let look = async || store.look(&new, (0, 1), (1, 0), MOST).await.unwrap();
    let (first, rank) = look().await.leaves[0];
    assert_eq!(first, 4);
    assert!(matches!(store.void(&old, &[5]).await, Err(Fault::Unblessed)));
    assert!(matches!(store.heard(&old, rank).await, Err(Fault::Unblessed)));
    assert!(matches!(store.late_over(&old, &[3]).await, Err(Fault::Unblessed)));
    assert!(store.claim(&blessed, 5).await.unwrap(), "nobody made it void");
    let seen = look().await;
    assert_eq!((seen.leaves.len(), seen.late), (1, vec![3]));
    assert_eq!(store.void(&new, &[4, 5]).await.unwrap(), [4], "the other is claimed");
    store.heard(&new, rank).await.unwrap();
    store.late_over(&new, &[3]).await.unwrap();
    let seen = look().await;
    assert!(seen.leaves.is_empty() && seen.late.is_empty(), "{seen:?}");
}

#[tokio::test]
async fn a_key_outlives_the_change_of_generation_after_ten_minutes_and_not_the_next() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let (store, blessed) = blessed_store(&servers).await;
    let redis = servers.redis().await;
    let life = i64::try_from(JOIN_KEYS_AGE.as_millis()).unwrap();
    let a_generation_later = async || {
        let mut earlier = redis::cmd("HINCRBY");
        let _: i64 = redis.query(earlier.arg(&store.keys).arg("since").arg(-life)).await.unwrap();
    };
    let kept = async |number: usize| {
        let given = store.join(&blessed, &[Some(keyed(number))], GIVING).await.unwrap();
        given.kept[0].map(|kept| kept.number)
    };
    assert_eq!(kept(1).await, None);
    a_generation_later().await;
    assert_eq!(kept(2).await, None);
    assert_eq!(kept(1).await, Some(6));
    let key = keyed(1);
    store.forget(&blessed, &key, 7).await.unwrap();
    assert_eq!(kept(1).await, Some(6), "that is another number");
    a_generation_later().await;
    assert_eq!(kept(2).await, Some(7));
    assert_eq!(store.recall(&blessed, &key, GIVER).await.unwrap(), Recalled::Nothing);
    store.forget(&blessed, &keyed(2), 7).await.unwrap();
    assert_eq!(store.recall(&blessed, &keyed(2), GIVER).await.unwrap(), Recalled::Nothing);
    // What nobody asks for any more ends by itself.
    assert_eq!(kept(3).await, None);
    let names = [1, 3].map(|number| store.request_names(&keyed(number).key)).concat();
    let mut there = 0;
    for name in names.iter().chain([&store.keys]) {
        let left: i64 = redis.query(redis::cmd("PTTL").arg(name)).await.unwrap();
        assert!(left == -2 || (0 < left && left <= 2 * life), "{name} lives {left} ms");
        there += usize::from(left != -2);
    }
    assert!(3 <= there, "only {there} of these are there");
    // A generation takes one life, and what came last to it is remembered for another.
    for name in &names {
        let left: i64 = redis.query(redis::cmd("PTTL").arg(name)).await.unwrap();
        assert!(left == -2 || 2 * life - 60_000 < left, "{name} lives {left} ms only");
    }
}

#[tokio::test]
async fn a_claim_that_comes_when_claims_are_counted_is_none_whoever_has_let_it_pass() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let (store, blessed) = blessed_store(&servers).await;
    let [leading, next] = [10, 20].map(|fence| Leading { blessed: blessed.clone(), fence });
    for number in 1..=9 {
        assert!(store.claim(&blessed, number).await.unwrap());
    }
    store.close_claims(&leading, &[(8, 11), (20, 20)]).await.unwrap();
    let claims = store.claims(&blessed, 0, 63).await.unwrap();
    assert_eq!(claims.iter(0, 63).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (number, is_claimed) in [(8, true), (10, false), (11, false), (12, true), (20, false)] {
        assert_eq!(store.claim(&blessed, number).await.unwrap(), is_claimed, "{number}");
        let marks = store.marks(&blessed, number).await.unwrap();
        assert_eq!(marks, Marks { claimed: is_claimed, left: false }, "{number}");
    }
    store.close_claims(&next, &[(30, 31)]).await.unwrap();
    let overtaken = store.close_claims(&leading, &[(40, 40)]).await;
    assert!(matches!(overtaken, Err(Fault::Unblessed)));
    assert!(store.claim(&blessed, 40).await.unwrap());
    // A new epoch has none of it.
    let blessed = Blessed { epoch: 2, ..blessed };
    let leading = Leading { blessed: blessed.clone(), fence: 20 };
    let live = Bits::zeroed(0, 1);
    store.bless(&leading, (50, 100), Phase::Line, &live, &[GIVER]).await.unwrap();
    assert!(store.claim(&blessed, 10).await.unwrap());
}

#[tokio::test]
async fn check_ins_go_to_the_set_that_the_leader_looks_at_whatever_who_writes_them_has_heard() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let (store, blessed) = blessed_store(&servers).await;
    let leading = Leading { blessed: blessed.clone(), fence: 10 };
    let seen = async |generation: u64| {
        let sets = (generation, generation - 1);
        let look = store.look(&leading, (0, 1), sets, MOST).await.unwrap();
        look.seen.iter(0, 63).collect::<Vec<_>>()
    };
    let check_in = async |number: u64| {
        let mut numbers = NumberSet::default();
        numbers.insert(number);
        store.check_in(&blessed, &numbers).await.unwrap();
    };
    assert!(seen(100).await.is_empty());
    check_in(7).await;
    assert_eq!(seen(100).await, [7]);
    // No word of the next sets has come to who writes.
    for generation in 101..104 {
        seen(generation).await;
        check_in(8).await;
    }
    assert_eq!(seen(103).await, [8], "who is silent is gone, who is not is there");
}

#[tokio::test]
async fn whoever_checks_in_is_live_though_the_join_that_said_so_is_lost() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let (store, blessed) = blessed_store(&servers).await;
    let leading = Leading { blessed: blessed.clone(), fence: 10 };
    let live = async || {
        let look = store.look(&leading, (0, 1), (1, 0), MOST).await.unwrap();
        (look.live.iter(0, 63).collect::<Vec<_>>(), look.live_total)
    };
    assert_eq!(live().await, (vec![], 0));
    let mut numbers = NumberSet::default();
    numbers.insert(3);
    numbers.insert(5);
    store.check_in(&blessed, &numbers).await.unwrap();
    assert_eq!(live().await, (vec![3, 5], 2));
}

/// Makes one Redis follow another one, and waits until it has its data; or follow nobody.
async fn follow(follower: &TestServers, leader: Option<&TestServers>) {
    let client = redis::Client::open(follower.url(Which::Redis)).unwrap();
    let mut direct = client.get_multiplexed_async_connection().await.unwrap();
    let address = leader.map(|leader| leader.url(Which::Redis).replace("redis://", ""));
    let address = address.as_deref().map(|address| address.trim_end_matches('/'));
    let (host, port) = address.map_or(("NO", "ONE"), |address| address.split_once(':').unwrap());
    if let Some(leader) = leader {
        let mut at_once = redis::cmd("CONFIG");
        at_once.arg("SET").arg("repl-diskless-sync-delay").arg(0);
        let () = leader.redis().await.query(&at_once).await.unwrap();
    }
    let mut follow = redis::cmd("REPLICAOF");
    follow.arg(host).arg(port).exec_async(&mut direct).await.unwrap();
    while leader.is_some() {
        let mut info = redis::cmd("INFO");
        let info: String = info.arg("replication").query_async(&mut direct).await.unwrap();
        if info.contains("master_link_status:up") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_server_that_was_a_replica_of_an_older_copy_is_none_that_was_blessed() {
    let servers = TestServers::with(&[Which::Redis]).await;
    let copy = TestServers::with(&[Which::Redis]).await;
    let server = servers.redis().await;
    // The first replica of a server gives it another history; then copies leave that as it is.
    follow(&copy, Some(&servers)).await;
    let (store, blessed) = blessed_store(&servers).await;
    follow(&copy, None).await;
    follow(&copy, Some(&servers)).await;
    follow(&copy, None).await;
    assert_eq!(store.join(&blessed, &[None], GIVING).await.unwrap().after, 5);
    follow(&servers, Some(&copy)).await;
    follow(&servers, None).await;
    let last: u64 = server.query(redis::cmd("HGET").arg(&store.room).arg("last")).await.unwrap();
    assert_eq!(last, 5, "it is older");
    assert_eq!(store.run_id().await.unwrap(), blessed.run_id, "and the same process");
    let again = store.join(&blessed, &[None], GIVING).await;
    assert!(matches!(again, Err(Fault::Unblessed)), "{again:?}");
}
